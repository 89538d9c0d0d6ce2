//! Recording a run: its number in the account's chain, its record, and the
//! account's record.
//!
//! A chain can't fork: a run's number is its key, and only one run can insert
//! it. A run that finds its number taken reads the end of the chain and the
//! snapshots as they are by then, and takes the next number.

use std::collections::HashSet;

use super::retrying_table::{Inserted, RetryingTable};
use crate::aws::{CallError, CallErrorKind};
use crate::domain::run::count_by_status;
use crate::domain::{AccountRecord, RunRecord};
use crate::table::{StoredKind, TableError};

/// Conflicts after which a write is given up.
const MAX_CONFLICTS: u32 = 100;

/// Records `run` as the next of the account's chain, and then in the account's
/// record, of which `previous` is the state that was read.
///
/// The account's record only repeats what the runs say. If it can't be written,
/// the next run corrects it.
///
/// # Errors
/// [`TableError`] if the run could not be recorded.
pub async fn record_run<K: StoredKind>(
    table: &RetryingTable<'_, K>,
    mut run: RunRecord<K>,
    previous: Option<AccountRecord<K>>,
) -> Result<RunRecord<K>, TableError> {
    if let Some(previous) = &previous {
        run.sequence = previous.sequence + 1;
        run.account_sequence = Some(previous.sequence);
        run.previous_digest = Some(previous.head);
    }
    let mut conflicts = 0;
    while table.insert_run(&run).await? == Inserted::Conflict {
        // By this very run, if the answer to an earlier attempt was lost.
        let taken = table.read_run(run.sequence).await?;
        if taken.is_some_and(|taken| taken.run_id == run.run_id) {
            break;
        }
        conflicts += 1;
        let last = table.read_last_run().await?;
        let Some(last) = last.filter(|_| conflicts < MAX_CONFLICTS) else {
            return Err(contended(table, "record run"));
        };
        run.sequence = last.sequence + 1;
        run.previous_digest = Some(last.digest());
        if run.snapshots.is_some() {
            let state = table.read_previous(&HashSet::new()).await?;
            run.connections = count_by_status(state.snapshots.values());
            run.snapshots = state.corrupt.is_empty().then_some(state.recorded);
        }
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
