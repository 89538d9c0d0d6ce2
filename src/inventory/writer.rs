//! Applying a plan to the table: every planned write is made, found to be
//! made already, found to be overtaken, or accounted for as not made.
//!
//! Conditions decide races. What fails its condition is read again, compared
//! again by the same rules, and written again if there is still something to
//! write.

use std::sync::{Arc, OnceLock};

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::write_outcome::{WriteOutcome, WriteReport, outcome_of_conflict};
use crate::aws::observer::{Retry, interrupted};
use crate::aws::{CallError, CallErrorKind, Deadline, Meter, RetryPolicy};
use crate::domain::diff::{Decision, DiffContext, Transition};
use crate::domain::listing::AccountListing;
use crate::domain::plan::{Plan, PreviousSnapshots, Touch};
use crate::domain::{Clock, ConnectionArn, Snapshot, plan};
use crate::table::write::BATCH;
use crate::table::{StaleObservation, Table, TableError, WriteResult};

/// Writes one run's plan.
#[derive(Debug)]
pub struct Writer<'a> {
    /// Where to.
    pub table: &'a Table,
    /// Who compares, when something has to be compared again.
    pub comparison: DiffContext<'a>,
    /// What the plan was worked out from.
    pub known: &'a PreviousSnapshots,
    /// What was seen.
    pub account_listing: &'a AccountListing,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// How long faults are waited out.
    pub retry_policy: RetryPolicy,
    /// When to stop.
    pub deadline: Deadline,
    /// What time it is: a change that was observed too long ago is not sent.
    pub clock: Arc<dyn Clock>,
    /// What counts.
    pub meter: &'a Meter,
}

/// Re-comparisons of one connection before it is left for the next run. Each
/// means that yet another run has just written it.
const ROUNDS: u32 = 20;

