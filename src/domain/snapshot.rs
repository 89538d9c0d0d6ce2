//! A snapshot: the recorded state of a resource.

use super::kind::Kind;
use super::listing::Window;
use super::{Connection, Digest, Timestamp};

/// The stored presence of a connection that is listed.
pub const PRESENT: &str = "PRESENT";
/// The stored presence of a tombstone.
pub const DELETED: &str = "DELETED";

/// The state of one resource, as the last run that observed something new of
/// it left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<K: Kind = Connection> {
    /// Its identity.
    pub arn: K::Id,
    /// The attributes in the last listing that showed it.
    pub attributes: K::Attributes,
    /// Its presence.
    pub presence: Presence,
    /// The start of the first listing that showed it.
    pub first_seen_at: Timestamp,
    /// The window of the newest listing that showed it.
    pub last_seen: Window,
    /// The start of the listing that first showed it in its present status, or
    /// showed it again after a deletion.
    pub status_since: Timestamp,
    /// The number of changes recorded of it: the last one's version.
    pub version: u32,
    /// What listed it, sorted: regions.
    pub listed_in: Vec<K::Scope>,
    /// The digest of its last change.
    pub digest: Digest,
}

/// The presence of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The last complete listing showed it.
    Present,
    /// A tombstone: a complete listing no longer showed it. Its access may not
    /// be revoked.
    Deleted {
        /// The listings that no longer had it.
        seen_gone: Window,
    },
}

impl Presence {
    /// Returns the presence as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => PRESENT,
            Self::Deleted { .. } => DELETED,
        }
    }
}

impl<K: Kind> Snapshot<K> {
    /// Returns true if it is a tombstone.
    pub fn is_deleted(&self) -> bool {
        matches!(self.presence, Presence::Deleted { .. })
    }

    /// Returns the observation that this snapshot is based on: the newest that
    /// showed it, or that showed its absence.
    pub fn rests_on(&self) -> Window {
        match self.presence {
            Presence::Present => self.last_seen,
            Presence::Deleted { seen_gone } => seen_gone,
        }
    }
}
