//! Lengths of time: one parser, and the two ways to write them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Timestamp;
use super::ids::ParseError;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// A length of time in whole milliseconds, longer than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(i64);

impl Duration {
    /// Returns so many milliseconds, or `None` if that is not longer than zero.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (millis > 0).then_some(Self(millis))
    }

    /// The length in milliseconds.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Returns the time this long before `at`.
    pub fn before(self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis().saturating_sub(self.0))
    }

    /// Returns true if more than this has passed from `since` to `at`. Exactly
    /// this much is not more.
    pub fn is_over(self, since: Timestamp, at: Timestamp) -> bool {
        at.millis().saturating_sub(since.millis()) > self.0
    }
}

impl fmt::Display for Duration {
    /// Writes the largest unit that divides it: `7d`, `26h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 4] = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s")];
        match UNITS.into_iter().find(|(unit, _)| self.0 % unit == 0) {
            Some((unit, word)) => write!(f, "{}{word}", self.0 / unit),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Duration {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_millis(text)
            .and_then(Self::from_millis)
            .ok_or_else(|| ParseError::new(text, "a duration such as 1h, 15m or 1d"))
    }
}

/// Reads a number of minutes, hours, days or weeks (`45m`, `12h`, `30d`, `2w`) in
/// milliseconds. Zero is allowed: `0d` ago is now.
pub fn parse_millis(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" => WEEK,
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(())?;
    number.parse::<i64>().ok()?.checked_mul(unit)
}

/// Writes a length of time in its two largest units: `3 d 4 h`, `59 min`, `12 s`.
pub fn in_two_units(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (DAY.unsigned_abs(), "d"),
        (HOUR.unsigned_abs(), "h"),
        (MINUTE.unsigned_abs(), "min"),
        (SECOND.unsigned_abs(), "s"),
    ];
    let largest = UNITS.iter().position(|(unit, _)| millis >= *unit);
    let largest = largest.unwrap_or(UNITS.len() - 1);
    let (unit, word) = UNITS[largest];
    let first = format!("{} {word}", millis / unit);
    match UNITS.get(largest + 1) {
        Some((next, word)) if millis % unit / next > 0 => {
            format!("{first} {} {word}", millis % unit / next)
        }
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_a_duration_is_not_over_it() {
        let at = Timestamp::from_millis;
        let duration = Duration::from_millis(1000).unwrap();
        assert!(!duration.is_over(at(0), at(1000)));
        assert!(duration.is_over(at(0), at(1001)));
        assert!(
            !duration.is_over(at(2000), at(1000)),
            "later is not longer ago"
        );
        assert_eq!(Duration::from_millis(0), None);
        assert_eq!(Duration::from_millis(-1), None);
    }

    #[test]
    fn durations_are_written_in_their_largest_whole_unit() {
        let written = |ms: i64| Duration::from_millis(ms).unwrap().to_string();
        assert_eq!(written(7 * DAY), "7d");
        assert_eq!(written(26 * HOUR), "26h");
        assert_eq!(written(90 * MINUTE), "90m");
        assert_eq!(written(1), "1ms");
        assert_eq!("2w".parse::<Duration>().unwrap().to_string(), "14d");
    }

    #[test]
    fn two_units_are_the_largest() {
        assert_eq!(in_two_units(76 * HOUR.unsigned_abs()), "3 d 4 h");
        assert_eq!(in_two_units(59 * MINUTE.unsigned_abs()), "59 min");
        assert_eq!(in_two_units(999), "0 s");
    }

    #[test]
    fn other_texts_are_no_durations() {
        for text in [
            "", "d", "-1d", "+1d", "1.5h", "30", "30x", "0x1fd", "１d", "é", "0d",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        assert_eq!(parse_millis("99999999999999999999d"), None);
    }
}