impl Writer<'_> {
    /// Writes the plan: the changes first, they are what must not be lost.
    pub async fn apply(&self, plan: Plan<'_>) -> WriteReport {
        self.meter.begin_to_write();
        let stop = OnceLock::new();
        let mut report = WriteReport::of(plan.changes.len());
        let mut changes = stream::iter(plan.changes)
            .map(|transition| self.write_change(transition, &stop))
            .buffer_unordered(self.concurrency);
        while let Some(outcome) = changes.next().await {
            report.add(outcome);
        }
        let mut touches = stream::iter(plan.touches.chunks(BATCH))
            .map(|batch| self.write_touches(batch, &stop))
            .buffer_unordered(self.concurrency);
        while let Some(batch) = touches.next().await {
            batch.into_iter().for_each(|outcome| report.add(outcome));
        }
        drop((changes, touches));
        report.stopped = stop.into_inner();
        report
    }

    async fn write_change(
        &self,
        transition: Transition,
        stop: &OnceLock<TableError>,
    ) -> WriteOutcome {
        let arn = transition.change.arn.clone();
        let known = self.known.snapshots.get(&arn).cloned();
        self.write_decision(&arn, known, Decision::Change(Box::new(transition)), stop)
            .await
    }

    /// Carries out `decision`, and what takes its place when another run has
    /// written the connection meanwhile.
    async fn write_decision(
        &self,
        arn: &ConnectionArn,
        mut known: Option<Snapshot>,
        mut decision: Decision,
        stop: &OnceLock<TableError>,
    ) -> WriteOutcome {
        let mut failed = 0;
        let mut rounds = 0;
        let mut last = None;
        let mut is_indeterminate = false;
        loop {
            if stop.get().is_some() || self.is_over() {
                return WriteOutcome::unwritten(decision, is_indeterminate, self.blocked_by(last));
            }
            let call_error = match self.carry_out(&decision, known.as_ref()).await {
                Err(StaleObservation { was_sent }) => {
                    return self
                        .resolve_stale(arn, &decision, was_sent || is_indeterminate, stop)
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
                    rounds += 1;
                    let fresh = match self.read_again(arn, stop).await {
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
                        .was_recorded_before(arn, &decision, fresh.as_ref(), stop)
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
                    if rounds >= ROUNDS {
                        return WriteOutcome::Unwritten(None);
                    }
                    // Whatever of it is still on its way meets the conflict.
                    is_indeterminate = false;
                    known = fresh;
                    continue;
                }
                Ok(WriteResult::Failed(call_error)) => {
                    is_indeterminate |= call_error.is_indeterminate;
                    more_telling_error(last, call_error)
                }
            };
            last = Some(call_error.clone());
            failed += 1;
            match self.give_up(arn, call_error, failed, stop).await {
                Some(WriteOutcome::Unwritten(call_error)) => {
                    return WriteOutcome::unwritten(decision, is_indeterminate, call_error);
                }
                Some(WriteOutcome::Problem(_)) if is_indeterminate => {
                    return WriteOutcome::unwritten(decision, is_indeterminate, last);
                }
                Some(outcome) => return outcome,
                None => {}
            }
        }
    }

    /// A change that may no longer be sent is not recorded, unless it was
    /// when it was sent before, and only the answer was lost.
    async fn resolve_stale(
        &self,
        arn: &ConnectionArn,
        decision: &Decision,
        was_sent: bool,
        stop: &OnceLock<TableError>,
    ) -> WriteOutcome {
        let Decision::Change(transition) = decision else {
            return WriteOutcome::Stale;
        };
        if !was_sent {
            return WriteOutcome::Stale;
        }
        let fresh = match self.read_again(arn, stop).await {
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
            .was_recorded_before(arn, decision, fresh.as_ref(), stop)
            .await
        {
            Ok(true) => WriteOutcome::RecordedBefore(transition.clone(), fresh.map(Box::new)),
            Ok(false) | Err(_) => WriteOutcome::Indeterminate(transition.clone(), None),
        }
    }

    /// Whether a change was recorded after all, and another run's followed on
    /// it before its answer could be waited for.
    async fn was_recorded_before(
        &self,
        arn: &ConnectionArn,
        decision: &Decision,
        fresh: Option<&Snapshot>,
        stop: &OnceLock<TableError>,
    ) -> Result<bool, WriteOutcome> {
        let Decision::Change(transition) = decision else {
            return Ok(false);
        };
        if fresh.is_none_or(|fresh| fresh.version <= transition.change.version) {
            return Ok(false);
        }
        let (account, version) = (self.comparison.account, transition.change.version);
        let change = self
            .read(arn, stop, || self.table.read_change(account, arn, version))
            .await?;
        Ok(change.is_some_and(|change| change.digest() == transition.snapshot.digest))
    }

    async fn carry_out(
        &self,
        decision: &Decision,
        known: Option<&Snapshot>,
    ) -> Result<WriteResult, StaleObservation> {
        Ok(match (decision, known) {
            (Decision::Change(transition), known) => {
                let account = self.comparison.account;
                let write = self.table.record(account, known, transition, &self.clock);
                tokio::time::timeout_at(self.deadline.writing, write)
                    .await
                    .unwrap_or_else(|_| Ok(WriteResult::Failed(timed_out())))?
            }
            (Decision::Touch { window, listed_in }, Some(snapshot)) => {
                let touch = [Touch {
                    snapshot,
                    window: *window,
                    listed_in: listed_in.clone(),
                }];
                let write = self.table.touch(self.comparison.account, &touch);
                let results = tokio::time::timeout_at(self.deadline.writing, write).await;
                results
                    .ok()
                    .and_then(|results| results.into_iter().next())
                    .unwrap_or_else(|| WriteResult::Failed(timed_out()))
            }
            (Decision::Touch { .. } | Decision::Nothing(_), _) => WriteResult::Written,
        })
    }

    /// Notes that connections were seen, a batch at a time.
    async fn write_touches(
        &self,
        batch: &[Touch<'_>],
        stop: &OnceLock<TableError>,
    ) -> Vec<WriteOutcome> {
        let mut outcome = Vec::with_capacity(batch.len());
        let mut pending = batch.to_vec();
        let mut conflicts = Vec::new();
        let mut failed = 0;
        let mut last: Option<CallError> = None;
        while !pending.is_empty() {
            if stop.get().is_some() || self.is_over() {
                let last = self.blocked_by(last);
                let unwritten = |_| WriteOutcome::Unwritten(last.clone());
                outcome.extend(pending.drain(..).map(unwritten));
                break;
            }
            let write = self.table.touch(self.comparison.account, &pending);
            let results = match tokio::time::timeout_at(self.deadline.writing, write).await {
                Ok(results) => results,
                Err(_) => vec![WriteResult::Failed(timed_out()); pending.len()],
            };
            let mut again = Vec::new();
            let mut passing = None;
            for (touch, result) in pending.drain(..).zip(results) {
                match result {
                    WriteResult::Written => {
                        self.meter.count_written(1);
                        outcome.push(WriteOutcome::Touched);
                    }
                    WriteResult::Conflict => conflicts.push(touch),
                    WriteResult::Failed(call_error) if call_error.kind.is_retryable() => {
                        again.push(touch);
                        passing = Some(call_error);
                    }
                    WriteResult::Failed(call_error) => {
                        let given_up = self.give_up(&touch.snapshot.arn, call_error, 1, stop).await;
                        outcome.extend(given_up);
                    }
                }
            }
            if let Some(call_error) = passing {
                let call_error = more_telling_error(last, call_error);
                last = Some(call_error.clone());
                failed += 1;
                let subject = format!("{} unchanged connections", again.len());
                if !self
                    .wait_before_retry("touch", &subject, &call_error, failed)
                    .await
                {
                    let unwritten = |_| WriteOutcome::Unwritten(Some(call_error.clone()));
                    outcome.extend(again.drain(..).map(unwritten));
                }
            }
            pending = again;
        }
        for touch in conflicts {
            outcome.push(self.resolve_conflict(&touch, stop).await);
        }
        outcome
    }

    async fn resolve_conflict(
        &self,
        touch: &Touch<'_>,
        stop: &OnceLock<TableError>,
    ) -> WriteOutcome {
        let arn = &touch.snapshot.arn;
        let fresh = match self.read_again(arn, stop).await {
            Ok(fresh) => fresh,
            Err(outcome) => return outcome,
        };
        match self.decide(arn, fresh.as_ref()) {
            Decision::Nothing(_) => WriteOutcome::Superseded(fresh.map(Box::new)),
            decision => self.write_decision(arn, fresh, decision, stop).await,
        }
    }

    /// Waits, if the fault may pass; otherwise says what becomes of the
    /// write. A fault that every other write would meet too stops them all.
    async fn give_up(
        &self,
        arn: &ConnectionArn,
        call_error: CallError,
        failed: u32,
        stop: &OnceLock<TableError>,
    ) -> Option<WriteOutcome> {
        if self
            .wait_before_retry("write", arn.as_str(), &call_error, failed)
            .await
        {
            return None;
        }
        Some(match call_error.kind {
            CallErrorKind::Denied
            | CallErrorKind::NoCredentials
            | CallErrorKind::NotFound
            | CallErrorKind::Disk => {
                stop.get_or_init(|| TableError::call("write", self.table.name(), call_error));
                WriteOutcome::Unwritten(None)
            }
            CallErrorKind::Refused => WriteOutcome::Problem(format!("write {arn}: {call_error}")),
            CallErrorKind::Throttled
            | CallErrorKind::Service
            | CallErrorKind::TimedOut
            | CallErrorKind::Unreachable
            | CallErrorKind::Foreign => WriteOutcome::Unwritten(Some(call_error)),
        })
    }

    /// Waits before the next try, if there should be one.
    async fn wait_before_retry(
        &self,
        operation: &str,
        subject: &str,
        call_error: &CallError,
        failed: u32,
    ) -> bool {
        let until = self.deadline.writing;
        let Some(wait) = self.retry_policy.wait(call_error, failed, until) else {
            return false;
        };
        let retry = Retry {
            operation,
            subject,
            call_error,
            failed,
            wait,
            until,
        };
        self.meter.wait_for(retry).await
    }

    /// Whether nothing more is to be sent.
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline.writing || self.meter.writing_is_interrupted()
    }

    /// SkipReason a write is not made, where `last` is what went wrong before.
    fn blocked_by(&self, last: Option<CallError>) -> Option<CallError> {
        last.or_else(|| self.meter.writing_is_interrupted().then(interrupted))
    }

    fn decide(&self, arn: &ConnectionArn, known: Option<&Snapshot>) -> Decision {
        plan::decide(
            &self.comparison,
            self.known,
            self.account_listing,
            arn,
            known,
        )
    }

    /// What is known of a connection by now, or what becomes of its write if
    /// that can't be read.
    async fn read_again(
        &self,
        arn: &ConnectionArn,
        stop: &OnceLock<TableError>,
    ) -> Result<Option<Snapshot>, WriteOutcome> {
        let account = self.comparison.account;
        self.read(arn, stop, || self.table.read_snapshot(account, arn))
            .await
    }

    async fn read<T, F>(
        &self,
        arn: &ConnectionArn,
        stop: &OnceLock<TableError>,
        read: impl Fn() -> F,
    ) -> Result<T, WriteOutcome>
    where
        F: Future<Output = Result<T, TableError>>,
    {
        let mut failed = 0;
        loop {
            let call_error = match tokio::time::timeout_at(self.deadline.writing, read()).await {
                Ok(Ok(read)) => return Ok(read),
                Ok(Err(TableError::Call { call_error, .. })) => call_error,
                Ok(Err(corrupt @ TableError::CorruptItem(_))) => {
                    return Err(WriteOutcome::Problem(corrupt.to_string()));
                }
                Err(_) => timed_out(),
            };
            failed += 1;
            if let Some(outcome) = self.give_up(arn, call_error, failed, stop).await {
                return Err(outcome);
            }
        }
    }
}

/// What is told of a write that failed again: what went wrong before says
/// more than that time is over.
fn more_telling_error(earlier: Option<CallError>, call_error: CallError) -> CallError {
    match earlier {
        Some(earlier) if call_error.kind == CallErrorKind::TimedOut => earlier,
        _ => call_error,
    }
}

fn timed_out() -> CallError {
    CallError::new(
        CallErrorKind::TimedOut,
        "TimedOut",
        "no answer before the time for writing was over",
    )
}
