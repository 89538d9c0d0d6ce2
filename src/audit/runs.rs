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

/// Where a run with some id is.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// It has this number.
    Numbered(u64),
    /// It was not recorded.
    Nowhere,
    /// It would be before this run, the first one in the table.
    Before(u64),
}

/// The result of a lookup of a run by its id.
#[derive(Debug, PartialEq, Eq)]
pub enum RunById<'r> {
    /// The run.
    Recorded(&'r RunRecord),
    /// It crashed before it was recorded.
    NotRecorded,
    /// It would be before the first run in the table, which has this number. It was
    /// archived, or removed.
    NotInTable(u64),
}

/// The runs of a period that are in the table.
#[derive(Debug, Default)]
pub struct RunsInTable {
    /// The runs, by number.
    pub runs: Vec<RunRecord>,
    /// Why there may be others: [`AuditError::RunsNotInTable`].
    pub missing: Option<AuditError>,
}

impl RunsInTable {
    /// Returns the runs if none are missing.
    ///
    /// # Errors
    /// [`AuditError::RunsNotInTable`].
    pub fn all(self) -> Result<Vec<RunRecord>, AuditError> {
        match self.missing {
            Some(missing) => Err(missing),
            None => Ok(self.runs),
        }
    }

    /// Returns the runs if one of them is evidence of the time before `since`: what else
    /// is missing does not matter after it.
    ///
    /// # Errors
    /// [`AuditError::RunsNotInTable`].
    pub fn covering(self, since: Timestamp) -> Result<Vec<RunRecord>, AuditError> {
        let covers = |run: &RunRecord| run.is_evidence() && run.started_at <= since;
        match self.runs.iter().any(covers) {
            true => Ok(self.runs),
            false => self.all(),
        }
    }
}

/// Finds runs of one account.
#[derive(Debug)]
pub struct Runs<'a> {
    table: &'a Table,
    account: &'a AccountId,
    read: BTreeMap<u64, RunRecord>,
    last: Option<u64>,
    /// The number of the first run in the table: earlier ones may be in an archive.
    first: Option<u64>,
    /// Results of lookups by id: many changes have the same run.
    by_id: HashMap<RunId, Found>,
}

