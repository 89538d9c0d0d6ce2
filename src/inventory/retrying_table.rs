//! The reads and writes of one run, each retried until its deadline.

use std::collections::HashSet;
use std::future::Future;

use tokio::time::Instant;

use crate::aws::retry::{Retries, RunPart};
use crate::aws::{CallError, CallErrorKind, Meter, RetryPolicy};
use crate::domain::{AccountId, AccountRecord, Change, Connection, Kind, RunRecord};
use crate::table::{PreviousState, SnapshotLine, StoredKind, Table, TableError, WriteResult};

/// The table as one run of one account uses it. Retryable errors are retried
/// until the deadline.
#[derive(Debug)]
pub struct RetryingTable<'a, K: Kind = Connection> {
    /// The table.
    pub table: &'a Table<K>,
    /// The account.
    pub account: &'a AccountId,
    /// Which errors are retried, and when.
    pub retry_policy: RetryPolicy,
    /// The deadline: what is under way then is given up.
    pub until: Instant,
    /// The most connections of one account that fit the memory.
    pub max_connections: u64,
    /// The run's meter.
    pub meter: &'a Meter,
}

/// What an insert or a conditional write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It was written.
    Yes,
    /// Its condition failed: the key is taken, or the item has changed.
    Conflict,
}

impl<K: Kind> Clone for RetryingTable<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind> Copy for RetryingTable<'_, K> {}

impl<K: StoredKind> RetryingTable<'_, K> {
    /// Returns the same table with another deadline.
    #[must_use]
    pub fn until(self, until: Instant) -> Self {
        Self { until, ..self }
    }

    /// Reads the account's record and snapshots. Of the tombstones only those in
    /// `tombstones` are kept.
    ///
    /// # Errors
    /// [`TableError`] if the reads fail for good, or there are too many
    /// connections for the memory.
    pub async fn read_previous(
        &self,
        tombstones: &HashSet<K::Id>,
    ) -> Result<PreviousState<K>, TableError> {
        let (account, most) = (self.account, self.max_connections);
        self.retry(|| self.table.read_previous(account, most, tombstones))
            .await
    }

    /// Reads the account's record.
    ///
    /// # Errors
    /// [`TableError`] if the read fails for good.
    pub async fn read_record(&self) -> Result<Option<AccountRecord<K>>, TableError> {
        self.retry(|| self.table.read_record(self.account)).await
    }

    /// Reads the record of the run with this number.
    ///
    /// # Errors
    /// [`TableError`] if the read fails for good.
    pub async fn read_run(&self, sequence: u64) -> Result<Option<RunRecord<K>>, TableError> {
        self.retry(|| self.table.read_run(self.account, sequence))
            .await
    }

    /// Reads the last run of the account's chain.
    ///
    /// # Errors
    /// [`TableError`] if the read fails for good.
    pub async fn read_last_run(&self) -> Result<Option<RunRecord<K>>, TableError> {
        self.retry(|| self.table.read_last_run(self.account)).await
    }

    /// Reads up to `most` runs from number `last` on down.
    ///
    /// # Errors
    /// [`TableError`] if the read fails for good.
    pub async fn read_runs_back_from(
        &self,
        last: u64,
        most: usize,
    ) -> Result<Vec<RunRecord<K>>, TableError> {
        self.retry(|| async {
            let mut runs = Vec::new();
            self.table
                .runs_back_from(self.account, last, |run| {
                    runs.push(run);
                    runs.len() < most
                })
                .await?;
            Ok(runs)
        })
        .await
    }

    /// Reads ARN, version and digest of each snapshot.
    ///
    /// # Errors
    /// [`TableError`] if the read fails for good, or there are more snapshots
    /// than fit the memory.
    pub async fn read_lines(&self) -> Result<Vec<SnapshotLine<K>>, TableError> {
        self.retry(|| self.table.read_lines(self.account, self.max_connections))
            .await
    }

    /// Reads one change of a connection.
    ///
    /// # Errors
    /// [`TableError`] if the read fails for good.
    pub async fn read_change(
        &self,
        arn: &K::Id,
        version: u32,
    ) -> Result<Option<Change<K>>, TableError> {
        self.retry(|| self.table.read_change(self.account, arn, version))
            .await
    }

    /// Inserts the record of a run.
    pub(super) async fn insert_run(&self, run: &RunRecord<K>) -> Result<Inserted, TableError> {
        self.write("record run", || self.table.record_run(run))
            .await
    }

    /// Inserts the record of the first run, and the account's record.
    pub(super) async fn insert_first_run(
        &self,
        run: &RunRecord<K>,
        record: &AccountRecord<K>,
    ) -> Result<Inserted, TableError> {
        self.write("record run", || self.table.record_first_run(run, record))
            .await
    }

    /// Writes the account's record, if it is still `previous`.
    pub(super) async fn write_account(
        &self,
        previous: Option<&AccountRecord<K>>,
        record: &AccountRecord<K>,
    ) -> Result<Inserted, TableError> {
        self.write("write account record", || {
            self.table.write_account(previous, record)
        })
        .await
    }

    async fn write<F>(
        &self,
        operation: &'static str,
        write: impl Fn() -> F,
    ) -> Result<Inserted, TableError>
    where
        F: Future<Output = WriteResult>,
    {
        self.retry(|| async {
            match write().await {
                WriteResult::Written => Ok(Inserted::Yes),
                WriteResult::Conflict => Ok(Inserted::Conflict),
                WriteResult::Failed(call_error) => {
                    Err(TableError::call(operation, self.account, call_error))
                }
            }
        })
        .await
    }

    async fn retry<T, F>(&self, call: impl Fn() -> F) -> Result<T, TableError>
    where
        F: Future<Output = Result<T, TableError>>,
    {
        let retries = Retries {
            policy: self.retry_policy,
            until: self.until,
            part: RunPart::Recording,
            meter: self.meter,
        };
        let outcome = retries.retry(call, || self.timed_out()).await;
        outcome.map_err(|given_up| given_up.error)
    }

    fn timed_out(&self) -> TableError {
        let problem = "no answer before the run's time was over";
        let call_error = CallError::new(CallErrorKind::TimedOut, "TimedOut", problem);
        TableError::call("reach the table for", self.account, call_error)
    }
}
