//! A change: one recorded step in the life of a connection.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::Malformed;
use super::{AccountId, Attributes, Cause, ConnectionArn, Digest, Format, RunId, Timestamp};

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
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Malformed::new(text, "a kind of change such as STATUS_CHANGED"))
    }
}

/// One recorded change. It is written once and never altered.
///
/// When it happened is known only as a span: after `previously_seen_at`, when
/// the old state was last observed, and before `observed_until`, when the
/// answer that showed the new one had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The format that it is stored in.
    #[serde(
        rename = "v",
        default = "Format::first",
        skip_serializing_if = "Format::is_first"
    )]
    pub format: Format,
    /// The account that was asked.
    pub account: AccountId,
    /// The connection.
    pub arn: ConnectionArn,
    /// 1 for the first change of a connection, and one more for each next.
    pub version: u32,
    /// What happened.
    pub kind: ChangeKind,
    /// What was known before; nothing for a connection seen for the first
    /// time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Attributes>,
    /// What is known after; nothing for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Attributes>,
    /// When the old state was last observed: for a first sighting, when a
    /// complete listing last lacked the connection. Nothing if no listing
    /// ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previously_seen_at: Option<Timestamp>,
    /// When the listing that showed the change began.
    pub observed_at: Timestamp,
    /// When that listing had ended.
    pub observed_until: Timestamp,
    /// The run that saw it.
    pub run_id: RunId,
    /// The event that started that run, if it had an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Box<str>>,
    /// Why it came about, as far as that run knew. Nothing in formats 1 and 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The digest of the connection's change before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<Digest>,
}

impl Change {
    /// The digest over all of this: what the next change refers to.
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }
}
