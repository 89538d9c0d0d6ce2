//! Rows of a command's output.

use serde::Serialize;

/// A row of a command's output.
pub(crate) trait Row: Serialize {
    /// Returns the names of the CSV columns.
    fn header() -> Vec<&'static str>;

    /// Returns the fields of those columns; empty for missing values.
    fn csv(&self) -> Vec<String>;
}
