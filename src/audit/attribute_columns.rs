//! The attributes of a connection in the order of columns, in JSON and CSV.
//!
//! Readers of CSV rely on the places of columns. Attributes that were added
//! later therefore stand in a group of their own, behind all other columns.

use std::borrow::Cow;

use serde::Serializer;
use serde::ser::SerializeMap;

use crate::domain::Attributes;

/// A column of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributeColumn {
    /// The name of the attribute, and of the column.
    pub name: &'static str,
    /// The column of its value before a change.
    pub before: &'static str,
    /// The column of its value after a change.
    pub after: &'static str,
}

macro_rules! columns {
    ($($name:literal),+) => {
        &[$(AttributeColumn {
            name: $name,
            before: concat!("before_", $name),
            after: concat!("after_", $name),
        }),+]
    };
}

/// The column of the members that this version does not know.
const UNKNOWN_MEMBERS: &str = "unknown_members";

/// The attributes of the first version. A test finds one that is in no group.
pub const FIRST_COLUMNS: &[AttributeColumn] = columns![
    "connection_name",
    "connection_status",
    "provider_type",
    "owner_account_id",
    "host_arn"
];

/// The attributes that came later, a group for each version. They are columns
/// behind all others.
pub const LATER_COLUMNS: &[&[AttributeColumn]] =
    &[columns!["provider_endpoint", "unknown_members"]];

impl AttributeColumn {
    /// Returns the field under the column, empty for what is not reported.
    pub fn field(&self, attributes: Option<&Attributes>) -> String {
        let value = attributes.and_then(|attributes| match self.name {
            UNKNOWN_MEMBERS => attributes.unknown_members.to_json().map(Cow::Owned),
            name => value(attributes, name).map(Cow::Borrowed),
        });
        value.unwrap_or_default().into_owned()
    }
}

fn value<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    let mut fields = attributes.fields().into_iter();
    fields.find(|(field, _)| field.as_str() == name)?.1
}

/// Serializes all attributes in the order of the columns; one that is not
/// reported is null.
pub(super) fn serialize<S: Serializer>(
    attributes: &Attributes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for column in FIRST_COLUMNS
        .iter()
        .chain(LATER_COLUMNS.iter().copied().flatten())
    {
        match column.name {
            UNKNOWN_MEMBERS => {
                map.serialize_entry(UNKNOWN_MEMBERS, &attributes.unknown_members)?;
            }
            name => map.serialize_entry(name, &value(attributes, name))?,
        }
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attribute_has_exactly_one_column() {
        let later = LATER_COLUMNS.iter().copied().flatten();
        let mut columns: Vec<&str> = FIRST_COLUMNS.iter().chain(later).map(|c| c.name).collect();
        columns.sort_unstable();
        let attributes = Attributes::default();
        let mut expected = vec![UNKNOWN_MEMBERS];
        expected.extend(attributes.fields().iter().map(|(name, _)| name.as_str()));
        expected.sort_unstable();
        assert_eq!(columns, expected);
    }
}
