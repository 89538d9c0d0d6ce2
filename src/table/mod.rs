//! The table: its definition, its items, and the few operations on it.
//!
//! All writes are PartiQL statements, because DynamoDB authorises those by
//! what they do: `INSERT` never overwrites an item, and the function's role
//! may `UPDATE` only in the partitions that hold snapshots and the account's
//! record. Changes and runs are in partitions of their own, where the role
//! can add and nothing else. See `docs/design.md`.

mod answers;
pub mod error;
mod expiry;
pub mod items;
pub mod keys;
mod previous;
mod query;
pub mod reads;
pub mod schema;
pub mod snapshots;
pub mod statements;
pub mod store;
mod stored;
mod value;
mod write;

pub use error::{Corrupt, TableError};
pub use expiry::TooLate;
pub use previous::{PreviousState, SnapshotLine};
pub use store::{AccountState, Table};
pub use write::Write;
