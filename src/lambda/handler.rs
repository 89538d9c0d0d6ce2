//! The handler: one event in, one response out. The function, the command line
//! and the tests share it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use lambda_runtime::Diagnostic;
use serde_json::Value;

use super::event::{HOST_ARN_FILTER, InvalidEvent, PROVIDER_TYPE_FILTER, Request};
use super::kind::HandledKind;
use super::logging::RUN_END;
use super::response::Response;
use super::sqs_batch::{Batch, MessageId};
use crate::aws::{Deadline, Meter};
use crate::domain::{
    AccountId, Clock, Connection, Dependency, Filter, Kind, Outcome, Region, RunId, Trigger,
};
use crate::inventory::summary::Summary;
use crate::inventory::{Inventory, RunSpec};
use crate::listing::{CodeConnections, Lists};

/// The accounts that are inventoried at the same time.
const MAX_CONCURRENT_ACCOUNTS: usize = 4;

/// Handles events.
#[derive(Debug)]
pub struct Handler<S, C, K: Kind = Connection> {
    /// Runs the inventories.
    pub inventory: Inventory<S, C, K>,
    /// The accounts that may be listed.
    pub accounts: AllowedAccounts,
    /// The regions that are listed unless an event names others.
    pub regions: Vec<Region>,
    /// Retired regions. Connections that only they list stay recorded as they
    /// were last seen, and runs are complete without them.
    pub retired_regions: Vec<Region>,
    /// The randomness that distinguishes two runs of the same millisecond.
    pub random: fn() -> u128,
}

/// The accounts that may be listed, and the accounts of an event that names
/// none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedAccounts {
    /// These, all of them, and no others.
    Listed(Vec<AccountId>),
    /// Any account that an event names: the sender has the list (a state
    /// machine that reads it from the organization). A role of that account is
    /// assumed, so no other account's connections can be taken for its own.
    Any {
        /// The function's own, if an event names none.
        own: AccountId,
    },
}

/// An event that was not handled: the function's error.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError<K: Kind = Connection> {
    /// The event can't be used. Nothing was written.
    #[error(transparent)]
    InvalidEvent(#[from] InvalidEvent),
    /// The function does not know which account it is in.
    #[error(
        "the function's own account is not known: {0:?} is not a function's ARN; set AWS_ACCOUNT_ID"
    )]
    UnknownAccount(String),
    /// An account is configured that the function has no credentials for.
    #[error(
        "ACCOUNTS names {account}, but this function is in {own} and has no role to assume \
         there; set MEMBER_ROLE_NAME"
    )]
    NoRoleFor {
        /// The account that is configured.
        account: AccountId,
        /// The function's own.
        own: String,
    },
    /// One or more runs ended FAILED. They recorded what they could; running
    /// again is right.
    #[error("{}", failures(.0))]
    RunFailed(Response<K>),
}

impl<K: Kind> HandlerError<K> {
    /// Returns a stable word that an alarm can match.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::InvalidEvent(_) => "InvalidEvent",
            Self::UnknownAccount(_) => "UnknownAccount",
            Self::NoRoleFor { .. } => "NoRoleFor",
            Self::RunFailed(_) => "RunFailed",
        }
    }
}

fn failures<K: Kind>(answer: &Response<K>) -> String {
    let failed = answer.runs().iter().filter(|run| has_failed(run));
    let lines: Vec<String> = failed
        .map(|run| {
            format!(
                "run {} of account {} FAILED: {}",
                run.run_id,
                run.account,
                run.reason()
            )
        })
        .collect();
    lines.join("; ")
}

impl<K: Kind> From<HandlerError<K>> for Diagnostic {
    fn from(error: HandlerError<K>) -> Self {
        Self {
            error_type: error.error_type().to_owned(),
            error_message: error.to_string(),
        }
    }
}

