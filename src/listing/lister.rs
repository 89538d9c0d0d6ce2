//! Pages through one region's connections, to the last token or to a reason
//! why not.
//!
//! The loop is our own because the SDK's paginator stops *silently* when a
//! token repeats, which would read as a complete listing.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;

use super::source::{ConnectionSource, Entry, Page, PageQuery, Target};
use crate::aws::observer::{Retry, interrupted};
use crate::aws::{CallError, CallErrorKind, Deadline, Meter, RetryPolicy};
use crate::domain::ids::ParseError;
use crate::domain::listing::AccountListing;
use crate::domain::{
    AccountId, Attributes, Clock, ConnectionArn, Filter, Listing, ListingEnd, Region, RunId,
};

/// Where a listing is given up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Pages of one region. The quota is 250 connections an account and can
    /// be raised; this stops a source that never ends, not a large account.
    pub pages: u32,
    /// Connections that all regions of an account list, one that two regions
    /// list counted twice: what fits the memory. More would end the process,
    /// which then could not say why.
    pub connections: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages: 10_000,
            connections: 1_000_000,
        }
    }
}

impl Limits {
    /// The limits of a function that has so much memory, as `cargo bench --bench
    /// limits` measures it, with a fifth to spare: 9 MiB at rest, and 2,268
    /// bytes for each of 10,000 connections that are recorded for the first time.
    /// Unchanged ones take less.
    pub fn within(megabytes: u64) -> Self {
        /// What the function needs before it has listed anything, in MB.
        const AT_REST: u64 = 24;
        /// Bytes for a connection in a run that records each for the first
        /// time.
        const EACH: u64 = 2560;
        Self {
            connections: (megabytes.saturating_sub(AT_REST) << 20) / EACH,
            ..Self::default()
        }
    }
}

/// Lists an account's connections.
#[derive(Debug)]
pub struct Lister<'a, S, C> {
    /// For which run, as its log lines and the sessions of assumed roles say.
    pub run_id: &'a RunId,
    /// Where from.
    pub source: &'a S,
    /// What time it is.
    pub clock: &'a C,
    /// How long faults are waited out.
    pub retry_policy: RetryPolicy,
    /// Where it ends.
    pub limits: Limits,
    /// What counts.
    pub meter: &'a Meter,
}

impl<S: ConnectionSource, C: Clock> Lister<'_, S, C> {
    /// Lists all `regions` of an account at the same time. A region that
    /// fails is part of the result.
    pub async fn list(
        &self,
        account: &AccountId,
        regions: &[Region],
        filter: &Filter,
        deadline: Deadline,
    ) -> AccountListing {
        let run_id = self.run_id;
        let listings = join_all(regions.iter().map(|region| {
            let target = Target {
                run_id,
                account,
                region,
            };
            self.list_region(target, filter, deadline)
        }));
        AccountListing::new(filter.clone(), listings.await)
    }

    async fn list_region(
        &self,
        target: Target<'_>,
        filter: &Filter,
        deadline: Deadline,
    ) -> Listing {
        let began_at = self.clock.now();
        let mut so_far = SoFar::default();
        let call_error = self
            .page_through(target, filter, deadline, &mut so_far)
            .await;
        let problem = call_error.err().or(so_far.problem);
        Listing {
            region: target.region.clone(),
            began_at,
            // A clock that was set back meanwhile must not make an end that
            // is before the beginning.
            ended_at: self.clock.now().max(began_at),
            pages: so_far.pages,
            connections: so_far.connections,
            end: match problem {
                None => ListingEnd::Complete,
                Some(Problem { code, reason }) => ListingEnd::Incomplete {
                    code: code.into(),
                    reason: reason.into(),
                },
            },
        }
    }

    async fn page_through(
        &self,
        target: Target<'_>,
        filter: &Filter,
        deadline: Deadline,
        so_far: &mut SoFar,
    ) -> Result<(), Problem> {
        let mut tokens = HashSet::new();
        let mut token: Option<String> = None;
        loop {
            let number = so_far.pages + 1;
            if number > self.limits.pages {
                return Err(Problem::new(
                    "PageLimit",
                    format!("still another page after {} pages", self.limits.pages),
                ));
            }
            let query = PageQuery {
                filter,
                token: token.as_deref(),
            };
            let page = self
                .page(target, &query, number, deadline)
                .await
                .map_err(|call_error| Problem::of_call(&call_error, number, filter))?;
            self.meter.count_page(page.entries.len());
            if self.meter.progress().listed > self.limits.connections {
                return Err(Problem::new(
                    "ConnectionLimit",
                    format!(
                        "page {number}: more than {} connections, which is what the memory \
                         is for",
                        self.limits.connections
                    ),
                ));
            }
            let next = page.next_token.clone();
            so_far.add(page);
            // An empty token can't be sent: it means the same as none.
            let Some(next) = next.filter(|token| !token.is_empty()) else {
                return Ok(());
            };
            if !tokens.insert(next.clone()) {
                return Err(Problem::new(
                    "TokenRepeated",
                    format!("page {number} gave a token that an earlier page gave already"),
                ));
            }
            token = Some(next);
        }
    }

    /// One page, passing faults waited out. The SDK's own few tries are too
    /// few for a listing of many pages: with 4 of 10 calls throttled, most
    /// such listings would end in the middle.
    async fn page(
        &self,
        target: Target<'_>,
        query: &PageQuery<'_>,
        number: u32,
        deadline: Deadline,
    ) -> Result<Page, CallError> {
        let mut failed = 0;
        let mut last = None;
        loop {
            let call = self.source.page(target, query, self.meter);
            let answer = tokio::select! {
                biased;
                () = self.meter.interrupted() => return Err(interrupted()),
                answer = tokio::time::timeout_at(deadline.listing, call) => answer,
            };
            let call_error = match answer {
                Ok(Ok(page)) => return Ok(page),
                Ok(Err(call_error)) => call_error,
                // What went wrong before says more than that time is over.
                Err(_) => return Err(last.unwrap_or_else(too_late)),
            };
            failed += 1;
            let Some(wait) = self
                .retry_policy
                .wait(&call_error, failed, deadline.listing)
            else {
                return Err(call_error.after(failed));
            };
            tracing::debug!(
                run_id = %self.run_id,
                account = %target.account,
                region = %target.region,
                error.code = %call_error.code,
                failed,
                wait_ms = wait.as_millis(),
                "listing page will be asked for again"
            );
            let subject = format!("{} page {number}", target.region);
            let retry = Retry {
                operation: "ListConnections",
                subject: &subject,
                call_error: &call_error,
                failed,
                wait,
                until: deadline.listing,
            };
            if !self.meter.wait_for(retry).await {
                return Err(interrupted());
            }
            last = Some(call_error.after(failed));
        }
    }
}

