//! Applying a plan to the table: every planned write is made, found to be
//! made already, found to be overtaken, or accounted for as not made.
//!
//! Conditions decide races. What fails its condition is read again, compared
//! again by the same rules, and written again if there is still something to
//! write.

use std::sync::{Arc, OnceLock};

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::write_outcome::{Applied, Settled, is_settled};
use crate::aws::observer::{Retry, interrupted};
use crate::aws::{Deadline, Fault, FaultKind, Meter, Patience};
use crate::domain::diff::{Comparison, Decision, Step};
use crate::domain::listing::Observation;
use crate::domain::plan::{Known, Plan, Touch};
use crate::domain::{Clock, ConnectionArn, Snapshot, plan};
use crate::table::write::BATCH;
use crate::table::{Table, TableError, TooLate, Write};

/// Writes one run's plan.
#[derive(Debug)]
pub struct Writer<'a> {
    /// Where to.
    pub table: &'a Table,
    /// Who compares, when something has to be compared again.
    pub comparison: Comparison<'a>,
    /// What the plan was worked out from.
    pub known: &'a Known,
    /// What was seen.
    pub observation: &'a Observation,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// How long faults are waited out.
    pub patience: Patience,
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
    pub async fn apply(&self, plan: Plan<'_>) -> Applied {
        self.meter.begin_to_write();
        let stop = OnceLock::new();
        let mut applied = Applied::of(plan.changes.len());
        let mut changes = stream::iter(plan.changes)
            .map(|step| self.settle_step(step, &stop))
            .buffer_unordered(self.concurrency);
        while let Some(settled) = changes.next().await {
            applied.add(settled);
        }
        let mut touches = stream::iter(plan.touches.chunks(BATCH))
            .map(|batch| self.settle_touches(batch, &stop))
            .buffer_unordered(self.concurrency);
        while let Some(batch) = touches.next().await {
            batch.into_iter().for_each(|settled| applied.add(settled));
        }
        drop((changes, touches));
        applied.stopped = stop.into_inner();
        applied
    }

    async fn settle_step(&self, step: Step, stop: &OnceLock<TableError>) -> Settled {
        let arn = step.change.arn.clone();
        let known = self.known.snapshots.get(&arn).cloned();
        self.settle(&arn, known, Decision::Change(Box::new(step)), stop)
            .await
    }

    /// Carries out `decision`, and what takes its place when another run has
    /// written the connection meanwhile.
    async fn settle(
        &self,
        arn: &ConnectionArn,
        mut known: Option<Snapshot>,
        mut decision: Decision,
        stop: &OnceLock<TableError>,
    ) -> Settled {
        let mut failed = 0;
        let mut rounds = 0;
        let mut last = None;
        let mut is_open = false;
        loop {
            if stop.get().is_some() || self.is_over() {
                return Settled::unwritten(decision, is_open, self.kept_by(last));
            }
            let fault = match self.carry_out(&decision, known.as_ref()).await {
                Err(TooLate { was_sent }) => {
                    return self
                        .settle_too_late(arn, &decision, was_sent || is_open, stop)
                        .await;
                }
                Ok(Write::Written) => {
                    self.meter.count_written(1);
                    return match decision {
                        Decision::Change(step) => Settled::Recorded(step),
                        Decision::Touch { .. } | Decision::Nothing(_) => Settled::Touched,
                    };
                }
                Ok(Write::Conflict) => {
                    rounds += 1;
                    let fresh = match self.read_again(arn, stop).await {
                        Ok(fresh) => fresh,
                        // The conflict may have been with this very write.
                        Err(Settled::Unwritten(fault)) => {
                            return Settled::unwritten(decision, true, fault);
                        }
                        Err(settled) => return settled,
                    };
                    if let Some(settled) = is_settled(arn, &decision, known, &fresh) {
                        return settled;
                    }
                    match self
                        .was_recorded_before(arn, &decision, fresh.as_ref(), stop)
                        .await
                    {
                        Ok(false) => {}
                        Ok(true) => return Settled::recorded_before(decision, fresh),
                        Err(Settled::Unwritten(fault)) => {
                            return Settled::unwritten(decision, true, fault);
                        }
                        Err(settled) => return settled,
                    }
                    decision = self.decide(arn, fresh.as_ref());
                    if matches!(decision, Decision::Nothing(_)) {
                        return Settled::Overtaken(fresh.map(Box::new));
                    }
                    if rounds >= ROUNDS {
                        return Settled::Unwritten(None);
                    }
                    // Whatever of it is still on its way meets the conflict.
                    is_open = false;
                    known = fresh;
                    continue;
                }
                Ok(Write::Failed(fault)) => {
                    is_open |= fault.is_open;
                    telling(last, fault)
                }
            };
            last = Some(fault.clone());
            failed += 1;
            match self.give_up(arn, fault, failed, stop).await {
                Some(Settled::Unwritten(fault)) => {
                    return Settled::unwritten(decision, is_open, fault);
                }
                Some(Settled::Problem(_)) if is_open => {
                    return Settled::unwritten(decision, is_open, last);
                }
                Some(settled) => return settled,
                None => {}
            }
        }
    }

    /// A change that may no longer be sent is not recorded, unless it was
    /// when it was sent before, and only the answer was lost.
    async fn settle_too_late(
        &self,
        arn: &ConnectionArn,
        decision: &Decision,
        was_sent: bool,
        stop: &OnceLock<TableError>,
    ) -> Settled {
        let Decision::Change(step) = decision else {
            return Settled::TooLate;
        };
        if !was_sent {
            return Settled::TooLate;
        }
        let fresh = match self.read_again(arn, stop).await {
            Ok(fresh) => fresh,
            Err(Settled::Unwritten(fault)) => return Settled::Open(step.clone(), fault),
            Err(settled) => return settled,
        };
        if let Some(fresh) = &fresh
            && fresh.digest == step.snapshot.digest
        {
            return Settled::Recorded(step.clone());
        }
        match self
            .was_recorded_before(arn, decision, fresh.as_ref(), stop)
            .await
        {
            Ok(true) => Settled::RecordedBefore(step.clone(), fresh.map(Box::new)),
            Ok(false) | Err(_) => Settled::Open(step.clone(), None),
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
    ) -> Result<bool, Settled> {
        let Decision::Change(step) = decision else {
            return Ok(false);
        };
        if fresh.is_none_or(|fresh| fresh.version <= step.change.version) {
            return Ok(false);
        }
        let (account, version) = (self.comparison.account, step.change.version);
        let change = self
            .read(arn, stop, || self.table.read_change(account, arn, version))
            .await?;
        Ok(change.is_some_and(|change| change.digest() == step.snapshot.digest))
    }

    async fn carry_out(
        &self,
        decision: &Decision,
        known: Option<&Snapshot>,
    ) -> Result<Write, TooLate> {
        Ok(match (decision, known) {
            (Decision::Change(step), known) => {
                let account = self.comparison.account;
                let write = self.table.record(account, known, step, &self.clock);
                tokio::time::timeout_at(self.deadline.writing, write)
                    .await
                    .unwrap_or_else(|_| Ok(Write::Failed(timed_out())))?
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
                    .unwrap_or_else(|| Write::Failed(timed_out()))
            }
            (Decision::Touch { .. } | Decision::Nothing(_), _) => Write::Written,
        })
    }

    /// Notes that connections were seen, a batch at a time.
    async fn settle_touches(
        &self,
        batch: &[Touch<'_>],
        stop: &OnceLock<TableError>,
    ) -> Vec<Settled> {
        let mut settled = Vec::with_capacity(batch.len());
        let mut pending = batch.to_vec();
        let mut conflicts = Vec::new();
        let mut failed = 0;
        let mut last: Option<Fault> = None;
        while !pending.is_empty() {
            if stop.get().is_some() || self.is_over() {
                let last = self.kept_by(last);
                let unwritten = |_| Settled::Unwritten(last.clone());
                settled.extend(pending.drain(..).map(unwritten));
                break;
            }
            let write = self.table.touch(self.comparison.account, &pending);
            let results = match tokio::time::timeout_at(self.deadline.writing, write).await {
                Ok(results) => results,
                Err(_) => vec![Write::Failed(timed_out()); pending.len()],
            };
            let mut again = Vec::new();
            let mut passing = None;
            for (touch, result) in pending.drain(..).zip(results) {
                match result {
                    Write::Written => {
                        self.meter.count_written(1);
                        settled.push(Settled::Touched);
                    }
                    Write::Conflict => conflicts.push(touch),
                    Write::Failed(fault) if fault.kind.is_passing() => {
                        again.push(touch);
                        passing = Some(fault);
                    }
                    Write::Failed(fault) => {
                        let given_up = self.give_up(&touch.snapshot.arn, fault, 1, stop).await;
                        settled.extend(given_up);
                    }
                }
            }
            if let Some(fault) = passing {
                let fault = telling(last, fault);
                last = Some(fault.clone());
                failed += 1;
                let subject = format!("{} unchanged connections", again.len());
                if !self.waited_out("touch", &subject, &fault, failed).await {
                    let unwritten = |_| Settled::Unwritten(Some(fault.clone()));
                    settled.extend(again.drain(..).map(unwritten));
                }
            }
            pending = again;
        }
        for touch in conflicts {
            settled.push(self.settle_conflict(&touch, stop).await);
        }
        settled
    }

    async fn settle_conflict(&self, touch: &Touch<'_>, stop: &OnceLock<TableError>) -> Settled {
        let arn = &touch.snapshot.arn;
        let fresh = match self.read_again(arn, stop).await {
            Ok(fresh) => fresh,
            Err(settled) => return settled,
        };
        match self.decide(arn, fresh.as_ref()) {
            Decision::Nothing(_) => Settled::Overtaken(fresh.map(Box::new)),
            decision => self.settle(arn, fresh, decision, stop).await,
        }
    }

    /// Waits, if the fault may pass; otherwise says what becomes of the
    /// write. A fault that every other write would meet too stops them all.
    async fn give_up(
        &self,
        arn: &ConnectionArn,
        fault: Fault,
        failed: u32,
        stop: &OnceLock<TableError>,
    ) -> Option<Settled> {
        if self.waited_out("write", arn.as_str(), &fault, failed).await {
            return None;
        }
        Some(match fault.kind {
            FaultKind::Denied
            | FaultKind::NoCredentials
            | FaultKind::NotFound
            | FaultKind::Disk => {
                stop.get_or_init(|| TableError::call("write", self.table.name(), fault));
                Settled::Unwritten(None)
            }
            FaultKind::Refused => Settled::Problem(format!("write {arn}: {fault}")),
            FaultKind::Throttled
            | FaultKind::Service
            | FaultKind::TimedOut
            | FaultKind::Unreachable
            | FaultKind::Foreign => Settled::Unwritten(Some(fault)),
        })
    }

    /// Waits before the next try, if there should be one.
    async fn waited_out(&self, operation: &str, subject: &str, fault: &Fault, failed: u32) -> bool {
        let until = self.deadline.writing;
        let Some(wait) = self.patience.wait(fault, failed, until) else {
            return false;
        };
        let retry = Retry {
            operation,
            subject,
            fault,
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

    /// Why a write is not made, where `last` is what went wrong before.
    fn kept_by(&self, last: Option<Fault>) -> Option<Fault> {
        last.or_else(|| self.meter.writing_is_interrupted().then(interrupted))
    }

    fn decide(&self, arn: &ConnectionArn, known: Option<&Snapshot>) -> Decision {
        plan::decide(&self.comparison, self.known, self.observation, arn, known)
    }

    /// What is known of a connection by now, or what becomes of its write if
    /// that can't be read.
    async fn read_again(
        &self,
        arn: &ConnectionArn,
        stop: &OnceLock<TableError>,
    ) -> Result<Option<Snapshot>, Settled> {
        let account = self.comparison.account;
        self.read(arn, stop, || self.table.read_snapshot(account, arn))
            .await
    }

    async fn read<T, F>(
        &self,
        arn: &ConnectionArn,
        stop: &OnceLock<TableError>,
        read: impl Fn() -> F,
    ) -> Result<T, Settled>
    where
        F: Future<Output = Result<T, TableError>>,
    {
        let mut failed = 0;
        loop {
            let fault = match tokio::time::timeout_at(self.deadline.writing, read()).await {
                Ok(Ok(read)) => return Ok(read),
                Ok(Err(TableError::Call { fault, .. })) => fault,
                Ok(Err(corrupt @ TableError::Corrupt(_))) => {
                    return Err(Settled::Problem(corrupt.to_string()));
                }
                Err(_) => timed_out(),
            };
            failed += 1;
            if let Some(settled) = self.give_up(arn, fault, failed, stop).await {
                return Err(settled);
            }
        }
    }
}

/// What is told of a write that failed again: what went wrong before says
/// more than that time is over.
fn telling(earlier: Option<Fault>, fault: Fault) -> Fault {
    match earlier {
        Some(earlier) if fault.kind == FaultKind::TimedOut => earlier,
        _ => fault,
    }
}

fn timed_out() -> Fault {
    Fault::new(
        FaultKind::TimedOut,
        "TimedOut",
        "no answer before the time for writing was over",
    )
}