impl<C: Clock + Clone + 'static> Handler<CodeConnections, C> {
    /// Returns the handler of dependencies with the same source, table, accounts,
    /// regions, clock and options.
    pub fn of_dependencies(&self) -> Handler<&CodeConnections, C, Dependency> {
        let connections = &self.inventory;
        Handler {
            inventory: Inventory {
                source: &connections.source,
                table: connections.table.of_kind(),
                clock: connections.clock.clone(),
                options: connections.options,
            },
            accounts: self.accounts.clone(),
            regions: self.regions.clone(),
            retired_regions: self.retired_regions.clone(),
            random: self.random,
        }
    }

    /// Makes a run of an account's dependencies within `remaining`, without an event.
    pub async fn run_of_dependencies(
        &self,
        account: AccountId,
        accept_deletions: bool,
        remaining: Duration,
        meter: Arc<Meter>,
    ) -> Summary<Dependency> {
        let request = Request {
            accept_deletions,
            ..Request::of(Trigger::Request)
        };
        let deadline = Deadline::after(remaining);
        let handler = self.of_dependencies();
        handler.run(&request, account, deadline, meter).await
    }
}

impl<S: Lists<K>, C: Clock + Clone + 'static, K: HandledKind> Handler<S, C, K> {
    /// Handles one event within `remaining`.
    ///
    /// # Errors
    /// [`HandlerError`] if the event can't be used, or a run FAILED.
    pub async fn handle(
        &self,
        event: &Value,
        remaining: Duration,
    ) -> Result<Response<K>, HandlerError<K>> {
        self.handle_metered(event, remaining, Arc::default()).await
    }

    /// Handles one event and counts with `meter`, which shows its progress.
    ///
    /// # Errors
    /// As [`Self::handle`].
    pub async fn handle_metered(
        &self,
        event: &Value,
        remaining: Duration,
        meter: Arc<Meter>,
    ) -> Result<Response<K>, HandlerError<K>> {
        let deadline = Deadline::after(remaining);
        if let Some(batch) = Batch::from_event(event)? {
            return Ok(self.handle_batch(batch, deadline).await);
        }
        let request = Request::from_event(event)?;
        let accounts = self.accounts_of(&request)?;
        let several = accounts.len() > 1;
        let mut runs: Vec<Summary<K>> = stream::iter(accounts)
            .map(|account| {
                let meter = if several {
                    Arc::default()
                } else {
                    Arc::clone(&meter)
                };
                self.run(&request, account, deadline, meter)
            })
            .buffered(MAX_CONCURRENT_ACCOUNTS)
            .collect()
            .await;
        let answer = match runs.pop() {
            Some(only) if runs.is_empty() => Response::One(Box::new(only)),
            last => {
                runs.extend(last);
                Response::Several { runs }
            }
        };
        if answer.runs().iter().any(has_failed) {
            return Err(HandlerError::RunFailed(answer));
        }
        Ok(answer)
    }

    /// Makes one run for each account of a batch. Messages that can't be used,
    /// or whose run FAILED, are reported as failed: they stay in the queue.
    async fn handle_batch(&self, batch: Batch, deadline: Deadline) -> Response<K> {
        let mut failures = Vec::new();
        let mut refuse = |id: MessageId, error: &InvalidEvent| {
            tracing::error!(
                message_id = id.id,
                error_type = "InvalidEvent",
                error = %error,
                "message refused"
            );
            failures.push(id);
        };
        for (id, error) in batch.refused {
            refuse(id, &error);
        }
        let mut to_run = Vec::new();
        for (request, ids) in batch.requests {
            match self.accounts_of(&request) {
                Ok(accounts) => {
                    to_run.extend(
                        accounts
                            .into_iter()
                            .map(|a| (a, request.clone(), ids.clone())),
                    );
                }
                Err(error) => ids.into_iter().for_each(|id| refuse(id, &error)),
            }
        }
        let ended: Vec<(Summary<K>, Vec<MessageId>)> = stream::iter(to_run)
            .map(|(account, request, ids)| async move {
                let summary = self.run(&request, account, deadline, Arc::default()).await;
                (summary, ids)
            })
            .buffered(MAX_CONCURRENT_ACCOUNTS)
            .collect()
            .await;
        let mut runs = Vec::with_capacity(ended.len());
        for (summary, ids) in ended {
            if has_failed(&summary) {
                failures.extend(ids);
            }
            runs.push(summary);
        }
        Response::Batch { failures, runs }
    }

    /// Returns the accounts of a request, whose filter is checked, too. An account
    /// that is not configured is refused: it would be listed with another account's
    /// credentials, and the record would be wrong.
    fn accounts_of(&self, request: &Request) -> Result<Vec<AccountId>, InvalidEvent> {
        refuse_filter::<K>(&request.filter)?;
        match (&self.accounts, &request.account) {
            (AllowedAccounts::Listed(all), None) => Ok(all.clone()),
            (AllowedAccounts::Any { own }, None) => Ok(vec![own.clone()]),
            (AllowedAccounts::Any { .. }, Some(account)) => Ok(vec![account.clone()]),
            (AllowedAccounts::Listed(all), Some(account)) if all.contains(account) => {
                Ok(vec![account.clone()])
            }
            (AllowedAccounts::Listed(all), Some(account)) => {
                let known: Vec<&str> = all.iter().map(AccountId::as_str).collect();
                Err(InvalidEvent {
                    field: "account".to_owned(),
                    problem: format!(
                        "{account} is not an account of this inventory; it has {}",
                        known.join(", ")
                    ),
                })
            }
        }
    }

    /// Makes the run that a request asks for, of one account.
    pub(super) async fn run(
        &self,
        request: &Request,
        account: AccountId,
        deadline: Deadline,
        meter: Arc<Meter>,
    ) -> Summary<K> {
        let run_id = RunId::new(self.inventory.clock.now(), (self.random)());
        let mut regions = request.regions.as_ref().unwrap_or(&self.regions).clone();
        if K::LISTS_REGIONS_OF_CALLS {
            regions.extend(request.extra_regions.iter().cloned());
        }
        regions.sort();
        regions.dedup();
        let spec = RunSpec {
            run_id,
            account,
            regions,
            filter: request.filter.clone(),
            accept_deletions: request.accept_deletions,
            trigger: request.trigger.clone(),
            retired_regions: self.retired_regions.clone(),
        };
        tracing::info!(
            run_id = %spec.run_id,
            account = %spec.account,
            regions = spec.regions.len(),
            event_id = spec.trigger.event_id(),
            calls = spec.trigger.calls().len(),
            "run began"
        );
        let summary = self.inventory.run(&spec, deadline, meter).await;
        log(&summary);
        summary
    }
}

