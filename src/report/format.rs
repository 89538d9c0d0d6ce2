//! How the page shows times, names, numbers and statuses.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

use crate::domain::{Outcome, Timestamp};
use crate::output::escape::is_active;

/// A time as the page shows it: to the second in UTC, with the milliseconds in the
/// `datetime` attribute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

impl Moment {
    /// Returns the middle of a time range.
    pub(super) fn between(first: Timestamp, second: Timestamp) -> Self {
        let (first, second) = (first.millis(), second.millis());
        Self(Timestamp::from_millis(first + (second - first) / 2))
    }

    /// Formats the time to the second: `2026-10-01 09:00:00`.
    pub(super) fn text(self) -> String {
        let text = self.0.to_string();
        match text.split_once('T') {
            Some((date, time)) => format!("{date} {}", time.get(..8).unwrap_or(time)),
            None => text,
        }
    }

    /// Formats the time to the minute.
    pub(super) fn minute(self) -> String {
        self.text().chars().take(16).collect()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        write!(f, r#"<time datetime="{}">{text}</time>"#, self.0)
    }
}

// Only digits and fixed markup.
impl HtmlSafe for Moment {}

/// Makes invisible characters and characters that change the direction of text
/// visible, by their code point. The template escapes the result.
pub(super) fn seen(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) {
            let _ = write!(seen, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            seen.push(c);
        }
    }
    seen
}

/// Splits a name such as `GitHubEnterpriseServer` before its inner capitals.
pub(super) fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut after_lower_case = false;
    for c in name.chars() {
        if after_lower_case && c.is_uppercase() {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        after_lower_case = c.is_lowercase();
    }
    parts
}

/// A number of things.
pub(super) struct Count {
    pub(super) what: String,
    pub(super) number: u64,
    /// The CSS class of a status.
    pub(super) class: &'static str,
}

pub(super) fn counts(counts: BTreeMap<String, u64>) -> Vec<Count> {
    let count = |(what, number): (String, u64)| Count {
        class: status_class(&what),
        what: seen(&what),
        number,
    };
    counts.into_iter().map(count).collect()
}

impl Count {
    pub(super) fn of_outcome(outcome: Outcome, number: u64) -> Self {
        Self {
            what: outcome.to_string(),
            number,
            class: outcome_class(outcome),
        }
    }
}

/// Returns the CSS class of an outcome, that of a similar status.
pub(super) fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "available",
        Outcome::Partial => "pending",
        Outcome::Failed => "error",
    }
}

/// Returns the CSS class of a status.
pub(super) fn status_class(status: &str) -> &'static str {
    match status {
        "AVAILABLE" => "available",
        "PENDING" => "pending",
        "ERROR" => "error",
        _ => "other",
    }
}

/// Hundredths of a percent, displayed without trailing zeros.
#[derive(Debug, Clone, Copy)]
pub(super) struct Percent(pub(super) u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl HtmlSafe for Percent {}
