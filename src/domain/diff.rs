//! The comparison of one resource: its recorded state with the new
//! observation. Pure, and the only place of these rules.

use super::kind::{Changed, Kind};
use super::listing::{Observation, Window};
use super::snapshot::{Presence, Snapshot};
use super::{
    AccountId, ApiCall, Cause, Change, ChangeKind, Closing, Connection, ConsumerCounts, RunId,
    SchemaVersion, Timestamp,
};

/// The run that compares: each change records these values.
#[derive(Debug, Clone, Copy)]
pub struct DiffContext<'a> {
    /// The inventoried account.
    pub account: &'a AccountId,
    /// The run.
    pub run_id: &'a RunId,
    /// The id of the event that started it, if it has one.
    pub event_id: Option<&'a str>,
    /// The calls that started it, which may explain changes.
    pub calls: &'a [ApiCall],
}

/// The decision about one resource. A change is a [`Transition`], or a
/// [`PlannedChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<K: Kind = Connection, C = Box<Transition<K>>> {
    /// Nothing to write.
    Nothing(SkipReason),
    /// It is unchanged: only the time and the scopes of its listing are new.
    Touch {
        /// The window of the listing that showed it.
        window: Window,
        /// What lists it now, if it differs from what is recorded.
        listed_in: Option<Vec<K::Scope>>,
    },
    /// A change to record.
    Change(C),
}

impl<K: Kind, C> Decision<K, C> {
    /// Returns the decision with another form of its change.
    pub fn map_change<D>(self, form: impl FnOnce(C) -> D) -> Decision<K, D> {
        match self {
            Self::Nothing(reason) => Decision::Nothing(reason),
            Self::Touch { window, listed_in } => Decision::Touch { window, listed_in },
            Self::Change(change) => Decision::Change(form(change)),
        }
    }
}

/// The reason why there is nothing to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// It was not observed.
    NotObserved,
    /// It is a tombstone, and still absent.
    StillDeleted,
    /// The observation is not newer than the recorded one.
    ///
    /// This includes an observation that contradicts the recorded one and
    /// overlaps it in time: their order is unknown, and a guess could record a
    /// change that never happened. The next run resolves it.
    NotNewer,
}

/// A change and the snapshot that results from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition<K: Kind = Connection> {
    /// The record of the change.
    pub change: Change<K>,
    /// The snapshot after it.
    pub snapshot: Snapshot<K>,
}

impl<K: Kind> Transition<K> {
    /// Names the consumers on record in the change.
    pub fn set_consumers(&mut self, consumers: ConsumerCounts) {
        self.change.consumers = consumers;
        self.snapshot.digest = self.change.digest();
    }
}

/// A change to record, without copies of what it was compared with. A plan may have
/// one for each resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange<'a, K: Kind = Connection> {
    /// The resource.
    pub id: &'a K::Id,
    /// The window of the listings that show the change.
    window: Window,
    leads_to: LeadsTo<'a, K>,
}

/// The presence that a change leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LeadsTo<'a, K: Kind> {
    Present {
        kind: ChangeKind,
        known: Option<&'a Snapshot<K>>,
        attributes: &'a K::Attributes,
        listed_in: Vec<K::Scope>,
        previously_seen_at: Option<Timestamp>,
    },
    Deleted {
        known: &'a Snapshot<K>,
        closing: Option<&'a Closing>,
    },
}

impl<K: Kind> PlannedChange<'_, K> {
    /// Returns the kind of the change.
    pub fn kind(&self) -> ChangeKind {
        match self.leads_to {
            LeadsTo::Present { kind, .. } => kind,
            LeadsTo::Deleted { .. } => ChangeKind::Deleted,
        }
    }
}

/// Compares the recorded state of a resource with the new observation.
///
/// `last_absent_at` is the last time at which a complete listing, finished by
/// then, lacked a resource that is not recorded or a tombstone.
pub fn compare<'a, K: Kind>(
    id: &'a K::Id,
    previous: Option<&'a Snapshot<K>>,
    observation_of: &Observation<'a, K>,
    last_absent_at: Option<Timestamp>,
) -> Decision<K, PlannedChange<'a, K>> {
    match (previous, observation_of) {
        (_, Observation::NotObserved) | (None, Observation::Absent { .. }) => {
            Decision::Nothing(SkipReason::NotObserved)
        }
        (
            known,
            Observation::Present {
                attributes,
                window,
                listed_in,
            },
        ) => {
            let (kind, previously_seen_at) = match known {
                None => (ChangeKind::FirstSeen, last_absent_at),
                Some(known) => {
                    let compared =
                        compare_present(known, attributes, *window, listed_in, last_absent_at);
                    match compared {
                        Decision::Change((kind, at)) => (kind, Some(at)),
                        Decision::Nothing(reason) => return Decision::Nothing(reason),
                        Decision::Touch { window, listed_in } => {
                            return Decision::Touch { window, listed_in };
                        }
                    }
                }
            };
            Decision::Change(PlannedChange {
                id,
                window: *window,
                leads_to: LeadsTo::Present {
                    kind,
                    known,
                    attributes,
                    listed_in: listed_in.clone(),
                    previously_seen_at,
                },
            })
        }
        (Some(known), Observation::Absent { .. }) if known.is_deleted() => {
            Decision::Nothing(SkipReason::StillDeleted)
        }
        (Some(known), Observation::Absent { window, closing }) => {
            if known.rests_on().precedes(*window) {
                Decision::Change(PlannedChange {
                    id,
                    window: *window,
                    leads_to: LeadsTo::Deleted {
                        known,
                        closing: *closing,
                    },
                })
            } else {
                Decision::Nothing(SkipReason::NotNewer)
            }
        }
    }
}

