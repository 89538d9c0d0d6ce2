//! One run of one account: list, read, compare, write, record.

use std::collections::HashSet;
use std::sync::Arc;

use super::order::Order;
use super::previous_run;
use super::recorder::Recorder;
use super::run_draft::{Ahead, Findings, Left, Unconfirmed, until};
use super::summary::Summary;
use super::write_outcome::Applied;
use super::writer::Writer;
use crate::aws::error::chain;
use crate::aws::{Deadline, Meter, Patience};
use crate::domain::diff::Comparison;
use crate::domain::event_summary::harmless;
use crate::domain::listing::Observation;
use crate::domain::plan::{Known, TombstoneGuard};
use crate::domain::{Clock, ConnectionArn, Outcome, RunRecord, Timestamp, plan};
use crate::listing::{ConnectionSource, Limits, Lister};
use crate::table::{PreviousState, Table};

/// Runs inventories.
#[derive(Debug)]
pub struct Inventory<S, C> {
    /// Where connections are listed from.
    pub source: S,
    /// Where they are recorded.
    pub table: Table,
    /// What time it is.
    pub clock: C,
    /// The rules of a run.
    pub policy: Policy,
}

/// The rules of a run.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The guard against mass deletion.
    pub guard: TombstoneGuard,
    /// Table requests under way at the same time.
    pub concurrency: usize,
    /// How long faults are waited out.
    pub patience: Patience,
    /// Where a listing is given up.
    pub limits: Limits,
}

impl<S: ConnectionSource, C: Clock + Clone + 'static> Inventory<S, C> {
    /// Makes one run. What fails is part of the summary.
    pub async fn run(&self, order: &Order, deadline: Deadline, meter: Arc<Meter>) -> Summary {
        let started_at = self.clock.now();
        let table = self.table.metered(Arc::clone(&meter));
        let lister = Lister {
            run_id: &order.run_id,
            source: &self.source,
            clock: &self.clock,
            patience: self.policy.patience,
            limits: self.policy.limits,
            meter: &meter,
        };
        let recorder = Recorder {
            table: &table,
            account: &order.account,
            patience: self.policy.patience,
            deadline,
            connections: self.policy.limits.connections,
            meter: &meter,
        };
        let read = async {
            let state = recorder.read_previous().await?;
            let altered = previous_run::check(&state, &recorder).await;
            Ok((state, altered))
        };
        let (observation, read) = tokio::join!(
            lister.list(&order.account, &order.regions, &order.filter, deadline),
            read,
        );
        let (findings, record) = match read {
            Err(error) => (Findings::unread(&observation, &error), None),
            Ok((state, altered)) => {
                if let Some(done) = already_recorded(order, &state, &recorder).await {
                    let (known, requests) = (state.record.as_ref(), meter.requests());
                    return Summary {
                        already_recorded: true,
                        ..Summary::new(&done, known, true, requests, meter.capacity())
                    };
                }
                let record = state.record.clone();
                let findings = self
                    .compare_and_write(order, state, altered, &observation, &recorder, &meter)
                    .await;
                (findings, record)
            }
        };
        let finished_at = self.clock.now().max(started_at);
        let draft = findings.into_run(order, started_at, finished_at);
        let recorded = recorder.record(draft.clone(), record.clone()).await;
        let summary = |run: &RunRecord, recorded| {
            let (requests, capacity) = (meter.requests(), meter.capacity());
            Summary::new(run, record.as_ref(), recorded, requests, capacity)
        };
        match recorded {
            Ok(run) => summary(&run, true),
            Err(error) => {
                let outcome = Outcome::Failed;
                let mut summary = summary(&RunRecord { outcome, ..draft }, false);
                summary.problems.push(harmless(&chain(&error)));
                summary
            }
        }
    }

    async fn compare_and_write(
        &self,
        order: &Order,
        state: PreviousState,
        altered: Vec<String>,
        observation: &Observation,
        recorder: &Recorder<'_>,
        meter: &Meter,
    ) -> Findings {
        let coverage = state.record.map(|record| record.covered());
        let known = Known {
            snapshots: state.snapshots,
            coverage: coverage.unwrap_or_default(),
        };
        let comparison = Comparison {
            account: &order.account,
            run_id: &order.run_id,
            event_id: order.trigger.event_id(),
            calls: order.trigger.calls(),
        };
        let guard = if order.accept_deletions {
            TombstoneGuard::Off
        } else {
            self.policy.guard
        };
        let plan = plan::plan(&comparison, &known, observation, guard);
        let held_back = plan.held_back.len();
        let unconfirmed = Unconfirmed::of(&plan.unconfirmed, observation, &order.retired_regions);
        let not_newer: Vec<Timestamp> = plan.not_newer.iter().map(until).collect();
        let writer = Writer {
            table: recorder.table,
            comparison,
            known: &known,
            observation,
            concurrency: self.policy.concurrency,
            patience: self.policy.patience,
            deadline: recorder.deadline,
            clock: Arc::new(self.clock.clone()),
            meter,
        };
        let mut applied = writer.apply(plan).await;
        // A tombstone was met only when its connection was to be written.
        let tombstones = applied.refreshed.iter().filter(|met| met.is_deleted());
        let not_newer = not_newer
            .into_iter()
            .chain(tombstones.map(|met| until(&met)));
        let ahead = Ahead::of(not_newer, self.clock.now());
        let mut problems = altered;
        problems.extend(state.corrupt.iter().map(ToString::to_string));
        let wrote = !(applied.recorded.is_empty() && applied.refreshed.is_empty());
        let left = if applied.open.is_empty() && !(wrote && state.tombstones > 0) {
            let is_readable = state.corrupt.is_empty();
            let recorded = (!wrote).then_some(state.recorded);
            Some(Left::of(
                known.snapshots,
                recorded,
                is_readable,
                &mut applied,
            ))
        } else {
            drop(known);
            self.read_again(recorder, &mut applied, &mut problems).await
        };
        Findings::new(
            observation,
            held_back,
            unconfirmed,
            ahead,
            problems,
            applied,
            left,
        )
    }

    /// Reads what is there after writing, tombstones and what other runs wrote
    /// meanwhile too.
    async fn read_again(
        &self,
        recorder: &Recorder<'_>,
        applied: &mut Applied,
        problems: &mut Vec<String>,
    ) -> Option<Left> {
        let open: HashSet<ConnectionArn> = applied
            .open
            .iter()
            .map(|step| step.change.arn.clone())
            .collect();
        match recorder.read_again(&open).await {
            Ok(state) => {
                applied.settle_open(&state.snapshots);
                // It can't stand for what may still change by its own doing.
                let is_certain = applied.open.is_empty() && state.corrupt.is_empty();
                Some(Left {
                    snapshots: state.snapshots,
                    recorded: is_certain.then_some(state.recorded),
                })
            }
            Err(error) => {
                problems.push(format!(
                    "what is there after this run could not be read: {}",
                    chain(&error)
                ));
                None
            }
        }
    }
}

/// The run that dealt with this very event before, if one did. An event that
/// is delivered again has nothing to add.
async fn already_recorded(
    order: &Order,
    state: &PreviousState,
    recorder: &Recorder<'_>,
) -> Option<RunRecord> {
    let event_id = order.trigger.event_id()?;
    let sequence = state.record.as_ref()?.recent_events.get(event_id)?;
    // If it can't be read, running again does no harm; nor does it if another
    // event was dealt with then, which somebody wants to be taken for this one.
    let done = recorder.read_run(*sequence).await.ok().flatten();
    done.filter(|run| run.trigger.event_id() == Some(event_id))
}
