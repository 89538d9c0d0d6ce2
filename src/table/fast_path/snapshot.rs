//! Snapshots and accounts' records as they are read from responses.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::value::Value;
use crate::domain::attributes::{AttributeName, UNKNOWN_MEMBERS};
use crate::domain::listing::Window;
use crate::domain::snapshot::{DELETED, PRESENT};
use crate::domain::{Attributes, Presence, Region, SchemaVersion, Seal, Snapshot, UnknownMembers};
use crate::table::codec::{DIGEST, FORMAT_ATTRIBUTE, Item, SEAL};
use crate::table::error::CorruptItem;
use crate::table::keys::CONNECTIONS;
use crate::table::kind::AccountRow;
use crate::table::{codec, keys};

impl From<Item> for AccountRow {
    fn from(item: Item) -> Self {
        match item.get(keys::SK) {
            Some(AttributeValue::S(sk)) if sk == keys::ACCOUNT_SK => Self::Record(item),
            _ => Self::Snapshot(SnapshotItem::of(&item).snapshot()),
        }
    }
}

impl From<SnapshotItem<'_>> for AccountRow {
    fn from(stored: SnapshotItem<'_>) -> Self {
        if stored.key(Attribute::Sk) == keys::ACCOUNT_SK {
            Self::Record(stored.into_item())
        } else {
            Self::Snapshot(stored.snapshot())
        }
    }
}

impl<'de> Deserialize<'de> for AccountRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SnapshotItem::deserialize(deserializer).map(Self::from)
    }
}

/// The attributes of an item besides those of the connection. A snapshot is not
/// read from the keys of the index, which repeat other attributes.
macro_rules! names {
    ($($name:ident = $text:expr,)+) => {
        #[derive(Debug, Clone, Copy)]
        enum Attribute { $($name,)+ }

        impl Attribute {
            const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            fn of(text: &str) -> Option<Self> {
                $(if text == $text {
                    return Some(Self::$name);
                })+
                None
            }
        }
    };
}

/// The name of an attribute of an item.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// One of the connection.
    Connection(AttributeName),
    /// One of the item.
    Item(Attribute),
}

impl Name {
    fn of(text: &str) -> Option<Self> {
        let connection = AttributeName::from_stored(text).map(Self::Connection);
        connection.or_else(|| Attribute::of(text).map(Self::Item))
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Connection(name) => name.as_str(),
            Self::Item(name) => name.as_str(),
        }
    }

    /// Returns the attribute's index in [`SnapshotItem::known`].
    fn place(self) -> usize {
        match self {
            Self::Connection(name) => name as usize,
            Self::Item(name) => AttributeName::ALL.len() + name as usize,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let connection = AttributeName::ALL.into_iter().map(Self::Connection);
        connection.chain(Attribute::ALL.into_iter().map(Self::Item))
    }
}

impl From<AttributeName> for Name {
    fn from(name: AttributeName) -> Self {
        Self::Connection(name)
    }
}

impl From<Attribute> for Name {
    fn from(name: Attribute) -> Self {
        Self::Item(name)
    }
}

names! {
    Pk = keys::PK,
    Sk = keys::SK,
    UnknownMembers = UNKNOWN_MEMBERS,
    Presence = "presence",
    FirstSeenAt = "first_seen_at",
    LastSeenAt = "last_seen_at",
    LastSeenUntil = "last_seen_until",
    DeletedAt = "deleted_at",
    DeletedUntil = "deleted_until",
    StatusSince = "status_since",
    Version = "version",
    ListedIn = "listed_in",
    Digest = DIGEST,
    Seal = SEAL,
    SchemaVersion = FORMAT_ATTRIBUTE,
    StatusPk = keys::STATUS_PK,
    StatusSk = keys::STATUS_SK,
}

const PLACES: usize = AttributeName::ALL.len() + Attribute::ALL.len();

