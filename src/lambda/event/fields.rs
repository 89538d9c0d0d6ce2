//! The fields of an event: how texts are read, and errors that name the field.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_json::Value;

use crate::domain::Region;

/// An event that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid event: {}: {problem}", printable_name(.field))]
pub struct InvalidEvent {
    /// The path of the field: `detail.awsRegion`.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl InvalidEvent {
    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// A field's name in an error: JSON allows an empty one.
fn printable_name(field: &str) -> &str {
    match field {
        "" => "(a field without a name)",
        named => named,
    }
}

/// The longest text that is read: longer than AWS has in any of these fields.
/// All of them are recorded, and a record has to fit an item.
const MAX_TEXT_BYTES: usize = 2048;

/// Reads an event, or a part of one.
///
/// # Errors
/// [`InvalidEvent`] names the first field that is wrong.
pub(super) fn read<T: DeserializeOwned>(event: &Value) -> Result<T, InvalidEvent> {
    serde_path_to_error::deserialize(event)
        .map_err(|error| InvalidEvent::new(error.path().to_string(), error.inner().to_string()))
}

/// Refuses a field that is there and not of the kind that `is_right` accepts.
pub(super) fn require_kind(
    event: &Value,
    field: &str,
    is_right: impl Fn(&Value) -> bool,
    expected: &str,
) -> Result<(), InvalidEvent> {
    match event.get(field) {
        Some(value) if !value.is_null() && !is_right(value) => {
            Err(InvalidEvent::new(field, should_be(value, expected)))
        }
        _ => Ok(()),
    }
}

/// A text, read as `T`. Null, and an empty text, are as good as absent: AWS
/// services write both.
#[derive(Debug)]
pub(super) struct Field<T>(pub(super) Option<T>);

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Field<T> {
    /// Returns the value of the field at this path.
    ///
    /// # Errors
    /// [`InvalidEvent`] if it is absent.
    pub(super) fn required(self, path: &str) -> Result<T, InvalidEvent> {
        self.0
            .ok_or_else(|| InvalidEvent::new(path, "is missing; should be a text"))
    }
}

impl Field<String> {
    pub(super) fn boxed(self) -> Option<Box<str>> {
        self.0.map(String::into_boxed_str)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self(None)),
            Value::String(text) if text.is_empty() => Ok(Self(None)),
            value => parsed(&value).map(|value| Self(Some(value))),
        }
    }
}

/// A text of a direct request, which must not be empty: an empty filter must not
/// become no filter.
#[derive(Debug)]
pub(super) struct NonEmpty<T>(pub(super) Option<T>);

impl<T> Default for NonEmpty<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for NonEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self(None)),
            Value::String(text) if text.is_empty() => Err(D::Error::custom("is empty")),
            value => parsed(&value).map(|value| Self(Some(value))),
        }
    }
}

/// A region in a list.
#[derive(Debug)]
pub(super) struct ListedRegion(pub(super) Region);

impl<'de> Deserialize<'de> for ListedRegion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(&Value::deserialize(deserializer)?).map(Self)
    }
}

/// True or false; absent and null are false.
#[derive(Debug, Default)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self(false)),
            Value::Bool(flag) => Ok(Self(flag)),
            value => Err(D::Error::custom(should_be(&value, "true or false"))),
        }
    }
}

fn parsed<T: FromStr<Err: Display>, E: Error>(value: &Value) -> Result<T, E> {
    let Value::String(text) = value else {
        return Err(E::custom(should_be(value, "a text")));
    };
    check_length(text).map_err(E::custom)?;
    text.parse().map_err(E::custom)
}

fn check_length(text: &str) -> Result<(), String> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    Err(format!(
        "has {} bytes; at most {MAX_TEXT_BYTES}",
        text.len()
    ))
}

/// Returns the text at `path` within `part`, which is at `at` in the event, if
/// there is one: events differ in these fields, and none of them is required.
///
/// # Errors
/// [`InvalidEvent`] if the text is too long.
pub(super) fn optional_text(
    part: &Value,
    at: &str,
    path: &[&str],
) -> Result<Option<Box<str>>, InvalidEvent> {
    let value = path
        .iter()
        .try_fold(part, |value, name| value.get(name))
        .and_then(Value::as_str);
    let Some(text) = value.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let field = || [&[at], path].concat().join(".");
    check_length(text).map_err(|problem| InvalidEvent::new(field(), problem))?;
    Ok(Some(text.into()))
}

/// Says what a value is without repeating it, and what it should be.
pub(super) fn should_be(value: &Value, expected: &str) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("is {kind}; should be {expected}")
}
