//! A change: one recorded step in the life of a resource.

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::{
    AccountId, Cause, ChangeKind, Closing, Connection, ConsumerCounts, Digest, RunId,
    SchemaVersion, Timestamp,
};

/// One recorded change. It is written once and never altered.
///
/// The time of the change is known only as a range: after `previously_seen_at`,
/// when the old state was last observed, and before `observed_until`, when the
/// response that showed the new state had arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Change<K: Kind = Connection> {
    /// The format that it is stored in.
    #[serde(
        rename = "v",
        default = "SchemaVersion::first",
        skip_serializing_if = "SchemaVersion::is_first"
    )]
    pub format: SchemaVersion,
    /// The inventoried account.
    pub account: AccountId,
    /// The resource.
    pub arn: K::Id,
    /// 1 for the first change of a resource, and one more for each next.
    pub version: u32,
    /// The kind of the change.
    pub kind: ChangeKind,
    /// The attributes before; `None` for a resource seen for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<K::Attributes>,
    /// The attributes after; `None` for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<K::Attributes>,
    /// The time at which the old state was last observed. For a first sighting,
    /// the last time at which a complete listing lacked the resource; `None`
    /// if no listing ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previously_seen_at: Option<Timestamp>,
    /// The start of the listing that showed the change.
    pub observed_at: Timestamp,
    /// The end of that listing.
    pub observed_until: Timestamp,
    /// The run that saw it.
    pub run_id: RunId,
    /// The event that started that run, if it had an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Box<str>>,
    /// The cause, as far as that run knew. `None` in formats 1 and 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The consumers on record when a connection went to `ERROR` or was deleted.
    /// Empty if none was on record, or if they could not be read: it does not say
    /// that nothing uses the connection.
    #[serde(default, skip_serializing_if = "ConsumerCounts::is_empty")]
    pub consumers: ConsumerCounts,
    /// Why a finding closed. `None` in other changes, and if it was recorded before
    /// this was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closing>,
    /// The digest of the resource's change before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<Digest>,
}

impl<K: Kind> Change<K> {
    /// Returns the digest over all of this: the next change refers to it.
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }
}
