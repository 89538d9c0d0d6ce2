//! Parsers of text that people write, exposed to fuzz targets and tests.

use super::args::time;
use crate::compliance::rule_file;
use crate::domain::Timestamp;

/// Parses a rule file, and returns the number of its rules.
///
/// # Errors
/// The error message, for a file named `rules`.
pub fn rules(text: &str) -> Result<usize, String> {
    rule_file::of_text("rules", text).map(|rules| rules.len())
}

/// Parses a time as given to options such as `--since`.
///
/// # Errors
/// A message that names the accepted forms.
pub fn time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    time::parse(text, now)
}
