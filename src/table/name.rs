//! The name of the inventory's table.

use std::fmt;
use std::str::FromStr;

/// The name of a DynamoDB table.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName(Box<str>);

impl TableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (3..=255).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(format!(
                "{text:?} is not a table name (3 to 255 of a-z, A-Z, 0-9, _, - and .)"
            ))
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
