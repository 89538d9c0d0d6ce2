//! Checks chains: each run and each change refers to the one before it, and
//! each snapshot is what its last change left.

use super::alterations::{Alterations, MAX_CLOCK_SKEW, change_key, run_key, snapshot_key};
use super::records::Account;
use super::resource::{LastChange, Link, Resource, SnapshotState};
use crate::domain::{AccountId, ChangeKind, Digest, Kind, Presence, Timestamp};
use crate::table::StoredKind;

type Key = (String, String);

/// A record of a chain: its number and its links.
struct Numbered {
    number: u64,
    digest: Digest,
    previous_digest: Option<Digest>,
}

/// Checks a chain, sorted by number, for gaps and broken links. It begins with the
/// record `first`.
fn verify_chain(
    first: u64,
    chain: impl Iterator<Item = Numbered>,
    key: impl Fn(u64) -> Key,
    alterations: &mut Alterations,
) {
    let mut expected = first;
    // What the next record must refer to; `None` if that is unknown.
    let mut before = (first == 1).then_some(None);
    for link in chain {
        let number = link.number;
        let edited = alterations.names(&key(number));
        if number > expected {
            let reported = (expected..number).all(|missing| alterations.names(&key(missing)));
            if !reported {
                let problem = format!(
                    "records {expected} to {} before it were removed",
                    number - 1
                );
                alterations.add(key(number), problem);
            }
        } else if number < expected {
            // In a table each key is there once. Other records have none.
            alterations.add(key(number), "was inserted: its number is 0, or there twice");
        } else if !edited && before.is_some_and(|before| before != link.previous_digest) {
            alterations.add(key(number), "does not refer to the record before it");
        }
        before = (!edited).then_some(Some(link.digest));
        expected = expected.max(number + 1);
    }
}

impl<K: StoredKind> Account<K> {
    /// Runs all checks of an account, which is sorted.
    pub(super) fn verify(&self, id: &AccountId, now: Timestamp, alterations: &mut Alterations) {
        self.verify_run_chain(id, 1, alterations);
        self.verify_archived(id, alterations);
        for (arn, resource) in self.sorted() {
            verify_resource::<K>(id, arn, resource, now, alterations);
        }
        self.verify_record(id, alterations);
        self.verify_runs(id, alterations);
    }

    /// Checks the records of a period: its runs and the one before, and all changes by
    /// then.
    pub(super) fn verify_period(&self, id: &AccountId, alterations: &mut Alterations) {
        let first = self.runs.first().map_or(1, |run| run.this.sequence);
        self.verify_run_chain(id, first, alterations);
        for (arn, resource) in self.sorted() {
            verify_change_chain::<K>(id, arn, resource, alterations);
        }
        self.verify_runs_of_period(id, alterations);
    }

    fn verify_run_chain(&self, id: &AccountId, first: u64, alterations: &mut Alterations) {
        let runs = self.runs.iter().map(|run| Numbered {
            number: run.this.sequence,
            digest: run.digest,
            previous_digest: run.previous_digest,
        });
        verify_chain(first, runs, |number| run_key::<K>(id, number), alterations);
    }

    /// Reports what the table lacks and only an archive has. Runs are deleted from the
    /// first one on, and never the last one: the others are there.
    fn verify_archived(&self, id: &AccountId, alterations: &mut Alterations) {
        let numbers = |is_in_table: bool| {
            let runs = self
                .runs
                .iter()
                .filter(move |it| it.is_in_table == is_in_table);
            runs.map(|run| run.this.sequence)
        };
        let Some(first) = numbers(true).next() else {
            if let Some(last) = numbers(false).next_back() {
                let problem = format!("was removed: the archive has run {last} and those before");
                alterations.add(run_key::<K>(id, last + 1), problem);
            }
            return;
        };
        for number in numbers(false).filter(|number| *number > first) {
            let key = run_key::<K>(id, number);
            if !alterations.names(&key) {
                alterations.add(key, "was removed: only the archive has it");
            }
        }
    }

    /// Returns every resource with a snapshot or a change, sorted.
    pub(super) fn sorted(&self) -> Vec<(&K::Id, &Resource<K>)> {
        let mut resources: Vec<_> = self.resources.iter().collect();
        resources.sort_unstable_by_key(|(arn, _)| *arn);
        resources
    }
}

fn verify_resource<K: StoredKind>(
    id: &AccountId,
    arn: &K::Id,
    resource: &Resource<K>,
    now: Timestamp,
    alterations: &mut Alterations,
) {
    let key = snapshot_key::<K>(id, arn);
    if resource.links.is_empty() {
        return alterations.add(key, "its changes were removed");
    }
    verify_change_chain::<K>(id, arn, resource, alterations);
    let Some(snapshot) = &resource.snapshot else {
        if !alterations.names(&key) {
            alterations.add(key, "was removed: it has changes");
        }
        return;
    };
    if alterations.names(&key) {
        return;
    }
    let last = resource
        .links
        .last()
        .map_or(0, |link| u64::from(link.version));
    let version = u64::from(snapshot.version);
    if version > last {
        let next = change_key::<K>(id, arn, last + 1);
        if !alterations.names(&next) {
            let problem = format!("was removed: the snapshot names change {version}");
            alterations.add(next, problem);
        }
    } else if version < last {
        let problem = "was inserted, or the snapshot was rolled back";
        alterations.add(change_key::<K>(id, arn, last), problem);
    } else {
        let is_edited = |version: u32| alterations.names(&change_key::<K>(id, arn, version.into()));
        let left = Left::new(resource, snapshot);
        if let Some(field) = left.and_then(|left| left.first_difference(is_edited)) {
            let problem = format!("was edited: its {field} is not what its last change left");
            alterations.add(key, problem);
        } else if let Some(problem) = impossible(snapshot, now) {
            alterations.add(key, problem);
        }
    }
}