/// An item split into attributes, each at its own index: a lookup in a map
/// would hash each name.
#[derive(Debug)]
pub(crate) struct SnapshotItem<'a> {
    known: [Option<Value<'a>>; PLACES],
    /// Attributes that a snapshot does not have.
    others: Vec<(String, AttributeValue)>,
}

impl<'a> SnapshotItem<'a> {
    fn empty() -> Self {
        Self {
            known: [const { None }; PLACES],
            others: Vec::new(),
        }
    }

    /// Returns the attributes of an item that a snapshot is read from.
    pub(crate) fn of(item: &'a Item) -> Self {
        let mut stored = Self::empty();
        for (name, value) in item {
            if let Some(name) = Name::of(name) {
                stored.known[name.place()] = Some(value.into());
            }
        }
        stored
    }

    /// Returns the whole item.
    fn into_item(self) -> Item {
        let known = Name::all().zip(self.known);
        let known = known.filter_map(|(name, value)| Some((name.as_str().to_owned(), value?)));
        let known = known.map(|(name, value)| (name, value.into()));
        known.chain(self.others).collect()
    }

    /// Returns the snapshot, if its checksum matches.
    pub(crate) fn snapshot(mut self) -> Result<Snapshot, CorruptItem> {
        let (snapshot, format) = self.read()?;
        if format != SchemaVersion::V1 {
            let account = CONNECTIONS
                .account_in(self.key(Attribute::Pk))
                .ok_or_else(|| self.wrong(Attribute::Pk, &"names no account"))?;
            let sealed: Seal = self.required(Attribute::Seal)?;
            if sealed != Seal::of(&account, &snapshot, format) {
                return Err(self.wrong(Attribute::Seal, &"is not that of what the snapshot says"));
            }
        }
        Ok(snapshot)
    }

    /// Returns the snapshot without checking its checksum.
    pub(crate) fn unsealed(mut self) -> Result<(Snapshot, SchemaVersion), CorruptItem> {
        self.read()
    }

