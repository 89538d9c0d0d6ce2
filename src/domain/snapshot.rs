//! A snapshot: what is known of a connection now.

use super::listing::Window;
use super::{Attributes, ConnectionArn, Digest, Region, Timestamp};

/// A connection that is there, as it is stored.
pub const PRESENT: &str = "PRESENT";
/// A tombstone, as it is stored.
pub const DELETED: &str = "DELETED";

/// What is known of one connection, as the last run that told something new
/// about it left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its identity.
    pub arn: ConnectionArn,
    /// What the service told when it was last seen.
    pub attributes: Attributes,
    /// Whether it is there.
    pub presence: Presence,
    /// When the listing began that saw it first.
    pub first_seen_at: Timestamp,
    /// The newest listing that saw it.
    pub last_seen: Window,
    /// When the listing began that first saw it in its present status (or
    /// saw it again, after it had been gone).
    pub status_since: Timestamp,
    /// The number of changes recorded of it: the last one's version.
    pub version: u32,
    /// The regions that listed it, sorted.
    pub listed_in: Vec<Region>,
    /// The digest of its last change.
    pub digest: Digest,
}

/// Whether a connection is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It was there when last looked at.
    Present,
    /// A tombstone: it was shown to be no longer listed. Its access may not be
    /// revoked.
    Deleted {
        /// The listings that no longer had it.
        seen_gone: Window,
    },
}

impl Presence {
    /// The presence as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => PRESENT,
            Self::Deleted { .. } => DELETED,
        }
    }
}

impl Snapshot {
    /// Whether it is a tombstone.
    pub fn is_deleted(&self) -> bool {
        matches!(self.presence, Presence::Deleted { .. })
    }

    /// The observation that this snapshot rests on: the newest that saw it,
    /// or that saw it gone.
    pub fn rests_on(&self) -> Window {
        match self.presence {
            Presence::Present => self.last_seen,
            Presence::Deleted { seen_gone } => seen_gone,
        }
    }
}
