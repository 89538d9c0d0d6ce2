//! Why runs could not be archived, or an archive not be read.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::chain_state::ChainId;
use crate::table::TableError;

/// Runs that were not archived, or an archive that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The table could not be read, or not be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The place of the archive could not be read or written.
    #[error(transparent)]
    Place(#[from] CheckpointError),
    /// The runs of the table and the archive are not one chain.
    #[error("{chain}: {problem}; `ccinv verify --archive` shows what was altered")]
    Chain {
        /// The chain.
        chain: ChainId,
        /// What is wrong.
        problem: String,
    },
    /// There is something else where runs are to be.
    #[error("{object}: holds other runs; use another place")]
    Occupied {
        /// Where.
        object: String,
    },
    /// What is in the archive is not what its name says.
    #[error("{object}: {problem}")]
    Segment {
        /// Where.
        object: String,
        /// What is wrong.
        problem: String,
    },
}
