//! Why a checkpoint could not be made, or checkpoints not be read.

use std::io;

use crate::aws::CallError;
use crate::table::TableError;

/// A checkpoint that was not made, or checkpoints that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is no run, and no checkpoint before.
    #[error("no run is recorded here, so there is nothing to state; run `ccinv scan` first")]
    NothingRecorded,
    /// The table could not be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// S3 did not do what was asked.
    #[error("{operation} of {object}: {source}")]
    S3 {
        /// The operation.
        operation: &'static str,
        /// The bucket and the key, as a URL.
        object: String,
        /// The failed call.
        source: CallError,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What failed.
        source: io::Error,
    },
    /// The key did not sign.
    #[error("signing with {key}: {source}")]
    Signing {
        /// The key.
        key: String,
        /// The failed call.
        source: CallError,
    },
    /// The key is none that can be used.
    #[error("{key}: {problem}")]
    Key {
        /// Where it was read.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// A stored checkpoint, or what it refers to, can't be used.
    #[error("{object}: {problem}")]
    Unreadable {
        /// Where it was read.
        object: String,
        /// What is wrong.
        problem: String,
    },
    /// There is something else where a checkpoint is to be.
    #[error("{object}: holds another checkpoint; use another place, or remove it")]
    Occupied {
        /// Where.
        object: String,
    },
    /// Another checkpoint with this number was made at the same time.
    #[error("checkpoint {number} was made at the same time by another command; run it again")]
    Superseded {
        /// Its number.
        number: u64,
    },
}

impl CheckpointError {
    /// Returns true if what is stored is missing or wrong, and not how it was read.
    pub fn is_content(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::S3 { source, .. } => matches!(&*source.code, "NoSuchKey" | "NoSuchVersion"),
            Self::File { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::IsADirectory
            ),
            _ => false,
        }
    }
}
