//! Items: how changes, runs and accounts are stored, and read back.
//!
//! They are stored field by field as their JSON, so that the digest covers
//! exactly what is stored. Snapshots have their own codec.

pub(crate) mod fields;
pub mod plain;
pub mod snapshot;

use std::borrow::Borrow;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

pub use super::item::Item;

use super::error::CorruptItem;
use super::keys;
use super::kind::StoredKind;
use crate::domain::{
    AccountId, AccountRecord, Change, Digest, Identifier, RunRecord, SchemaVersion,
};

/// The attribute that holds the [`SchemaVersion`] of its item.
pub const FORMAT_ATTRIBUTE: &str = "v";
/// The attribute that holds the [`Digest`] of a record, or of a snapshot's
/// last change.
pub const DIGEST: &str = "digest";
/// The attribute that holds a snapshot's [`Seal`](crate::domain::Seal).
pub const SEAL: &str = "seal";
/// The attribute that holds a change's [event summary](StoredKind::event_summary). It repeats the change, and
/// is in no digest.
pub const NOTICE: &str = "notice";

/// A change as an item.
pub fn change_item<K: StoredKind>(change: &Change<K>) -> Item {
    change_item_with(change, change.digest())
}

/// A change as an item, `digest` being its own.
pub fn change_item_with<K: StoredKind>(change: &Change<K>, digest: Digest) -> Item {
    let mut item = to_item(change, change.format);
    let arn = &change.arn;
    item.extend([
        (
            keys::PK.into(),
            s(K::KEYS.changes_pk(&change.account, arn.as_str())),
        ),
        (keys::SK.into(), s(keys::change_sk(change.version))),
        (keys::TIME_PK.into(), s(K::KEYS.time_pk(&change.account))),
        (
            keys::TIME_SK.into(),
            s(keys::time_sk(change.observed_at, arn, change.version)),
        ),
        (DIGEST.into(), s(digest)),
    ]);
    if let Some(notice) = K::event_summary(change) {
        item.insert(NOTICE.into(), to_attribute(notice));
    }
    item
}

/// A run as an item.
pub fn run_item<K: StoredKind>(run: &RunRecord<K>) -> Item {
    let mut item = to_item(run, run.format);
    item.extend([
        (keys::PK.into(), s(K::KEYS.runs_pk(&run.account))),
        (keys::SK.into(), s(keys::run_sk(run.sequence))),
        (DIGEST.into(), s(run.digest())),
    ]);
    item
}

/// An account's record as an item.
pub fn account_item<K: StoredKind>(record: &AccountRecord<K>) -> Item {
    let mut item = to_item(record, record.format);
    if record.format != SchemaVersion::V1 {
        item.insert(DIGEST.into(), s(record.digest()));
    }
    item.extend([
        (keys::PK.into(), s(K::KEYS.account_pk(&record.account))),
        (keys::SK.into(), s(keys::ACCOUNT_SK)),
        (keys::STATUS_PK.into(), s(K::KEYS.accounts_pk())),
        (keys::STATUS_SK.into(), s(&record.account)),
    ]);
    item
}

/// Reads an account's record. A record whose digest does not match was edited
/// and is refused: the next run would build on it.
///
/// # Errors
/// [`CorruptItem`] if the item is no such record.
pub fn read_account<K: StoredKind>(item: &Item) -> Result<AccountRecord<K>, CorruptItem> {
    let record: AccountRecord<K> = read_record(item)?;
    if record.format != SchemaVersion::V1 {
        let digest: Digest = match item.get(DIGEST) {
            None => return Err(wrong(item, DIGEST, &"is missing")),
            Some(AttributeValue::S(text)) => text
                .parse()
                .map_err(|malformed| wrong(item, DIGEST, &malformed))?,
            Some(_) => return Err(wrong(item, DIGEST, &"is not a text")),
        };
        if digest != record.digest() {
            return Err(wrong(item, DIGEST, &"is not that of what the record says"));
        }
    }
    Ok(record)
}

