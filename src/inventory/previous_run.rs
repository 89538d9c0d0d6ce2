//! Compares the state that a run reads with the state that the account's last
//! run, its head, left.
//!
//! A run puts its own digest over the state it finds. Without this check, the
//! next run would vouch for edits made between two runs.

use std::borrow::Cow;
use std::collections::HashSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::retrying_table::RetryingTable;
use crate::aws::error::chain;
use crate::domain::listing::Window;
use crate::domain::replay::{Effort, Line, Possible, Search, WRITTEN_WITHIN, search};
use crate::domain::run::SnapshotsRecord;
use crate::domain::{AccountRecord, Change, Identifier, Kind, RunId, RunRecord, Timestamp};
use crate::table::{PreviousState, SnapshotLine, StoredKind, TableError};

/// The most runs that are read back from the head, to know which changes are
/// those of recorded runs.
const MAX_RUNS_READ: usize = 256;

/// The most lines that are hashed: what an eighth of a processor does in
/// seconds. Beyond that, `verify` decides.
const MAX_LINES_HASHED: usize = 1 << 18;

/// Changes read at the same time.
const CONCURRENCY: usize = 8;

/// The result of a comparison.
#[derive(Debug)]
pub struct Checked {
    /// What was altered, or could not be read: then it is not known.
    pub problems: Vec<String>,
    /// The account's last run.
    pub head: Head,
}

/// What is known of an account's last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// It could not be read.
    Unknown,
    /// The account has no run.
    None,
    /// The account's record names it.
    Named,
    /// The account's record is missing or unreadable, or names a run that is not there.
    /// The number after that one may be free, because those runs are in an archive.
    Unnamed,
}

/// Compares `state` with the run that left it.
pub async fn check<K: StoredKind>(
    state: &PreviousState<K>,
    table: &RetryingTable<'_, K>,
) -> Checked {
    let mut head = Head::Unknown;
    let problems = compare(state, table, &mut head).await;
    let problems = problems.unwrap_or_else(|error| {
        vec![format!(
            "what the last run left could not be compared with what is there: {}",
            chain(&error)
        )]
    });
    Checked { problems, head }
}

async fn compare<K: StoredKind>(
    state: &PreviousState<K>,
    table: &RetryingTable<'_, K>,
    known: &mut Head,
) -> Result<Vec<String>, TableError> {
    let (head, mut problems) = match &state.record {
        Some(record) => {
            let Some(head) = table.read_run(record.sequence).await? else {
                *known = Head::Unnamed;
                return Ok(vec![format!(
                    "run {} was removed: the account's record names it as the last one",
                    record.sequence
                )]);
            };
            *known = Head::Named;
            let problem = departs(record, &head);
            (head, problem.into_iter().collect())
        }
        // An unreadable record is reported by its key.
        None if !state.corrupt.is_empty() => {
            *known = Head::Unnamed;
            return Ok(Vec::new());
        }
        None => {
            let Some(last) = table.read_last_run().await? else {
                *known = Head::None;
                return Ok(Vec::new());
            };
            *known = Head::Unnamed;
            let read_it = |read: u64| {
                format!(
                    "the account's record was removed: run {} read it when it named run {read}",
                    last.sequence
                )
            };
            let problems: Vec<String> = last.account_sequence.map(read_it).into_iter().collect();
            (last, problems)
        }
    };
    // Edited items are reported by their keys, and missing in what was read.
    if !state.corrupt.is_empty() {
        return Ok(problems);
    }
    let base = match head.snapshots {
        Some(_) => Some(head),
        // It did not know what it left. One before it did.
        None => {
            let before = table.read_runs_back_from(head.sequence, MAX_RUNS_READ);
            before
                .await?
                .into_iter()
                .find(|run| run.snapshots.is_some())
        }
    };
    let base = base.as_ref();
    let Some((base, recorded)) = base.and_then(|base| Some((base, base.snapshots.as_ref()?)))
    else {
        return Ok(problems);
    };
    if *recorded != state.recorded && is_altered(base, recorded, table).await? {
        problems.push(format!(
            "the {} on record are not those that run {} left, and no change since \
             explains it: records were altered, removed or put in",
            K::NOUN.1,
            base.sequence
        ));
    }
    Ok(problems)
}

/// Returns the first part of an account's record that contradicts the run that
/// it names last.
fn departs<K: Kind>(record: &AccountRecord<K>, head: &RunRecord<K>) -> Option<String> {
    let sequence = head.sequence;
    if record.head != head.digest() {
        return Some(format!(
            "run {sequence} is not the one that the account's record names as the last one: one \
             of the two was altered"
        ));
    }
    let left_out =
        |(scope, window): (_, Window)| record.coverage.get(&scope) < Some(&window.began_at);
    let field = if record.last_attempt.run_id != head.run_id
        || record.last_attempt.started_at != head.started_at
        || record.last_attempt.outcome != head.outcome
    {
        "last_attempt"
    } else if record.connections != head.connections {
        "connections"
    } else if head.wrote_all() && head.covered().any(left_out) {
        "coverage"
    } else {
        return None;
    };
    Some(format!(
        "the account's record was altered: its {field} is not what run {sequence} says"
    ))
}

/// Returns true if no choice of the changes that the head may not know of
/// explains how the snapshots differ from those in its record.
async fn is_altered<K: StoredKind>(
    head: &RunRecord<K>,
    recorded: &SnapshotsRecord,
    table: &RetryingTable<'_, K>,
) -> Result<bool, TableError> {
    let runs = table
        .read_runs_back_from(head.sequence, MAX_RUNS_READ)
        .await?;
    let known: HashSet<&RunId> = runs
        .iter()
        .filter(|run| run.knew_its_changes())
        .map(|run| &run.run_id)
        .collect();
    let lines = table.read_lines().await?;
    let lines: Vec<Line<'_>> = stream::iter(&lines)
        .map(|line| of_snapshot(line, head, &known, table))
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(search(&lines, recorded, Effort::UpTo(MAX_LINES_HASHED)) == Search::Fails)
}

/// Returns a connection as it was before its last changes, if the head may not
/// know of them, and those changes.
async fn of_snapshot<'a, K: StoredKind>(
    snapshot: &'a SnapshotLine<K>,
    head: &RunRecord<K>,
    known: &HashSet<&RunId>,
    table: &RetryingTable<'_, K>,
) -> Result<Line<'a>, TableError> {
    let mut line = Line {
        arn: snapshot.arn.as_str(),
        certain: Some((snapshot.version, snapshot.digest)),
        possible: Vec::new(),
    };
    let is_recent =
        |at: Timestamp| u128::from(head.started_at.millis_since(at)) <= WRITTEN_WITHIN.as_millis();
    if !is_recent(snapshot.observed_until) {
        return Ok(line);
    }
    while let Some((version, digest)) = line.certain {
        let change = table.read_change(&snapshot.arn, version).await?;
        let may_be_later =
            |change: &Change<K>| is_recent(change.observed_at) && !known.contains(&change.run_id);
        let Some(change) = change.filter(may_be_later) else {
            break;
        };
        let possible = Possible {
            leaves: Some((version, digest)),
            run_id: Cow::Owned(change.run_id),
        };
        line.possible.insert(0, possible);
        line.certain = change.previous_digest.map(|digest| (version - 1, digest));
    }
    Ok(line)
}
