//! Writing one connection: the write is made, found to be made already, found to
//! be superseded, or accounted for as not made.
//!
//! Conditions decide races. A connection whose condition fails is read again,
//! compared again by the same rules, and written again if there is still
//! something to write.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;

use super::consumers::ConsumerLookups;
use super::write_outcome::{WriteOutcome, outcome_of_conflict};
use crate::aws::observer::interrupted;
use crate::aws::retry::{AttemptError, Attempts, FailedCall, Retries, RunPart};
use crate::aws::{CallError, CallErrorKind, Meter, RetryPolicy};
use crate::domain::diff::{Decision, DiffContext, Transition};
use crate::domain::listing::AccountListing;
use crate::domain::plan::{PreviousSnapshots, Touch};
use crate::domain::{Clock, Kind, Snapshot, plan};
use crate::table::{RecordResult, StaleObservation, StoredKind, Table, TableError, WriteResult};

/// Writes one run's plan.
#[derive(Debug)]
pub struct Writer<'a, K: Kind> {
    /// The table.
    pub table: &'a Table<K>,
    /// The rules of the comparison, for connections that are compared again.
    pub comparison: DiffContext<'a>,
    /// The state that the plan was made from.
    pub known: &'a PreviousSnapshots<K>,
    /// The listings that the plan was made from.
    pub account_listing: &'a AccountListing<K>,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// Which errors are retried, and when.
    pub retry_policy: RetryPolicy,
    /// The deadline for writing.
    pub until: Instant,
    /// The clock: a change that was observed too long ago is not sent.
    pub clock: Arc<dyn Clock>,
    /// The run's meter.
    pub meter: &'a Meter,
    /// The first error that every other write would meet too: it stops them.
    pub stopped: OnceLock<TableError>,
    /// The lookups of consumers.
    pub lookups: ConsumerLookups,
}

/// Comparisons of one connection, each after a conflict with another run, before
/// the next run has to write it.
const MAX_COMPARISONS: u32 = 20;

/// A decision that is to be carried out, and what is known of it so far.
pub(super) struct Undertaking<K: Kind> {
    pub(super) decision: Decision<K>,
    /// The snapshot of the comparison.
    pub(super) known: Option<Snapshot<K>>,
    /// It was sent, in vain, and may still be carried out.
    pub(super) is_indeterminate: bool,
    /// Its condition failed already.
    pub(super) has_conflict: bool,
}

impl<'a, K: StoredKind> Writer<'a, K> {
    /// Carries out `decision`. If another run has written the connection
    /// meanwhile, compares again and carries out the new decision.
    pub(super) async fn write_decision(
        &self,
        arn: &K::Id,
        known: Option<Snapshot<K>>,
        mut decision: Decision<K>,
    ) -> WriteOutcome<K> {
        self.name_consumers(&mut decision).await;
        let undertaking = Undertaking {
            decision,
            known,
            is_indeterminate: false,
            has_conflict: false,
        };
        self.undertake(arn, undertaking).await
    }

    /// Does the same for a decision that names its consumers.
    pub(super) async fn undertake(
        &self,
        arn: &K::Id,
        undertaking: Undertaking<K>,
    ) -> WriteOutcome<K> {
        let Undertaking {
            mut decision,
            mut known,
            mut is_indeterminate,
            mut has_conflict,
        } = undertaking;
        let mut attempts = self.retries().attempts();
        let mut comparisons = 0;
        loop {
            if !has_conflict && self.is_over() {
                let blocked_by = self.blocked_by(&attempts);
                return WriteOutcome::unwritten(decision, is_indeterminate, blocked_by);
            }
            let result = match std::mem::take(&mut has_conflict) {
                true => Ok(WriteResult::Conflict),
                false => self.carry_out(&decision, known.as_ref()).await,
            };
            let call_error = match result {
                Err(StaleObservation { was_sent }) => {
                    return self
                        .resolve_stale(arn, &decision, was_sent || is_indeterminate)
                        .await;
                }
                Ok(WriteResult::Written) => {
                    self.meter.count_written(1);
                    return match decision {
                        Decision::Change(transition) => WriteOutcome::Recorded(transition),
                        Decision::Touch { .. } | Decision::Nothing(_) => WriteOutcome::Touched,
                    };
                }
                Ok(WriteResult::Conflict) => {
                    comparisons += 1;
                    let fresh = match self.read_again(arn).await {
                        Ok(fresh) => fresh,
                        // The conflict may have been with this very write.
                        Err(WriteOutcome::Unwritten(call_error)) => {
                            return WriteOutcome::unwritten(decision, true, call_error);
                        }
                        Err(outcome) => return outcome,
                    };
                    if let Some(outcome) = outcome_of_conflict(arn, &decision, known, &fresh) {
                        return outcome;
                    }
                    match self
                        .was_recorded_before(arn, &decision, fresh.as_ref())
                        .await
                    {
                        Ok(false) => {}
                        Ok(true) => return WriteOutcome::recorded_before(decision, fresh),
                        Err(WriteOutcome::Unwritten(call_error)) => {
                            return WriteOutcome::unwritten(decision, true, call_error);
                        }
                        Err(outcome) => return outcome,
                    }
                    decision = self.decide(arn, fresh.as_ref());
                    if matches!(decision, Decision::Nothing(_)) {
                        return WriteOutcome::Superseded(fresh.map(Box::new));
                    }
                    if comparisons >= MAX_COMPARISONS {
                        return WriteOutcome::Unwritten(None);
                    }
                    self.name_consumers(&mut decision).await;
                    // A write that is still on its way meets the conflict too.
                    is_indeterminate = false;
                    known = fresh;
                    continue;
                }
                Ok(WriteResult::Failed(call_error)) => call_error,
            };
            is_indeterminate |= call_error.is_indeterminate;
            let error = FailedWrite {
                operation: "write",
                subject: arn.to_string(),
                call_error,
            };
            let Err(given_up) = attempts.wait_after(error).await else {
                continue;
            };
            let call_error = given_up.error.call_error;
            return self.outcome_of_failed(arn, decision, is_indeterminate, call_error);
        }
    }

