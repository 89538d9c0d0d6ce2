//! The kinds of change.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::ParseError;

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChangeKind {
    /// It was listed for the first time.
    FirstSeen,
    /// Its `ConnectionStatus` is another one (other fields may be, too).
    StatusChanged,
    /// A field other than the status is another one.
    AttributesChanged,
    /// It was shown to be no longer listed. Its access may not be revoked.
    Deleted,
    /// It was listed again after it had been gone.
    Reappeared,
}

impl ChangeKind {
    /// All kinds, in the order in which they are told.
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
