//! The columns of each table, by the record that they come from.

pub mod changes;
pub mod connections;
pub mod dependencies;
pub mod findings;
pub mod meta;
pub mod recorded_findings;
pub mod runs;
