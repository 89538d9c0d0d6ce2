//! Applying a plan to the table: its changes, and then its touches.

use futures_util::stream::{self, StreamExt};

use super::write_outcome::{WriteOutcome, WriteReport};
use super::writer::{FailedWrite, Writer};
use crate::domain::diff::Decision;
use crate::domain::plan::{Plan, Touch};
use crate::table::write::{BATCH, CHANGES};
use crate::table::{StoredKind, WriteResult};

impl<K: StoredKind> Writer<'_, K> {
    /// Writes the plan. Changes come first: they must not be lost.
    pub async fn apply(self, plan: Plan<'_, K>) -> WriteReport<K> {
        self.meter.begin_to_write();
        let mut report = WriteReport::of(plan.changes.len());
        let mut changes = stream::iter(plan.changes.chunks(CHANGES))
            .map(|batch| self.write_changes(batch))
            .buffer_unordered(self.concurrency);
        while let Some(batch) = changes.next().await {
            batch.into_iter().for_each(|outcome| report.add(outcome));
        }
        let mut touches = stream::iter(plan.touches.chunks(BATCH))
            .map(|batch| self.write_touches(batch))
            .buffer_unordered(self.concurrency);
        while let Some(batch) = touches.next().await {
            batch.into_iter().for_each(|outcome| report.add(outcome));
        }
        drop((changes, touches));
        report.stopped = self.stopped.into_inner();
        report
    }

    /// Writes that connections were seen, in batches.
    async fn write_touches(&self, batch: &[Touch<'_, K>]) -> Vec<WriteOutcome<K>> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut pending = batch.to_vec();
        let mut conflicts = Vec::new();
        let mut attempts = self.retries().attempts();
        while !pending.is_empty() {
            if self.is_over() {
                let blocked_by = self.blocked_by(&attempts);
                let unwritten = |_| WriteOutcome::Unwritten(blocked_by.clone());
                outcomes.extend(pending.drain(..).map(unwritten));
                break;
            }
            let results = self.send_touches(&pending).await;
            let mut again = Vec::new();
            let mut retryable = None;
            for (touch, result) in pending.drain(..).zip(results) {
                match result {
                    WriteResult::Written => {
                        self.meter.count_written(1);
                        outcomes.push(WriteOutcome::Touched);
                    }
                    WriteResult::Conflict => conflicts.push(touch),
                    WriteResult::Failed(call_error) if call_error.kind.is_retryable() => {
                        again.push(touch);
                        retryable = Some(call_error);
                    }
                    WriteResult::Failed(call_error) => {
                        outcomes.push(self.outcome_of(&touch.snapshot.arn, call_error));
                    }
                }
            }
            if let Some(call_error) = retryable {
                let subject = format!("{} unchanged {}", again.len(), K::NOUN.1);
                let error = FailedWrite {
                    operation: "touch",
                    subject,
                    call_error,
                };
                if let Err(given_up) = attempts.wait_after(error).await {
                    let call_error = given_up.error.call_error;
                    let unwritten = |_| WriteOutcome::Unwritten(Some(call_error.clone()));
                    outcomes.extend(again.drain(..).map(unwritten));
                }
            }
            pending = again;
        }
        for touch in conflicts {
            outcomes.push(self.resolve_conflict(&touch).await);
        }
        outcomes
    }

    async fn resolve_conflict(&self, touch: &Touch<'_, K>) -> WriteOutcome<K> {
        let arn = &touch.snapshot.arn;
        let fresh = match self.read_again(arn).await {
            Ok(fresh) => fresh,
            Err(outcome) => return outcome,
        };
        match self.decide(arn, fresh.as_ref()) {
            Decision::Nothing(_) => WriteOutcome::Superseded(fresh.map(Box::new)),
            decision => self.write_decision(arn, fresh, decision).await,
        }
    }
}
