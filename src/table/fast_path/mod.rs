//! Reads snapshots, changes and runs of a query's response without the SDK's types.
//!
//! **Skip this unless you measure.** Hand-tuned: it saves a third of the
//! instructions of an unchanged run, half of those of an audit of many changes, and
//! changes no result. `reference` compares it with the plain implementations on random
//! snapshots and changes.
//! `tests/it/table/query_response_reader.rs` compares all with the SDK's reader.

pub mod record;
#[cfg(test)]
mod reference;
pub(crate) mod response;
pub mod snapshot;
pub mod value;
