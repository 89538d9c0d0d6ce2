//! Reads a change or a run from a response, without an item in between.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::value::{Text, Type};
use crate::table::codec::fields::{Field, Fields};
use crate::table::codec::{self, Item, NOTICE};
use crate::table::error::CorruptItem;

/// A record, or the item that can't be read as one.
#[derive(Debug)]
pub enum RecordRow<T> {
    /// The record.
    Read(T),
    /// An item that was not read yet, or can't be.
    Item(Item),
}

impl<T: DeserializeOwned> RecordRow<T> {
    /// Returns the record.
    ///
    /// # Errors
    /// [`CorruptItem`] names the attribute that is wrong.
    pub(crate) fn read(self) -> Result<T, CorruptItem> {
        match self {
            Self::Read(record) => Ok(record),
            Self::Item(item) => codec::read_record(item),
        }
    }
}

impl<T> From<Item> for RecordRow<T> {
    fn from(item: Item) -> Self {
        Self::Item(item)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for RecordRow<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        Ok(match fields.record() {
            Some(record) => Self::Read(record),
            None => Self::Item(fields.into()),
        })
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(Text(name)) = map.next_key()? {
                    // No record has it: it repeats the rest.
                    if name == NOTICE {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        fields.push((name, map.next_value()?));
                    }
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

/// An object with one field, whose name is its type.
impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneField;

        impl<'de> Visitor<'de> for OneField {
            type Value = Field<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute of a type that records have")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let field = match map.next_key::<Type>()? {
                    Some(Type::S) => Field::Text(map.next_value::<Text<'_>>()?.0),
                    Some(Type::N) => Field::Number(map.next_value::<Text<'_>>()?.0),
                    Some(Type::Bool) => Field::Bool(map.next_value()?),
                    Some(Type::Null) => {
                        map.next_value::<IgnoredAny>()?;
                        Field::Null
                    }
                    Some(Type::L) => Field::List(map.next_value()?),
                    Some(Type::M) => Field::Map(map.next_value()?),
                    Some(Type::Ss) | None => {
                        return Err(A::Error::custom("not of a type that records have"));
                    }
                };
                match map.next_key::<Type>()? {
                    None => Ok(field),
                    Some(_) => Err(A::Error::custom("an attribute of two types")),
                }
            }
        }

        deserializer.deserialize_map(OneField)
    }
}
