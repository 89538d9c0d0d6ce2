//! A run's result, before it is recorded: the draft of its record and its
//! summary.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::run_spec::{CODE_VERSION, RunSpec};
use super::write_outcome::WriteReport;
use crate::aws::error::chain;
use crate::domain::listing::{AccountListing, MAX_OBSERVATION_AGE, NOT_ENABLED};
use crate::domain::run::{ListingReport, SnapshotsRecord, count_by_status, count_by_word};
use crate::domain::text::{cut, json_safe};
use crate::domain::{
    Agreement, ChangeKind, Digest, EvaluationBasis, Identifier, Kind, Outcome, Region, RunRecord,
    SchemaVersion, Snapshot, Timestamp,
};
use crate::table::TableError;

/// The most problems that are recorded one by one; the rest is counted.
const MAX_PROBLEMS: usize = 20;

/// The longest problem that is recorded, in bytes. With these limits a run's
/// record fits an item.
const MAX_PROBLEM_BYTES: usize = 1000;

/// A run's result, before it is recorded.
pub(crate) struct RunDraft<K: Kind> {
    outcome: Outcome,
    listings: Vec<ListingReport<K>>,
    agreement: Option<Agreement>,
    evaluation: Option<EvaluationBasis>,
    problems: Vec<String>,
    changes: BTreeMap<ChangeKind, u64>,
    held_back: u64,
    unwritten: u64,
    /// Connections that were observed, and are not recorded as present.
    unsettled: u64,
    /// Connections recorded as present that it could not confirm.
    unconfirmed: u64,
    /// The state after the run; `None` if it can't be read.
    after: Option<SnapshotsAfter>,
}

impl<K: Kind> RunDraft<K> {
    /// Returns the draft of a run that could not read the table, and compared
    /// nothing.
    pub(crate) fn unread(account_listing: &AccountListing<K>, error: &TableError) -> Self {
        let (listings, mut problems) = listing_reports(account_listing);
        problems.push(chain(error));
        Self {
            outcome: Outcome::Failed,
            listings,
            agreement: Agreement::of(account_listing),
            evaluation: account_listing.evaluation().cloned(),
            problems,
            changes: BTreeMap::new(),
            held_back: 0,
            unwritten: 0,
            unsettled: 0,
            unconfirmed: 0,
            after: None,
        }
    }

    pub(crate) fn new(
        account_listing: &AccountListing<K>,
        held_back: usize,
        unconfirmed: Unconfirmed,
        clock_skew: Option<ClockSkew>,
        altered: Vec<String>,
        report: WriteReport<K>,
        after: Option<SnapshotsAfter>,
    ) -> Self {
        let (listings, mut problems) = listing_reports(account_listing);
        problems.extend(unconfirmed.problems);
        if held_back > 0 {
            problems.push(format!(
                "{held_back} deletions held back: more than the guard lets pass in one run; \
                 if they are meant, run again with accept_deletions"
            ));
        }
        let indeterminate = report.indeterminate.len() as u64;
        let unwritten = report.unwritten + indeterminate;
        if unwritten > 0 {
            let why = match &report.blocked_by {
                Some(call_error) => format!(" ({call_error})"),
                None => String::new(),
            };
            problems.push(format!(
                "{unwritten} {} not written{why}; the next run takes them up",
                K::NOUN.1
            ));
        }
        if report.stale > 0 {
            problems.push(format!(
                "{} changes observed more than {} minutes ago: too late to be recorded; \
                 the next run takes them up",
                report.stale,
                MAX_OBSERVATION_AGE.as_secs() / 60
            ));
        }
        if let Some(ClockSkew { connections, until }) = &clock_skew {
            let noun = K::NOUN.1;
            problems.push(format!(
                "{connections} {noun} are on record as observed until {until}, which is \
                 still to come: a clock is or was wrong; what this run saw of them is not \
                 recorded, and the first run after that time takes it up"
            ));
        }
        problems.extend(report.stopped.iter().map(|error| chain(error)));
        // Those were not written either, each for a reason of its own.
        let unwritten = unwritten
            + report.stale
            + report.problems.len() as u64
            + clock_skew.map_or(0, |clock_skew| clock_skew.connections);
        // An unreadable item is met again when its connection is written. It is
        // reported once.
        let met: HashSet<&String> = report.problems.iter().collect();
        let others: Vec<String> = altered.into_iter().filter(|p| !met.contains(p)).collect();
        problems.extend(report.problems);
        problems.extend(others);
        let saw_something = listings.iter().any(|listing| listing.pages > 0);
        let outcome = if !saw_something || report.stopped.is_some() {
            Outcome::Failed
        } else if problems.is_empty() {
            Outcome::Complete
        } else {
            Outcome::Partial
        };
        let unsettled = match &after {
            Some(after) => after.unsettled,
            None => account_listing.ids().count() as u64,
        };
        Self {
            outcome,
            listings,
            agreement: Agreement::of(account_listing),
            evaluation: account_listing.evaluation().cloned(),
            problems,
            changes: report.changes,
            held_back: held_back as u64,
            unwritten,
            unsettled,
            unconfirmed: unconfirmed.connections,
            after,
        }
    }

