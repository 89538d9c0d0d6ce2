//! Recording a run: its number in the account's chain, its record, and the
//! account's record.
//!
//! A chain can't fork: a run's number is its key, and only one run can insert
//! it. A run that finds its number taken reads the end of the chain and the
//! snapshots as they are by then, and takes the next number. Numbers before the
//! first run in the table may be free, because those runs are in an archive: so
//! a number follows only from a run that is there.

use std::collections::HashSet;

use super::previous_run::Head;
use super::retrying_table::{Inserted, RetryingTable};
use crate::aws::{CallError, CallErrorKind};
use crate::domain::run::count_by_status;
use crate::domain::{AccountRecord, Kind, RunRecord};
use crate::table::{StoredKind, TableError};

/// Conflicts after which a write is given up.
const MAX_CONFLICTS: u32 = 100;

/// What a run's number follows from.
#[derive(Debug)]
pub enum Before<K: Kind> {
    /// The account has no run.
    Nothing,
    /// The account's record as it was read.
    Record(Box<AccountRecord<K>>),
    /// The last run, which the account's record does not name.
    LastRun,
    /// It could not be read.
    Unknown,
}

impl<K: Kind> Before<K> {
    /// Returns what follows from the account's record and its last run.
    pub fn new(record: Option<&AccountRecord<K>>, head: Head) -> Self {
        match (record, head) {
            (_, Head::Unnamed) => Self::LastRun,
            // If its last run could not be read, the number decides: it is taken, unless
            // an older record was put in place of the account's.
            (Some(record), _) => Self::Record(Box::new(record.clone())),
            (None, Head::None) => Self::Nothing,
            (None, Head::Unknown | Head::Named) => Self::Unknown,
        }
    }
}

/// Records `run` as the next of the account's chain, and then in the account's
/// record.
///
/// The account's record only repeats what the runs say. If it can't be written,
/// the next run corrects it.
///
/// # Errors
/// [`TableError`] if the run could not be recorded.
pub async fn record_run<K: StoredKind>(
    table: &RetryingTable<'_, K>,
    mut run: RunRecord<K>,
    before: Before<K>,
) -> Result<RunRecord<K>, TableError> {
    let mut is_behind = matches!(before, Before::LastRun);
    let mut is_unknown = matches!(before, Before::Unknown);
    let mut previous = None;
    if let Before::Record(record) = before {
        run.sequence = record.sequence + 1;
        run.account_sequence = Some(record.sequence);
        run.previous_digest = Some(record.head);
        previous = Some(*record);
    }
    let mut conflicts = 0;
    loop {
        if is_behind {
            match table.read_last_run().await? {
                Some(last) if conflicts < MAX_CONFLICTS => follow(table, &mut run, &last).await?,
                None if conflicts == 0 => {}
                _ => return Err(contended(table, "record run")),
            }
        }
        let inserted = if is_unknown {
            // The first number may be free in an account whose runs are in an archive. Then
            // it has a record, which this would insert, too.
            let record = AccountRecord::with(None, &run);
            let inserted = table.insert_first_run(&run, &record).await?;
            previous = (inserted == Inserted::Yes).then_some(record);
            inserted
        } else {
            table.insert_run(&run).await?
        };
        if inserted == Inserted::Yes || is_recorded(table, &run).await? {
            break;
        }
        conflicts += 1;
        is_behind = true;
        is_unknown = false;
    }
    if let Err(error) = record_account(table, &run, previous).await {
        tracing::warn!(
            account = %table.account,
            run_id = %run.run_id,
            error = crate::aws::error::chain(&error),
            "the account's record is behind its runs; the next run brings it up"
        );
    }
    Ok(run)
}

/// Returns true if this very run has its number: the answer to an earlier attempt was
/// lost.
async fn is_recorded<K: StoredKind>(
    table: &RetryingTable<'_, K>,
    run: &RunRecord<K>,
) -> Result<bool, TableError> {
    let taken = table.read_run(run.sequence).await?;
    Ok(taken.is_some_and(|taken| taken.run_id == run.run_id))
}

/// Makes `run` the one after `last`, with the snapshots as they are by now.
async fn follow<K: StoredKind>(
    table: &RetryingTable<'_, K>,
    run: &mut RunRecord<K>,
    last: &RunRecord<K>,
) -> Result<(), TableError> {
    run.sequence = last.sequence + 1;
    run.previous_digest = Some(last.digest());
    if run.snapshots.is_some() {
        let state = table.read_previous(&HashSet::new()).await?;
        run.connections = count_by_status(state.snapshots.values());
        run.snapshots = state.corrupt.is_empty().then_some(state.recorded);
    }
    Ok(())
}

async fn record_account<K: StoredKind>(
    table: &RetryingTable<'_, K>,
    run: &RunRecord<K>,
    mut previous: Option<AccountRecord<K>>,
) -> Result<(), TableError> {
    for _ in 0..MAX_CONFLICTS {
        let record = AccountRecord::with(previous.as_ref(), run);
        if previous.as_ref() == Some(&record) {
            return Ok(());
        }
        if table.write_account(previous.as_ref(), &record).await? == Inserted::Yes {
            return Ok(());
        }
        previous = table.read_record().await?;
    }
    Err(contended(table, "write account record"))
}

fn contended<K: StoredKind>(table: &RetryingTable<'_, K>, operation: &'static str) -> TableError {
    let problem = "other runs keep writing first, or the table rejects a key that it does not \
                   return";
    let call_error = CallError::new(CallErrorKind::Refused, "Contended", problem);
    TableError::call(operation, table.account, call_error)
}