    /// Returns what becomes of a decision whose write failed for good.
    pub(super) fn outcome_of_failed(
        &self,
        arn: &K::Id,
        decision: Decision<K>,
        is_indeterminate: bool,
        call_error: CallError,
    ) -> WriteOutcome<K> {
        match self.outcome_of(arn, call_error.clone()) {
            WriteOutcome::Unwritten(call_error) => {
                WriteOutcome::unwritten(decision, is_indeterminate, call_error)
            }
            WriteOutcome::Problem(_) if is_indeterminate => {
                WriteOutcome::unwritten(decision, is_indeterminate, Some(call_error))
            }
            outcome => outcome,
        }
    }

    async fn name_consumers(&self, decision: &mut Decision<K>) {
        if let Decision::Change(transition) = decision {
            self.name_consumers_of(transition).await;
        }
    }

    pub(super) async fn name_consumers_of(&self, transition: &mut Transition<K>) {
        let lookups = &self.lookups;
        lookups
            .name_consumers(self.table, &self.comparison, self.until, transition)
            .await;
    }

    /// Resolves a change that is too old to be sent: it is not recorded, unless
    /// an earlier attempt recorded it and the answer was lost.
    pub(super) async fn resolve_stale(
        &self,
        arn: &K::Id,
        decision: &Decision<K>,
        was_sent: bool,
    ) -> WriteOutcome<K> {
        let Decision::Change(transition) = decision else {
            return WriteOutcome::Stale;
        };
        if !was_sent {
            return WriteOutcome::Stale;
        }
        let fresh = match self.read_again(arn).await {
            Ok(fresh) => fresh,
            Err(WriteOutcome::Unwritten(call_error)) => {
                return WriteOutcome::Indeterminate(transition.clone(), call_error);
            }
            Err(outcome) => return outcome,
        };
        if let Some(fresh) = &fresh
            && fresh.digest == transition.snapshot.digest
        {
            return WriteOutcome::Recorded(transition.clone());
        }
        match self
            .was_recorded_before(arn, decision, fresh.as_ref())
            .await
        {
            Ok(true) => WriteOutcome::RecordedBefore(transition.clone(), fresh.map(Box::new)),
            Ok(false) | Err(_) => WriteOutcome::Indeterminate(transition.clone(), None),
        }
    }

    /// Returns true if the change was recorded although its answer was lost, and
    /// another run's change followed on it.
    async fn was_recorded_before(
        &self,
        arn: &K::Id,
        decision: &Decision<K>,
        fresh: Option<&Snapshot<K>>,
    ) -> Result<bool, WriteOutcome<K>> {
        let Decision::Change(transition) = decision else {
            return Ok(false);
        };
        if fresh.is_none_or(|fresh| fresh.version <= transition.change.version) {
            return Ok(false);
        }
        let (account, version) = (self.comparison.account, transition.change.version);
        let change = self
            .read(arn, || self.table.read_change(account, arn, version))
            .await?;
        Ok(change.is_some_and(|change| change.digest() == transition.snapshot.digest))
    }

    async fn carry_out(
        &self,
        decision: &Decision<K>,
        known: Option<&Snapshot<K>>,
    ) -> Result<WriteResult, StaleObservation> {
        Ok(match (decision, known) {
            (Decision::Change(transition), known) => {
                self.send_changes(&[(known, transition)]).await?.into()
            }
            (Decision::Touch { window, listed_in }, Some(snapshot)) => {
                let touch = [Touch {
                    snapshot,
                    window: *window,
                    listed_in: listed_in.clone(),
                }];
                let mut results = self.send_touches(&touch).await.into_iter();
                let result = results.next();
                result.unwrap_or_else(|| WriteResult::Failed(timed_out()))
            }
            (Decision::Touch { .. } | Decision::Nothing(_), _) => WriteResult::Written,
        })
    }

