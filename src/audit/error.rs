//! Why a question could not be answered.

use crate::domain::AccountId;
use crate::table::TableError;

/// Why a question could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The table could not be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A run is missing: runs are numbered without gaps.
    #[error(
        "run {sequence} of account {account} is missing from its chain: \
         run `ccinv verify` to find all problems of the record"
    )]
    RunMissing {
        /// The account.
        account: AccountId,
        /// The run's number.
        sequence: u64,
    },
}
