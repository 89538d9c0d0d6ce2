//! Points in time, and the clock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::text::cut;

/// A point in time: whole milliseconds since the Unix epoch, UTC.
///
/// Rfc3339Text as RFC 3339 with exactly three decimals and `Z`
/// (`2026-10-01T09:00:00.000Z`), so that texts sort as the times do. Years
/// outside 0000 to 9999 can't be written that way and can't be made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00.000Z, in milliseconds since the epoch.
const EARLIEST: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z, in milliseconds since the epoch.
const LATEST: i64 = 253_402_300_799_999;

impl Timestamp {
    /// Returns the time `millis` after the Unix epoch, clamped to the years
    /// 0000 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(EARLIEST, LATEST))
    }

    /// Returns the milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Writes the time to the second, for people.
    pub fn to_the_second(self) -> String {
        let text = self.to_string();
        match text.split_once('.') {
            Some((seconds, _)) => format!("{seconds}Z"),
            None => text,
        }
    }

    /// Returns the milliseconds from `earlier` to `self`; zero if `earlier` is
    /// later.
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0 - earlier.0).unwrap_or(0)
    }
}

/// A time as it is written. A run writes several for each connection, so it
/// is made by hand and not by `write!`, which takes ten times as long.
pub(super) struct Rfc3339Text([u8; 24]);

impl Rfc3339Text {
    #[expect(
        clippy::expect_used,
        reason = "a timestamp lies in the years 0 to 9999, which the library knows"
    )]
    pub(super) fn of(time: Timestamp) -> Self {
        let (seconds, millis) = (time.0.div_euclid(1000), time.0.rem_euclid(1000));
        let t = OffsetDateTime::from_unix_timestamp(seconds).expect("a year with four digits");
        let (year, month, day) = t.to_calendar_date();
        let (hour, minute, second) = t.to_hms();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (end, number) in [
            (4, year.unsigned_abs()),
            (7, u8::from(month).into()),
            (10, day.into()),
            (13, hour.into()),
            (16, minute.into()),
            (19, second.into()),
            // Less than a thousand.
            (23, millis as u32),
        ] {
            let (mut place, mut rest) = (end, number);
            while rest > 0 {
                place -= 1;
                // A digit: less than ten is added to '0'.
                text[place] += (rest % 10) as u8;
                rest /= 10;
            }
        }
        Self(text)
    }

    #[expect(clippy::expect_used, reason = "it is made of digits and signs")]
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII is text")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Rfc3339Text::of(*self).as_str())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes of a text that is no time, as they are shown.
const MAX_SHOWN_BYTES: usize = 120;

/// A text that is no RFC 3339 time, as much of it as fits a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an RFC 3339 time such as 2026-10-01T09:00:00Z")]
pub struct InvalidTime(pub String);

impl FromStr for Timestamp {
    type Err = InvalidTime;

    /// Reads any RFC 3339 time; what is finer than a millisecond is cut off.
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let wrong = || InvalidTime(cut(text, MAX_SHOWN_BYTES).into_owned());
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
        let utc = parsed.checked_to_utc().ok_or_else(wrong)?;
        let epoch = PrimitiveDateTime::new(utc.date(), utc.time()).as_utc();
        let millis = epoch.unix_timestamp_nanos().div_euclid(1_000_000);
        let millis = i64::try_from(millis).map_err(|_| wrong())?;
        if (EARLIEST..=LATEST).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(wrong())
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Rfc3339Text::of(*self).as_str())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The clock. It is passed in everywhere, so that a test sets the time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock: the only place that reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let nanos = OffsetDateTime::now_utc().unix_timestamp_nanos();
        Timestamp::from_millis(i64::try_from(nanos / 1_000_000).unwrap_or(LATEST))
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_three_decimals_and_sorts_as_text() {
        let t = Timestamp::from_millis(1_790_845_200_007);
        assert_eq!(t.to_string(), "2026-10-01T09:00:00.007Z");
        assert!(Timestamp::from_millis(999).to_string() < Timestamp::from_millis(1000).to_string());
    }

    #[test]
    fn reads_offsets_and_cuts_what_is_finer() {
        let t: Timestamp = "2026-10-01T11:00:00.0079+02:00".parse().unwrap();
        assert_eq!(t.to_string(), "2026-10-01T09:00:00.007Z");
    }

    #[test]
    fn keeps_its_limits() {
        assert_eq!(
            Timestamp::from_millis(i64::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(
            Timestamp::from_millis(i64::MIN).to_string(),
            "0000-01-01T00:00:00.000Z"
        );
        assert!("9999-12-31T23:59:59-01:00".parse::<Timestamp>().is_err());
        assert!("0000-01-01T00:00:00+01:00".parse::<Timestamp>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
