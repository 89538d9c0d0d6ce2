//! One run of one account: list, read, compare, write, record.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use super::consumers::ConsumerLookups;
use super::previous_run::{self, Head};
use super::recorder::{Before, record_run};
use super::retrying_table::RetryingTable;
use super::run_draft::{ClockSkew, RunDraft, SnapshotsAfter, Unconfirmed, until};
use super::run_spec::RunSpec;
use super::summary::Summary;
use super::write_outcome::WriteReport;
use super::writer::Writer;
use crate::aws::error::chain;
use crate::aws::{Deadline, Meter, RetryPolicy};
use crate::domain::TombstoneGuard;
use crate::domain::diff::DiffContext;
use crate::domain::listing::AccountListing;
use crate::domain::plan::PreviousSnapshots;
use crate::domain::text::json_safe;
use crate::domain::{
    AccountRecord, Clock, Connection, Kind, Outcome, RunRecord, Timestamp, Trigger, plan,
};
use crate::listing::{Limits, ListingRequest, Lists};
use crate::table::{PreviousState, StoredKind, Table};

/// Runs inventories.
#[derive(Debug)]
pub struct Inventory<S, C, K: Kind = Connection> {
    /// The source of listings.
    pub source: S,
    /// The table.
    pub table: Table<K>,
    /// The clock.
    pub clock: C,
    /// The options of a run.
    pub options: RunOptions,
}

/// The options of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// The guard against mass deletion.
    pub guard: TombstoneGuard,
    /// Table requests under way at the same time.
    pub concurrency: usize,
    /// Which errors are retried, and when.
    pub retry_policy: RetryPolicy,
    /// The limits of a listing.
    pub limits: Limits,
}

