//! Writing changes, several in each transaction.
//!
//! A transaction is written whole or not at all. The changes whose conditions fail
//! are left to [`Writer::undertake`], one by one, and the others are sent again. A
//! transaction that fails otherwise is sent again in halves: what is wrong with one
//! change, or with the size of all, holds up no other for long.

use super::write_outcome::WriteOutcome;
use super::writer::{FailedWrite, Undertaking, Writer};
use crate::aws::CallErrorKind;
use crate::aws::retry::Attempts;
use crate::domain::Kind;
use crate::domain::diff::{Decision, PlannedChange, Transition};
use crate::domain::listing::is_stale;
use crate::table::{RecordResult, StaleObservation, StoredKind};

/// Changes to be sent in one transaction.
struct ChangeBatch<K: Kind> {
    changes: Vec<Transition<K>>,
    /// They were sent, in vain, and may still be written.
    is_indeterminate: bool,
}

impl<K: Kind> ChangeBatch<K> {
    /// Returns this batch without its changes.
    fn with(&self, changes: Vec<Transition<K>>) -> Self {
        Self {
            changes,
            is_indeterminate: self.is_indeterminate,
        }
    }

    /// Returns the changes that are `chosen` by their places, and the others.
    fn split_by(mut self, chosen: impl IntoIterator<Item = bool>) -> (Self, Self) {
        let mut chosen = chosen.into_iter();
        let is_chosen = |_: &mut Transition<K>| chosen.next().unwrap_or_default();
        let changes = self.changes.extract_if(.., is_chosen).collect();
        (self.with(changes), self)
    }

    fn into_halves(mut self) -> [Self; 2] {
        let changes = self.changes.split_off(self.changes.len() / 2);
        [self.with(changes), self]
    }
}

impl<K: StoredKind> Writer<'_, K> {
    /// Writes changes, in one transaction if possible.
    pub(super) async fn write_changes(
        &self,
        planned: &[PlannedChange<'_, K>],
    ) -> Vec<WriteOutcome<K>> {
        let transition = |planned| self.comparison.transition(planned);
        let mut changes: Vec<_> = planned.iter().map(transition).collect();
        for change in &mut changes {
            self.name_consumers_of(change).await;
        }
        let mut outcomes = Vec::with_capacity(changes.len());
        let mut attempts = self.retries().attempts();
        let mut batches = vec![ChangeBatch {
            changes,
            is_indeterminate: false,
        }];
        while let Some(batch) = batches.pop() {
            match batch.changes.len() {
                0 => {}
                1 => self.undertake_all(batch, false, &mut outcomes).await,
                _ => {
                    self.write_batch(batch, &mut batches, &mut attempts, &mut outcomes)
                        .await;
                }
            }
        }
        outcomes
    }

    /// Sends a batch. What is to be sent again is added to `batches`.
    async fn write_batch(
        &self,
        mut batch: ChangeBatch<K>,
        batches: &mut Vec<ChangeBatch<K>>,
        attempts: &mut Attempts<'_, FailedWrite>,
        outcomes: &mut Vec<WriteOutcome<K>>,
    ) {
        if self.is_over() {
            let blocked_by = self.blocked_by(attempts);
            let unwritten = |change| {
                let decision = Decision::Change(Box::new(change));
                WriteOutcome::unwritten(decision, batch.is_indeterminate, blocked_by.clone())
            };
            return outcomes.extend(batch.changes.into_iter().map(unwritten));
        }
        let with_known: Vec<_> = batch
            .changes
            .iter()
            .map(|change| (self.known.snapshots.get(&change.change.arn), change))
            .collect();
        let call_error = match self.send_changes(&with_known).await {
            Err(StaleObservation { was_sent }) => {
                batch.is_indeterminate |= was_sent;
                let now = self.clock.now();
                let observed = batch.changes.iter().map(|each| each.change.observed_at);
                // The oldest one is stale, even if the clock was set back since.
                let oldest = observed.clone().min();
                let are_stale: Vec<bool> = observed
                    .map(|at| Some(at) == oldest || is_stale(at, now))
                    .collect();
                let (stale, rest) = batch.split_by(are_stale);
                for change in stale.changes {
                    let arn = change.change.arn.clone();
                    let decision = Decision::Change(Box::new(change));
                    let was_sent = stale.is_indeterminate;
                    outcomes.push(self.resolve_stale(&arn, &decision, was_sent).await);
                }
                return batches.push(rest);
            }
            Ok(RecordResult::Written) => {
                self.meter.count_written(batch.changes.len());
                let recorded = |change| WriteOutcome::Recorded(Box::new(change));
                return outcomes.extend(batch.changes.into_iter().map(recorded));
            }
            Ok(RecordResult::Conflicts(conflicts)) => {
                let (in_the_way, rest) = batch.split_by(conflicts);
                self.undertake_all(in_the_way, true, outcomes).await;
                return batches.push(rest);
            }
            Ok(RecordResult::Failed(call_error)) => call_error,
        };
        batch.is_indeterminate |= call_error.is_indeterminate;
        let call_error = if call_error.kind.is_retryable() {
            let error = FailedWrite {
                operation: "write",
                subject: format!("{} changed {}", batch.changes.len(), K::NOUN.1),
                call_error,
            };
            match attempts.wait_after(error).await {
                Ok(()) => return batches.extend(batch.into_halves()),
                Err(given_up) => given_up.error.call_error,
            }
        } else if call_error.kind == CallErrorKind::Refused {
            return batches.extend(batch.into_halves());
        } else {
            call_error
        };
        for change in batch.changes {
            let arn = change.change.arn.clone();
            let decision = Decision::Change(Box::new(change));
            outcomes.push(self.outcome_of_failed(
                &arn,
                decision,
                batch.is_indeterminate,
                call_error.clone(),
            ));
        }
    }

    /// Writes changes one by one.
    async fn undertake_all(
        &self,
        batch: ChangeBatch<K>,
        has_conflict: bool,
        outcomes: &mut Vec<WriteOutcome<K>>,
    ) {
        for change in batch.changes {
            let arn = change.change.arn.clone();
            let undertaking = Undertaking {
                known: self.known.snapshots.get(&arn).cloned(),
                decision: Decision::Change(Box::new(change)),
                is_indeterminate: batch.is_indeterminate,
                has_conflict,
            };
            outcomes.push(self.undertake(&arn, undertaking).await);
        }
    }
}