fn verify_change_chain<K: StoredKind>(
    id: &AccountId,
    arn: &K::Id,
    resource: &Resource<K>,
    alterations: &mut Alterations,
) {
    let links = resource.links.iter().enumerate().map(|(i, link)| Numbered {
        number: u64::from(link.version),
        digest: link.digest,
        previous_digest: resource.previous_digest(i),
    });
    let key = |version| change_key::<K>(id, arn, version);
    verify_chain(1, links, key, alterations);
}

/// A snapshot and the changes that must have left it.
struct Left<'a, K: StoredKind> {
    snapshot: &'a SnapshotState<K>,
    links: &'a [Link],
    last: &'a LastChange<K>,
    last_link: &'a Link,
}

/// Returns true if a field is what the last change left.
type IsLeft<'a, K> = fn(&Left<'a, K>) -> bool;

impl<'a, K: StoredKind> Left<'a, K> {
    fn new(resource: &'a Resource<K>, snapshot: &'a SnapshotState<K>) -> Option<Self> {
        Some(Self {
            snapshot,
            links: &resource.links,
            last: resource.last.as_ref()?,
            last_link: resource.links.last()?,
        })
    }

    /// Returns the first field that differs from what the changes left. An
    /// edited change is no evidence.
    fn first_difference(&self, is_edited: impl Fn(u32) -> bool) -> Option<&'static str> {
        if !self.links.iter().any(|link| is_edited(link.version)) && !self.is_status_since_left() {
            return Some("status_since");
        }
        if !is_edited(1) && !self.is_first_seen_left() {
            return Some("first_seen_at");
        }
        if is_edited(self.last.version) {
            return None;
        }
        let fields: [(&str, IsLeft<'a, K>); 5] = [
            ("digest", Self::is_digest_left),
            ("attributes", Self::are_attributes_left),
            ("presence", Self::is_presence_left),
            ("last_seen_at", Self::is_last_seen_left),
            ("v", Self::is_format_left),
        ];
        let different = fields.into_iter().find(|(_, is_left)| !is_left(self));
        different.map(|(field, _)| field)
    }

    fn is_status_since_left(&self) -> bool {
        let mut newest_first = self.links.iter().rev();
        let since = newest_first.find(|link| link.kind.starts_status());
        since.is_none_or(|since| self.snapshot.status_since == since.observed_at)
    }

    fn is_first_seen_left(&self) -> bool {
        let first = self.links.first();
        let first = first.filter(|first| first.version == 1);
        first.is_none_or(|first| self.snapshot.first_seen_at == first.observed_at)
    }

    fn is_digest_left(&self) -> bool {
        self.snapshot.digest == self.last_link.digest
    }

    fn are_attributes_left(&self) -> bool {
        Some(&self.snapshot.attributes) == self.last.attributes.as_ref()
    }

    fn is_deletion(&self) -> bool {
        self.last_link.kind == ChangeKind::Deleted
    }

    fn is_presence_left(&self) -> bool {
        let deleted = match self.snapshot.presence {
            Presence::Present => None,
            Presence::Deleted { seen_gone } => Some((seen_gone.began_at, seen_gone.ended_at)),
        };
        let left = (self.last_link.observed_at, self.last_link.observed_until);
        deleted == self.is_deletion().then_some(left)
    }

    /// A deleted connection is not seen after its last change; one that is
    /// present was seen then, or later.
    fn is_last_seen_left(&self) -> bool {
        let seen = self.snapshot.last_seen;
        if self.is_deletion() {
            return self.last.previously_seen_at == Some(seen.began_at);
        }
        let link = self.last_link;
        link.observed_at <= seen.began_at && link.observed_until <= seen.ended_at
    }

    /// A snapshot is written with its change, and never in an earlier format
    /// later.
    fn is_format_left(&self) -> bool {
        self.snapshot.format >= self.last.format
    }
}

/// Returns what of a snapshot is impossible, whatever its changes are.
fn impossible<K: Kind>(snapshot: &SnapshotState<K>, now: Timestamp) -> Option<String> {
    let seen = snapshot.last_seen;
    if seen.ended_at < seen.began_at {
        return Some("was edited: its last_seen_until is before its last_seen_at".to_owned());
    }
    let ahead = seen.ended_at.max(seen.began_at).millis_since(now);
    if u128::from(ahead) > MAX_CLOCK_SKEW.as_millis() {
        return Some(format!(
            "was edited: its last_seen_until {} is in the future",
            seen.ended_at
        ));
    }
    None
}
