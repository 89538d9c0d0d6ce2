//! Why an embedded database can't be used.

use std::io;
use std::path::PathBuf;

use crate::table::TableError;

/// The reason why an embedded database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The file does not exist and must not be created.
    #[error("{0}: no such database; create one with `ccinv scan`")]
    Missing(PathBuf),
    /// The file can't be read or created.
    #[error("{path}: can't be opened")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The file is not a database of an inventory.
    #[error("{path}: not a database of this inventory ({problem})")]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// The reason.
        problem: String,
    },
    /// The server can't be started.
    #[error("the embedded table can't be served")]
    Serve(#[source] io::Error),
    /// What was written may not be on the disk.
    #[error("{path}: can't be written to the disk")]
    Sync {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The table can't be created.
    #[error(transparent)]
    Table(#[from] TableError),
}
