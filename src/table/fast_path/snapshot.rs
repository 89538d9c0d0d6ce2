//! Snapshots and accounts' records as they are read from answers.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::value::Value;
use crate::domain::listing::Window;
use crate::domain::snapshot::{DELETED, PRESENT};
use crate::domain::{Attributes, Presence, Region, SchemaVersion, Seal, Snapshot, UnknownMembers};
use crate::table::codec::snapshot::UNKNOWN_MEMBERS;
use crate::table::codec::{DIGEST, FORMAT_ATTRIBUTE, Item, SEAL};
use crate::table::error::CorruptItem;
use crate::table::{codec, keys};

/// An item of an account's partition.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost every row is a snapshot, and a run reads one for each connection"
)]
pub(crate) enum AccountRow {
    /// The account's record, or what stands in its place.
    Record(Item),
    /// A snapshot, or what is wrong with what should be one.
    Snapshot(Result<Snapshot, CorruptItem>),
}

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

/// The attributes of a snapshot. It is not read from those of the index, which
/// repeat what stands in others.
macro_rules! names {
    ($($name:ident = $text:expr,)+) => {
        #[derive(Debug, Clone, Copy)]
        enum Attribute { $($name,)+ }

        impl Attribute {
            const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];
            const NUMBER: usize = Self::ALL.len();

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

names! {
    Pk = keys::PK,
    Sk = keys::SK,
    ConnectionName = "connection_name",
    ConnectionStatus = "connection_status",
    HostArn = "host_arn",
    OwnerAccountId = "owner_account_id",
    ProviderEndpoint = "provider_endpoint",
    ProviderType = "provider_type",
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

/// An item taken apart, each attribute in a place of its own: to look into a
/// map for each would hash each name.
#[derive(Debug)]
pub(crate) struct SnapshotItem<'a> {
    known: [Option<Value<'a>>; Attribute::NUMBER],
    /// Those that a snapshot does not have.
    others: Vec<(String, AttributeValue)>,
}

impl<'a> SnapshotItem<'a> {
    fn empty() -> Self {
        Self {
            known: [const { None }; Attribute::NUMBER],
            others: Vec::new(),
        }
    }

    /// What a snapshot is read from of an item.
    pub(crate) fn of(item: &'a Item) -> Self {
        let mut stored = Self::empty();
        for (name, value) in item {
            if let Some(name) = Attribute::of(name) {
                stored.known[name as usize] = Some(value.into());
            }
        }
        stored
    }

    /// The whole item.
    fn into_item(self) -> Item {
        let known = Attribute::ALL.iter().zip(self.known);
        let known = known.filter_map(|(name, value)| Some((name.as_str().to_owned(), value?)));
        let known = known.map(|(name, value)| (name, value.into()));
        known.chain(self.others).collect()
    }

    /// The snapshot, if its seal fits.
    pub(crate) fn snapshot(mut self) -> Result<Snapshot, CorruptItem> {
        let (snapshot, format) = self.read()?;
        if format != SchemaVersion::V1 {
            let account = keys::account_in(self.key(Attribute::Pk))
                .ok_or_else(|| self.wrong(Attribute::Pk, &"names no account"))?;
            let sealed: Seal = self.required(Attribute::Seal)?;
            if sealed != Seal::of(&account, &snapshot, format) {
                return Err(self.wrong(Attribute::Seal, &"is not that of what the snapshot says"));
            }
        }
        Ok(snapshot)
    }

    /// The snapshot, whatever its seal.
    pub(crate) fn unsealed(mut self) -> Result<(Snapshot, SchemaVersion), CorruptItem> {
        self.read()
    }

    fn get(&self, name: Attribute) -> Option<&Value<'a>> {
        self.known[name as usize].as_ref()
    }

    fn key(&self, name: Attribute) -> &str {
        match self.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    fn wrong(&self, name: Attribute, problem: &impl ToString) -> CorruptItem {
        let (pk, sk) = (self.key(Attribute::Pk), self.key(Attribute::Sk));
        let problem = problem.to_string();
        CorruptItem::new(pk.to_owned(), sk.to_owned(), name.as_str(), &problem)
    }

    /// Takes all but the keys and the seal.
    fn read(&mut self) -> Result<(Snapshot, SchemaVersion), CorruptItem> {
        let Some(arn) = self
            .key(Attribute::Sk)
            .strip_prefix(keys::CONNECTION_PREFIX)
        else {
            let problem = format!("does not begin with {}", keys::CONNECTION_PREFIX);
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
        let snapshot = Snapshot {
            attributes: Attributes {
                connection_name: self.text(Attribute::ConnectionName)?.map(boxed),
                connection_status: self
                    .text(Attribute::ConnectionStatus)?
                    .map(|text| (&*text).into()),
                host_arn: self.text(Attribute::HostArn)?.map(boxed),
                owner_account_id: self.text(Attribute::OwnerAccountId)?.map(boxed),
                provider_endpoint: self.text(Attribute::ProviderEndpoint)?.map(boxed),
                provider_type: self
                    .text(Attribute::ProviderType)?
                    .map(|text| (&*text).into()),
                unknown_members: self.members(Attribute::UnknownMembers)?,
            },
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

    fn text(&mut self, name: Attribute) -> Result<Option<Cow<'a, str>>, CorruptItem> {
        match self.known[name as usize].take() {
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
        let Some(value) = self.known[name as usize].take() else {
            return Ok(UnknownMembers::default());
        };
        let members = codec::to_json(&value.into());
        let members = members.and_then(|members| serde_json::from_value(members).ok());
        members.ok_or_else(|| self.wrong(name, &"is not a map of values that are written"))
    }

    fn regions(&mut self, name: Attribute) -> Result<Vec<Region>, CorruptItem> {
        let names = match self.known[name as usize].take() {
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

fn boxed(text: Cow<'_, str>) -> Box<str> {
    text.into_owned().into_boxed_str()
}

/// An attribute's name.
enum Name {
    Known(Attribute),
    Other(String),
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute's name")
            }

            fn visit_str<E>(self, text: &str) -> Result<Name, E> {
                Ok(match Attribute::of(text) {
                    Some(name) => Name::Known(name),
                    None => Name::Other(text.to_owned()),
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
                        Name::Known(name) => stored.known[name as usize] = Some(value),
                        Name::Other(name) => stored.others.push((name, value.into())),
                    }
                }
                Ok(stored)
            }
        }

        deserializer.deserialize_map(Names)
    }
}

/// Reads a snapshot. One whose seal does not fit was edited, and is not
/// believed: the next run would otherwise put a seal of its own on the edit.
///
/// # Errors
/// [`CorruptItem`] names the attribute that is wrong.
pub fn read_snapshot(item: &Item) -> Result<Snapshot, CorruptItem> {
    SnapshotItem::of(item).snapshot()
}

/// Reads a snapshot whatever its seal.
///
/// # Errors
/// [`CorruptItem`] names the attribute that is wrong.
pub fn read_unsealed(item: &Item) -> Result<(Snapshot, SchemaVersion), CorruptItem> {
    SnapshotItem::of(item).unsealed()
}
