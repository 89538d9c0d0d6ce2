//! The DynamoDB table: its definition, its items, and the operations on it.
//!
//! [`schema`] and [`keys`] define it, [`codec`] turns records into items and
//! back, [`client`] is the handle; [`mod@read`] has the queries of runs and of
//! audits, [`mod@write`] what a run writes. `fast_path` reads snapshots without
//! the SDK's types: skip it unless you measure.
//!
//! All writes are PartiQL statements, because DynamoDB authorises those by
//! what they do: `INSERT` never overwrites an item, and the function's role
//! may `UPDATE` only in the partitions that hold snapshots and the account's
//! record. Changes and runs are in partitions of their own, where the role
//! can add and nothing else. See `docs/design.md`.
//!
//! Called by `inventory`, `audit`, `compliance`, `lambda`, `cost` and `cli`.
//! Imports `aws` and `domain`.

pub mod client;
pub mod codec;
mod connection;
mod dependency;
pub mod error;
pub mod fast_path;
mod finding;
mod item;
pub mod keys;
pub mod kind;
pub mod name;
pub mod read;
pub mod schema;
pub mod write;

pub use client::Table;
pub use error::{CorruptItem, TableError};
pub use kind::StoredKind;
pub use name::TableName;
pub use read::account::AccountState;
pub use read::previous_state::{PreviousState, SnapshotLine};
pub use write::result::{RecordResult, WriteResult};
pub use write::send_guard::StaleObservation;