/// Bytes of an attribute that can be recorded: four times the longest value
/// of the service's model. A change holds what was before and what is after,
/// and has to fit an item; a status is part of an index's key, which has an
/// end too.
const LONGEST: usize = 1024;

/// An attribute that is longer than can be recorded, and how long it is.
fn too_long(attributes: &Attributes) -> Option<(&'static str, usize)> {
    let Attributes {
        connection_name,
        connection_status,
        host_arn,
        owner_account_id,
        provider_endpoint,
        provider_type,
        // LimitedClient by themselves.
        unknown_members: _,
    } = attributes;
    let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
    let status = connection_status.as_ref();
    let provider = provider_type.as_ref();
    [
        ("ConnectionName", length(connection_name)),
        ("ConnectionStatus", status.map_or(0, |s| s.as_str().len())),
        ("HostArn", length(host_arn)),
        ("OwnerAccountId", length(owner_account_id)),
        ("ProviderEndpoint", length(provider_endpoint)),
        ("ProviderType", provider.map_or(0, |p| p.as_str().len())),
    ]
    .into_iter()
    .find(|(_, bytes)| *bytes > LONGEST)
}

fn too_late() -> CallError {
    let problem = "no answer before the time for listing was over";
    CallError::new(CallErrorKind::TimedOut, "TimedOut", problem)
}

/// What a listing has gathered.
#[derive(Default)]
struct SoFar {
    pages: u32,
    connections: HashMap<ConnectionArn, Attributes>,
    /// The first entry that can't be read. The rest is still worth having.
    problem: Option<Problem>,
}

impl SoFar {
    fn add(&mut self, page: Page) {
        self.pages += 1;
        for (i, Entry { arn, attributes }) in page.entries.into_iter().enumerate() {
            match readable(arn.as_deref(), &attributes) {
                Ok(arn) => {
                    // The same ARN again on a later page is the newer answer.
                    self.connections.insert(arn, attributes);
                }
                // One of many is enough to tell, and what is told takes time
                // to put together.
                Err(_) if self.problem.is_some() => {}
                Err(unreadable) => {
                    let place = format!("entry {} of page {}", i + 1, self.pages);
                    self.problem = Some(unreadable.told_of(&place));
                }
            }
        }
    }
}

/// An entry that can't be recorded.
enum Unreadable {
    NoArn,
    Arn(ParseError),
    ResponseTooLarge(ConnectionArn, &'static str, usize),
}

/// The ARN of an entry that can be recorded.
fn readable(arn: Option<&str>, attributes: &Attributes) -> Result<ConnectionArn, Unreadable> {
    let arn = arn.ok_or(Unreadable::NoArn)?;
    let arn: ConnectionArn = arn.parse().map_err(Unreadable::Arn)?;
    match too_long(attributes) {
        None => Ok(arn),
        Some((field, bytes)) => Err(Unreadable::ResponseTooLarge(arn, field, bytes)),
    }
}

impl Unreadable {
    fn told_of(self, place: &str) -> Problem {
        match self {
            Self::NoArn => Problem::new("EntryWithoutArn", format!("{place} has no ARN")),
            Self::Arn(malformed) => Problem::new("UnreadableArn", format!("{place}: {malformed}")),
            Self::ResponseTooLarge(arn, field, bytes) => Problem::new(
                "AttributeTooLong",
                format!(
                    "{place} ({arn}): {field} has {bytes} bytes; at most {LONGEST} can be recorded"
                ),
            ),
        }
    }
}

/// Why a listing is not complete.
struct Problem {
    code: String,
    reason: String,
}

impl Problem {
    fn new(code: &str, reason: String) -> Self {
        Self {
            code: code.to_owned(),
            reason,
        }
    }

    fn of_call(call_error: &CallError, page: u32, filter: &Filter) -> Self {
        let mut reason = format!("page {page}: {call_error}");
        match (call_error.kind, &filter.host_arn) {
            (CallErrorKind::NotFound, Some(host)) => {
                reason = format!("HostArnFilter names no host here: {host} ({call_error})");
            }
            (CallErrorKind::Denied, _) if &*call_error.code == "UnrecognizedClientException" => {
                reason.push_str(" (is the region enabled for this account?)");
            }
            _ => {}
        }
        Self::new(&call_error.code, reason)
    }
}