impl<'a> Runs<'a> {
    /// Returns the runs of `account`, none of them read yet.
    pub fn of(table: &'a Table, account: &'a AccountId) -> Self {
        Self {
            table,
            account,
            read: BTreeMap::new(),
            last: None,
            first: None,
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

    /// Returns the number of the first run in the table. There is one.
    async fn first(&mut self) -> Result<u64, AuditError> {
        if let Some(first) = self.first {
            return Ok(first);
        }
        let mut first = 1;
        let each = |run: RunRecord| {
            first = run.sequence;
            false
        };
        self.table.runs_from(self.account, 1, each).await?;
        self.first = Some(first);
        Ok(first)
    }

    /// Returns the run with this number, which must exist: numbers have no gaps.
    ///
    /// # Errors
    /// [`AuditError`] if it can't be read, or is missing.
    pub async fn get(&mut self, sequence: u64) -> Result<&RunRecord, AuditError> {
        let missing = AuditError::RunMissing {
            account: self.account.clone(),
            sequence,
        };
        self.in_table(sequence).await?.ok_or(missing)
    }

    /// Returns the run with this number; `None` if it is before the first one in the
    /// table.
    async fn in_table(&mut self, sequence: u64) -> Result<Option<&RunRecord>, AuditError> {
        if !self.read.contains_key(&sequence) {
            match self.table.read_run(self.account, sequence).await? {
                Some(run) => {
                    self.read.insert(sequence, run);
                }
                None if sequence < self.first().await? => return Ok(None),
                None => {
                    return Err(AuditError::RunMissing {
                        account: self.account.clone(),
                        sequence,
                    });
                }
            }
        }
        Ok(self.read.get(&sequence))
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

    /// Looks up the run with this id.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read.
    pub async fn by_id(&mut self, id: &RunId) -> Result<RunById<'_>, AuditError> {
        let found = match self.by_id.get(id) {
            Some(found) => *found,
            None => {
                let found = self.find(id).await?;
                self.by_id.insert(id.clone(), found);
                found
            }
        };
        Ok(match found {
            Found::Numbered(sequence) => {
                let run = self.read.get(&sequence);
                run.map_or(RunById::NotRecorded, RunById::Recorded)
            }
            Found::Nowhere => RunById::NotRecorded,
            Found::Before(first) => RunById::NotInTable(first),
        })
    }

    /// Finds the run with this id, and reads it.
    async fn find(&mut self, id: &RunId) -> Result<Found, AuditError> {
        let last = self.last().await?;
        if let Some(read) = self.read.values().find(|run| run.run_id == *id) {
            return Ok(Found::Numbered(read.sequence));
        }
        // Runs that had finished when it started are other runs.
        let (first, mut otherwise) = match self.ended_before_about(0, id.began()).await {
            Ok(ended) => (ended.unwrap_or(1), Found::Nowhere),
            Err(AuditError::RunsNotInTable { first, .. }) => (first, Found::Before(first)),
            Err(error) => return Err(error),
        };
        let mut beyond_in_a_row = 0;
        for next in first..=last {
            let run = self.get(next).await?;
            if run.run_id == *id {
                return Ok(Found::Numbered(next));
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
            match self.in_table(before).await? {
                Some(run) if run.run_id == *id => return Ok(Found::Numbered(before)),
                Some(_) => {}
                None => {
                    otherwise = Found::Before(self.first().await?);
                    break;
                }
            }
        }
        Ok(otherwise)
    }

    /// Passes the runs from number `last` on down to `each`, until it returns
    /// false.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read, or it did not return false and earlier ones
    /// are not in the table.
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
        let mut wants_earlier = true;
        let mut first = next + 1;
        let unread = self.table.runs_back_from(self.account, next, |run| {
            first = run.sequence;
            wants_earlier = each(&run);
            wants_earlier
        });
        unread.await?;
        match wants_earlier && first > 1 {
            true => Err(self.not_in_table(first)),
            false => Ok(()),
        }
    }

    fn not_in_table(&self, first: u64) -> AuditError {
        AuditError::RunsNotInTable {
            account: self.account.clone(),
            first,
        }
    }

    /// Returns the runs that started from `since` and before `until`, by number.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read, or some of that time are not in the table.
    pub async fn begun_between(
        &mut self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunRecord>, AuditError> {
        if self.last().await? == 0 {
            return Ok(Vec::new());
        }
        let ended = self.ended_before_about(0, since).await?;
        self.begun_from(ended.unwrap_or(1), since, until).await
    }

    /// As [`Self::begun_between`], of the runs that are in the table.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read.
    pub async fn in_table_between(
        &mut self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<RunsInTable, AuditError> {
        if self.last().await? == 0 {
            return Ok(RunsInTable::default());
        }
        let (ended, missing) = match self.ended_before_about(0, since).await {
            Err(missing @ AuditError::RunsNotInTable { first, .. }) => (Some(first), Some(missing)),
            ended => (ended?, None),
        };
        let runs = self.begun_from(ended.unwrap_or(1), since, until).await?;
        Ok(RunsInTable { runs, missing })
    }

    /// Returns the runs that started from `since` and before `until`, of which `ended`
    /// may be the first.
    async fn begun_from(
        &self,
        ended: u64,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunRecord>, AuditError> {
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
    ///
    /// # Errors
    /// [`AuditError::RunsNotInTable`] if that is before the first run in the table.
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
            match self.in_table(middle).await? {
                Some(run) if run.finished_at <= at => ended = middle,
                Some(_) => not_ended = middle,
                None => ended = self.first().await? - 1,
            }
        }
        match self.first {
            Some(first) if ended < first && ended > 0 => Err(self.not_in_table(first)),
            _ => Ok((ended > 0).then_some(ended)),
        }
    }
}
