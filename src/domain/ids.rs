//! Identifiers, each checked once, where it enters.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::excerpt;

/// A text that is not of the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {what}")]
pub struct ParseError {
    /// The text as given, shortened to what fits a line.
    pub value: String,
    /// The expected form, with an example.
    pub what: &'static str,
}

impl ParseError {
    /// Returns the error for `value`, which should have been `what`.
    pub fn new(value: &str, what: &'static str) -> Self {
        Self {
            value: excerpt(value),
            what,
        }
    }
}

/// A checked text that identifies something, in one spelling.
pub trait Identifier:
    Clone
    + Eq
    + Ord
    + Hash
    + fmt::Debug
    + fmt::Display
    + FromStr<Err = ParseError>
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The identifier as text.
    fn as_str(&self) -> &str;
}

/// A checked text: the common part of all identifiers. Copies share it, because
/// an ARN occurs in several places of a run.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::domain::ids::Identifier for $name {
            fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(ParseError::new(text, $what))
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use identifier;

identifier!(
    /// An AWS account: twelve digits.
    AccountId,
    "an AWS account id (12 digits, such as 123456789012)",
    is_account
);

identifier!(
    /// An AWS region, by its code: `eu-west-1`, `us-gov-east-1`.
    ///
    /// Only the form is checked: the list of regions changes.
    Region,
    "an AWS region code such as eu-west-1",
    is_region
);

/// Returns true if a text has the form of a region's code.
pub(super) fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else {
        return false;
    };
    text.len() <= 32
        && matches!(number.len(), 1 | 2)
        && number.bytes().all(|b| b.is_ascii_digit())
        && words.contains('-')
        && words
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

/// Returns true if a text has the form of an account's number.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

identifier!(
    /// A run's id: a [ULID](https://github.com/ulid/spec), so that ids sort
    /// by the time their runs began.
    RunId,
    "a run id (26 characters, such as 01JEXAMPLE0000000000000000)",
    |text| ulid::Ulid::from_string(text).is_ok()
);

impl RunId {
    /// Returns the id of a run that began at `began`. `random` distinguishes
    /// runs of the same millisecond.
    pub fn new(began: crate::domain::Timestamp, random: u128) -> Self {
        let millis = u64::try_from(began.millis()).unwrap_or(0);
        Self(ulid::Ulid::from_parts(millis, random).to_string().into())
    }

    /// Returns the start of the run.
    pub fn began(&self) -> crate::domain::Timestamp {
        let ulid = ulid::Ulid::from_string(&self.0).unwrap_or_default();
        crate::domain::Timestamp::from_millis(
            i64::try_from(ulid.timestamp_ms()).unwrap_or(i64::MAX),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn accounts_are_twelve_digits() {
        assert!("123456789012".parse::<AccountId>().is_ok());
        for wrong in ["", "12345678901", "1234567890123", "12345678901a"] {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn regions_of_every_partition_are_taken_and_typing_errors_are_not() {
        for right in [
            "us-east-1",
            "us-gov-west-1",
            "cn-north-1",
            "ap-southeast-3",
            "us-iso-east-1",
        ] {
            assert!(right.parse::<Region>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "us-east1",
            "us-east-1a",
            "US-EAST-1",
            "east-1",
            "us--1",
            "us-east-",
        ] {
            assert!(wrong.parse::<Region>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn run_ids_sort_by_time() {
        let earlier = RunId::new(Timestamp::from_millis(1_000), u128::MAX);
        let later = RunId::new(Timestamp::from_millis(1_001), 0);
        assert!(earlier < later);
        assert_eq!(earlier.as_str().parse::<RunId>().unwrap(), earlier);
        assert_eq!(later.began(), Timestamp::from_millis(1_001));
    }

    #[test]
    fn a_refusal_shows_at_most_a_line() {
        let long = "x".repeat(5_000);
        let refusal = long.parse::<AccountId>().unwrap_err().to_string();
        assert!(refusal.len() < 300, "{refusal}");
    }
}
