//! The changes of each connection as the runs stood for them, including those
//! that were edited or removed and are known only by their digest.

use super::alterations::{Alterations, change_key, snapshot_key};
use super::resource::{Link, Resource};
use crate::domain::{AccountId, Digest, Kind};
use crate::table::StoredKind;

/// A connection's changes, by version and without gaps.
pub(super) struct Row<'a, K: Kind> {
    pub(super) arn: &'a K::Id,
    pub(super) steps: Vec<Step<'a>>,
    /// True if its snapshot was edited or removed: later runs did not read it.
    pub(super) may_be_missing: bool,
}

/// A change, or its digest alone.
pub(super) struct Step<'a> {
    pub(super) version: u32,
    pub(super) digest: Digest,
    /// The change; `None` if it was edited or removed. The record that refers to
    /// it has its digest.
    pub(super) link: Option<&'a Link>,
}

impl<K: StoredKind> Resource<K> {
    /// Returns its changes, or `None` if one is missing whose digest is
    /// unknown, too.
    pub(super) fn row<'a>(
        &'a self,
        id: &AccountId,
        arn: &'a K::Id,
        alterations: &Alterations,
    ) -> Option<Row<'a, K>> {
        let links = &self.links;
        let may_be_missing = alterations.names(&snapshot_key::<K>(id, arn));
        let snapshot = self.snapshot.as_ref().filter(|_| !may_be_missing);
        let snapshot = snapshot.map(|snapshot| (snapshot.version, snapshot.digest));
        let is_edited =
            |link: &Link| alterations.names(&change_key::<K>(id, arn, link.version.into()));
        let mut steps: Vec<Step<'_>> = Vec::with_capacity(links.len());
        let mut next = 1;
        for (i, link) in links.iter().enumerate() {
            match link.version.checked_sub(next) {
                Some(0) => {}
                // Removed: the change after it has its digest.
                Some(1) => steps.push(Step {
                    version: next,
                    digest: self.previous_digest(i)?,
                    link: None,
                }),
                Some(_) | None => return None,
            }
            let after = links.get(i + 1).filter(|after| !is_edited(after));
            let referred_to = match after {
                Some(_) => self.previous_digest(i + 1),
                None => snapshot
                    .filter(|(version, _)| *version == link.version)
                    .map(|s| s.1),
            };
            let is_edited = is_edited(link);
            steps.push(Step {
                version: link.version,
                digest: referred_to.filter(|_| is_edited).unwrap_or(link.digest),
                link: (!is_edited).then_some(link),
            });
            next = link.version.checked_add(1)?;
        }
        match snapshot {
            Some((version, digest)) if version == next => steps.push(Step {
                version,
                digest,
                link: None,
            }),
            Some((version, _)) if version > next => return None,
            _ => {}
        }
        Some(Row {
            arn,
            steps,
            may_be_missing,
        })
    }
}
