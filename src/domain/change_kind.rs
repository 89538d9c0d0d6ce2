//! The kinds of change.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::ParseError;

/// The kind of a change of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChangeKind {
    /// It was listed for the first time.
    FirstSeen,
    /// Its `ConnectionStatus` changed; other fields may have changed too.
    StatusChanged,
    /// A field other than the status changed.
    AttributesChanged,
    /// A complete listing no longer shows it. Its access may not be revoked.
    Deleted,
    /// It is listed again after a deletion.
    Reappeared,
}

impl ChangeKind {
    /// All kinds, in the order in which reports list them.
    pub const ALL: [Self; 5] = [
        Self::FirstSeen,
        Self::StatusChanged,
        Self::AttributesChanged,
        Self::Deleted,
        Self::Reappeared,
    ];

    /// The kind as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstSeen => "FIRST_SEEN",
            Self::StatusChanged => "STATUS_CHANGED",
            Self::AttributesChanged => "ATTRIBUTES_CHANGED",
            Self::Deleted => "DELETED",
            Self::Reappeared => "REAPPEARED",
        }
    }

    /// The CloudWatch metric that counts changes of this kind.
    pub fn metric_name(self) -> &'static str {
        match self {
            Self::FirstSeen => "ChangesFirstSeen",
            Self::StatusChanged => "ChangesStatusChanged",
            Self::AttributesChanged => "ChangesAttributesChanged",
            Self::Deleted => "ChangesDeleted",
            Self::Reappeared => "ChangesReappeared",
        }
    }

    /// Returns true if the connection has been in its status since a change of
    /// this kind.
    pub fn starts_status(self) -> bool {
        match self {
            Self::FirstSeen | Self::StatusChanged | Self::Reappeared => true,
            Self::AttributesChanged | Self::Deleted => false,
        }
    }

    /// Returns true if the connection has been listed since a change of this
    /// kind.
    pub fn starts_presence(self) -> bool {
        match self {
            Self::FirstSeen | Self::Reappeared => true,
            Self::StatusChanged | Self::AttributesChanged | Self::Deleted => false,
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ChangeKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| ParseError::new(text, "a kind of change such as STATUS_CHANGED"))
    }
}
