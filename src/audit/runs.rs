//! Finds an account's runs by number, time and id.
//!
//! Runs are keyed by number, in the order in which they were recorded, without
//! an index by time. A binary search over the numbers finds the run of a time;
//! each run is read at most once.

use std::collections::{BTreeMap, HashMap};

use super::AuditError;
use crate::domain::{AccountId, RunId, RunRecord, Timestamp};
use crate::table::Table;

/// How much the order of numbers and that of times may differ. Concurrent runs
/// are numbered when they are recorded, and Lambda limits how long they last.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html>
const DISORDER_MS: i64 = 15 * 60 * 1000;

/// The most concurrent runs, which may be recorded out of order.
const MAX_CONCURRENT_RUNS: u64 = 16;

/// The longest time from the start of a run to its record: the machine may have
/// been suspended.
const MAX_RECORD_DELAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The number of runs read after one with a distant time, to decide whether its
/// clock was wrong.
pub(crate) const LOOK_AHEAD: u64 = 4;

/// The runs that are read with the last one, in one request. Most questions are
/// about now, and these answer them: of so many in a row, not all have a wrong
/// clock.
const NEWEST: usize = 5;

/// Returns true if `time` is later than `at` by more than the order of numbers
/// and times may differ.
pub(crate) fn is_long_after(time: Timestamp, at: Timestamp) -> bool {
    time.millis() > at.millis().saturating_add(DISORDER_MS)
}

/// Finds runs of one account.
#[derive(Debug)]
pub struct Runs<'a> {
    table: &'a Table,
    account: &'a AccountId,
    read: BTreeMap<u64, RunRecord>,
    last: Option<u64>,
    /// Results of lookups by id: many changes have the same run.
    by_id: HashMap<RunId, Option<u64>>,
}

impl<'a> Runs<'a> {
    /// Returns the runs of `account`, none of them read yet.
    pub fn of(table: &'a Table, account: &'a AccountId) -> Self {
        Self {
            table,
            account,
            read: BTreeMap::new(),
            last: None,
            by_id: HashMap::new(),
        }
    }