/// Reads a change or a run, or an account's record without checking its digest.
///
/// # Errors
/// [`CorruptItem`] if the item is no such record.
pub fn read_record<T: DeserializeOwned>(item: impl Borrow<Item>) -> Result<T, CorruptItem> {
    let item = item.borrow();
    format_of(item)?;
    // To note where a record is wrong costs more than to read it: audits, which read
    // many, do so after a failure only. The function reads few, and links one way.
    #[cfg(feature = "cli")]
    if let Some(record) = fields::Fields::of(item).and_then(|fields| fields.record()) {
        return Ok(record);
    }
    let mut fields = Map::new();
    for (name, value) in item {
        let value =
            to_json(value).ok_or_else(|| wrong(item, name, &"is of a type never written"))?;
        fields.insert(name.clone(), value);
    }
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        // An attribute that is missing has no path: the message names it.
        let attribute = match error.path().to_string() {
            path if path == "." => "(record)".to_owned(),
            path => path,
        };
        wrong(item, &attribute, error.inner())
    })
}

fn to_item(record: &impl Serialize, format: SchemaVersion) -> Item {
    let mut item = Item::from([(FORMAT_ATTRIBUTE.to_owned(), n(format))]);
    if let Ok(Value::Object(map)) = serde_json::to_value(record) {
        item.extend(
            map.into_iter()
                .map(|(name, value)| (name, to_attribute(value))),
        );
    }
    item
}

pub(crate) fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(list) => AttributeValue::L(list.into_iter().map(to_attribute).collect()),
        Value::Object(map) => AttributeValue::M(
            map.into_iter()
                .map(|(name, value)| (name, to_attribute(value)))
                .collect(),
        ),
    }
}

pub(crate) fn to_json(value: &AttributeValue) -> Option<Value> {
    Some(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        AttributeValue::N(digits) => Value::Number(Number::from_str(digits).ok()?),
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::L(list) => Value::Array(list.iter().map(to_json).collect::<Option<_>>()?),
        AttributeValue::M(map) => Value::Object(
            map.iter()
                .map(|(name, value)| Some((name.clone(), to_json(value)?)))
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

/// A text attribute.
pub fn s(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

/// A number attribute.
pub fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn peek(item: &Item, name: &str) -> String {
    match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    }
}

fn wrong(item: &Item, attribute: &str, problem: &impl ToString) -> CorruptItem {
    let (pk, sk) = (peek(item, keys::PK), peek(item, keys::SK));
    CorruptItem::new(pk, sk, attribute, &problem.to_string())
}

fn format_of(item: &Item) -> Result<SchemaVersion, CorruptItem> {
    let digits = match item.get(FORMAT_ATTRIBUTE) {
        Some(AttributeValue::N(digits)) => Some(digits.as_str()),
        _ => None,
    };
    known_format(digits).map_err(|problem| wrong(item, FORMAT_ATTRIBUTE, &problem))
}

/// Returns the format with this number.
pub(crate) fn known_format(digits: Option<&str>) -> Result<SchemaVersion, String> {
    let Some(digits) = digits else {
        return Err("is missing: no item of this inventory".to_owned());
    };
    // As it is written, and in no other way.
    let known = match digits {
        "1" => Some(SchemaVersion::V1),
        "2" => Some(SchemaVersion::V2),
        "3" => Some(SchemaVersion::V3),
        "4" => Some(SchemaVersion::V4),
        "5" => Some(SchemaVersion::V5),
        _ => None,
    };
    known.ok_or_else(|| format!("is {digits}: this software reads formats 1 to 5"))
}

/// Returns the account of a snapshot or account item, from its partition key.
pub fn account_of<K: StoredKind>(item: &Item) -> Option<AccountId> {
    match item.get(keys::PK) {
        Some(AttributeValue::S(pk)) => K::KEYS.account_in(pk),
        _ => None,
    }
}
