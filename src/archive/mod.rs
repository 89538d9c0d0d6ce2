//! An archive of old runs, in a bucket or a directory.
//!
//! Runs are most of a record that grows: one an hour, whether something changed or
//! not. [`mod@write`] copies those of a chain that ended before a time, and deletes from the
//! table what it finds in the archive. [`segment`] is a file of them: their lines are
//! canonical JSON, so the SHA-256 of each is the digest that the next run refers to.
//! Verification reads them as if they were in the table, and needs to trust neither the
//! archive nor who made it. Called by `cli`.

mod error;
pub mod segment;
pub mod write;

pub use error::ArchiveError;
pub use segment::Segment;
