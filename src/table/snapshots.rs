//! Snapshots as items. A run reads and writes one for each connection, so they
//! are put together and taken apart by hand.

use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;

use super::error::Corrupt;
use super::items::{self, DIGEST, FORMAT_ATTRIBUTE, Item, SEAL, n, s};
use super::keys;
use crate::domain::listing::Window;
use crate::domain::snapshot::{DELETED, PRESENT};
use crate::domain::{AccountId, Attributes, Format, Presence, Region, Seal, Snapshot};

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
    let names: Vec<String> = regions.iter().map(|r| r.as_str().to_owned()).collect();
    (!names.is_empty()).then_some(AttributeValue::Ss(names))
}

/// Reads a snapshot. One whose seal does not fit was edited, and is not
/// believed: the next run would otherwise put a seal of its own on the edit.
///
/// # Errors
/// [`Corrupt`] names the attribute that is wrong.
pub fn read_snapshot(item: Item) -> Result<Snapshot, Corrupt> {
    let mut stored = Stored::of(item);
    let (snapshot, format) = stored.read()?;
    if format != Format::One {
        let account = keys::account_in(stored.key(Attribute::Pk))
            .ok_or_else(|| stored.wrong(Attribute::Pk, &"names no account"))?;
        let sealed: Seal = stored.required(Attribute::Seal)?;
        if sealed != Seal::of(&account, &snapshot, format) {
            return Err(stored.wrong(Attribute::Seal, &"is not that of what the snapshot says"));
        }
    }
    Ok(snapshot)
}

/// Reads a snapshot whatever its seal.
///
/// # Errors
/// [`Corrupt`] names the attribute that is wrong.
pub fn read_unsealed(item: Item) -> Result<(Snapshot, Format), Corrupt> {
    Stored::of(item).read()
}

/// The attributes that a snapshot is read from. Those of the index repeat what
/// stands in others.
macro_rules! names {
    ($($name:ident = $text:expr,)+) => {
        #[derive(Debug, Clone, Copy)]
        enum Attribute { $($name,)+ }

        impl Attribute {
            const NUMBER: usize = [$($text),+].len();

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
    ProviderType = "provider_type",
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
    Format = FORMAT_ATTRIBUTE,
}

/// An item taken apart, each attribute in a place of its own: to look into a
/// map for each would hash each name.
struct Stored([Option<AttributeValue>; Attribute::NUMBER]);

impl Stored {
    fn of(item: Item) -> Self {
        let mut stored = [const { None }; Attribute::NUMBER];
        for (name, value) in item {
            if let Some(name) = Attribute::of(&name) {
                stored[name as usize] = Some(value);
            }
        }
        Self(stored)
    }

    fn get(&self, name: Attribute) -> Option<&AttributeValue> {
        self.0[name as usize].as_ref()
    }

    fn key(&self, name: Attribute) -> &str {
        match self.get(name) {
            Some(AttributeValue::S(text)) => text,
            _ => "",
        }
    }

    fn wrong(&self, name: Attribute, problem: &impl ToString) -> Corrupt {
        let (pk, sk) = (self.key(Attribute::Pk), self.key(Attribute::Sk));
        let problem = problem.to_string();
        Corrupt::new(pk.to_owned(), sk.to_owned(), name.as_str(), &problem)
    }

    /// Takes all but the keys and the seal.
    fn read(&mut self) -> Result<(Snapshot, Format), Corrupt> {
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
        let format = items::known_format(self.get(Attribute::Format))
            .map_err(|problem| self.wrong(Attribute::Format, &problem))?;
        let last_seen = Window {
            began_at: self.required(Attribute::LastSeenAt)?,
            ended_at: self.required(Attribute::LastSeenUntil)?,
        };
        let presence = match self.some_text(Attribute::Presence)?.as_str() {
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
                connection_name: self
                    .text(Attribute::ConnectionName)?
                    .map(String::into_boxed_str),
                connection_status: self
                    .text(Attribute::ConnectionStatus)?
                    .map(|t| t.as_str().into()),
                host_arn: self.text(Attribute::HostArn)?.map(String::into_boxed_str),
                owner_account_id: self
                    .text(Attribute::OwnerAccountId)?
                    .map(String::into_boxed_str),
                provider_type: self
                    .text(Attribute::ProviderType)?
                    .map(|t| t.as_str().into()),
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

    fn text(&mut self, name: Attribute) -> Result<Option<String>, Corrupt> {
        match self.0[name as usize].take() {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, &"is not a text")),
        }
    }

    fn some_text(&mut self, name: Attribute) -> Result<String, Corrupt> {
        let text = self.text(name)?;
        text.ok_or_else(|| self.wrong(name, &"is missing"))
    }

    fn required<T>(&mut self, name: Attribute) -> Result<T, Corrupt>
    where
        T: FromStr<Err: ToString>,
    {
        let text = self.some_text(name)?;
        text.parse()
            .map_err(|malformed| self.wrong(name, &malformed))
    }

    fn number(&self, name: Attribute) -> Result<u32, Corrupt> {
        match self.get(name) {
            Some(AttributeValue::N(digits)) => digits
                .parse()
                .map_err(|_| self.wrong(name, &"is not a whole number")),
            _ => Err(self.wrong(name, &"is missing or not a number")),
        }
    }

    fn regions(&mut self, name: Attribute) -> Result<Vec<Region>, Corrupt> {
        let names = match self.0[name as usize].take() {
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