/// Compares the recorded state of a resource with what a listing shows of it. A
/// change is its kind, and when the state before was last seen.
fn compare_present<K: Kind>(
    known: &Snapshot<K>,
    attributes: &K::Attributes,
    window: Window,
    listed_in: &[K::Scope],
    last_absent_at: Option<Timestamp>,
) -> Decision<K, (ChangeKind, Timestamp)> {
    let kind = match known.presence {
        Presence::Deleted { .. } => ChangeKind::Reappeared,
        Presence::Present if known.attributes == *attributes => {
            return if window.began_at > known.last_seen.began_at {
                Decision::Touch {
                    window: Window {
                        began_at: window.began_at,
                        ended_at: window.ended_at.max(known.last_seen.ended_at),
                    },
                    listed_in: (known.listed_in != listed_in).then(|| listed_in.to_vec()),
                }
            } else {
                Decision::Nothing(SkipReason::NotNewer)
            };
        }
        Presence::Present if K::has_same_status(&known.attributes, attributes) => {
            ChangeKind::AttributesChanged
        }
        Presence::Present => ChangeKind::StatusChanged,
    };
    if !known.rests_on().precedes(window) {
        return Decision::Nothing(SkipReason::NotNewer);
    }
    let previously_seen_at = match known.presence {
        Presence::Present => known.last_seen.began_at,
        Presence::Deleted { seen_gone } => {
            last_absent_at.map_or(seen_gone.began_at, |at| at.max(seen_gone.began_at))
        }
    };
    Decision::Change((kind, previously_seen_at))
}

impl DiffContext<'_> {
    /// Compares as [`compare`] does, and returns a change as this run records it.
    pub fn decide<K: Kind>(
        &self,
        id: &K::Id,
        previous: Option<&Snapshot<K>>,
        observation_of: &Observation<'_, K>,
        last_absent_at: Option<Timestamp>,
    ) -> Decision<K> {
        compare(id, previous, observation_of, last_absent_at)
            .map_change(|planned| Box::new(self.transition(&planned)))
    }

    /// Returns a change as this run records it, with the resulting snapshot.
    pub fn transition<K: Kind>(&self, planned: &PlannedChange<'_, K>) -> Transition<K> {
        let PlannedChange {
            id,
            window,
            leads_to,
        } = planned;
        let id: &K::Id = id;
        match leads_to {
            LeadsTo::Present {
                kind,
                known,
                attributes,
                listed_in,
                previously_seen_at,
            } => {
                let status_since = match known {
                    Some(known) if !kind.starts_status() => known.status_since,
                    _ => window.began_at,
                };
                let after = Some((*attributes).clone());
                let change = self.change(*kind, id, *known, after, *window, *previously_seen_at);
                let snapshot = Snapshot {
                    arn: id.clone(),
                    attributes: (*attributes).clone(),
                    presence: Presence::Present,
                    first_seen_at: known.map_or(window.began_at, |known| known.first_seen_at),
                    last_seen: *window,
                    status_since,
                    version: change.version,
                    listed_in: listed_in.clone(),
                    digest: change.digest(),
                };
                Transition { change, snapshot }
            }
            LeadsTo::Deleted { known, closing } => {
                let kind = ChangeKind::Deleted;
                let last_seen_at = Some(known.last_seen.began_at);
                let mut change = self.change(kind, id, Some(known), None, *window, last_seen_at);
                change.closed = closing.cloned();
                let snapshot = Snapshot {
                    presence: Presence::Deleted { seen_gone: *window },
                    version: change.version,
                    digest: change.digest(),
                    ..(*known).clone()
                };
                Transition { change, snapshot }
            }
        }
    }

    fn change<K: Kind>(
        &self,
        kind: ChangeKind,
        arn: &K::Id,
        known: Option<&Snapshot<K>>,
        after: Option<K::Attributes>,
        window: Window,
        previously_seen_at: Option<Timestamp>,
    ) -> Change<K> {
        let before = known
            .filter(|known| !known.is_deleted())
            .map(|known| &known.attributes);
        let changed: Changed<'_, K> = Changed {
            kind,
            id: arn,
            before,
            after: after.as_ref(),
        };
        Change {
            format: SchemaVersion::CURRENT,
            account: self.account.clone(),
            arn: arn.clone(),
            version: known.map_or(0, |known| known.version).saturating_add(1),
            kind,
            cause: Some(Cause::of(changed, self.calls)),
            before: before.cloned(),
            after,
            previously_seen_at,
            observed_at: window.began_at,
            observed_until: window.ended_at,
            run_id: self.run_id.clone(),
            event_id: self.event_id.map(Into::into),
            consumers: ConsumerCounts::default(),
            closed: None,
            previous_digest: known.map(|known| known.digest),
        }
    }
}
