//! An attribute's value as it is read: texts are borrowed until something is
//! made of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::table::codec::Item;
use crate::table::keys;
use crate::table::kind::{AccountRow, StoredKind};

/// A value of one of the types that this software writes.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    /// A number's digits.
    Number(Cow<'a, str>),
    /// A set of texts.
    Texts(Vec<String>),
    /// One of another type.
    Other(AttributeValue),
}

impl<'a> From<&'a AttributeValue> for Value<'a> {
    fn from(value: &'a AttributeValue) -> Self {
        match value {
            AttributeValue::S(text) => Self::Text(text.into()),
            AttributeValue::N(digits) => Self::Number(digits.into()),
            AttributeValue::Ss(texts) => Self::Texts(texts.clone()),
            other => Self::Other(other.clone()),
        }
    }
}

impl From<Value<'_>> for AttributeValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::S(text.into_owned()),
            Value::Number(digits) => Self::N(digits.into_owned()),
            Value::Texts(texts) => Self::Ss(texts),
            Value::Other(other) => other,
        }
    }
}

/// The names of those types.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>
#[derive(Deserialize)]
pub(super) enum Type {
    S,
    N,
    #[serde(rename = "SS")]
    Ss,
    #[serde(rename = "BOOL")]
    Bool,
    #[serde(rename = "NULL")]
    Null,
    L,
    M,
}

/// An object with one field, whose name is its type.
impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneField;

        impl<'de> Visitor<'de> for OneField {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute of a type that is written")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(of_type) = map.next_key::<Type>()? else {
                    return Err(A::Error::custom("an attribute without a value"));
                };
                let value = match of_type {
                    Type::S => Value::Text(map.next_value::<Text>()?.0),
                    Type::N => Value::Number(map.next_value::<Text>()?.0),
                    Type::Ss => Value::Texts(map.next_value()?),
                    Type::Bool => Value::Other(AttributeValue::Bool(map.next_value()?)),
                    Type::Null => Value::Other(AttributeValue::Null(map.next_value()?)),
                    Type::L => {
                        let values: Vec<Value<'_>> = map.next_value()?;
                        let values = values.into_iter().map(AttributeValue::from);
                        Value::Other(AttributeValue::L(values.collect()))
                    }
                    Type::M => Value::Other(AttributeValue::M(map.next_value::<Attributes>()?.0)),
                };
                match map.next_key::<Type>()? {
                    None => Ok(value),
                    Some(_) => Err(A::Error::custom("an attribute of two types")),
                }
            }
        }

        deserializer.deserialize_map(OneField)
    }
}

/// A text, borrowed unless it has escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A whole item.
#[derive(Debug)]
pub struct Attributes(pub Item);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut item = HashMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value<'_>>()? {
                    item.insert(name, value.into());
                }
                Ok(Attributes(item))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

impl From<Item> for Attributes {
    fn from(item: Item) -> Self {
        Self(item)
    }
}

/// Of a kind whose snapshots have no path of their own.
impl<K: StoredKind<Row = Attributes>> From<Attributes> for AccountRow<K> {
    fn from(Attributes(item): Attributes) -> Self {
        match item.get(keys::SK) {
            Some(AttributeValue::S(sk)) if sk == keys::ACCOUNT_SK => Self::Record(item),
            _ => Self::Snapshot(K::read_snapshot(&item)),
        }
    }
}
