//! The records of a period as lines of canonical JSON: the SHA-256 of a line is the
//! digest of its record.

use std::collections::BTreeMap;

use crate::audit::AuditError;
use crate::audit::runs::{LOOK_AHEAD, is_long_after};
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, RunRecord, Timestamp};
use crate::table::{StoredKind, Table};

/// The lines of one kind of record.
#[derive(Debug, Default)]
pub struct Records {
    /// The runs that ended in the period, and the last one before: `runs-KIND.jsonl`.
    pub runs: String,
    /// All changes that were observed by the end: `changes-KIND.jsonl`. From these the
    /// state at any time of the period follows.
    pub changes: String,
}

/// Reads the records of accounts. Of an account in `stated` the runs up to this number are
/// read, although they ended later: a checkpoint of the period states them.
///
/// # Errors
/// [`AuditError`] if the table can't be read, or runs of the period are not in it.
pub async fn read<K: StoredKind>(
    table: &Table,
    accounts: &[AccountId],
    (since, until): (Timestamp, Timestamp),
    stated: &BTreeMap<AccountId, u64>,
) -> Result<Records, AuditError> {
    let table = table.of_kind::<K>();
    let mut records = Records::default();
    for account in accounts {
        let stated = stated.get(account).copied().unwrap_or(0);
        // By number: the time of a run is that of its clock.
        let mut taken: Vec<String> = Vec::new();
        let mut in_period = 0;
        let mut has_begun = false;
        // A single later run may have a wrong clock.
        let mut beyond_in_a_row = 0;
        let mut first_in_table = None;
        let mut lacks_earlier = false;
        let each = |run: RunRecord<K>| {
            let first = *first_in_table.get_or_insert(run.sequence);
            lacks_earlier |= run.sequence == first && first > 1 && since < run.finished_at;
            let is_in_period = since < run.finished_at && run.finished_at <= until;
            if !has_begun && !is_in_period {
                // The last one before the period says what was known.
                taken.clear();
            }
            has_begun |= is_in_period;
            let is_before = !has_begun && run.finished_at <= since;
            taken.push(canonical_json(&run) + "\n");
            if is_in_period || is_before || run.sequence <= stated {
                in_period = taken.len();
            }
            match is_long_after(run.started_at, until) {
                true => beyond_in_a_row += 1,
                false => beyond_in_a_row = 0,
            }
            beyond_in_a_row <= LOOK_AHEAD || run.sequence < stated
        };
        table.runs_from(account, 1, each).await?;
        if let Some(first) = first_in_table.filter(|_| lacks_earlier) {
            let account = account.clone();
            return Err(AuditError::RunsNotInTable { account, first });
        }
        taken.truncate(in_period);
        records.runs.extend(taken);
        // By connection and version: as each refers to the one before.
        let mut lines = BTreeMap::new();
        let mut changes = table.changes_by(account, until);
        while let Some(page) = changes.next().await? {
            for change in page.into_iter().filter(|it| it.observed_until <= until) {
                let line = canonical_json(&change) + "\n";
                lines.insert((change.arn.clone(), change.version), line);
            }
        }
        records.changes.extend(lines.into_values());
    }
    Ok(records)
}
