//! Snapshots as items. A run writes one for each connection, so they are built
//! by hand; `fast_path` reads them.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{DIGEST, FORMAT_ATTRIBUTE, Item, SEAL, n, s};
use crate::domain::attributes::{AttributeName, UNKNOWN_MEMBERS};
use crate::domain::{
    AccountId, Identifier, Presence, SchemaVersion, Seal, Snapshot, UnknownMembers,
};
use crate::table::kind::StoredKind;
use crate::table::{codec, keys};

/// The number of attributes of an item besides its keys, to allocate once.
const ITEM_ATTRIBUTES: usize = AttributeName::ALL.len() + 15;

/// Returns the attributes of a snapshot besides its keys, in the order in which
/// they are written. `None` means that the attribute must not be there.
pub fn snapshot_attributes(
    account: &AccountId,
    snapshot: &Snapshot,
) -> Vec<(&'static str, Option<AttributeValue>)> {
    let gone = match snapshot.presence {
        Presence::Present => None,
        Presence::Deleted { seen_gone } => Some(seen_gone),
    };
    let in_index = gone.is_none();
    let status = snapshot.attributes.connection_status.as_ref();
    let unknown_members = &snapshot.attributes.unknown_members;
    let mut attributes = Vec::with_capacity(ITEM_ATTRIBUTES);
    attributes.extend(
        snapshot
            .attributes
            .fields()
            .map(|(name, text)| (name.as_str(), text.map(s))),
    );
    attributes.extend([
        (
            UNKNOWN_MEMBERS,
            (!unknown_members.is_empty()).then(|| unknown_attribute(unknown_members)),
        ),
        ("presence", Some(s(snapshot.presence.as_str()))),
        ("first_seen_at", Some(s(snapshot.first_seen_at))),
        ("last_seen_at", Some(s(snapshot.last_seen.began_at))),
        ("last_seen_until", Some(s(snapshot.last_seen.ended_at))),
        ("deleted_at", gone.map(|window| s(window.began_at))),
        ("deleted_until", gone.map(|window| s(window.ended_at))),
        ("status_since", Some(s(snapshot.status_since))),
        ("version", Some(n(snapshot.version))),
        ("listed_in", listed_in(&snapshot.listed_in)),
        (DIGEST, Some(s(snapshot.digest))),
        (
            SEAL,
            Some(s(Seal::of(account, snapshot, SchemaVersion::CURRENT))),
        ),
        (FORMAT_ATTRIBUTE, Some(n(SchemaVersion::CURRENT))),
        (
            keys::STATUS_PK,
            in_index.then(|| s(keys::status_pk(status))),
        ),
        (
            keys::STATUS_SK,
            in_index.then(|| s(keys::status_sk(snapshot.status_since, &snapshot.arn))),
        ),
    ]);
    attributes
}

/// Returns a snapshot as an item of `format`.
pub fn snapshot_item<K: StoredKind>(
    account: &AccountId,
    snapshot: &Snapshot<K>,
    format: SchemaVersion,
) -> Item {
    let mut item: Item = K::snapshot_attributes(account, snapshot)
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    item.extend([
        (keys::PK.to_owned(), s(K::KEYS.account_pk(account))),
        (
            keys::SK.to_owned(),
            s(K::KEYS.snapshot_sk(snapshot.arn.as_str())),
        ),
        (FORMAT_ATTRIBUTE.to_owned(), n(format)),
    ]);
    if format == SchemaVersion::V1 {
        item.remove(SEAL);
    } else {
        let (last_seen, listed_in) = (snapshot.last_seen, &snapshot.listed_in);
        let seal = K::checksum(account, snapshot, last_seen, listed_in, format);
        item.insert(SEAL.to_owned(), s(seal));
    }
    item
}

fn unknown_attribute(members: &UnknownMembers) -> AttributeValue {
    let members = members.iter();
    let members = members.map(|(name, value)| (name.into(), codec::to_attribute(value.clone())));
    AttributeValue::M(members.collect())
}

/// Returns scopes as they are stored: a set, and `None` for an empty one.
pub fn listed_in(scopes: &[impl Identifier]) -> Option<AttributeValue> {
    let names: Vec<String> = scopes.iter().map(|r| r.as_str().to_owned()).collect();
    (!names.is_empty()).then_some(AttributeValue::Ss(names))
}
