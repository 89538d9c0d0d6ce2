//! What a command prints in rows.

use serde::Serialize;

/// Something that comes out of a command in rows.
pub(crate) trait Row: Serialize {
    /// The columns, as CSV names them.
    fn header() -> Vec<&'static str>;

    /// The fields under those columns; empty for what is not there.
    fn csv(&self) -> Vec<String>;
}
