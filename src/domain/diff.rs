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

/// The decision about one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<K: Kind = Connection> {
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
    Change(Box<Transition<K>>),
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

impl DiffContext<'_> {
    /// Compares the recorded state of a resource with the new observation.
    ///
    /// `last_absent_at` is the last time at which a complete listing, finished
    /// by then, lacked a resource that is not recorded or a tombstone.
    pub fn decide<K: Kind>(
        &self,
        arn: &K::Id,
        previous: Option<&Snapshot<K>>,
        observation_of: &Observation<'_, K>,
        last_absent_at: Option<Timestamp>,
    ) -> Decision<K> {
        match (previous, observation_of) {
            (_, Observation::NotObserved) | (None, Observation::Absent { .. }) => {
                Decision::Nothing(SkipReason::NotObserved)
            }
            (
                None,
                Observation::Present {
                    attributes,
                    window,
                    listed_in,
                },
            ) => self.seen(
                ChangeKind::FirstSeen,
                arn,
                None,
                attributes,
                *window,
                listed_in,
                last_absent_at,
            ),
            (
                Some(known),
                Observation::Present {
                    attributes,
                    window,
                    listed_in,
                },
            ) => self.compare(known, attributes, *window, listed_in, last_absent_at),
            (Some(known), Observation::Absent { .. }) if known.is_deleted() => {
                Decision::Nothing(SkipReason::StillDeleted)
            }
            (Some(known), Observation::Absent { window, closing }) => {
                if known.rests_on().precedes(*window) {
                    self.deleted(known, *window, *closing)
                } else {
                    Decision::Nothing(SkipReason::NotNewer)
                }
            }
        }
    }

    fn compare<K: Kind>(
        &self,
        known: &Snapshot<K>,
        attributes: &K::Attributes,
        window: Window,
        listed_in: &[K::Scope],
        last_absent_at: Option<Timestamp>,
    ) -> Decision<K> {
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
        self.seen(
            kind,
            &known.arn,
            Some(known),
            attributes,
            window,
            listed_in,
            Some(previously_seen_at),
        )
    }

    #[expect(clippy::too_many_arguments, reason = "private; one call site a kind")]
    fn seen<K: Kind>(
        &self,
        kind: ChangeKind,
        arn: &K::Id,
        known: Option<&Snapshot<K>>,
        attributes: &K::Attributes,
        window: Window,
        listed_in: &[K::Scope],
        previously_seen_at: Option<Timestamp>,
    ) -> Decision<K> {
        let status_since = match known {
            Some(known) if !kind.starts_status() => known.status_since,
            _ => window.began_at,
        };
        let change = self.change(
            kind,
            arn,
            known,
            Some(attributes.clone()),
            window,
            previously_seen_at,
        );
        let snapshot = Snapshot {
            arn: arn.clone(),
            attributes: attributes.clone(),
            presence: Presence::Present,
            first_seen_at: known.map_or(window.began_at, |known| known.first_seen_at),
            last_seen: window,
            status_since,
            version: change.version,
            listed_in: listed_in.to_vec(),
            digest: change.digest(),
        };
        Decision::Change(Box::new(Transition { change, snapshot }))
    }

    fn deleted<K: Kind>(
        &self,
        known: &Snapshot<K>,
        window: Window,
        closing: Option<&Closing>,
    ) -> Decision<K> {
        let mut change = self.change(
            ChangeKind::Deleted,
            &known.arn,
            Some(known),
            None,
            window,
            Some(known.last_seen.began_at),
        );
        change.closed = closing.cloned();
        let snapshot = Snapshot {
            presence: Presence::Deleted { seen_gone: window },
            version: change.version,
            digest: change.digest(),
            ..known.clone()
        };
        Decision::Change(Box::new(Transition { change, snapshot }))
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
