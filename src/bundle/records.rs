//! The records of a period as lines of canonical JSON: the SHA-256 of a line is the
//! digest of its record.

use std::collections::BTreeMap;

use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Timestamp};
use crate::table::{StoredKind, Table, TableError};

/// The lines of one kind of record.
#[derive(Debug, Default)]
pub struct Records {
    /// The runs that ended in the period, and the last one before: `runs-KIND.jsonl`.
    pub runs: String,
    /// All changes that were observed by the end: `changes-KIND.jsonl`. From these the
    /// state at any time of the period follows.
    pub changes: String,
}

/// Reads the records of accounts.
///
/// # Errors
/// [`TableError`] if the table can't be read.
pub async fn read<K: StoredKind>(
    table: &Table,
    accounts: &[AccountId],
    since: Timestamp,
    until: Timestamp,
) -> Result<Records, TableError> {
    let table = table.of_kind::<K>();
    let mut records = Records::default();
    for account in accounts {
        let mut before = None;
        let mut runs = table.runs(account);
        while let Some(page) = runs.next().await? {
            for run in page {
                if run.finished_at > until {
                    continue;
                }
                let line = canonical_json(&run) + "\n";
                if run.finished_at <= since {
                    before = Some(line);
                } else {
                    records.runs.extend(before.take());
                    records.runs.push_str(&line);
                }
            }
        }
        // Without a run in the period the last one before it still says what was known.
        records.runs.extend(before);
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