    fn get(&self, name: Attribute) -> Option<&Value<'a>> {
        self.known[Name::Item(name).place()].as_ref()
    }

    fn take(&mut self, name: impl Into<Name>) -> Option<Value<'a>> {
        self.known[name.into().place()].take()
    }

    fn key(&self, name: Attribute) -> &str {
        match self.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    fn wrong(&self, name: impl Into<Name>, problem: &impl ToString) -> CorruptItem {
        let (pk, sk) = (self.key(Attribute::Pk), self.key(Attribute::Sk));
        let problem = problem.to_string();
        CorruptItem::new(pk.to_owned(), sk.to_owned(), name.into().as_str(), &problem)
    }

    /// Takes all attributes but the keys and the checksum.
    fn read(&mut self) -> Result<(Snapshot, SchemaVersion), CorruptItem> {
        let Some(arn) = CONNECTIONS.id_in(self.key(Attribute::Sk)) else {
            let problem = format!("does not begin with {}", CONNECTIONS.snapshot_prefix());
            return Err(self.wrong(Attribute::Sk, &problem));
        };
        let arn = arn
            .parse()
            .map_err(|malformed| self.wrong(Attribute::Sk, &malformed))?;
        let digits = match self.get(Attribute::SchemaVersion) {
            Some(Value::Number(digits)) => Some(&**digits),
            _ => None,
        };
        let format = codec::known_format(digits)
            .map_err(|problem| self.wrong(Attribute::SchemaVersion, &problem))?;
        let last_seen = Window {
            began_at: self.required(Attribute::LastSeenAt)?,
            ended_at: self.required(Attribute::LastSeenUntil)?,
        };
        let presence = match &*self.some_text(Attribute::Presence)? {
            PRESENT => Presence::Present,
            DELETED => Presence::Deleted {
                seen_gone: Window {
                    began_at: self.required(Attribute::DeletedAt)?,
                    ended_at: self.required(Attribute::DeletedUntil)?,
                },
            },
            other => {
                let problem = format!("{other:?} is neither {PRESENT} nor {DELETED}");
                return Err(self.wrong(Attribute::Presence, &problem));
            }
        };
        let unknown_members = self.members(Attribute::UnknownMembers)?;
        let attributes = Attributes::from_fields(|name| self.text(name), unknown_members)?;
        let snapshot = Snapshot {
            attributes,
            presence,
            first_seen_at: self.required(Attribute::FirstSeenAt)?,
            last_seen,
            status_since: self.required(Attribute::StatusSince)?,
            version: self.number(Attribute::Version)?,
            listed_in: self.regions(Attribute::ListedIn)?,
            digest: self.required(Attribute::Digest)?,
            arn,
        };
        Ok((snapshot, format))
    }

    fn text(&mut self, name: impl Into<Name> + Copy) -> Result<Option<Cow<'a, str>>, CorruptItem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, &"is not a text")),
        }
    }

    fn some_text(&mut self, name: Attribute) -> Result<Cow<'a, str>, CorruptItem> {
        let text = self.text(name)?;
        text.ok_or_else(|| self.wrong(name, &"is missing"))
    }

    fn required<T>(&mut self, name: Attribute) -> Result<T, CorruptItem>
    where
        T: FromStr<Err: ToString>,
    {
        let text = self.some_text(name)?;
        text.parse()
            .map_err(|malformed| self.wrong(name, &malformed))
    }

    fn number(&self, name: Attribute) -> Result<u32, CorruptItem> {
        match self.get(name) {
            Some(Value::Number(digits)) => digits
                .parse()
                .map_err(|_| self.wrong(name, &"is not a whole number")),
            _ => Err(self.wrong(name, &"is missing or not a number")),
        }
    }

    fn members(&mut self, name: Attribute) -> Result<UnknownMembers, CorruptItem> {
        let Some(value) = self.take(name) else {
            return Ok(UnknownMembers::default());
        };
        let members = codec::to_json(&value.into());
        let members = members.and_then(|members| serde_json::from_value(members).ok());
        members.ok_or_else(|| self.wrong(name, &"is not a map of values that are written"))
    }

    fn regions(&mut self, name: Attribute) -> Result<Vec<Region>, CorruptItem> {
        let names = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Texts(names)) => names,
            Some(_) => return Err(self.wrong(name, &"is not a set of texts")),
        };
        let regions: Result<Vec<Region>, _> = names.iter().map(|name| name.parse()).collect();
        let mut regions = regions.map_err(|malformed| self.wrong(name, &malformed))?;
        regions.sort();
        Ok(regions)
    }
}

/// A name as it is read.
enum ReadName {
    Known(Name),
    Other(String),
}

impl<'de> Deserialize<'de> for ReadName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = ReadName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute's name")
            }

            fn visit_str<E>(self, text: &str) -> Result<ReadName, E> {
                Ok(match Name::of(text) {
                    Some(name) => ReadName::Known(name),
                    None => ReadName::Other(text.to_owned()),
                })
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for SnapshotItem<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = SnapshotItem<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut stored = SnapshotItem::empty();
                while let Some(name) = map.next_key()? {
                    let value: Value<'de> = map.next_value()?;
                    match name {
                        ReadName::Known(name) => stored.known[name.place()] = Some(value),
                        ReadName::Other(name) => stored.others.push((name, value.into())),
                    }
                }
                Ok(stored)
            }
        }

        deserializer.deserialize_map(Names)
    }
}

/// Reads a snapshot. A snapshot whose checksum does not match was edited and is
/// refused: the next run would put a valid checksum on the edit.
///
/// # Errors
/// [`CorruptItem`] names the attribute that is wrong.
pub fn read_snapshot(item: &Item) -> Result<Snapshot, CorruptItem> {
    SnapshotItem::of(item).snapshot()
}

/// Reads a snapshot without checking its checksum.
///
/// # Errors
/// [`CorruptItem`] names the attribute that is wrong.
pub fn read_unsealed(item: &Item) -> Result<(Snapshot, SchemaVersion), CorruptItem> {
    SnapshotItem::of(item).unsealed()
}