    /// Sends changes in one transaction.
    pub(super) async fn send_changes(
        &self,
        changes: &[(Option<&Snapshot<K>>, &Transition<K>)],
    ) -> Result<RecordResult, StaleObservation> {
        let account = self.comparison.account;
        let write = self.table.record(account, changes, &self.clock);
        let result = self.retries().bounded(write).await;
        result.unwrap_or_else(|| Ok(RecordResult::Failed(timed_out())))
    }

    /// Sends touches in one request, with one result for each.
    pub(super) async fn send_touches(&self, touches: &[Touch<'_, K>]) -> Vec<WriteResult> {
        let write = self.table.touch(self.comparison.account, touches);
        let results = self.retries().bounded(write).await;
        results.unwrap_or_else(|| vec![WriteResult::Failed(timed_out()); touches.len()])
    }

    pub(super) fn retries(&self) -> Retries<'a> {
        Retries {
            policy: self.retry_policy,
            until: self.until,
            part: RunPart::Writing,
            meter: self.meter,
        }
    }

    /// Returns what becomes of a write that failed for good. An error that every
    /// other write would meet too stops them all.
    pub(super) fn outcome_of(&self, arn: &K::Id, call_error: CallError) -> WriteOutcome<K> {
        match call_error.kind {
            CallErrorKind::Denied
            | CallErrorKind::NoCredentials
            | CallErrorKind::NotFound
            | CallErrorKind::Disk => {
                self.stopped
                    .get_or_init(|| TableError::call("write", self.table.name(), call_error));
                WriteOutcome::Unwritten(None)
            }
            CallErrorKind::Refused => WriteOutcome::Problem(format!("write {arn}: {call_error}")),
            CallErrorKind::Throttled
            | CallErrorKind::Service
            | CallErrorKind::TimedOut
            | CallErrorKind::Unreachable
            | CallErrorKind::Foreign => WriteOutcome::Unwritten(Some(call_error)),
        }
    }

    /// Returns true if nothing more is to be sent.
    pub(super) fn is_over(&self) -> bool {
        self.stopped.get().is_some() || self.retries().is_over()
    }

    /// Returns why a write is not made any more: the error of its last attempt,
    /// or that the run ends early.
    pub(super) fn blocked_by(&self, attempts: &Attempts<'_, FailedWrite>) -> Option<CallError> {
        let last = attempts.last_error().map(|last| last.call_error.clone());
        last.or_else(|| self.meter.writing_is_interrupted().then(interrupted))
    }

    pub(super) fn decide(&self, arn: &K::Id, known: Option<&Snapshot<K>>) -> Decision<K> {
        plan::decide(
            &self.comparison,
            self.known,
            self.account_listing,
            arn,
            known,
        )
    }

    /// Reads the snapshot of a connection again.
    ///
    /// # Errors
    /// The outcome of its write, if the snapshot can't be read.
    pub(super) async fn read_again(
        &self,
        arn: &K::Id,
    ) -> Result<Option<Snapshot<K>>, WriteOutcome<K>> {
        let account = self.comparison.account;
        self.read(arn, || self.table.read_snapshot(account, arn))
            .await
    }

    async fn read<T, F>(&self, arn: &K::Id, read: impl Fn() -> F) -> Result<T, WriteOutcome<K>>
    where
        F: Future<Output = Result<T, TableError>>,
    {
        let timed_out = || TableError::call("read", arn, timed_out());
        let read = self.retries().retry(read, timed_out).await;
        read.map_err(|given_up| match given_up.error {
            TableError::Call { call_error, .. } => self.outcome_of(arn, call_error),
            corrupt @ TableError::CorruptItem(_) => WriteOutcome::Problem(corrupt.to_string()),
        })
    }
}

/// A write that failed.
#[derive(Debug)]
pub(super) struct FailedWrite {
    /// `write` or `touch`.
    pub(super) operation: &'static str,
    /// The connection, or how many of them.
    pub(super) subject: String,
    /// Why it failed.
    pub(super) call_error: CallError,
}

impl AttemptError for FailedWrite {
    fn failed_call(&self) -> Option<FailedCall<'_>> {
        Some(FailedCall {
            operation: self.operation,
            subject: &self.subject,
            call_error: &self.call_error,
        })
    }
}

fn timed_out() -> CallError {
    CallError::new(
        CallErrorKind::TimedOut,
        "TimedOut",
        "no answer before the time for writing was over",
    )
}
