//! Gaps: the times with no complete run.

use serde::Serialize;

use super::runs::Runs;
use super::{Audit, AuditError};
use crate::domain::{AccountId, RunRecord, Timestamp};

/// Schedules are not exact: a gap counts from a tenth of the interval over it.
const TOLERATED: i64 = 10;

/// A time with no complete run, longer than it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The account.
    pub account: AccountId,
    /// The complete run before it; nothing if none began in the span or one
    /// interval before it.
    pub after: Option<Timestamp>,
    /// The complete run that ended it; nothing if it was still open at the
    /// end of the span.
    pub before: Option<Timestamp>,
    /// From when on: the run before it, or the beginning of the span.
    pub from: Timestamp,
    /// Until when: the run that ended it, or the end of the span.
    pub until: Timestamp,
    /// How long, in milliseconds.
    pub lasted_ms: u64,
    /// How many runs were due within it.
    pub missed: u64,
}

impl Audit {
    /// The times from `since` to `until` in which `account` had no complete
    /// run for longer than `every_ms` (and a tenth of it).
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
        // A run shortly before the span covers its beginning.
        let from = Timestamp::from_millis(since.millis().saturating_sub(longest(every_ms)));
        let runs = runs.begun_between(from, until).await?;
        Ok(gaps(account, &runs, since, until, every_ms))
    }
}

/// The same, of runs that began from one interval before `since` on and
/// before `until`.
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
    let gap = |span: Unobserved| {
        let lasted_ms = span.until.millis_since(span.from);
        Gap {
            account: account.clone(),
            after: span.after,
            before: span.before,
            from: span.from,
            until: span.until,
            lasted_ms,
            missed: missed(lasted_ms, every_ms),
        }
    };
    unobserved.into_iter().map(gap).collect()
}

/// A span without an observation, longer than it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unobserved {
    /// The observation before it.
    pub after: Option<Timestamp>,
    /// The observation that ended it.
    pub before: Option<Timestamp>,
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// The spans from `since` to `until` without any of the observations `times`
/// for longer than `every_ms` (and a tenth of it).
pub fn unobserved(
    mut times: Vec<Timestamp>,
    since: Timestamp,
    until: Timestamp,
    every_ms: i64,
) -> Vec<Unobserved> {
    times.retain(|at| *at < until);
    times.sort_unstable();
    let in_span = times.partition_point(|at| *at <= since);
    let mut after = times[..in_span].last().copied();
    let mut spans = Vec::new();
    for before in times[in_span..].iter().copied().map(Some).chain([None]) {
        let (from, to) = (after.unwrap_or(since), before.unwrap_or(until));
        if to.millis().saturating_sub(from.millis()) > longest(every_ms) {
            spans.push(Unobserved {
                after,
                before,
                from: from.max(since),
                until: to,
            });
        }
        after = before;
    }
    spans
}

/// How often there usually is a complete run, in milliseconds: the median of
/// the times between them. Nothing if there are fewer than two.
pub fn usual_interval(runs: &[RunRecord]) -> Option<i64> {
    let mut times: Vec<i64> = runs
        .iter()
        .filter(|run| run.is_evidence())
        .map(|run| run.started_at.millis())
        .collect();
    times.sort_unstable();
    let mut between: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    between.sort_unstable();
    // Of an even number the shorter one: a doubtful gap is shown.
    between.get(between.len().saturating_sub(1) / 2).copied()
}

fn longest(every_ms: i64) -> i64 {
    every_ms.saturating_add(every_ms / TOLERATED)
}

/// Runs due strictly within a gap: one that is a little late is none.
fn missed(lasted_ms: u64, every_ms: i64) -> u64 {
    let every = u64::try_from(every_ms).unwrap_or(1).max(1);
    let late = every / TOLERATED.unsigned_abs();
    (lasted_ms.saturating_sub(late + 1)) / every
}
