//! Questions about the record: what exists, what existed at a time, what
//! changed, which runs were made, and whether the record is intact.
//!
//! [`Audit`] answers from one table, and only reads. [`basis`] says what an
//! answer is based on; [`verify`] recomputes every digest and chain. Several
//! accounts are read at the same time (`concurrently`).
//!
//! Called by `compliance`, `report` and `cli`. Imports `table`, `aws` and
//! `domain`.

pub mod attribute_columns;
pub mod basis;
pub mod changes;
pub(crate) mod concurrently;
pub mod connection_dependencies;
pub mod connection_detail;
pub mod connections;
pub mod dependencies;
mod dependency_basis;
mod error;
pub mod findings;
pub mod gaps;
pub mod impact;
pub mod properties;
pub mod relations;
pub mod runs;
pub mod timeline;
pub mod used;
pub mod verify;

pub use basis::{Basis, NotObserved, RunBasis};
pub use changes::{ChangeFilter, ChangeRun, ChangeWithRun, Difference, DifferenceKind, History};
pub use concurrently::{ReadObserver, ReadSoFar};
pub use connection_detail::ConnectionDetail;
pub use connections::{ConnectionFilter, ConnectionRow};
pub use error::AuditError;
pub use gaps::Gap;

use std::sync::Arc;
use std::time::Duration;

use concurrently::Reading;
use runs::RunsInTable;

use crate::domain::listing::MAX_OBSERVATION_AGE;
use crate::domain::{AccountId, RunRecord, Timestamp};
use crate::table::Table;

/// Answers questions from one table.
#[derive(Debug, Clone)]
pub struct Audit {
    table: Table,
    observer: Option<Arc<dyn ReadObserver>>,
}

/// How long results for a time may still change: an observation may be recorded
/// for that long, with a minute for clock skew and writes in progress.
pub const FINALITY_DELAY: Duration = MAX_OBSERVATION_AGE.saturating_add(Duration::from_secs(60));

/// Returns the time before which results no longer change.
pub fn final_before(now: Timestamp) -> Timestamp {
    let delay = i64::try_from(FINALITY_DELAY.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(delay))
}

impl Audit {
    /// Answers questions from `table`.
    pub fn new(table: Table) -> Self {
        Self {
            table,
            observer: None,
        }
    }

    /// Reports to `observer` how far reads of several accounts are.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn ReadObserver>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Returns a read of these accounts.
    pub(crate) fn reading<'a>(&'a self, accounts: &'a [AccountId]) -> Reading<'a> {
        Reading::new(accounts, self.observer.as_deref())
    }

    /// Returns the table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns the accounts in the table, or only `account`.
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

    /// Returns an account's newest runs, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn runs(
        &self,
        account: &AccountId,
        limit: usize,
    ) -> Result<Vec<RunRecord>, AuditError> {
        Ok(self.table.runs_of(account, limit).await?)
    }

    /// Returns an account's runs in the table that started from `since` and before
    /// `until`, oldest first.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn runs_between(
        &self,
        account: &AccountId,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<RunsInTable, AuditError> {
        let mut runs = runs::Runs::of(&self.table, account);
        runs.in_table_between(since, until).await
    }
}
