//! Signed checkpoints: statements of what the table held at a time, kept elsewhere.
//!
//! Digests have no key: what can write the table can recompute all of them. A
//! checkpoint states for each [chain](chain_state) of runs its length and head. It
//! is signed, refers to the checkpoint before, and is stored where it can't be
//! altered. [`make`] makes the next one, [`copy`] keeps a second place complete, and
//! [`verify`] compares all of them with the table.
//!
//! Called by `lambda` and `cli`. Imports `audit::verify`, `table`, `aws` and
//! `domain`.

pub mod chain_state;
pub mod copy;
#[cfg(feature = "cli")]
mod directory;
pub mod envelope;
mod error;
pub mod make;
pub mod merkle;
pub mod signer;
pub mod statement;
pub mod store;
pub mod verify;

pub use error::CheckpointError;
pub use signer::{PublicKey, Signer};
pub use store::Store;
