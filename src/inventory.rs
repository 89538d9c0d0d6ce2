//! One run of one account: list, read, compare, write, record.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::applied::Applied;
use crate::apply::Writer;
use crate::aws::fault::chain;
use crate::aws::{Deadline, Meter, Patience};
use crate::collect::{ConnectionSource, Limits, Lister};
use crate::domain::decide::Comparison;
use crate::domain::listing::{MAX_OBSERVATION_AGE, Observation};
use crate::domain::notice::harmless;
use crate::domain::plan::{self, Known, TombstoneGuard};
use crate::domain::run::{ListingReport, SnapshotsRecord, count_by_status};
use crate::domain::text::cut;
use crate::domain::{
    AccountId, ChangeKind, Clock, ConnectionArn, Filter, Format, Outcome, Region, RunId, RunRecord,
    Snapshot, Timestamp, Trigger,
};
use crate::head;
use crate::record::Recorder;
use crate::summary::Summary;
use crate::table::{PreviousState, Table, TableError};

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

/// What one run is to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// The run's id.
    pub run_id: RunId,
    /// The account to list.
    pub account: AccountId,
    /// The regions to list.
    pub regions: Vec<Region>,
    /// What to restrict the listings to.
    pub filter: Filter,
    /// Whether the guard is set aside.
    pub accept_deletions: bool,
    /// What started it.
    pub trigger: Trigger,
    /// Regions that are not inventoried any more: that only they list a
    /// connection is no reason for a run not to be complete.
    pub retired_regions: Vec<Region>,
}

/// Problems told one by one; more are counted.
const PROBLEMS_TOLD: usize = 20;

/// Bytes of a problem that are told. With these, a run's record fits an item
/// whatever went wrong.
const PROBLEM: usize = 1000;

/// The version that a run's record names.
pub const CODE_VERSION: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

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
            let altered = head::check(&state, &recorder).await;
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

/// When the observation ended that a snapshot is based on.
fn until(snapshot: &&Snapshot) -> Timestamp {
    snapshot.rests_on().ended_at
}

/// What a run left.
struct Left {
    /// The connections that are there, and tombstones that it met or wrote.
    snapshots: HashMap<ConnectionArn, Snapshot>,
    /// What stands for all snapshots. None if changes may still arrive, or if a
    /// snapshot can't be read.
    recorded: Option<SnapshotsRecord>,
}

impl Left {
    /// What was `known` and readable, where there were no tombstones, with what
    /// was applied. `recorded` stands for it if nothing was.
    fn of(
        known: HashMap<ConnectionArn, Snapshot>,
        recorded: Option<SnapshotsRecord>,
        is_readable: bool,
        applied: &mut Applied,
    ) -> Self {
        let mut snapshots = known;
        let is_new = |snapshot: &&Snapshot| !snapshots.contains_key(&snapshot.arn);
        snapshots.reserve(applied.recorded.iter().filter(is_new).count());
        let written = std::mem::take(&mut applied.recorded);
        let met = std::mem::take(&mut applied.refreshed);
        for snapshot in written.into_iter().chain(met) {
            snapshots.insert(snapshot.arn.clone(), snapshot);
        }
        let recorded =
            is_readable.then(|| recorded.unwrap_or_else(|| SnapshotsRecord::of(&snapshots)));
        Self {
            snapshots,
            recorded,
        }
    }
}

/// Connections that no listing has, and that none shows to be gone.
struct Unconfirmed {
    connections: u64,
    /// Which are not asked for any more, and were not retired, in a line for
    /// each group of regions that list them.
    problems: Vec<String>,
}

