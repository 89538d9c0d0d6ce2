//! What the checks need of one resource's changes and snapshot. There may be
//! millions of changes, so little of each is held.

use crate::domain::listing::Window;
use crate::domain::{
    Change, ChangeKind, Digest, Kind, Presence, RunId, SchemaVersion, Snapshot, Timestamp,
};

/// The records of a resource.
pub(super) struct Resource<K: Kind> {
    /// Its changes, by version once they are sorted.
    pub(super) links: Vec<Link>,
    /// When a listing last lacked it, by the version of the change that says so.
    absences: Vec<(u32, Timestamp)>,
    pub(super) last: Option<LastChange<K>>,
    pub(super) snapshot: Option<SnapshotState<K>>,
}

/// The index of a status among those of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StatusId(pub(super) u32);

/// The part of a change that the checks need.
pub(super) struct Link {
    pub(super) version: u32,
    pub(super) kind: ChangeKind,
    /// The status that it leaves; `None` for a deletion.
    pub(super) status: Option<StatusId>,
    pub(super) observed_at: Timestamp,
    pub(super) observed_until: Timestamp,
    pub(super) run_id: RunId,
    pub(super) digest: Digest,
    refers_to: Reference,
}

/// The digest of the change before, as a change states it.
enum Reference {
    Nothing,
    /// The digest of the link before it: almost always, and without a copy of it.
    LinkBefore,
    Other(Box<Digest>),
}

/// What the checks need of the last change alone.
pub(super) struct LastChange<K: Kind> {
    pub(super) version: u32,
    pub(super) format: SchemaVersion,
    pub(super) previously_seen_at: Option<Timestamp>,
    /// The attributes that it leaves. A deletion leaves those before it.
    pub(super) attributes: Option<K::Attributes>,
}

/// The part of a snapshot that the checks need, and its stored format.
pub(super) struct SnapshotState<K: Kind> {
    pub(super) version: u32,
    pub(super) digest: Digest,
    pub(super) attributes: K::Attributes,
    pub(super) presence: Presence,
    pub(super) first_seen_at: Timestamp,
    pub(super) last_seen: Window,
    pub(super) status_since: Timestamp,
    pub(super) format: SchemaVersion,
}

impl<K: Kind> SnapshotState<K> {
    pub(super) fn new(snapshot: Snapshot<K>, format: SchemaVersion) -> Self {
        Self {
            version: snapshot.version,
            digest: snapshot.digest,
            attributes: snapshot.attributes,
            presence: snapshot.presence,
            first_seen_at: snapshot.first_seen_at,
            last_seen: snapshot.last_seen,
            status_since: snapshot.status_since,
            format,
        }
    }
}

impl<K: Kind> Resource<K> {
    pub(super) fn new() -> Self {
        Self {
            links: Vec::new(),
            absences: Vec::new(),
            last: None,
            snapshot: None,
        }
    }

    /// Adds a change with its digest. Changes come in any order, usually that of
    /// their versions.
    pub(super) fn add(
        &mut self,
        change: Change<K>,
        digest: Digest,
        status: Option<StatusId>,
        run_id: RunId,
    ) {
        if self.links.len() == self.links.capacity() {
            // By a quarter: doubling would leave a third of the memory unused.
            self.links.reserve_exact(self.links.len() / 4 + 1);
        }
        let refers_to = self.reference(change.version, change.previous_digest);
        self.links.push(Link {
            version: change.version,
            kind: change.kind,
            status,
            observed_at: change.observed_at,
            observed_until: change.observed_until,
            run_id,
            digest,
            refers_to,
        });
        if let Some(at) = change.previously_seen_at
            && change.kind.starts_presence()
        {
            self.absences.push((change.version, at));
        }
        let last = self.last.as_ref().map(|last| last.version);
        if last.is_none_or(|last| last < change.version) {
            self.last = Some(LastChange {
                version: change.version,
                format: change.format,
                previously_seen_at: change.previously_seen_at,
                attributes: change.after.or(change.before),
            });
        }
    }

    fn reference(&self, version: u32, previous: Option<Digest>) -> Reference {
        let Some(previous) = previous else {
            return Reference::Nothing;
        };
        // Versions are unique, so that link stays the one before it.
        let is_before = |link: &&Link| link.version.checked_add(1) == Some(version);
        match self.links.last().filter(is_before) {
            Some(before) if before.digest == previous => Reference::LinkBefore,
            _ => Reference::Other(Box::new(previous)),
        }
    }

    pub(super) fn sort(&mut self) {
        self.links.sort_by_key(|link| link.version);
    }

    /// Returns the digest that the change at this index of `links` refers to. The
    /// links are sorted.
    pub(super) fn previous_digest(&self, index: usize) -> Option<Digest> {
        match &self.links.get(index)?.refers_to {
            Reference::Nothing => None,
            Reference::LinkBefore => Some(self.links.get(index.checked_sub(1)?)?.digest),
            Reference::Other(digest) => Some(**digest),
        }
    }

    /// Returns when a listing last lacked it, as its change of this version says.
    pub(super) fn absent_at(&self, version: u32) -> Option<Timestamp> {
        let mut absences = self.absences.iter();
        let absence = absences.find(|(of_version, _)| *of_version == version);
        absence.map(|(_, at)| *at)
    }
}
