//! Columns: their names, types and meanings, and the values of SQLite.

use std::fmt::Display;

use rusqlite::types::Value;
use serde::Serialize;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// An integer.
    Integer,
    /// 0 or 1.
    Boolean,
    /// A time as text: RFC 3339, UTC, with milliseconds. It sorts by time.
    Time,
    /// JSON as text, for `json_extract` and `json_each`.
    Json,
}

impl ColumnType {
    /// Returns the type as the schema's page names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::Json => "JSON",
        }
    }

    /// Returns the type that SQLite declares.
    pub fn declared(self) -> &'static str {
        match self {
            Self::Text | Self::Time | Self::Json => "TEXT",
            Self::Integer | Self::Boolean => "INTEGER",
        }
    }
}

/// A column of a table whose rows are `R`.
#[derive(Debug)]
pub struct Column<R: 'static> {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
    /// Its meaning, for people.
    pub meaning: &'static str,
    /// Returns its value in a row.
    pub value: fn(&R) -> Value,
}

/// A column without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnMeaning {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
    /// Its meaning, for people.
    pub meaning: &'static str,
}

impl<R> Column<R> {
    /// Returns the column without its value.
    pub fn described(&self) -> ColumnMeaning {
        ColumnMeaning {
            name: self.name,
            column_type: self.column_type,
            meaning: self.meaning,
        }
    }

    /// Returns its value in a row as JSON.
    pub fn json(&self, row: &R) -> serde_json::Value {
        match ((self.value)(row), self.column_type) {
            (Value::Integer(flag), ColumnType::Boolean) => (flag != 0).into(),
            (Value::Integer(number), _) => number.into(),
            (Value::Text(text), ColumnType::Json) => {
                serde_json::from_str(&text).unwrap_or(serde_json::Value::Null)
            }
            (Value::Text(text), _) => text.into(),
            (Value::Null | Value::Real(_) | Value::Blob(_), _) => serde_json::Value::Null,
        }
    }
}

/// Returns a column.
pub(super) const fn column<R>(
    name: &'static str,
    column_type: ColumnType,
    meaning: &'static str,
    value: fn(&R) -> Value,
) -> Column<R> {
    Column {
        name,
        column_type,
        meaning,
        value,
    }
}

/// Returns a text.
pub(super) fn text(value: impl Display) -> Value {
    Value::Text(value.to_string())
}

/// Returns a text; NULL for none.
pub(super) fn optional(value: Option<impl Display>) -> Value {
    value.map_or(Value::Null, text)
}

/// Returns a number. What SQLite's integers can't hold is the largest of them.
pub(super) fn number(value: impl TryInto<i64>) -> Value {
    Value::Integer(value.try_into().unwrap_or(i64::MAX))
}

/// Returns 0 or 1.
pub(super) fn boolean(value: bool) -> Value {
    Value::Integer(i64::from(value))
}

/// Returns a value as JSON.
pub(super) fn json(value: &impl Serialize) -> Value {
    serde_json::to_string(value).map_or(Value::Null, Value::Text)
}
