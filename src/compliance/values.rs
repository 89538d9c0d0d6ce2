//! Values that rules have as parameters: durations and patterns.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use regex_lite::Regex;
use serde::{Serialize, Serializer};

use crate::domain::Timestamp;
use crate::domain::ids::ParseError;

/// A duration in whole milliseconds, longer than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(i64);

impl Span {
    /// Returns a duration of this many milliseconds, or `None` unless that is
    /// longer than zero.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (millis > 0).then_some(Self(millis))
    }

    /// Returns the time this long before `at`.
    pub fn before(self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis().saturating_sub(self.0))
    }

    /// Returns true if more than this has passed from `since` to `at`.
    pub fn is_over(self, since: Timestamp, at: Timestamp) -> bool {
        at.millis().saturating_sub(since.millis()) > self.0
    }
}

/// Parses a number and a unit (`45m`, `12h`, `7d`, `2w`) as milliseconds.
pub(crate) fn parse_millis(text: &str) -> Option<i64> {
    const MINUTE: i64 = 60_000;
    let unit = match text.chars().last()? {
        'm' => MINUTE,
        'h' => 60 * MINUTE,
        'd' => 24 * 60 * MINUTE,
        'w' => 7 * 24 * 60 * MINUTE,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits.then_some(())?;
    number.parse::<i64>().ok()?.checked_mul(unit)
}

impl FromStr for Span {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_millis(text)
            .and_then(Self::from_millis)
            .ok_or_else(|| ParseError::new(text, "a span of time such as 1h, 15m or 1d"))
    }
}

impl fmt::Display for Span {
    /// Writes it in its largest whole unit: `7d`, `26h`.
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

/// A regular expression that has to match a whole text, not a part of it.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Box<str>,
    whole: Regex,
}

impl Pattern {
    /// Returns true if it matches all of `text`.
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
        // Compiled alone first: "a)(b" is invalid, and must not become valid
        // inside the group below.
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

/// Writes the allowed values as a choice.
pub(crate) fn one_of(allowed: &BTreeSet<impl fmt::Display>) -> String {
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
    fn a_duration_is_over_only_after_its_last_millisecond() {
        let at = Timestamp::from_millis;
        let second = Span::from_millis(1000).unwrap();
        assert!(!second.is_over(at(0), at(1000)));
        assert!(second.is_over(at(0), at(1001)));
        assert!(
            !second.is_over(at(2000), at(1000)),
            "later is not longer ago"
        );
        assert_eq!(Span::from_millis(0), None);
        assert_eq!(Span::from_millis(-1), None);
    }

    #[test]
    fn durations_are_written_in_their_largest_whole_unit() {
        let written = |ms: i64| Span::from_millis(ms).unwrap().to_string();
        assert_eq!(written(7 * 86_400_000), "7d");
        assert_eq!(written(26 * 3_600_000), "26h");
        assert_eq!(written(90 * 60_000), "90m");
        assert_eq!(written(1), "1ms");
        assert_eq!("2w".parse::<Span>().unwrap().to_string(), "14d");
        assert!("0d".parse::<Span>().is_err());
    }
}
