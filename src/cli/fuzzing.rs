//! What the command line reads of what people write, for who tests it with
//! anything that can be written.

use super::args::{rules_file, time};
use crate::domain::Timestamp;

/// How many rules a rule file has.
///
/// # Errors
/// The mistake, as it is told of a file `rules`.
pub fn rules(text: &str) -> Result<usize, String> {
    rules_file::of_text("rules", text).map(|rules| rules.len())
}

/// A time as people give it.
///
/// # Errors
/// What would be right.
pub fn time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    time::parse(text, now)
}
