//! Questions about the record: what exists, what existed at a time, what
//! changed, which runs were made, and whether the record is intact.
//!
//! [`Audit`] answers from one table, and only reads. [`basis`] says what an
//! answer is based on; [`verify`] recomputes every digest and chain.
//!
//! Called by `compliance`, `report` and `cli`. Imports `table`, `aws` and
//! `domain`.

pub mod attribute_columns;
pub mod basis;
pub mod changes;
pub mod connection_detail;
pub mod connections;
pub mod gaps;
pub mod runs;
pub mod timeline;
pub mod verify;

pub use basis::{Basis, NotObserved, RunBasis};
pub use changes::{ChangeFilter, ChangeRun, ChangeWithRun, Difference, DifferenceKind, History};
pub use connection_detail::ConnectionDetail;
pub use connections::{ConnectionFilter, ConnectionRow};
pub use gaps::Gap;

use std::time::Duration;

use crate::domain::listing::MAX_OBSERVATION_AGE;
use crate::domain::{AccountId, RunRecord, Timestamp};
use crate::table::{Table, TableError};

/// Answers questions from one table.
#[derive(Debug, Clone)]
pub struct Audit {
    table: Table,
}

/// A question that could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The table could not be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Runs are numbered without gaps, and one is not there.
    #[error(
        "run {sequence} of account {account} is missing from its chain: \
         `ccinv verify` says what else is not as it was written"
    )]
    RunMissing {
        /// The account.
        account: AccountId,
        /// The run's number.
        sequence: u64,
    },
}

/// For how long after a time something that was observed by then may still be
/// written: as long as an observation may be recorded, and a minute for clocks
/// that differ and for what is under way.
pub const FINALITY_DELAY: Duration = MAX_OBSERVATION_AGE.saturating_add(Duration::from_secs(60));

/// The time up to which answers don't change any more.
pub fn final_before(now: Timestamp) -> Timestamp {
    let settles_after = i64::try_from(FINALITY_DELAY.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(settles_after))
}

impl Audit {
    /// Answers from `table`.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The table that answers.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The accounts that the table knows, or only `account`.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn accounts(
        &self,
        account: Option<&AccountId>,
    ) -> Result<Vec<AccountId>, AuditError> {
        match account {
            Some(account) => Ok(vec![account.clone()]),
            None => Ok(self.table.accounts().await?),
        }
    }

    /// An account's runs, the last one first, at most `most`.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn runs(
        &self,
        account: &AccountId,
        most: usize,
    ) -> Result<Vec<RunRecord>, AuditError> {
        Ok(self.table.runs_of(account, most).await?)
    }

    /// An account's runs that began from `since` on and before `until`, the
    /// first one first.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn runs_between(
        &self,
        account: &AccountId,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunRecord>, AuditError> {
        let mut runs = runs::Runs::of(&self.table, account);
        runs.begun_between(since, until).await
    }
}