impl<S: Lists<K>, C: Clock + Clone + 'static, K: StoredKind> Inventory<S, C, K> {
    /// Makes one run. Failures are part of the summary.
    pub async fn run(&self, spec: &RunSpec, deadline: Deadline, meter: Arc<Meter>) -> Summary<K> {
        let started_at = self.clock.now();
        let table = self.table.metered(Arc::clone(&meter));
        let request = ListingRequest {
            run_id: &spec.run_id,
            account: &spec.account,
            regions: &spec.regions,
            filter: &spec.filter,
            deadline,
            clock: &self.clock,
            retry_policy: self.options.retry_policy,
            limits: self.options.limits,
            meter: &meter,
        };
        let table = RetryingTable {
            table: &table,
            account: &spec.account,
            retry_policy: self.options.retry_policy,
            until: deadline.writing,
            max_connections: self.options.limits.connections,
            meter: &meter,
        };
        let read = async {
            let state = table.read_previous(&HashSet::new()).await?;
            let checked = previous_run::check(&state, &table).await;
            Ok((state, checked))
        };
        let (account_listing, read) = tokio::join!(self.source.list(&request), read);
        let (draft, record, head) = match read {
            Err(error) => (
                RunDraft::unread(&account_listing, &error),
                None,
                Head::Unknown,
            ),
            Ok((state, checked)) => {
                if let Some(done) = already_recorded(spec, &state, &table).await {
                    let (known, requests) = (state.record.as_ref(), meter.requests());
                    return Summary {
                        already_recorded: true,
                        ..Summary::new(&done, known, true, requests, meter.capacity())
                    };
                }
                let record = state.record.clone();
                let altered = checked.problems;
                let draft = self
                    .compare_and_write(spec, state, altered, &account_listing, table, deadline)
                    .await;
                (draft, record, checked.head)
            }
        };
        let finished_at = self.clock.now().max(started_at);
        let draft = draft.into_run(spec, started_at, finished_at);
        let table = table.until(deadline.end);
        let summary = |run: &RunRecord<K>, recorded| {
            let (requests, capacity) = (meter.requests(), meter.capacity());
            Summary::new(run, record.as_ref(), recorded, requests, capacity)
        };
        if let Some(failed) = failed_alike(&draft, record.as_ref(), &table).await {
            return Summary {
                already_recorded: true,
                ..summary(&failed, true)
            };
        }
        let before = Before::new(record.as_ref(), head);
        let recorded = record_run(&table, draft.clone(), before).await;
        match recorded {
            Ok(run) => summary(&run, true),
            Err(error) => {
                let outcome = Outcome::Failed;
                let mut summary = summary(&RunRecord { outcome, ..draft }, false);
                summary.problems.push(json_safe(&chain(&error)));
                summary
            }
        }
    }

    async fn compare_and_write(
        &self,
        spec: &RunSpec,
        state: PreviousState<K>,
        altered: Vec<String>,
        account_listing: &AccountListing<K>,
        table: RetryingTable<'_, K>,
        deadline: Deadline,
    ) -> RunDraft<K> {
        let coverage = state.record.map(|record| record.covered());
        let known = PreviousSnapshots {
            snapshots: state.snapshots,
            coverage: coverage.unwrap_or_default(),
        };
        let comparison = DiffContext {
            account: &spec.account,
            run_id: &spec.run_id,
            event_id: spec.trigger.event_id(),
            calls: spec.trigger.calls(),
        };
        let guard = if spec.accept_deletions {
            TombstoneGuard::Off
        } else {
            self.options.guard
        };
        let plan = plan::plan(&known, account_listing, guard);
        let held_back = plan.held_back.len();
        let unconfirmed =
            Unconfirmed::of(&plan.unconfirmed, account_listing, &spec.retired_regions);
        let not_newer: Vec<Timestamp> = plan.not_newer.iter().map(until).collect();
        let writer = Writer {
            table: table.table,
            comparison,
            known: &known,
            account_listing,
            concurrency: self.options.concurrency,
            retry_policy: self.options.retry_policy,
            until: deadline.writing,
            clock: Arc::new(self.clock.clone()),
            meter: table.meter,
            stopped: OnceLock::new(),
            lookups: ConsumerLookups::default(),
        };
        let mut report = writer.apply(plan).await;
        // A tombstone was met only when its connection was to be written.
        let tombstones = report.refreshed.iter().filter(|met| met.is_deleted());
        let not_newer = not_newer
            .into_iter()
            .chain(tombstones.map(|met| until(&met)));
        let clock_skew = ClockSkew::of(not_newer, self.clock.now());
        let mut problems = altered;
        problems.extend(state.corrupt.iter().map(ToString::to_string));
        let wrote = !(report.recorded.is_empty() && report.refreshed.is_empty());
        let after = if report.indeterminate.is_empty() && !(wrote && state.tombstones > 0) {
            let is_readable = state.corrupt.is_empty();
            let recorded = (!wrote).then_some(state.recorded);
            Some(SnapshotsAfter::of(
                &known.snapshots,
                account_listing,
                recorded,
                is_readable,
                &report,
            ))
        } else {
            drop(known);
            // Leaves time to record the run.
            let until = deadline.writing + (deadline.end - deadline.writing) / 2;
            let table = table.until(until);
            self.read_again(&table, account_listing, &mut report, &mut problems)
                .await
        };
        RunDraft::new(
            account_listing,
            held_back,
            unconfirmed,
            clock_skew,
            problems,
            report,
            after,
        )
    }

    /// Reads the state after writing, with tombstones and the writes of other
    /// runs.
    async fn read_again(
        &self,
        table: &RetryingTable<'_, K>,
        account_listing: &AccountListing<K>,
        report: &mut WriteReport<K>,
        problems: &mut Vec<String>,
    ) -> Option<SnapshotsAfter> {
        let indeterminate: HashSet<K::Id> = report
            .indeterminate
            .iter()
            .map(|transition| transition.change.arn.clone())
            .collect();
        match table.read_previous(&indeterminate).await {
            Ok(state) => {
                report.resolve_indeterminate(&state.snapshots);
                // It can't stand for what may still change by its own doing.
                let is_certain = report.indeterminate.is_empty() && state.corrupt.is_empty();
                let recorded = is_certain.then_some(state.recorded);
                Some(SnapshotsAfter::read(
                    &state.snapshots,
                    account_listing,
                    recorded,
                ))
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

/// The most evaluations that are read to find one that failed alike.
const MAX_FAILED_READ: usize = 16;

/// Returns the recorded evaluation that failed after the same run and for the same
/// reasons, if there is one. The table's stream delivers a run again until its
/// evaluation succeeds: equal failures would fill the record.
async fn failed_alike<K: StoredKind>(
    draft: &RunRecord<K>,
    record: Option<&AccountRecord<K>>,
    table: &RetryingTable<'_, K>,
) -> Option<RunRecord<K>> {
    fn codes<K: Kind>(run: &RunRecord<K>) -> impl Iterator<Item = (&K::Scope, Option<&str>)> {
        let listings = run.listings.iter();
        listings.map(|listing| {
            let error = listing.error.as_ref();
            (&listing.region, error.map(|error| &*error.code))
        })
    }
    let has_failed = |run: &RunRecord<K>| run.outcome == Outcome::Failed;
    if !matches!(draft.trigger, Trigger::Run { .. }) || !has_failed(draft) {
        return None;
    }
    let last = record?.sequence;
    // Recording once more does no harm if they can't be read.
    let before = table.read_runs_back_from(last, MAX_FAILED_READ).await;
    let mut before = before.ok()?.into_iter().take_while(has_failed);
    before.find(|run| run.trigger == draft.trigger && codes(run).eq(codes(draft)))
}

/// Returns the run that handled this event before, if one did. A second
/// delivery has nothing to add.
async fn already_recorded<K: StoredKind>(
    spec: &RunSpec,
    state: &PreviousState<K>,
    table: &RetryingTable<'_, K>,
) -> Option<RunRecord<K>> {
    let event_id = spec.trigger.event_id()?;
    let sequence = state.record.as_ref()?.recent_events.get(event_id)?;
    // Running again does no harm if the run can't be read, or if an edited record
    // names a run that handled another event.
    let done = table.read_run(*sequence).await.ok().flatten();
    done.filter(|run| run.trigger.event_id() == Some(event_id))
}
