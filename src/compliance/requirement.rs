//! What a rule can demand, with its parameters.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use regex_lite::Regex;
use serde::{Serialize, Serializer};

use crate::domain::{AccountId, ConnectionStatus, ProviderType, Timestamp};

/// A span of time in whole milliseconds, longer than none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(i64);

impl Span {
    /// So many milliseconds; nothing if that is not longer than none.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (millis > 0).then_some(Self(millis))
    }

    /// The time that it reaches back to from `at`.
    pub fn before(self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis().saturating_sub(self.0))
    }

    /// Whether more than this has passed from `since` to `at`. Exactly this
    /// much is not more.
    pub fn is_over(self, since: Timestamp, at: Timestamp) -> bool {
        at.millis().saturating_sub(since.millis()) > self.0
    }
}

impl fmt::Display for Span {
    /// In its largest whole unit: `7d`, `26h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 4] = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ];
        match UNITS.into_iter().find(|(unit, _)| self.0 % unit == 0) {
            Some((unit, word)) => write!(f, "{}{word}", self.0 / unit),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A regular expression that a whole name has to match, not a part of it.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Box<str>,
    whole: Regex,
}

impl Pattern {
    /// Whether all of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |error: regex_lite::Error| {
            format!("{text:?} is not a regular expression such as team-[a-z]+: {error}")
        };
        // By itself first: "a)(b" must not become right by what is put
        // around it.
        Regex::new(text).map_err(wrong)?;
        Ok(Self {
            whole: Regex::new(&format!("^(?:{text})$")).map_err(wrong)?,
            text: text.into(),
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// What a rule demands. `docs/compliance.md` says of each what is a
/// finding, what is not, and what is not judged.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Requirement {
    /// No connection is PENDING for longer than this.
    Pending {
        /// The longest that is allowed.
        longer_than: Span,
    },
    /// No connection is in ERROR, or none for longer than this.
    Error {
        /// The longest that is allowed; none is if this is nothing.
        longer_than: Option<Span>,
    },
    /// Each connection is of one of these providers.
    Provider {
        /// Those that are allowed.
        allowed: BTreeSet<ProviderType>,
    },
    /// Each connection that goes through a host goes through one of these.
    Host {
        /// Their ARNs.
        allowed: BTreeSet<Box<str>>,
    },
    /// Each connection whose provider has an endpoint of its own has one of these.
    Endpoint {
        /// As the service writes them.
        allowed: BTreeSet<Box<str>>,
    },
    /// Each connection is owned by one of these.
    Owner {
        /// As the service calls them.
        allowed: BTreeSet<Box<str>>,
    },
    /// The inventory is of these accounts alone.
    Account {
        /// Those that are allowed.
        allowed: BTreeSet<AccountId>,
    },
    /// Each connection's name matches.
    Name {
        /// The whole name has to.
        pattern: Pattern,
    },
    /// Each connection was seen lately.
    NotSeen {
        /// The longest that it may not have been seen.
        longer_than: Span,
    },
    /// There was a complete run lately.
    NoCompleteRun {
        /// The longest that there may have been none.
        longer_than: Span,
    },
    /// No connection was deleted lately.
    Deleted {
        /// How far back.
        within: Span,
    },
    /// No connection changed its status often.
    StatusChanges {
        /// So many changes are allowed.
        more_than: u32,
        /// How far back they are counted.
        within: Span,
    },
    /// No connection belongs to another account.
    Shared,
    /// Each connection's provider and status are values that this version
    /// knows, and so are its members.
    UnknownValue,
}

impl Requirement {
    /// The kinds, as a rule file has them.
    pub const KINDS: [&str; 14] = [
        "pending",
        "error",
        "provider",
        "host",
        "endpoint",
        "owner",
        "account",
        "name",
        "not-seen",
        "no-complete-run",
        "deleted",
        "status-changes",
        "shared",
        "unknown-value",
    ];

    /// The status that no connection may be in (for long), if it is about one.
    pub fn status(&self) -> Option<ConnectionStatus> {
        match self {
            Self::Pending { .. } => Some(ConnectionStatus::Pending),
            Self::Error { .. } => Some(ConnectionStatus::Error),
            _ => None,
        }
    }

    /// Whether it is about what a connection is, whatever the time.
    pub fn is_about_values(&self) -> bool {
        matches!(
            self,
            Self::Provider { .. }
                | Self::Host { .. }
                | Self::Endpoint { .. }
                | Self::Owner { .. }
                | Self::Name { .. }
                | Self::Shared
                | Self::UnknownValue
        )
    }

    /// Whether it is judged for an account as a whole, not for each of its
    /// connections.
    pub fn is_about_accounts(&self) -> bool {
        matches!(self, Self::Account { .. } | Self::NoCompleteRun { .. })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending { longer_than } => {
                write!(f, "no connection is PENDING for longer than {longer_than}")
            }
            Self::Error { longer_than: None } => f.write_str("no connection is in ERROR"),
            Self::Error {
                longer_than: Some(span),
            } => write!(f, "no connection is in ERROR for longer than {span}"),
            Self::Provider { allowed } => {
                write!(f, "each connection's provider is {}", one_of(allowed))
            }
            Self::Host { allowed } if allowed.is_empty() => {
                f.write_str("no connection goes through a host")
            }
            Self::Host { allowed } => {
                write!(f, "each connection's host, if any, is {}", one_of(allowed))
            }
            Self::Endpoint { allowed } if allowed.is_empty() => {
                f.write_str("no connection has a provider endpoint")
            }
            Self::Endpoint { allowed } => write!(
                f,
                "each connection's provider endpoint, if any, is {}",
                one_of(allowed)
            ),
            Self::Owner { allowed } => write!(f, "each connection's owner is {}", one_of(allowed)),
            Self::Account { allowed } => {
                write!(f, "only these accounts are recorded: {}", one_of(allowed))
            }
            Self::Name { pattern } => write!(f, "each connection's name matches {pattern}"),
            Self::NotSeen { longer_than } => {
                write!(f, "each connection was seen in the last {longer_than}")
            }
            Self::NoCompleteRun { longer_than } => {
                write!(f, "a complete run began in the last {longer_than}")
            }
            Self::Deleted { within } => write!(f, "no connection was deleted in the last {within}"),
            Self::StatusChanges { more_than, within } => write!(
                f,
                "no connection changed status more than {more_than} times in the last {within}"
            ),
            Self::Shared => f.write_str("no connection belongs to another account"),
            Self::UnknownValue => {
                f.write_str("each connection's provider, status and members are known here")
            }
        }
    }
}

fn one_of(allowed: &BTreeSet<impl fmt::Display>) -> String {
    let words: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    words.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_to_match_the_whole_name() {
        let matches = |pattern: &str, name: &str| pattern.parse::<Pattern>().unwrap().matches(name);
        assert!(matches("a|ab", "ab"));
        assert!(matches("team-[a-z]+", "team-x"));
        for (pattern, name) in [
            ("team", "my-team"),
            ("a|b", "ax"),
            ("a|b", "xb"),
            ("a", "a\n"),
            ("(?m)a", "a\nb"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern:?} {name:?}");
        }
        for wrong in ["a)(b", "[", "(?x)a # )", "a{9999999}"] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn exactly_a_span_is_not_over_it() {
        let at = Timestamp::from_millis;
        let span = Span::from_millis(1000).unwrap();
        assert!(!span.is_over(at(0), at(1000)));
        assert!(span.is_over(at(0), at(1001)));
        assert!(!span.is_over(at(2000), at(1000)), "later is not longer ago");
        assert_eq!(Span::from_millis(0), None);
        assert_eq!(Span::from_millis(-1), None);
    }

    #[test]
    fn spans_are_told_in_their_largest_whole_unit() {
        let told = |ms: i64| Span::from_millis(ms).unwrap().to_string();
        assert_eq!(told(7 * 86_400_000), "7d");
        assert_eq!(told(26 * 3_600_000), "26h");
        assert_eq!(told(90 * 60_000), "90m");
        assert_eq!(told(1), "1ms");
    }
}