/// Refuses a filter of what is listed without one.
fn refuse_filter<K: HandledKind>(filter: &Filter) -> Result<(), InvalidEvent> {
    if K::IS_FILTERED || filter.is_empty() {
        return Ok(());
    }
    let field = match filter.provider_type {
        Some(_) => PROVIDER_TYPE_FILTER,
        None => HOST_ARN_FILTER,
    };
    let (_, many) = K::NOUN;
    Err(InvalidEvent {
        field: field.to_owned(),
        problem: format!("can't be used here: {many} are listed without a filter"),
    })
}

pub(super) fn has_failed<K: Kind>(run: &Summary<K>) -> bool {
    run.outcome == Outcome::Failed
}

/// Logs how a run ended, at every level. The line has the head of the account's
/// chain: outside the table, it shows if the table was replaced or cut.
fn log<K: HandledKind>(summary: &Summary<K>) {
    let (requests, capacity) = (summary.requests, summary.capacity);
    let resources = K::resources(summary.connections.values().sum());
    macro_rules! line {
        ($level:ident, $text:literal) => {
            tracing::$level!(
                target: RUN_END,
                run_id = %summary.run_id,
                account = %summary.account,
                outcome = %summary.outcome,
                sequence = summary.sequence,
                digest = summary.digest.map(tracing::field::display),
                listings = summary.listings.len(),
                connections = resources.connections,
                dependencies = resources.dependencies,
                changes = summary.changes.values().sum::<u64>(),
                tombstones_held_back = summary.tombstones_held_back,
                unwritten = summary.unwritten,
                unconfirmed = summary.unconfirmed,
                already_recorded = summary.already_recorded,
                problems = summary.problems.join("; "),
                requests.listing = requests.listing,
                requests.read = requests.read,
                requests.write = requests.write,
                capacity.read_units = capacity.read_units,
                capacity.write_units = capacity.write_units,
                duration_ms = summary.duration_ms,
                $text
            )
        };
    }
    match summary.outcome {
        Outcome::Complete => line!(info, "run complete"),
        Outcome::Partial => line!(warn, "run partial"),
        Outcome::Failed => line!(error, "run failed"),
    }
}
