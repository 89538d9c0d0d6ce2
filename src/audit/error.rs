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
    /// The question is about a time before the first run in the table.
    #[error(
        "the first run of account {account} in the table is run {first}: nothing here shows what \
         earlier runs observed; they were archived, or removed (`ccinv verify --archive` tells)"
    )]
    RunsNotInTable {
        /// The account.
        account: AccountId,
        /// The number of the first run in the table.
        first: u64,
    },
}
