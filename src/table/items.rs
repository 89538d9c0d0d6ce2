//! Items: how snapshots, changes, runs and accounts are stored, and read back.
//!
//! Changes, runs and account records are stored field by field as their JSON
//! says it, so that what is digested is what is stored. Snapshots, which are
//! read and written by the thousand, are taken apart by hand.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::error::Corrupt;
use super::keys;
use crate::domain::listing::Window;
use crate::domain::snapshot::{DELETED, PRESENT};
use crate::domain::{
    AccountId, AccountRecord, Attributes, Change, ConnectionArn, Digest, Format, Notice, Presence,
    Region, RunRecord, Seal, Snapshot,
};

/// An item as DynamoDB gives it.
pub type Item = HashMap<String, AttributeValue>;

/// The attribute that holds the [`Format`] of its item.
pub const FORMAT_ATTRIBUTE: &str = "v";
/// The attribute that holds the [`Digest`] of a record, or of a snapshot's
/// last change.
pub const DIGEST: &str = "digest";
/// The attribute that holds a snapshot's [`Seal`].
pub const SEAL: &str = "seal";
/// The attribute that holds a change's [`Notice`]. It repeats the change, and
/// is in no digest.
pub const NOTICE: &str = "notice";

/// The attributes of a snapshot besides its keys, in the order in which they
/// are written. `None` means that the attribute must not be there.
pub fn snapshot_attributes(
    account: &AccountId,
    snapshot: &Snapshot,
) -> Vec<(&'static str, Option<AttributeValue>)> {
    let Attributes {
        connection_name,
        connection_status,
        host_arn,
        owner_account_id,
        provider_type,
    } = &snapshot.attributes;
    let optional = |text: &Option<Box<str>>| text.as_deref().map(s);
    let gone = match snapshot.presence {
        Presence::Present => None,
        Presence::Deleted { seen_gone } => Some(seen_gone),
    };
    let in_index = gone.is_none();
    let status = connection_status.as_ref();
    vec![
        ("connection_name", optional(connection_name)),
        ("connection_status", status.map(|status| s(status.as_str()))),
        ("host_arn", optional(host_arn)),
        ("owner_account_id", optional(owner_account_id)),
        (
            "provider_type",
            provider_type.as_ref().map(|p| s(p.as_str())),
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
        (SEAL, Some(s(Seal::of(account, snapshot, Format::CURRENT)))),
        (FORMAT_ATTRIBUTE, Some(n(Format::CURRENT))),
        (
            keys::STATUS_PK,
            in_index.then(|| s(keys::status_pk(status))),
        ),
        (
            keys::STATUS_SK,
            in_index.then(|| s(keys::status_sk(snapshot.status_since, &snapshot.arn))),
        ),
    ]
}

/// A snapshot as an item of `format`.
pub fn snapshot_item(account: &AccountId, snapshot: &Snapshot, format: Format) -> Item {
    let mut item: Item = snapshot_attributes(account, snapshot)
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    item.extend([
        (keys::PK.to_owned(), s(keys::account_pk(account))),
        (keys::SK.to_owned(), s(keys::snapshot_sk(&snapshot.arn))),
        (FORMAT_ATTRIBUTE.to_owned(), n(format)),
    ]);
    if format == Format::One {
        item.remove(SEAL);
    } else {
        let seal = Seal::of(account, snapshot, format);
        item.insert(SEAL.to_owned(), s(seal));
    }
    item
}

/// Regions as they are stored: a set, and nothing for none.
pub fn listed_in(regions: &[Region]) -> Option<AttributeValue> {
    let names: Vec<String> = regions.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then_some(AttributeValue::Ss(names))
}

/// Reads a snapshot. One whose seal does not fit was edited, and is not
/// believed: the next run would otherwise put a seal of its own on the edit.
///
/// # Errors
/// [`Corrupt`] names the attribute that is wrong.
pub fn read_snapshot(item: Item) -> Result<Snapshot, Corrupt> {
    let account = account_of(&item);
    let mut told = some_of(&item, &[keys::PK, keys::SK, SEAL]);
    let (snapshot, format) = read_unsealed(item)?;
    if format != Format::One {
        let mut reader = Reader { item: &mut told };
        let account = account.ok_or_else(|| reader.wrong(keys::PK, &"names no account"))?;
        let sealed: Seal = reader.required(SEAL)?;
        if sealed != Seal::of(&account, &snapshot, format) {
            return Err(reader.wrong(SEAL, &"is not that of what the snapshot says"));
        }
    }
    Ok(snapshot)
}

/// Reads a snapshot whatever its seal.
///
/// # Errors
/// [`Corrupt`] names the attribute that is wrong.
pub fn read_unsealed(mut item: Item) -> Result<(Snapshot, Format), Corrupt> {
    let mut reader = Reader { item: &mut item };
    let sk = peek(reader.item, keys::SK);
    let Some(arn) = sk.strip_prefix(keys::CONNECTION_PREFIX) else {
        let problem = format!("does not begin with {}", keys::CONNECTION_PREFIX);
        return Err(reader.wrong(keys::SK, &problem));
    };
    let arn: ConnectionArn = arn
        .parse()
        .map_err(|malformed| reader.wrong(keys::SK, &malformed))?;
    let format = format_of(reader.item)?;
    let last_seen = Window {
        began_at: reader.required("last_seen_at")?,
        ended_at: reader.required("last_seen_until")?,
    };
    let presence = match reader.required::<String>("presence")?.as_str() {
        PRESENT => Presence::Present,
        DELETED => Presence::Deleted {
            seen_gone: Window {
                began_at: reader.required("deleted_at")?,
                ended_at: reader.required("deleted_until")?,
            },
        },
        other => {
            let problem = format!("{other:?} is neither {PRESENT} nor {DELETED}");
            return Err(reader.wrong("presence", &problem));
        }
    };
    let snapshot = Snapshot {
        attributes: Attributes {
            connection_name: reader.text("connection_name")?.map(String::into_boxed_str),
            connection_status: reader.text("connection_status")?.map(|t| t.as_str().into()),
            host_arn: reader.text("host_arn")?.map(String::into_boxed_str),
            owner_account_id: reader.text("owner_account_id")?.map(String::into_boxed_str),
            provider_type: reader.text("provider_type")?.map(|t| t.as_str().into()),
        },
        presence,
        first_seen_at: reader.required("first_seen_at")?,
        last_seen,
        status_since: reader.required("status_since")?,
        version: reader.number("version")?,
        listed_in: reader.regions("listed_in")?,
        digest: reader.required(DIGEST)?,
        arn,
    };
    Ok((snapshot, format))
}

/// A change as an item.
pub fn change_item(change: &Change) -> Item {
    change_item_with(change, change.digest())
}

/// A change as an item, `digest` being its own.
pub fn change_item_with(change: &Change, digest: Digest) -> Item {
    let mut item = to_item(change, change.format);
    let arn = &change.arn;
    item.extend([
        (keys::PK.into(), s(keys::changes_pk(&change.account, arn))),
        (keys::SK.into(), s(keys::change_sk(change.version))),
        (keys::TIME_PK.into(), s(keys::time_pk(&change.account))),
        (
            keys::TIME_SK.into(),
            s(keys::time_sk(change.observed_at, arn, change.version)),
        ),
        (DIGEST.into(), s(digest)),
    ]);
    if change.format >= Format::Three
        && let Ok(notice) = serde_json::to_value(Notice::of(change))
    {
        item.insert(NOTICE.into(), to_attribute(notice));
    }
    item
}

/// A run as an item.
pub fn run_item(run: &RunRecord) -> Item {
    let mut item = to_item(run, run.format);
    item.extend([
        (keys::PK.into(), s(keys::runs_pk(&run.account))),
        (keys::SK.into(), s(keys::run_sk(run.sequence))),
        (DIGEST.into(), s(run.digest())),
    ]);
    item
}

/// An account's record as an item.
pub fn account_item(record: &AccountRecord) -> Item {
    let mut item = to_item(record, record.format);
    if record.format != Format::One {
        item.insert(DIGEST.into(), s(record.digest()));
    }
    item.extend([
        (keys::PK.into(), s(keys::account_pk(&record.account))),
        (keys::SK.into(), s(keys::ACCOUNT_SK)),
        (keys::STATUS_PK.into(), s(keys::ACCOUNTS)),
        (keys::STATUS_SK.into(), s(&record.account)),
    ]);
    item
}

/// Reads an account's record. One whose digest does not fit was edited, and
/// is not believed: the next run would otherwise build on it.
///
/// # Errors
/// [`Corrupt`], if the item is no such record.
pub fn read_account(item: Item) -> Result<AccountRecord, Corrupt> {
    let mut told = some_of(&item, &[keys::PK, keys::SK, DIGEST]);
    let record: AccountRecord = read_record(item)?;
    if record.format != Format::One {
        let mut reader = Reader { item: &mut told };
        let digest: Digest = reader.required(DIGEST)?;
        if digest != record.digest() {
            return Err(reader.wrong(DIGEST, &"is not that of what the record says"));
        }
    }
    Ok(record)
}

/// Reads a change or a run, or an account's record whatever its digest.
///
/// # Errors
/// [`Corrupt`], if the item is no such record.
pub fn read_record<T: DeserializeOwned>(item: impl Borrow<Item>) -> Result<T, Corrupt> {
    let item = item.borrow();
    format_of(item)?;
    let mut map = Map::new();
    for (name, value) in item {
        let value =
            to_json(value).ok_or_else(|| wrong(item, name, &"is of a type never written"))?;
        map.insert(name.clone(), value);
    }
    serde_path_to_error::deserialize(Value::Object(map)).map_err(|error| {
        // An attribute that is missing has no path: the message names it.
        let attribute = match error.path().to_string() {
            path if path == "." => "(record)".to_owned(),
            path => path,
        };
        wrong(item, &attribute, error.inner())
    })
}

fn to_item(record: &impl Serialize, format: Format) -> Item {
    let mut item = Item::from([(FORMAT_ATTRIBUTE.to_owned(), n(format))]);
    if let Ok(Value::Object(map)) = serde_json::to_value(record) {
        item.extend(
            map.into_iter()
                .map(|(name, value)| (name, to_attribute(value))),
        );
    }
    item
}

fn to_attribute(value: Value) -> AttributeValue {
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

fn to_json(value: &AttributeValue) -> Option<Value> {
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

fn some_of(item: &Item, names: &[&str]) -> Item {
    let attributes = names.iter().filter_map(|name| item.get_key_value(*name));
    attributes
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A text attribute.
pub fn s(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

/// A number attribute.
pub fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Takes an item apart, and says which attribute is wrong.
struct Reader<'a> {
    item: &'a mut Item,
}

fn peek(item: &Item, name: &str) -> String {
    match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    }
}

fn wrong(item: &Item, attribute: &str, problem: &impl ToString) -> Corrupt {
    let (pk, sk) = (peek(item, keys::PK), peek(item, keys::SK));
    Corrupt::new(pk, sk, attribute, &problem.to_string())
}

fn format_of(item: &Item) -> Result<Format, Corrupt> {
    match item.get(FORMAT_ATTRIBUTE) {
        Some(AttributeValue::N(digits)) => {
            let known = Format::ALL
                .into_iter()
                .find(|format| *digits == format.to_string());
            known.ok_or_else(|| {
                let problem = format!("is {digits}: this software reads formats 1 to 4");
                wrong(item, FORMAT_ATTRIBUTE, &problem)
            })
        }
        _ => Err(wrong(
            item,
            FORMAT_ATTRIBUTE,
            &"is missing: no item of this inventory",
        )),
    }
}

impl Reader<'_> {
    fn wrong(&self, attribute: &str, problem: &impl ToString) -> Corrupt {
        wrong(self.item, attribute, problem)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Corrupt> {
        match self.item.remove(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, &"is not a text")),
        }
    }

    fn required<T>(&mut self, name: &str) -> Result<T, Corrupt>
    where
        T: FromStr<Err: ToString>,
    {
        let text = self
            .text(name)?
            .ok_or_else(|| self.wrong(name, &"is missing"))?;
        text.parse()
            .map_err(|malformed| self.wrong(name, &malformed))
    }

    fn number(&self, name: &str) -> Result<u32, Corrupt> {
        match self.item.get(name) {
            Some(AttributeValue::N(digits)) => digits
                .parse()
                .map_err(|_| self.wrong(name, &"is not a whole number")),
            _ => Err(self.wrong(name, &"is missing or not a number")),
        }
    }

    fn regions(&mut self, name: &str) -> Result<Vec<Region>, Corrupt> {
        let names = match self.item.remove(name) {
            None => return Ok(Vec::new()),
            Some(AttributeValue::Ss(names)) => names,
            Some(_) => return Err(self.wrong(name, &"is not a set of texts")),
        };
        let regions: Result<Vec<Region>, _> = names.iter().map(|name| name.parse()).collect();
        let mut regions = regions.map_err(|malformed| self.wrong(name, &malformed))?;
        regions.sort();
        Ok(regions)
    }
}

/// The account of a snapshot or account item, from its partition key.
pub fn account_of(item: &Item) -> Option<AccountId> {
    match item.get(keys::PK) {
        Some(AttributeValue::S(pk)) => pk.strip_prefix("ACCOUNT#")?.parse().ok(),
        _ => None,
    }
}
