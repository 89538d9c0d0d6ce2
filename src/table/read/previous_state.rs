//! The previous state: what the table held when the run began.

use std::collections::{HashMap, HashSet};

use crate::aws::{CallError, CallErrorKind};
use crate::domain::run::SnapshotsRecord;
use crate::domain::{AccountId, AccountRecord, Connection, Digest, Kind, Snapshot, Timestamp};
use crate::table::client::Table;
use crate::table::codec;
use crate::table::error::{CorruptItem, TableError};
use crate::table::kind::{AccountRow, StoredKind};

/// The state of an account that a run compares with. Tombstones are only
/// counted: there may be any number of them, and a connection that is back
/// meets its tombstone when it is written.
#[derive(Debug)]
pub struct PreviousState<K: Kind = Connection> {
    /// The account's record, if a run was ever recorded.
    pub record: Option<AccountRecord<K>>,
    /// Snapshots of present connections, and the requested tombstones.
    pub snapshots: HashMap<K::Id, Snapshot<K>>,
    /// The number of tombstones.
    pub tombstones: u64,
    /// The number and digest of all snapshots, tombstones included.
    pub recorded: SnapshotsRecord,
    /// Items that can't be read: this software did not write them.
    pub corrupt: Vec<CorruptItem>,
}

/// The part of a snapshot that a run's record covers.
#[derive(Debug, Clone)]
pub struct SnapshotLine<K: Kind = Connection> {
    /// The resource.
    pub arn: K::Id,
    /// Its version.
    pub version: u32,
    /// The digest of its last change.
    pub digest: Digest,
    /// The end of the observation that it is based on.
    pub observed_until: Timestamp,
}

impl<K: StoredKind> Table<K> {
    /// Reads an account's record and its snapshots as a run needs them: one
    /// strongly consistent query. Of the tombstones only those in `tombstones`
    /// are kept.
    ///
    /// The record comes first. A run whose number it holds had written
    /// everything before it, so the snapshots that follow show all of it.
    ///
    /// # Errors
    /// [`TableError`] if the query fails, or if there are more than
    /// `max_connections`, which is what fits the memory. Items that can't be read
    /// are set apart.
    pub async fn read_previous(
        &self,
        account: &AccountId,
        max_connections: u64,
        tombstones: &HashSet<K::Id>,
    ) -> Result<PreviousState<K>, TableError> {
        let mut state = PreviousState {
            record: None,
            snapshots: HashMap::new(),
            tombstones: 0,
            recorded: SnapshotsRecord::builder().build(),
            corrupt: Vec::new(),
        };
        let mut recorded = SnapshotsRecord::builder();
        self.each_account_row(account, |row| {
            match row {
                AccountRow::Record(item) => match codec::read_account(&item) {
                    Ok(record) => {
                        state.snapshots.reserve(expected(&record));
                        state.record = Some(record);
                    }
                    Err(corrupt) => state.corrupt.push(corrupt),
                },
                AccountRow::Snapshot(Ok(snapshot)) => {
                    recorded.add(&snapshot.arn, snapshot.version, snapshot.digest);
                    let is_tombstone = snapshot.is_deleted();
                    state.tombstones += u64::from(is_tombstone);
                    if !is_tombstone || tombstones.contains(&snapshot.arn) {
                        state.snapshots.insert(snapshot.arn.clone(), snapshot);
                    }
                }
                AccountRow::Snapshot(Err(corrupt)) => state.corrupt.push(corrupt),
            }
            check_number::<K>(account, state.snapshots.len(), max_connections)
        })
        .await?;
        state.recorded = recorded.build();
        Ok(state)
    }

    /// Reads ARN, version and digest of each of an account's snapshots, by ARN.
    ///
    /// # Errors
    /// [`TableError`] if the query fails, if an item can't be read, or if there
    /// are more than `max_snapshots`.
    pub async fn read_lines(
        &self,
        account: &AccountId,
        max_snapshots: u64,
    ) -> Result<Vec<SnapshotLine<K>>, TableError> {
        let mut lines = Vec::new();
        self.each_account_row(account, |row| {
            if let AccountRow::Snapshot(snapshot) = row {
                let snapshot = snapshot?;
                lines.push(SnapshotLine {
                    version: snapshot.version,
                    digest: snapshot.digest,
                    observed_until: snapshot.rests_on().ended_at,
                    arn: snapshot.arn,
                });
            }
            check_number::<K>(account, lines.len(), max_snapshots)
        })
        .await?;
        Ok(lines)
    }
}

/// Refuses more snapshots than fit the memory.
fn check_number<K: Kind>(account: &AccountId, number: usize, max: u64) -> Result<(), TableError> {
    if number as u64 <= max {
        return Ok(());
    }
    let problem = format!(
        "more than {max} {} are on record, which is what the memory is for",
        K::NOUN.1
    );
    let call_error = CallError::new(CallErrorKind::Refused, "ConnectionLimit", problem);
    Err(TableError::call("read account", account, call_error))
}

/// Returns the number of snapshots to allocate before they are read: a growing
/// map is twice as large for a moment.
fn expected<K: Kind>(record: &AccountRecord<K>) -> usize {
    /// A limit: an edited record can hold any number.
    const MAX_RESERVED: u64 = 100_000;
    let connections = record
        .connections
        .values()
        .fold(0, |a: u64, b| a.saturating_add(*b));
    usize::try_from(connections.min(MAX_RESERVED)).unwrap_or(0)
}
