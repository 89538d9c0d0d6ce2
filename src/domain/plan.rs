//! The plan: the writes of one run, computed from the previous state and the
//! listings. A pure function.

use std::collections::{BTreeMap, HashMap};

use super::diff::{Decision, DiffContext, PlannedChange, SkipReason, compare};
use super::kind::Kind;
use super::listing::{AccountListing, Observation, Window};
use super::{ChangeKind, Connection, Snapshot, Timestamp, TombstoneGuard};

/// The state in the table when a run begins.
#[derive(Debug)]
pub struct PreviousSnapshots<K: Kind = Connection> {
    /// The resources that are present. Tombstones may be left out: a resource
    /// that is listed again meets its tombstone when it is written.
    pub snapshots: HashMap<K::Id, Snapshot<K>>,
    /// The window of each scope's last complete and unfiltered listing.
    pub coverage: BTreeMap<K::Scope, Window>,
}

impl<K: Kind> Default for PreviousSnapshots<K> {
    fn default() -> Self {
        Self {
            snapshots: HashMap::new(),
            coverage: BTreeMap::new(),
        }
    }
}

impl<K: Kind> PreviousSnapshots<K> {
    /// Returns the last time at which a complete listing of one of `scopes`
    /// lacked a resource before it was seen in `window`, for a resource that is
    /// not recorded or a tombstone.
    ///
    /// A listing that overlaps `window` does not count: it may have looked
    /// later.
    pub fn last_absent_at(&self, scopes: &[K::Scope], window: Window) -> Option<Timestamp> {
        scopes
            .iter()
            .filter_map(|scope| self.coverage.get(scope))
            .filter(|lacked| lacked.precedes(window))
            .map(|lacked| lacked.began_at)
            .max()
    }

    /// Returns the resources that are present.
    pub fn present(&self) -> impl Iterator<Item = &Snapshot<K>> {
        self.snapshots
            .values()
            .filter(|snapshot| !snapshot.is_deleted())
    }
}

/// The writes of a run.
#[derive(Debug)]
pub struct Plan<'a, K: Kind = Connection> {
    /// Unchanged resources, by id.
    pub touches: Vec<Touch<'a, K>>,
    /// Changes to record, by id.
    pub changes: Vec<PlannedChange<'a, K>>,
    /// Resources that are not tombstoned because they are too many.
    pub held_back: Vec<&'a K::Id>,
    /// Resources of which a newer observation is recorded already.
    pub not_newer: Vec<&'a Snapshot<K>>,
    /// Resources that are recorded as present, that no listing has, and whose
    /// absence none proves although nothing was filtered.
    pub unconfirmed: Vec<&'a Snapshot<K>>,
}

impl<K: Kind> Default for Plan<'_, K> {
    fn default() -> Self {
        Self {
            touches: Vec::new(),
            changes: Vec::new(),
            held_back: Vec::new(),
            not_newer: Vec::new(),
            unconfirmed: Vec::new(),
        }
    }
}

/// An unchanged resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch<'a, K: Kind = Connection> {
    /// Its recorded state.
    pub snapshot: &'a Snapshot<K>,
    /// The window of the listing that showed it.
    pub window: Window,
    /// What lists it now, if it differs from what is recorded.
    pub listed_in: Option<Vec<K::Scope>>,
}

/// Computes the writes of a run.
///
/// `guard` is `Off` for a run whose deletions were accepted.
pub fn plan<'a, K: Kind>(
    known: &'a PreviousSnapshots<K>,
    account_listing: &'a AccountListing<K>,
    guard: TombstoneGuard,
) -> Plan<'a, K> {
    let mut plan = Plan::default();
    let new = account_listing
        .ids()
        .filter(|arn| !known.snapshots.contains_key(*arn))
        .map(|arn| (arn, None));
    let old = known
        .snapshots
        .iter()
        .map(|(arn, snapshot)| (arn, Some(snapshot)));
    for (arn, snapshot) in old.chain(new) {
        match compare_one(known, account_listing, arn, snapshot) {
            Decision::Nothing(SkipReason::StillDeleted) => {}
            Decision::Nothing(SkipReason::NotObserved) => {
                let is_there = |snapshot: &&Snapshot<K>| !snapshot.is_deleted();
                plan.unconfirmed.extend(snapshot.filter(is_there));
            }
            Decision::Nothing(SkipReason::NotNewer) => plan.not_newer.extend(snapshot),
            Decision::Touch { window, listed_in } => {
                if let Some(snapshot) = snapshot {
                    plan.touches.push(Touch {
                        snapshot,
                        window,
                        listed_in,
                    });
                }
            }
            Decision::Change(change) => plan.changes.push(change),
        }
    }
    let deletes = |change: &PlannedChange<'_, K>| change.kind() == ChangeKind::Deleted;
    let deletions = plan.changes.iter().filter(|change| deletes(change)).count();
    if guard.holds_back(deletions, known.present().count()) {
        plan.held_back = plan
            .changes
            .extract_if(.., |change| deletes(change))
            .map(|change| change.id)
            .collect();
        plan.held_back.sort_unstable();
    }
    if !account_listing.filter().is_empty() {
        plan.unconfirmed.clear();
    }
    // The same input gives the same plan, and writes in one order.
    plan.unconfirmed.sort_unstable_by(|a, b| a.arn.cmp(&b.arn));
    plan.touches
        .sort_unstable_by(|a, b| a.snapshot.arn.cmp(&b.snapshot.arn));
    plan.changes.sort_unstable_by(|a, b| a.id.cmp(b.id));
    plan
}

/// Decides about one resource, `snapshot` being its recorded state.
pub fn decide<K: Kind>(
    comparison: &DiffContext<'_>,
    known: &PreviousSnapshots<K>,
    account_listing: &AccountListing<K>,
    arn: &K::Id,
    snapshot: Option<&Snapshot<K>>,
) -> Decision<K> {
    compare_one(known, account_listing, arn, snapshot)
        .map_change(|planned| Box::new(comparison.transition(&planned)))
}

fn compare_one<'a, K: Kind>(
    known: &PreviousSnapshots<K>,
    account_listing: &'a AccountListing<K>,
    arn: &'a K::Id,
    snapshot: Option<&'a Snapshot<K>>,
) -> Decision<K, PlannedChange<'a, K>> {
    let listed_in = snapshot.map_or(&[][..], |snapshot| &snapshot.listed_in);
    let observation_of = account_listing.observation_of(arn, listed_in);
    let last_absent_at = match &observation_of {
        Observation::Present {
            window, listed_in, ..
        } => known.last_absent_at(listed_in, *window),
        Observation::Absent { .. } | Observation::NotObserved => None,
    };
    compare(arn, snapshot, &observation_of, last_absent_at)
}
