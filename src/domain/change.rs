//! A change: one recorded step in the life of a connection.

use serde::{Deserialize, Serialize};

use super::{
    AccountId, Attributes, Cause, ChangeKind, ConnectionArn, Digest, RunId, SchemaVersion,
    Timestamp,
};

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
        default = "SchemaVersion::first",
        skip_serializing_if = "SchemaVersion::is_first"
    )]
    pub format: SchemaVersion,
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