impl Unconfirmed {
    fn of(unconfirmed: &[&Snapshot], observation: &Observation, retired: &[Region]) -> Self {
        let mut by_regions: BTreeMap<Vec<&Region>, Vec<&Snapshot>> = BTreeMap::new();
        for snapshot in unconfirmed {
            let lacking = |region: &&Region| !observation.is_covered(region);
            let lacking: Vec<&Region> = snapshot.listed_in.iter().filter(lacking).collect();
            // A region that did not answer to the end is a problem of its own.
            let is_asked = lacking.iter().any(|region| observation.was_asked(region));
            let is_retired = lacking.iter().all(|region| retired.contains(region));
            if !is_asked && !is_retired {
                by_regions.entry(lacking).or_default().push(snapshot);
            }
        }
        Self {
            connections: unconfirmed.len() as u64,
            problems: by_regions
                .into_iter()
                .map(|(regions, snapshots)| Self::problem(&regions, snapshots))
                .collect(),
        }
    }

    fn problem(regions: &[&Region], mut snapshots: Vec<&Snapshot>) -> String {
        /// Connections that are named; the rest is counted.
        const NAMED: usize = 3;
        snapshots.sort_by_key(|snapshot| snapshot.last_seen.began_at);
        let regions: Vec<&str> = regions.iter().map(|region| region.as_str()).collect();
        let regions = regions.join(", ");
        let named = snapshots.iter().take(NAMED);
        let mut named: Vec<String> = named
            .map(|snapshot| {
                let seen = snapshot.last_seen.began_at;
                format!("{}, last seen {seen}", snapshot.arn)
            })
            .collect();
        if let Some(more @ 1..) = snapshots.len().checked_sub(NAMED) {
            named.push(format!("and {more} more"));
        }
        let connections = match snapshots.len() {
            1 => "1 connection".to_owned(),
            more => format!("{more} connections"),
        };
        format!(
            "{connections} not confirmed: listed before by {regions}, which this run did not \
             list; add the region, or retire it (RETIRED_REGIONS): {}",
            named.join("; ")
        )
    }
}

/// Connections of which the record says that they were observed when it is not
/// yet that late: the clock of this run or that of an earlier one is wrong.
/// What this run saw of them is older than that, and changes nothing. Runs at
/// the same time are not meant: by the time that one has read what the other
/// wrote, the other's observation is in the past.
struct Ahead {
    connections: u64,
    until: Timestamp,
}