    /// Returns the run's record, as far as it does not depend on the run before
    /// it.
    pub(crate) fn into_run(
        self,
        spec: &RunSpec,
        started_at: Timestamp,
        finished_at: Timestamp,
    ) -> RunRecord<K> {
        let after = self.after.map(|after| (after.connections, after.recorded));
        let (connections, snapshots) = after.unwrap_or_default();
        RunRecord {
            format: SchemaVersion::CURRENT,
            account: spec.account.clone(),
            sequence: 1,
            run_id: spec.run_id.clone(),
            started_at,
            finished_at,
            outcome: self.outcome,
            problems: recorded(self.problems),
            trigger: spec.trigger.clone(),
            filter: spec.filter.clone(),
            listings: self.listings,
            connections,
            changes: self.changes,
            tombstones_held_back: self.held_back,
            unwritten: self.unwritten,
            unsettled: self.unsettled,
            unconfirmed: self.unconfirmed,
            retired_regions: spec.retired_regions.clone(),
            code_version: CODE_VERSION.into(),
            agreement: self.agreement,
            evaluation: self.evaluation,
            snapshots,
            account_sequence: None,
            previous_digest: None,
        }
    }
}

/// Returns the reports of the listings, and their problems.
fn listing_reports<K: Kind>(
    account_listing: &AccountListing<K>,
) -> (Vec<ListingReport<K>>, Vec<String>) {
    let listings: Vec<_> = account_listing
        .listings()
        .iter()
        .map(ListingReport::from)
        .collect();
    let problem = |listing: &ListingReport<K>| {
        // A service that is not enabled would leave every run PARTIAL.
        let error = listing.error.as_ref().filter(|e| *e.code != *NOT_ENABLED)?;
        Some(format!("listing {}: {}", listing.region, error.message))
    };
    let problems = listings.iter().filter_map(problem).collect();
    (listings, problems)
}

/// Returns the problems as they are recorded: not too many, and safe for the
/// event pipe, which publishes the first one.
fn recorded(mut problems: Vec<String>) -> Vec<String> {
    if problems.len() > MAX_PROBLEMS {
        let more = problems.len() - MAX_PROBLEMS;
        problems.truncate(MAX_PROBLEMS);
        problems.push(format!("and {more} more"));
    }
    let shortened = |problem: &String| cut(&json_safe(problem), MAX_PROBLEM_BYTES).into_owned();
    problems.iter().map(shortened).collect()
}

/// Returns the end of the observation that a snapshot is based on.
pub(crate) fn until<K: Kind>(snapshot: &&Snapshot<K>) -> Timestamp {
    snapshot.rests_on().ended_at
}

/// The state after a run.
pub(crate) struct SnapshotsAfter {
    /// The number of present connections by status.
    connections: BTreeMap<String, u64>,
    /// Connections that were observed, and are not recorded as present.
    unsettled: u64,
    /// The number and digest of all snapshots. `None` if changes may still
    /// arrive, or if a snapshot can't be read.
    recorded: Option<SnapshotsRecord>,
}

/// A snapshot after a run: its version and digest, and its status unless it is a
/// tombstone.
type After<'a> = (u32, Digest, Option<&'a str>);

impl SnapshotsAfter {
    /// Returns the state before, without tombstones, with the applied writes.
    /// `recorded` is its digest if nothing was written.
    pub(crate) fn of<K: Kind>(
        known: &HashMap<K::Id, Snapshot<K>>,
        account_listing: &AccountListing<K>,
        recorded: Option<SnapshotsRecord>,
        is_readable: bool,
        report: &WriteReport<K>,
    ) -> Self {
        let written = report.recorded.iter().map(|each| {
            let after = (each.version, each.digest, each.status.as_deref());
            (&each.arn, after)
        });
        // What was met is newer than what was written before.
        let met = report.refreshed.iter().map(|met| (&met.arn, after(met)));
        let written: HashMap<&K::Id, After<'_>> = written.chain(met).collect();
        let is_kept = |(arn, _): &(&K::Id, &Snapshot<K>)| !written.contains_key(arn);
        let kept = known.iter().filter(is_kept);
        let lines = || {
            let kept = kept.clone().map(|(arn, snapshot)| (arn, after(snapshot)));
            kept.chain(written.iter().map(|(arn, after)| (*arn, *after)))
        };
        let recorded = is_readable.then(|| {
            recorded.unwrap_or_else(|| {
                SnapshotsRecord::of_lines(
                    lines().map(|(arn, (version, digest, _))| (arn, version, digest)),
                )
            })
        });
        let is_there = |arn: &K::Id| match written.get(arn) {
            Some((_, _, status)) => status.is_some(),
            None => known.get(arn).is_some_and(|known| !known.is_deleted()),
        };
        Self {
            connections: count_by_word(
                lines().filter_map(|(_, (_, _, status))| Some((status?, 1))),
            ),
            unsettled: account_listing.ids().filter(|arn| !is_there(arn)).count() as u64,
            recorded,
        }
    }

