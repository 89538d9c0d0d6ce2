//! What a run found and wrote, as its record and its summary say it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::order::{CODE_VERSION, Order};
use super::write_outcome::Applied;
use crate::aws::error::chain;
use crate::domain::event_summary::harmless;
use crate::domain::listing::{MAX_OBSERVATION_AGE, Observation};
use crate::domain::run::{ListingReport, SnapshotsRecord, count_by_status};
use crate::domain::text::cut;
use crate::domain::{
    ChangeKind, ConnectionArn, Format, Outcome, Region, RunRecord, Snapshot, Timestamp,
};
use crate::table::TableError;

/// Problems told one by one; more are counted.
const PROBLEMS_TOLD: usize = 20;

/// Bytes of a problem that are told. With these, a run's record fits an item
/// whatever went wrong.
const PROBLEM: usize = 1000;

/// What a run found and wrote, before it is recorded.
pub(crate) struct Findings {
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
    pub(crate) fn unread(observation: &Observation, error: &TableError) -> Self {
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

    pub(crate) fn new(
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
    pub(crate) fn into_run(
        self,
        order: &Order,
        started_at: Timestamp,
        finished_at: Timestamp,
    ) -> RunRecord {
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

/// When the observation ended that a snapshot is based on.
pub(crate) fn until(snapshot: &&Snapshot) -> Timestamp {
    snapshot.rests_on().ended_at
}

/// What a run left.
pub(crate) struct Left {
    /// The connections that are there, and tombstones that it met or wrote.
    pub(crate) snapshots: HashMap<ConnectionArn, Snapshot>,
    /// What stands for all snapshots. None if changes may still arrive, or if a
    /// snapshot can't be read.
    pub(crate) recorded: Option<SnapshotsRecord>,
}

impl Left {
    /// What was `known` and readable, where there were no tombstones, with what
    /// was applied. `recorded` stands for it if nothing was.
    pub(crate) fn of(
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
pub(crate) struct Unconfirmed {
    connections: u64,
    /// Which are not asked for any more, and were not retired, in a line for
    /// each group of regions that list them.
    problems: Vec<String>,
}

impl Unconfirmed {
    pub(crate) fn of(
        unconfirmed: &[&Snapshot],
        observation: &Observation,
        retired: &[Region],
    ) -> Self {
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
pub(crate) struct Ahead {
    connections: u64,
    until: Timestamp,
}

impl Ahead {
    pub(crate) fn of(observed: impl Iterator<Item = Timestamp>, now: Timestamp) -> Option<Self> {
        let ahead: Vec<Timestamp> = observed.filter(|at| *at > now).collect();
        Some(Self {
            connections: ahead.len() as u64,
            until: ahead.into_iter().max()?,
        })
    }
}
