//! Recording a run: its number in the account's chain, its record, and the
//! account's.
//!
//! A chain can't fork: a run's number is its key, and only one run can insert
//! it. Whoever finds the number taken reads the end of the chain, and the
//! snapshots as they are by then, and takes the next.

use std::collections::HashSet;
use std::future::Future;

use tokio::time::Instant;

use crate::aws::observer::Retry;
use crate::aws::{CallError, CallErrorKind, Deadline, Meter, RetryPolicy};
use crate::domain::run::count_by_status;
use crate::domain::{AccountId, AccountRecord, Change, ConnectionArn, RunRecord};
use crate::table::{PreviousState, SnapshotLine, Table, TableError, WriteResult};

/// Times that others may come first before a write is given up.
const ROUNDS: u32 = 100;

/// Records runs of one account.
#[derive(Debug)]
pub struct Recorder<'a> {
    /// Where to.
    pub table: &'a Table,
    /// The account.
    pub account: &'a AccountId,
    /// How long faults are waited out.
    pub retry_policy: RetryPolicy,
    /// When to stop.
    pub deadline: Deadline,
    /// Connections of one account that fit the memory.
    pub connections: u64,
    /// What watches.
    pub meter: &'a Meter,
}

impl Recorder<'_> {
    /// Reads what the table holds of the account.
    ///
    /// # Errors
    /// [`TableError`] if that does not work within the time for writing.
    pub async fn read_previous(&self) -> Result<PreviousState, TableError> {
        let until = self.deadline.writing;
        self.read_until(until, &HashSet::new()).await
    }

    /// Reads it once more, after writing, with these tombstones, and leaves
    /// time to record the run.
    ///
    /// # Errors
    /// [`TableError`] if that does not work in that time.
    pub async fn read_again(
        &self,
        tombstones: &HashSet<ConnectionArn>,
    ) -> Result<PreviousState, TableError> {
        let Deadline { writing, end, .. } = self.deadline;
        let until = writing + (end - writing) / 2;
        self.read_until(until, tombstones).await
    }

    async fn read_until(
        &self,
        until: Instant,
        tombstones: &HashSet<ConnectionArn>,
    ) -> Result<PreviousState, TableError> {
        let (account, most) = (self.account, self.connections);
        self.with_retries(until, || {
            self.table.read_previous(account, most, tombstones)
        })
        .await
    }

    /// Reads the record of the run with this number.
    ///
    /// # Errors
    /// [`TableError`] if that does not work within the time for writing.
    pub async fn read_run(&self, sequence: u64) -> Result<Option<RunRecord>, TableError> {
        let until = self.deadline.writing;
        self.read_run_until(until, sequence).await
    }

    async fn read_run_until(
        &self,
        until: Instant,
        sequence: u64,
    ) -> Result<Option<RunRecord>, TableError> {
        self.with_retries(until, || self.table.read_run(self.account, sequence))
            .await
    }

    /// Reads the last run of the account's chain.
    ///
    /// # Errors
    /// As [`Self::read_run`].
    pub async fn read_last_run(&self) -> Result<Option<RunRecord>, TableError> {
        let until = self.deadline.writing;
        self.with_retries(until, || self.table.read_last_run(self.account))
            .await
    }

    /// Reads the `most` runs up to number `last`, the last one first.
    ///
    /// # Errors
    /// As [`Self::read_run`].
    pub async fn read_runs_back_from(
        &self,
        last: u64,
        most: usize,
    ) -> Result<Vec<RunRecord>, TableError> {
        let until = self.deadline.writing;
        self.with_retries(until, || async {
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

    /// Reads what stands for each snapshot.
    ///
    /// # Errors
    /// As [`Self::read_run`], and if there are more than fit the memory.
    pub async fn read_lines(&self) -> Result<Vec<SnapshotLine>, TableError> {
        let until = self.deadline.writing;
        self.with_retries(until, || {
            self.table.read_lines(self.account, self.connections)
        })
        .await
    }

    /// Reads one change of a connection.
    ///
    /// # Errors
    /// As [`Self::read_run`].
    pub async fn read_change(
        &self,
        arn: &ConnectionArn,
        version: u32,
    ) -> Result<Option<Change>, TableError> {
        let until = self.deadline.writing;
        self.with_retries(until, || self.table.read_change(self.account, arn, version))
            .await
    }

    /// Records `run` as the next of the account's chain, and then in the
    /// account's record. `known` is that record as it was read.
    ///
    /// The account's record only repeats what the runs say. If it can't be
    /// written, the next run brings it up.
    ///
    /// # Errors
    /// [`TableError`] if the run could not be recorded.
    pub async fn record(
        &self,
        mut run: RunRecord,
        known: Option<AccountRecord>,
    ) -> Result<RunRecord, TableError> {
        let until = self.deadline.end;
        if let Some(known) = &known {
            run.sequence = known.sequence + 1;
            run.account_sequence = Some(known.sequence);
            run.previous_digest = Some(known.head);
        }
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds > ROUNDS {
                return Err(self.contended("record run"));
            }
            let sequence = run.sequence;
            let write = self
                .write_with_retries("record run", || self.table.record_run(&run))
                .await?;
            if write == Written::Made {
                break;
            }
            // Taken: by this very run, if an answer was lost.
            let taken = self.read_run_until(until, sequence).await?;
            if taken.is_some_and(|taken| taken.run_id == run.run_id) {
                break;
            }
            let last = self
                .with_retries(until, || self.table.read_last_run(self.account))
                .await?;
            let last = last.ok_or_else(|| self.contended("record run"))?;
            run.sequence = last.sequence + 1;
            run.previous_digest = Some(last.digest());
            if run.snapshots.is_some() {
                let state = self.read_until(until, &HashSet::new()).await?;
                run.connections = count_by_status(state.snapshots.values());
                run.snapshots = state.corrupt.is_empty().then_some(state.recorded);
            }
        }
        if let Err(error) = self.record_account(&run, known).await {
            tracing::warn!(
                account = %self.account,
                run_id = %run.run_id,
                error = crate::aws::error::chain(&error),
                "the account's record is behind its runs; the next run brings it up"
            );
        }
        Ok(run)
    }

    async fn record_account(
        &self,
        run: &RunRecord,
        mut known: Option<AccountRecord>,
    ) -> Result<(), TableError> {
        for _ in 0..ROUNDS {
            let record = AccountRecord::with(known.as_ref(), run);
            if known.as_ref() == Some(&record) {
                return Ok(());
            }
            let write = self
                .write_with_retries("write account record", || {
                    self.table.write_account(known.as_ref(), &record)
                })
                .await?;
            if write == Written::Made {
                return Ok(());
            }
            let until = self.deadline.end;
            known = self
                .with_retries(until, || self.table.read_record(self.account))
                .await?;
        }
        Err(self.contended("write account record"))
    }

    fn contended(&self, operation: &'static str) -> TableError {
        let call_error = CallError::new(
            CallErrorKind::Refused,
            "Contended",
            "the table refuses a key that it does not show, or others write all the time",
        );
        TableError::call(operation, self.account, call_error)
    }

    /// Writes, passing faults waited out until the end of the run.
    async fn write_with_retries<F>(
        &self,
        operation: &'static str,
        write: impl Fn() -> F,
    ) -> Result<Written, TableError>
    where
        F: Future<Output = WriteResult>,
    {
        self.with_retries(self.deadline.end, || async {
            match write().await {
                WriteResult::Written => Ok(Written::Made),
                WriteResult::Conflict => Ok(Written::Taken),
                WriteResult::Failed(call_error) => {
                    Err(TableError::call(operation, self.account, call_error))
                }
            }
        })
        .await
    }

    /// Does it again and again while faults pass, until `until`.
    async fn with_retries<T, F>(
        &self,
        until: Instant,
        call: impl Fn() -> F,
    ) -> Result<T, TableError>
    where
        F: Future<Output = Result<T, TableError>>,
    {
        let mut failed = 0;
        let mut last = None;
        loop {
            let error = match tokio::time::timeout_at(until, call()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                // What went wrong before says more than that time is over.
                Err(_) => return Err(last.unwrap_or_else(|| self.stale())),
            };
            failed += 1;
            if !self.wait_before_retry(&error, failed, until).await {
                return Err(error);
            }
            last = Some(error);
        }
    }

    /// Waits before the next try, if there should be one.
    async fn wait_before_retry(&self, error: &TableError, failed: u32, until: Instant) -> bool {
        let TableError::Call {
            operation,
            subject,
            call_error,
        } = error
        else {
            return false;
        };
        let Some(wait) = self.retry_policy.wait(call_error, failed, until) else {
            return false;
        };
        let retry = Retry {
            operation,
            subject,
            call_error,
            failed,
            wait,
            until,
        };
        !self.meter.is_interrupted() && self.meter.wait_for(retry).await
    }

    fn stale(&self) -> TableError {
        let problem = "no answer before the run's time was over";
        let call_error = CallError::new(CallErrorKind::TimedOut, "TimedOut", problem);
        TableError::call("reach the table for", self.account, call_error)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Made,
    Taken,
}
