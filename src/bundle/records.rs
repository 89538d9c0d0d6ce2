//! The records of a period as lines of canonical JSON: the SHA-256 of a line is the
//! digest of its record.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::audit::AuditError;
use crate::audit::runs::{LOOK_AHEAD, is_long_after};
use crate::checkpoint::chain_state::ChainKind;
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Change, RunId, RunRecord, Timestamp};
use crate::table::{StoredKind, Table};

/// The lines of one kind of record.
#[derive(Debug, Default)]
pub struct Records {
    /// The runs that ended in the period, and the last one before.
    pub runs: String,
    /// All changes that were observed by the end, or by these runs. From these the state
    /// at any time of the period follows.
    pub changes: String,
    /// The accounts with a run in it.
    pub accounts: BTreeSet<AccountId>,
}

/// Returns the name of the file of runs.
pub fn runs_name(kind: ChainKind) -> String {
    format!("records/runs-{kind}.jsonl")
}

/// Returns the name of the file of changes.
pub fn changes_name(kind: ChainKind) -> String {
    format!("records/changes-{kind}.jsonl")
}

/// Reads the records of accounts. Of an account in `stated` these runs are read, although
/// they ended before or after the period: checkpoints of the period state them.
///
/// # Errors
/// [`AuditError`] if the table can't be read, or runs of the period are not in it.
pub async fn read<K: StoredKind>(
    table: &Table,
    accounts: &[AccountId],
    (since, until): (Timestamp, Timestamp),
    stated: &BTreeMap<AccountId, RangeInclusive<u64>>,
) -> Result<Records, AuditError> {
    let table = table.of_kind::<K>();
    let mut records = Records::default();
    for account in accounts {
        let stated = stated.get(account);
        // By number: the time of a run is that of its clock.
        let mut taken: Vec<Taken> = Vec::new();
        let mut in_period = 0;
        let mut has_begun = false;
        // A single later run may have a wrong clock.
        let mut beyond_in_a_row = 0;
        let mut first_in_table = None;
        let mut lacks_earlier = false;
        let each = |run: RunRecord<K>| {
            let first = *first_in_table.get_or_insert(run.sequence);
            lacks_earlier |= run.sequence == first && first > 1 && since < run.finished_at;
            let is_stated = stated.is_some_and(|stated| stated.contains(&run.sequence));
            let is_in_period = since < run.finished_at && run.finished_at <= until;
            let is_before = !has_begun && run.finished_at <= since;
            if is_before {
                // The last one before the period says what was known.
                taken.clear();
            }
            has_begun |= is_in_period || is_stated;
            taken.push(Taken::from(&run));
            if is_in_period || is_before || is_stated {
                in_period = taken.len();
            }
            match is_long_after(run.started_at, until) {
                true => beyond_in_a_row += 1,
                false => beyond_in_a_row = 0,
            }
            beyond_in_a_row <= LOOK_AHEAD || stated.is_some_and(|it| run.sequence < *it.end())
        };
        table.runs_from(account, 1, each).await?;
        if let Some(first) = first_in_table.filter(|_| lacks_earlier) {
            let account = account.clone();
            return Err(AuditError::RunsNotInTable { account, first });
        }
        taken.truncate(in_period);
        if taken.is_empty() {
            // No run says what its changes leave.
            continue;
        }
        records.accounts.insert(account.clone());
        add_changes(&mut records, &table, account, &taken, until).await?;
        records.runs.extend(taken.into_iter().map(|run| run.line));
    }
    Ok(records)
}

/// A run that is read.
struct Taken {
    run_id: RunId,
    finished_at: Timestamp,
    line: String,
}

impl<K: StoredKind> From<&RunRecord<K>> for Taken {
    fn from(run: &RunRecord<K>) -> Self {
        Self {
            run_id: run.run_id.clone(),
            finished_at: run.finished_at,
            line: canonical_json(run) + "\n",
        }
    }
}

/// Adds an account's changes by connection and version: as each refers to the one before.
async fn add_changes<K: StoredKind>(
    records: &mut Records,
    table: &Table<K>,
    account: &AccountId,
    runs: &[Taken],
    until: Timestamp,
) -> Result<(), AuditError> {
    let of_runs: BTreeSet<&RunId> = runs.iter().map(|run| &run.run_id).collect();
    let last = runs.iter().map(|run| run.finished_at).max();
    let last = last.map_or(until, |last| last.max(until));
    let mut lines = BTreeMap::new();
    // Of each connection, the last version that belongs there.
    let mut versions = BTreeMap::new();
    let belongs = |it: &Change<K>| it.observed_until <= until || of_runs.contains(&it.run_id);
    let mut changes = table.changes_by(account, last);
    while let Some(page) = changes.next().await? {
        for change in page.into_iter().filter(|it| it.observed_until <= last) {
            if belongs(&change) {
                let version = versions.entry(change.arn.clone()).or_default();
                *version = change.version.max(*version);
            }
            let line = canonical_json(&change) + "\n";
            lines.insert((change.arn, change.version), line);
        }
    }
    lines.retain(|(arn, version), _| versions.get(arn).is_some_and(|last| version <= last));
    records.changes.extend(lines.into_values());
    Ok(())
}