impl Ahead {
    fn of(observed: impl Iterator<Item = Timestamp>, now: Timestamp) -> Option<Self> {
        let ahead: Vec<Timestamp> = observed.filter(|at| *at > now).collect();
        Some(Self {
            connections: ahead.len() as u64,
            until: ahead.into_iter().max()?,
        })
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

/// What a run found and wrote, before it is recorded.
struct Findings {
    outcome: Outcome,
    listings: Vec<ListingReport>,
    problems: Vec<String>,
    changes: BTreeMap<ChangeKind, u64>,
    held_back: u64,
    unwritten: u64,
    /// Connections that were seen, and are not on record as being there.
    unsettled: u64,
    /// Connections that it could not confirm.
    unconfirmed: u64,
    /// What is there after the run; none if it can't be read.
    left: Option<Left>,
}

impl Findings {
    /// The table could not be read: nothing could be compared.
    fn unread(observation: &Observation, error: &TableError) -> Self {
        let (listings, mut problems) = told(observation);
        problems.push(chain(error));
        Self {
            outcome: Outcome::Failed,
            listings,
            problems,
            changes: BTreeMap::new(),
            held_back: 0,
            unwritten: 0,
            unsettled: 0,
            unconfirmed: 0,
            left: None,
        }
    }

    fn new(
        observation: &Observation,
        held_back: usize,
        unconfirmed: Unconfirmed,
        ahead: Option<Ahead>,
        altered: Vec<String>,
        applied: Applied,
        left: Option<Left>,
    ) -> Self {
        let (listings, mut problems) = told(observation);
        problems.extend(unconfirmed.problems);
        if held_back > 0 {
            problems.push(format!(
                "{held_back} deletions held back: more than the guard lets pass in one run; \
                 if they are meant, run again with accept_deletions"
            ));
        }
        let open = applied.open.len() as u64;
        let unwritten = applied.unwritten + open;
        if unwritten > 0 {
            let why = match &applied.kept_by {
                Some(fault) => format!(" ({fault})"),
                None => String::new(),
            };
            problems.push(format!(
                "{unwritten} connections not written{why}; the next run takes them up"
            ));
        }
        if applied.too_late > 0 {
            problems.push(format!(
                "{} changes observed more than {} minutes ago: too late to be recorded; \
                 the next run takes them up",
                applied.too_late,
                MAX_OBSERVATION_AGE.as_secs() / 60
            ));
        }
        if let Some(Ahead { connections, until }) = &ahead {
            problems.push(format!(
                "{connections} connections are on record as observed until {until}, which is \
                 still to come: a clock is or was wrong; what this run saw of them is not \
                 recorded, and the first run after that time takes it up"
            ));
        }
        problems.extend(applied.stopped.iter().map(|error| chain(error)));
        // Those were not written either, each for a reason of its own.
        let unwritten = unwritten
            + applied.too_late
            + applied.problems.len() as u64
            + ahead.map_or(0, |ahead| ahead.connections);
        // An item that can't be read is met again where its connection was to
        // be written, and told once.
        let met: HashSet<&String> = applied.problems.iter().collect();
        let others: Vec<String> = altered.into_iter().filter(|p| !met.contains(p)).collect();
        problems.extend(applied.problems);
        problems.extend(others);
        let saw_something = listings.iter().any(|listing| listing.pages > 0);
        let outcome = if !saw_something || applied.stopped.is_some() {
            Outcome::Failed
        } else if problems.is_empty() {
            Outcome::Complete
        } else {
            Outcome::Partial
        };
        let is_there = |arn: &&ConnectionArn| {
            let snapshot = left.as_ref().and_then(|left| left.snapshots.get(*arn));
            snapshot.is_some_and(|snapshot| !snapshot.is_deleted())
        };
        let unsettled = observation.arns().filter(|arn| !is_there(arn)).count() as u64;
        Self {
            outcome,
            listings,
            problems,
            changes: applied.changes,
            held_back: held_back as u64,
            unwritten,
            unsettled,
            unconfirmed: unconfirmed.connections,
            left,
        }
    }

    /// The run's record, as far as it does not depend on the run before it.
    fn into_run(self, order: &Order, started_at: Timestamp, finished_at: Timestamp) -> RunRecord {
        let connections = self.left.as_ref().map(|left| &left.snapshots);
        let connections = connections.map(|snapshots| count_by_status(snapshots.values()));
        RunRecord {
            format: Format::CURRENT,
            account: order.account.clone(),
            sequence: 1,
            run_id: order.run_id.clone(),
            started_at,
            finished_at,
            outcome: self.outcome,
            problems: recorded(self.problems),
            trigger: order.trigger.clone(),
            filter: order.filter.clone(),
            listings: self.listings,
            connections: connections.unwrap_or_default(),
            changes: self.changes,
            tombstones_held_back: self.held_back,
            unwritten: self.unwritten,
            unsettled: self.unsettled,
            unconfirmed: self.unconfirmed,
            retired_regions: order.retired_regions.clone(),
            code_version: CODE_VERSION.into(),
            snapshots: self.left.and_then(|left| left.recorded),
            account_sequence: None,
            previous_digest: None,
        }
    }
}

/// The listings, and what is missing of them.
fn told(observation: &Observation) -> (Vec<ListingReport>, Vec<String>) {
    let listings: Vec<_> = observation
        .listings()
        .iter()
        .map(ListingReport::from)
        .collect();
    let problem = |listing: &ListingReport| {
        let error = listing.error.as_ref()?;
        Some(format!("listing {}: {}", listing.region, error.message))
    };
    let problems = listings.iter().filter_map(problem).collect();
    (listings, problems)
}

/// The problems as they are recorded: not too many, and such as can be passed
/// on (the pipe tells the first one).
fn recorded(mut problems: Vec<String>) -> Vec<String> {
    if problems.len() > PROBLEMS_TOLD {
        let more = problems.len() - PROBLEMS_TOLD;
        problems.truncate(PROBLEMS_TOLD);
        problems.push(format!("and {more} more"));
    }
    let told = |problem: &String| cut(&harmless(problem), PROBLEM).into_owned();
    problems.iter().map(told).collect()
}
