//! Parses times as people give them: a date, a time, or an age.

use crate::domain::ids::ParseError;
use crate::domain::{Timestamp, duration};

const WHAT: &str =
    "a time such as 2026-10-01, 2026-10-01T09:00:00Z, or an age such as 30d, 12h, 45m";

/// Parses a time in UTC: RFC 3339, a date (its midnight), `now`, or an age in
/// minutes, hours, days or weeks (`45m`, `12h`, `30d`, `2w`).
///
/// # Errors
/// A message that names the accepted forms.
pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || ParseError::new(text, WHAT).to_string();
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = duration::parse_millis(text) {
        return Ok(Timestamp::from_millis(now.millis().saturating_sub(ago)));
    }
    let whole = match text.len() {
        // A date alone.
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    whole.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-10-31T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn dates_times_and_spans_are_read() {
        for (text, time) in [
            ("2026-10-01", "2026-10-01T00:00:00.000Z"),
            ("2026-10-01T09:30:00Z", "2026-10-01T09:30:00.000Z"),
            ("2026-10-01T09:30:00+02:00", "2026-10-01T07:30:00.000Z"),
            ("30d", "2026-10-01T12:00:00.000Z"),
            ("12h", "2026-10-31T00:00:00.000Z"),
            ("45m", "2026-10-31T11:15:00.000Z"),
            ("2w", "2026-10-17T12:00:00.000Z"),
            ("now", "2026-10-31T12:00:00.000Z"),
        ] {
            assert_eq!(parse(text, now()).unwrap().to_string(), time, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_would_be_right() {
        let wrong = [
            "",
            "d",
            "-1d",
            "+1d",
            "1.5h",
            "30",
            "30x",
            "yesterday",
            "2026-10",
            "2026-13-01",
            "2026-02-30",
            "2026-10-01T25:00:00Z",
            "99999999999999999999d",
            "0x1fd",
            "１d",
            "é",
        ];
        for text in wrong {
            let problem = parse(text, now()).unwrap_err();
            assert!(
                problem.contains("2026-10-01T09:00:00Z"),
                "{text}: {problem}"
            );
        }
    }
}
