//! Snapshots of any kind as items, by serde alone: how dependencies are stored,
//! and the reference for the fast path of connections.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::snapshot::listed_in;
use super::{
    DIGEST, FORMAT_ATTRIBUTE, Item, SEAL, format_of, peek, s, to_attribute, to_json, wrong,
};
use crate::domain::digest::canonical_json;
use crate::domain::listing::Window;
use crate::domain::snapshot::{DELETED, PRESENT};
use crate::domain::{AccountId, Digest, Kind, Presence, SchemaVersion, Seal, Snapshot, Timestamp};
use crate::table::error::CorruptItem;
use crate::table::keys;
use crate::table::kind::StoredKind;

/// Returns a snapshot's attributes besides keys and checksum, as JSON that was
/// last seen in `last_seen` and is listed in `listed_in`.
fn fields<K: Kind>(
    snapshot: &Snapshot<K>,
    last_seen: Window,
    listed_in: &[K::Scope],
    format: SchemaVersion,
) -> Map<String, Value> {
    let deleted = match snapshot.presence {
        Presence::Present => None,
        Presence::Deleted { seen_gone } => Some(seen_gone),
    };
    let others = json!({
        "deleted_at": deleted.map(|window| window.began_at),
        "deleted_until": deleted.map(|window| window.ended_at),
        DIGEST: snapshot.digest,
        "first_seen_at": snapshot.first_seen_at,
        "last_seen_at": last_seen.began_at,
        "last_seen_until": last_seen.ended_at,
        "listed_in": listed_in,
        "presence": snapshot.presence.as_str(),
        "status_since": snapshot.status_since,
        FORMAT_ATTRIBUTE: format,
        "version": snapshot.version,
    });
    let mut fields = match json!(snapshot.attributes) {
        Value::Object(attributes) => attributes,
        _ => Map::new(),
    };
    if let Value::Object(others) = others {
        fields.extend(others);
    }
    fields.retain(|_, value| !value.is_null() && *value != json!([]));
    fields
}

/// Returns the checksum of a snapshot: over its canonical JSON with its account
/// and its id, which are in the keys.
pub fn checksum<K: Kind>(
    account: &AccountId,
    snapshot: &Snapshot<K>,
    last_seen: Window,
    listed_in: &[K::Scope],
    format: SchemaVersion,
) -> Seal {
    let mut fields = fields(snapshot, last_seen, listed_in, format);
    fields.insert("account".to_owned(), json!(account));
    fields.insert("arn".to_owned(), json!(snapshot.arn));
    Seal::over(canonical_json(&fields).as_bytes())
}

/// The attributes of every snapshot.
const COMMON: [&str; 11] = [
    "presence",
    "first_seen_at",
    "last_seen_at",
    "last_seen_until",
    "deleted_at",
    "deleted_until",
    "status_since",
    "version",
    "listed_in",
    DIGEST,
    FORMAT_ATTRIBUTE,
];

/// Returns the attributes of a snapshot besides its keys. `names` are those of
/// its kind. `None` means that the attribute must not be there.
pub fn snapshot_attributes<K: Kind>(
    account: &AccountId,
    snapshot: &Snapshot<K>,
    names: &[&'static str],
) -> Vec<(&'static str, Option<AttributeValue>)> {
    let (last_seen, scopes) = (snapshot.last_seen, &snapshot.listed_in);
    let format = SchemaVersion::CURRENT;
    let mut fields = fields(snapshot, last_seen, scopes, format);
    let mut attributes: Vec<_> = names
        .iter()
        .chain(&COMMON)
        .map(|name| {
            let value = fields.remove(*name);
            let value = match *name {
                // A set, as the fast path stores it.
                "listed_in" => listed_in(scopes),
                _ => value.map(to_attribute),
            };
            (*name, value)
        })
        .collect();
    let seal = checksum(account, snapshot, last_seen, scopes, format);
    attributes.push((SEAL, Some(s(seal))));
    attributes
}

/// A snapshot as its item has it, besides the attributes of its kind.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Stored<K: Kind> {
    #[serde(flatten)]
    attributes: K::Attributes,
    presence: String,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    last_seen_until: Timestamp,
    deleted_at: Option<Timestamp>,
    deleted_until: Option<Timestamp>,
    status_since: Timestamp,
    version: u32,
    #[serde(default)]
    listed_in: Vec<K::Scope>,
    digest: Digest,
}

/// Reads a snapshot and its format without checking its checksum.
///
/// # Errors
/// [`CorruptItem`] names the attribute that is wrong.
pub fn read_unsealed<K: StoredKind>(
    item: &Item,
) -> Result<(Snapshot<K>, SchemaVersion), CorruptItem> {
    let format = format_of(item)?;
    let sk = peek(item, keys::SK);
    let id = K::KEYS.id_in(&sk).ok_or_else(|| {
        let problem = format!("does not begin with {}", K::KEYS.snapshot_prefix());
        wrong(item, keys::SK, &problem)
    })?;
    let arn = id
        .parse()
        .map_err(|malformed| wrong(item, keys::SK, &malformed))?;
    let mut fields = Map::new();
    for (name, value) in item {
        let value = match value {
            AttributeValue::Ss(texts) => Some(json!(texts)),
            value => to_json(value),
        };
        let value = value.ok_or_else(|| wrong(item, name, &"is of a type never written"))?;
        fields.insert(name.clone(), value);
    }
    let stored: Stored<K> = serde_path_to_error::deserialize(Value::Object(fields))
        .map_err(|error| wrong(item, "(snapshot)", error.inner()))?;
    let window = |began_at, ended_at| Window { began_at, ended_at };
    let presence = match (&*stored.presence, stored.deleted_at, stored.deleted_until) {
        (PRESENT, None, None) => Presence::Present,
        (DELETED, Some(at), Some(until)) => Presence::Deleted {
            seen_gone: window(at, until),
        },
        _ => {
            let problem = format!("is neither {PRESENT} nor {DELETED} with its times");
            return Err(wrong(item, "presence", &problem));
        }
    };
    let mut listed_in = stored.listed_in;
    listed_in.sort();
    let snapshot = Snapshot {
        arn,
        attributes: stored.attributes,
        presence,
        first_seen_at: stored.first_seen_at,
        last_seen: window(stored.last_seen_at, stored.last_seen_until),
        status_since: stored.status_since,
        version: stored.version,
        listed_in,
        digest: stored.digest,
    };
    Ok((snapshot, format))
}

/// Reads a snapshot whose checksum matches.
///
/// # Errors
/// [`CorruptItem`] names the attribute that is wrong.
pub fn read_snapshot<K: StoredKind>(item: &Item) -> Result<Snapshot<K>, CorruptItem> {
    let (snapshot, format) = read_unsealed::<K>(item)?;
    let account =
        super::account_of::<K>(item).ok_or_else(|| wrong(item, keys::PK, &"names no account"))?;
    let (last_seen, listed_in) = (snapshot.last_seen, &snapshot.listed_in);
    let expected = K::checksum(&account, &snapshot, last_seen, listed_in, format);
    if peek(item, SEAL) == expected.to_string() {
        Ok(snapshot)
    } else {
        Err(wrong(item, SEAL, &"is not that of what the snapshot says"))
    }
}