    /// Returns the state as it was read.
    pub(crate) fn read<K: Kind>(
        snapshots: &HashMap<K::Id, Snapshot<K>>,
        account_listing: &AccountListing<K>,
        recorded: Option<SnapshotsRecord>,
    ) -> Self {
        let is_there = |arn: &&K::Id| snapshots.get(*arn).is_some_and(|s| !s.is_deleted());
        Self {
            connections: count_by_status(snapshots.values()),
            unsettled: account_listing.ids().filter(|arn| !is_there(arn)).count() as u64,
            recorded,
        }
    }
}

fn after<K: Kind>(snapshot: &Snapshot<K>) -> After<'_> {
    let is_there = !snapshot.is_deleted();
    let status = is_there.then(|| K::status_word(&snapshot.attributes));
    (snapshot.version, snapshot.digest, status)
}

/// Connections that no listing has, and whose absence none proves.
pub(crate) struct Unconfirmed {
    connections: u64,
    /// A problem for each group of regions that used to list them, are not
    /// listed any more, and were not retired.
    problems: Vec<String>,
}

impl Unconfirmed {
    pub(crate) fn of<K: Kind>(
        unconfirmed: &[&Snapshot<K>],
        account_listing: &AccountListing<K>,
        retired: &[Region],
    ) -> Self {
        let mut by_regions: BTreeMap<Vec<&K::Scope>, Vec<&Snapshot<K>>> = BTreeMap::new();
        for snapshot in unconfirmed {
            let lacking = |scope: &&K::Scope| !account_listing.is_covered(scope);
            let lacking: Vec<&K::Scope> = snapshot.listed_in.iter().filter(lacking).collect();
            // A region that did not answer to the end is a problem of its own.
            let is_asked = lacking.iter().any(|scope| account_listing.was_asked(scope));
            // What has no region can't be added or retired.
            let is_retired = lacking
                .iter()
                .all(|scope| K::region(scope).is_none_or(|region| retired.contains(&region)));
            if !is_asked && !is_retired {
                by_regions.entry(lacking).or_default().push(snapshot);
            }
        }
        Self {
            connections: unconfirmed.len() as u64,
            problems: by_regions
                .into_iter()
                .map(|(scopes, snapshots)| Self::problem::<K>(&scopes, snapshots))
                .collect(),
        }
    }

    fn problem<K: Kind>(scopes: &[&K::Scope], mut snapshots: Vec<&Snapshot<K>>) -> String {
        /// The connections that are named; the rest is counted.
        const MAX_NAMED: usize = 3;
        snapshots.sort_by_key(|snapshot| snapshot.last_seen.began_at);
        let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        let scopes = scopes.join(", ");
        let named = snapshots.iter().take(MAX_NAMED);
        let mut named: Vec<String> = named
            .map(|snapshot| {
                let seen = snapshot.last_seen.began_at;
                format!("{}, last seen {seen}", snapshot.arn)
            })
            .collect();
        if let Some(more @ 1..) = snapshots.len().checked_sub(MAX_NAMED) {
            named.push(format!("and {more} more"));
        }
        let resources = match snapshots.len() {
            1 => format!("1 {}", K::NOUN.0),
            more => format!("{more} {}", K::NOUN.1),
        };
        format!(
            "{resources} not confirmed: listed before by {scopes}, which this run did not \
             list; add the region, or retire it (RETIRED_REGIONS): {}",
            named.join("; ")
        )
    }
}

/// Connections recorded as observed in the future: the clock of this run or of
/// an earlier one is wrong. This run's observations of them are older and
/// change nothing. Concurrent runs don't cause this: once one has read what the
/// other wrote, the other's observation is in the past.
pub(crate) struct ClockSkew {
    connections: u64,
    until: Timestamp,
}

impl ClockSkew {
    pub(crate) fn of(observed: impl Iterator<Item = Timestamp>, now: Timestamp) -> Option<Self> {
        let clock_skew: Vec<Timestamp> = observed.filter(|at| *at > now).collect();
        Some(Self {
            connections: clock_skew.len() as u64,
            until: clock_skew.into_iter().max()?,
        })
    }
}
