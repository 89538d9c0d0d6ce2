//! Reads snapshots of a query's response without the SDK's types.
//!
//! **Skip this unless you measure.** Hand-tuned: it saves a third of the
//! instructions of an unchanged run and changes no result. `reference` is the
//! plain implementation; a test compares both on random snapshots, and
//! `tests/it/table/query_response_reader.rs` compares it with the SDK's reader.

pub mod record;
#[cfg(test)]
mod reference;
pub(crate) mod response;
pub mod snapshot;
pub mod value;
