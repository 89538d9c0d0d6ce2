//! The table of what a database is based on.

use crate::sql::column::ColumnType::Text;
use crate::sql::column::{Column, column, optional, text};

/// What a database is based on, by name.
#[derive(Debug)]
pub struct Meta {
    /// The name.
    pub name: &'static str,
    /// The value; none for an option that was not set.
    pub value: Option<String>,
}

/// The columns of `meta`.
pub const META: &[Column<Meta>] = &[
    column(
        "name",
        Text,
        "schema_version, code_version, account, since, as_of, rests_on, dependencies_rest_on or evaluations_rest_on",
        |row| text(row.name),
    ),
    column(
        "value",
        Text,
        "The value; of rests_on and the like, JSON as in other commands",
        |row| optional(row.value.as_deref()),
    ),
];
