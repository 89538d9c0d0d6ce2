//! Gaps: periods without a complete run.

use serde::Serialize;

use super::runs::Runs;
use super::{Audit, AuditError};
use crate::domain::{AccountId, RunRecord, Timestamp};

/// Schedules are not exact: a period is a gap from a tenth of the interval over
/// the interval.
const TOLERANCE_DIVISOR: i64 = 10;

/// A period without a complete run that is longer than the interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The account.
    pub account: AccountId,
    /// The start of the complete run before it; `None` if none started in the time
    /// range or one interval before it.
    pub after: Option<Timestamp>,
    /// The start of the complete run that ended it; `None` if it lasts to the end
    /// of the time range.
    pub before: Option<Timestamp>,
    /// Its start: the run before it, or the start of the time range.
    pub from: Timestamp,
    /// Its end: the run that ended it, or the end of the time range.
    pub until: Timestamp,
    /// Its length in milliseconds.
    pub lasted_ms: u64,
    /// The number of runs that were due within it.
    pub missed: u64,
}

impl Audit {
    /// Returns the gaps of `account` from `since` to `until`, with complete runs
    /// due every `every_ms`.
    ///
    /// # Errors
    /// [`AuditError`] if the account's runs can't be read.
    pub async fn gaps(
        &self,
        account: &AccountId,
        since: Timestamp,
        until: Timestamp,
        every_ms: i64,
    ) -> Result<Vec<Gap>, AuditError> {
        let mut runs = Runs::of(self.table(), account);
        // A run shortly before the range covers its start.
        let from = Timestamp::from_millis(since.millis().saturating_sub(longest(every_ms)));
        let runs = runs.in_table_between(from, until).await?.covering(since)?;
        Ok(gaps(account, &runs, since, until, every_ms))
    }
}

/// Returns the gaps between runs that started from one interval before `since`
/// and before `until`.
pub fn gaps(
    account: &AccountId,
    runs: &[RunRecord],
    since: Timestamp,
    until: Timestamp,
    every_ms: i64,
) -> Vec<Gap> {
    let complete = runs.iter().filter(|run| run.is_evidence());
    let times = complete.map(|run| run.started_at).collect();
    let unobserved = unobserved(times, since, until, every_ms);
    let gap = |period: Unobserved| {
        let lasted_ms = period.until.millis_since(period.from);
        Gap {
            account: account.clone(),
            after: period.after,
            before: period.before,
            from: period.from,
            until: period.until,
            lasted_ms,
            missed: missed(lasted_ms, every_ms),
        }
    };
    unobserved.into_iter().map(gap).collect()
}

/// A period without an observation that is longer than the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unobserved {
    /// The observation before it.
    pub after: Option<Timestamp>,
    /// The observation that ended it.
    pub before: Option<Timestamp>,
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// Returns the periods from `since` to `until` without an observation, with
/// observations due every `every_ms`.
pub fn unobserved(
    mut times: Vec<Timestamp>,
    since: Timestamp,
    until: Timestamp,
    every_ms: i64,
) -> Vec<Unobserved> {
    times.retain(|at| *at < until);
    times.sort_unstable();
    let in_range = times.partition_point(|at| *at <= since);
    let mut after = times[..in_range].last().copied();
    let mut periods = Vec::new();
    for before in times[in_range..].iter().copied().map(Some).chain([None]) {
        let (from, to) = (after.unwrap_or(since), before.unwrap_or(until));
        if to.millis().saturating_sub(from.millis()) > longest(every_ms) {
            periods.push(Unobserved {
                after,
                before,
                from: from.max(since),
                until: to,
            });
        }
        after = before;
    }
    periods
}

/// Returns the median time between complete runs in milliseconds, or `None` with
/// fewer than two.
pub fn usual_interval(runs: &[RunRecord]) -> Option<i64> {
    let mut times: Vec<i64> = runs
        .iter()
        .filter(|run| run.is_evidence())
        .map(|run| run.started_at.millis())
        .collect();
    times.sort_unstable();
    let mut between: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    between.sort_unstable();
    // Of an even number the shorter one: a doubtful gap is reported.
    between.get(between.len().saturating_sub(1) / 2).copied()
}

fn longest(every_ms: i64) -> i64 {
    every_ms.saturating_add(every_ms / TOLERANCE_DIVISOR)
}

/// Returns the number of runs due within a gap, without one that is a little
/// late.
fn missed(lasted_ms: u64, every_ms: i64) -> u64 {
    let every = u64::try_from(every_ms).unwrap_or(1).max(1);
    let late = every / TOLERANCE_DIVISOR.unsigned_abs();
    (lasted_ms.saturating_sub(late + 1)) / every
}
