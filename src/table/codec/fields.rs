//! An item as a record is read from it: texts are borrowed, and there is no JSON in
//! between. Audits read many records.

use std::borrow::Cow;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::value::{BorrowedStrDeserializer, Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Number;

use super::{FORMAT_ATTRIBUTE, Item, known_format};

/// The attributes of an item, or of a map in it.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub(crate) Vec<(Cow<'a, str>, Field<'a>)>);

/// A value of one of the types that records have.
#[derive(Debug)]
pub(crate) enum Field<'a> {
    Text(Cow<'a, str>),
    /// A number's digits.
    Number(Cow<'a, str>),
    Bool(bool),
    Null,
    List(Vec<Field<'a>>),
    Map(Fields<'a>),
}

impl<'a> Fields<'a> {
    /// Returns the fields of an item; `None` if one is of a type that no record has.
    #[cfg(feature = "cli")]
    pub(crate) fn of(item: &'a Item) -> Option<Self> {
        let field = |(name, value): (&'a String, &'a AttributeValue)| {
            Some((Cow::from(name), Field::of(value)?))
        };
        item.iter().map(field).collect::<Option<_>>().map(Self)
    }

    /// Returns the record, if these are the fields of one:
    /// [`read_record`](super::read_record) says what is wrong otherwise.
    pub(crate) fn record<T: DeserializeOwned>(&self) -> Option<T> {
        let mut fields = self.0.iter();
        let format = fields.find(|(name, _)| name == FORMAT_ATTRIBUTE);
        match format {
            Some((_, Field::Number(digits))) => known_format(Some(digits)).ok()?,
            _ => return None,
        };
        T::deserialize(self.deserializer()).ok()
    }

    fn deserializer<'de>(&'de self) -> impl Deserializer<'de, Error = Error> {
        let fields = self.0.iter();
        MapDeserializer::new(fields.map(|(name, field)| (name.as_ref(), field)))
    }
}

impl From<Fields<'_>> for Item {
    fn from(fields: Fields<'_>) -> Self {
        let fields = fields.0.into_iter();
        fields
            .map(|(name, field)| (name.into_owned(), field.into()))
            .collect()
    }
}

#[cfg(feature = "cli")]
impl<'a> Field<'a> {
    fn of(value: &'a AttributeValue) -> Option<Self> {
        Some(match value {
            AttributeValue::S(text) => Self::Text(text.into()),
            AttributeValue::N(digits) => Self::Number(digits.into()),
            AttributeValue::Bool(flag) => Self::Bool(*flag),
            AttributeValue::Null(_) => Self::Null,
            AttributeValue::L(list) => {
                Self::List(list.iter().map(Field::of).collect::<Option<_>>()?)
            }
            AttributeValue::M(map) => Self::Map(Fields::of(map)?),
            _ => return None,
        })
    }
}

impl From<Field<'_>> for AttributeValue {
    fn from(field: Field<'_>) -> Self {
        match field {
            Field::Text(text) => Self::S(text.into_owned()),
            Field::Number(digits) => Self::N(digits.into_owned()),
            Field::Bool(flag) => Self::Bool(flag),
            Field::Null => Self::Null(true),
            Field::List(list) => Self::L(list.into_iter().map(Self::from).collect()),
            Field::Map(map) => Self::M(map.into()),
        }
    }
}

impl<'de> IntoDeserializer<'de, Error> for &'de Field<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Field<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Field::Text(text) => visitor.visit_borrowed_str(text),
            Field::Number(digits) => {
                let number: Number = digits.parse().map_err(Error::custom)?;
                number.deserialize_any(visitor).map_err(Error::custom)
            }
            Field::Bool(flag) => visitor.visit_bool(*flag),
            Field::Null => visitor.visit_unit(),
            Field::List(list) => SeqDeserializer::new(list.iter()).deserialize_any(visitor),
            Field::Map(map) => map.deserializer().deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Field::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Field::Text(text) => {
                BorrowedStrDeserializer::new(text).deserialize_enum(name, variants, visitor)
            }
            Field::Map(map) => map.deserializer().deserialize_enum(name, variants, visitor),
            _ => Err(Error::custom("is no value of an enumeration")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