    /// Returns the account.
    pub fn account(&self) -> &'a AccountId {
        self.account
    }

    /// Returns the number of the last recorded run, or 0.
    ///
    /// # Errors
    /// [`AuditError`] if it can't be read.
    pub async fn last(&mut self) -> Result<u64, AuditError> {
        if let Some(last) = self.last {
            return Ok(last);
        }
        let newest = self.table.runs_of(self.account, NEWEST).await?;
        let last = newest.first().map_or(0, |run| run.sequence);
        self.read
            .extend(newest.into_iter().map(|run| (run.sequence, run)));
        self.last = Some(last);
        Ok(last)
    }

    /// Returns the run with this number, which must exist: numbers have no gaps.
    ///
    /// # Errors
    /// [`AuditError`] if it can't be read, or is missing.
    pub async fn get(&mut self, sequence: u64) -> Result<&RunRecord, AuditError> {
        use std::collections::btree_map::Entry;
        match self.read.entry(sequence) {
            Entry::Occupied(read) => Ok(read.into_mut()),
            Entry::Vacant(unread) => {
                let run = self.table.read_run(self.account, sequence).await?;
                let run = run.ok_or_else(|| AuditError::RunMissing {
                    account: self.account.clone(),
                    sequence,
                })?;
                Ok(unread.insert(run))
            }
        }
    }

    /// Returns the highest number of a run that had finished by `at`, if any.
    ///
    /// Skips runs with impossible times.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read.
    pub async fn ended_by(&mut self, at: Timestamp) -> Result<Option<u64>, AuditError> {
        let last = self.last().await?;
        let mut found = self.ended_before_about(0, at).await?;
        // A run that finished earlier may have a higher number.
        let mut next = found.unwrap_or(0) + 1;
        while next <= last {
            let finished_at = self.get(next).await?.finished_at;
            if finished_at <= at {
                found = Some(next);
            } else if is_long_after(finished_at, at) {
                if !self.is_impossible(next, finished_at).await? {
                    break;
                }
                // It misled the search.
                let later = self.ended_before_about(next, at).await?;
                if let Some(later) = later.filter(|later| *later > next) {
                    (found, next) = (Some(later), later);
                }
            }
            next += 1;
        }
        Ok(found)
    }

    /// Returns true if a run can't have finished at `finished_at`, because most of
    /// the next runs started long before. Its clock was wrong.
    async fn is_impossible(
        &mut self,
        sequence: u64,
        finished_at: Timestamp,
    ) -> Result<bool, AuditError> {
        let last = self.last().await?.min(sequence + LOOK_AHEAD);
        let mut before = 0;
        for next in sequence + 1..=last {
            let began_at = self.get(next).await?.started_at;
            before += u64::from(is_long_after(finished_at, began_at));
        }
        Ok(before * 2 > last - sequence)
    }

    /// Returns the run with this id, if it was recorded.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read.
    pub async fn by_id(&mut self, id: &RunId) -> Result<Option<&RunRecord>, AuditError> {
        let found = match self.by_id.get(id) {
            Some(found) => *found,
            None => {
                let found = self.find(id).await?;
                self.by_id.insert(id.clone(), found);
                found
            }
        };
        Ok(found.and_then(|sequence| self.read.get(&sequence)))
    }

    /// Returns the number of the run with this id, and reads the run.
    async fn find(&mut self, id: &RunId) -> Result<Option<u64>, AuditError> {
        let last = self.last().await?;
        if let Some(read) = self.read.values().find(|run| run.run_id == *id) {
            return Ok(Some(read.sequence));
        }
        // Runs that had finished when it started are other runs.
        let first = self.ended_before_about(0, id.began()).await?.unwrap_or(1);
        let mut beyond_in_a_row = 0;
        for next in first..=last {
            let run = self.get(next).await?;
            if run.run_id == *id {
                return Ok(Some(next));
            }
            let beyond = id.began().millis().saturating_add(MAX_RECORD_DELAY_MS);
            if run.started_at.millis() <= beyond {
                beyond_in_a_row = 0;
            } else if beyond_in_a_row == LOOK_AHEAD {
                break;
            } else {
                beyond_in_a_row += 1;
            }
        }
        // Unless a clock was wrong.
        for before in (first.saturating_sub(MAX_CONCURRENT_RUNS).max(1)..first).rev() {
            if self.get(before).await?.run_id == *id {
                return Ok(Some(before));
            }
        }
        Ok(None)
    }

    /// Passes the runs from number `last` on down to `each`, until it returns
    /// false.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read.
    pub async fn back_from(
        &self,
        last: u64,
        mut each: impl FnMut(&RunRecord) -> bool,
    ) -> Result<(), AuditError> {
        let mut next = last;
        while let Some(run) = self.read.get(&next) {
            if !each(run) {
                return Ok(());
            }
            next -= 1;
        }
        if next == 0 {
            return Ok(());
        }
        let unread = self
            .table
            .runs_back_from(self.account, next, |run| each(&run));
        Ok(unread.await?)
    }

    /// Returns the runs that started from `since` and before `until`, by number.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read.
    pub async fn begun_between(
        &mut self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunRecord>, AuditError> {
        if self.last().await? == 0 {
            return Ok(Vec::new());
        }
        let ended = self.ended_before_about(0, since).await?.unwrap_or(1);
        let first = ended.saturating_sub(MAX_CONCURRENT_RUNS).max(1);
        let mut found = Vec::new();
        // A single later run may have a wrong clock.
        let mut beyond_in_a_row = 0;
        self.table
            .runs_from(self.account, first, |run| {
                match is_long_after(run.started_at, until) {
                    true => beyond_in_a_row += 1,
                    false => beyond_in_a_row = 0,
                }
                if (since..until).contains(&run.started_at) {
                    found.push(run);
                }
                beyond_in_a_row <= LOOK_AHEAD
            })
            .await?;
        Ok(found)
    }

    /// Returns by binary search a run from `from` on that had finished by `at`. The
    /// last such run is at most a few numbers away, unless a run that was read had
    /// a wrong clock. `from` had finished, or is 0.
    async fn ended_before_about(
        &mut self,
        from: u64,
        at: Timestamp,
    ) -> Result<Option<u64>, AuditError> {
        let last = self.last().await?;
        let mut newest = self.read.values().rev().take(NEWEST);
        if newest.all(|run| run.finished_at <= at) {
            return Ok((last > 0).then_some(last));
        }
        let (mut ended, mut not_ended) = (from, last + 1);
        while ended + 1 < not_ended {
            let middle = ended + (not_ended - ended) / 2;
            if self.get(middle).await?.finished_at <= at {
                ended = middle;
            } else {
                not_ended = middle;
            }
        }
        Ok((ended > 0).then_some(ended))
    }
}
