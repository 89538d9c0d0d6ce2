//! The summary of a run, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::meter::{Capacity, Requests};
use crate::domain::run::ListingReport;
use crate::domain::{
    AccountId, AccountRecord, ChangeKind, Connection, Digest, Kind, Outcome, RunId, RunRecord,
    Timestamp,
};

/// The summary of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(bound = "")]
pub struct Summary<K: Kind = Connection> {
    /// The run.
    pub run_id: RunId,
    /// Its outcome.
    pub outcome: Outcome,
    /// The inventoried account.
    pub account: AccountId,
    /// The run's number in the account's chain; `None` if it could not be
    /// recorded.
    pub sequence: Option<u64>,
    /// The listing of each region.
    pub listings: Vec<ListingReport<K>>,
    /// Whether the account's connections after the run are known.
    #[serde(skip)]
    pub snapshots_known: bool,
    /// The account's present connections after the run, by status.
    pub connections: BTreeMap<String, u64>,
    /// The changes that the run recorded, by kind.
    pub changes: BTreeMap<ChangeKind, u64>,
    /// Deletions that the guard held back.
    pub tombstones_held_back: u64,
    /// Planned writes that were not made.
    pub unwritten: u64,
    /// Connections on record as present that the run did not list, and that
    /// none of its listings shows to be deleted.
    pub unconfirmed: u64,
    /// The problems, one line each.
    pub problems: Vec<String>,
    /// Whether an earlier run handled this event. Then nothing was written, and
    /// this is that run's summary.
    pub already_recorded: bool,
    /// The start of the account's last complete run, as far as this run knows.
    pub last_complete_at: Option<Timestamp>,
    /// Its start.
    #[serde(skip)]
    pub started_at: Timestamp,
    /// Whether its listings were filtered.
    #[serde(skip)]
    pub is_filtered: bool,
    /// The last complete run in the account's record before it, and the last
    /// whole listing of each region.
    #[serde(skip)]
    pub known: Option<(Timestamp, BTreeMap<K::Scope, Timestamp>)>,
    /// Requests sent.
    pub requests: Requests,
    /// Capacity units used.
    pub capacity: Capacity,
    /// Its duration in milliseconds.
    pub duration_ms: u64,
    /// The digest of the run's record: the head of the account's chain. `None`
    /// if it could not be recorded.
    pub digest: Option<Digest>,
}

impl<K: Kind> Summary<K> {
    /// Returns the summary of `run` and its cost. `known` is the account's
    /// record as the run read it.
    pub fn new(
        run: &RunRecord<K>,
        known: Option<&AccountRecord<K>>,
        recorded: bool,
        requests: Requests,
        capacity: Capacity,
    ) -> Self {
        let last_complete = known.and_then(|known| known.last_complete.as_ref());
        Self {
            run_id: run.run_id.clone(),
            outcome: run.outcome,
            account: run.account.clone(),
            sequence: recorded.then_some(run.sequence),
            listings: run.listings.clone(),
            snapshots_known: run.snapshots.is_some() || !run.connections.is_empty(),
            connections: run.connections.clone(),
            changes: run.changes.clone(),
            tombstones_held_back: run.tombstones_held_back,
            unwritten: run.unwritten,
            unconfirmed: run.unconfirmed,
            problems: run.problems.clone(),
            already_recorded: false,
            last_complete_at: match run.outcome {
                Outcome::Complete => Some(run.started_at),
                Outcome::Partial | Outcome::Failed => last_complete.map(|run| run.started_at),
            },
            started_at: run.started_at,
            is_filtered: !run.filter.is_empty(),
            known: known.and_then(|record| {
                let complete = record.last_complete.as_ref()?;
                Some((complete.started_at, record.coverage.clone()))
            }),
            requests,
            capacity,
            duration_ms: run.finished_at.millis_since(run.started_at),
            digest: recorded.then(|| run.digest()),
        }
    }

    /// Returns true if the run was complete, unfiltered, and listed all of
    /// `regions`.
    pub fn is_whole(&self, regions: &[K::Scope]) -> bool {
        let is_listed = |region: &K::Scope| {
            self.listings
                .iter()
                .any(|listing| listing.region == *region)
        };
        self.outcome == Outcome::Complete && !self.is_filtered && regions.iter().all(is_listed)
    }

    /// Returns the time since when all of `regions` are observed, as far as this
    /// run knows: when the last whole run began, or the oldest of the last complete
    /// run and the last whole listings of these regions.
    pub fn whole_since(&self, regions: &[K::Scope]) -> Option<Timestamp> {
        if self.is_whole(regions) {
            return Some(self.started_at);
        }
        let (complete, coverage) = self.known.as_ref()?;
        regions.iter().try_fold(*complete, |oldest, region| {
            Some(oldest.min(*coverage.get(region)?))
        })
    }

    /// Returns why the run is not complete, in one line.
    pub fn reason(&self) -> String {
        match self.problems.as_slice() {
            [] => self.outcome.to_string(),
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
        }
    }
}
