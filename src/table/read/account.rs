//! Single reads: an account, its record, one snapshot, change or run.

use std::collections::HashMap;

use super::READ_AT_ONCE;
use super::query::Query;
use crate::domain::{
    AccountId, AccountRecord, Change, Connection, Identifier, Kind, RunRecord, Snapshot,
};
use crate::table::client::Table;
use crate::table::codec::{self, Item};
use crate::table::error::{CorruptItem, TableError};
use crate::table::keys;
use crate::table::kind::{AccountRow, StoredKind};

/// The state of an account in the table.
#[derive(Debug)]
pub struct AccountState<K: Kind = Connection> {
    /// Its record, if a run was ever recorded.
    pub record: Option<AccountRecord<K>>,
    /// Its snapshots, tombstones included.
    pub snapshots: HashMap<K::Id, Snapshot<K>>,
    /// Items that can't be read: this software did not write them.
    pub corrupt: Vec<CorruptItem>,
}

impl<K: Kind> Default for AccountState<K> {
    fn default() -> Self {
        Self {
            record: None,
            snapshots: HashMap::new(),
            corrupt: Vec::new(),
        }
    }
}

impl<K: StoredKind> Table<K> {
    /// Reads an account's record and all its snapshots, tombstones included:
    /// one strongly consistent query.
    ///
    /// # Errors
    /// [`TableError`] if the query fails. Unreadable items are set apart.
    pub async fn read_account(&self, account: &AccountId) -> Result<AccountState<K>, TableError> {
        let mut state = AccountState::default();
        self.each_account_row(account, |row| {
            match row {
                AccountRow::Record(item) => match codec::read_account(&item) {
                    Ok(record) => state.record = Some(record),
                    Err(corrupt) => state.corrupt.push(corrupt),
                },
                AccountRow::Snapshot(Ok(snapshot)) => {
                    state.snapshots.insert(snapshot.arn.clone(), snapshot);
                }
                AccountRow::Snapshot(Err(corrupt)) => state.corrupt.push(corrupt),
            }
            Ok(())
        })
        .await?;
        Ok(state)
    }

    /// Passes the rows of an account's partition to `each`: its record first, and
    /// then its snapshots, by ARN.
    pub(super) async fn each_account_row(
        &self,
        account: &AccountId,
        mut each: impl FnMut(AccountRow<K>) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let pk = K::KEYS.account_pk(account);
        let mut pages = Query::table(self, "read account", account, pk).limit(READ_AT_ONCE.into());
        while let Some(page) = pages.next_rows::<K::Row>().await? {
            page.into_iter().map(Into::into).try_for_each(&mut each)?;
        }
        Ok(())
    }

    /// Reads an account's record.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_record(
        &self,
        account: &AccountId,
    ) -> Result<Option<AccountRecord<K>>, TableError> {
        let pk = K::KEYS.account_pk(account);
        let query = Query::table(self, "read account record", account, pk)
            .with_sk(keys::ACCOUNT_SK.to_owned());
        Ok(query
            .first()
            .await?
            .as_ref()
            .map(codec::read_account)
            .transpose()?)
    }

    /// Reads one snapshot.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_snapshot(
        &self,
        account: &AccountId,
        arn: &K::Id,
    ) -> Result<Option<Snapshot<K>>, TableError> {
        let pk = K::KEYS.account_pk(account);
        let query =
            Query::table(self, "read snapshot", arn, pk).with_sk(K::KEYS.snapshot_sk(arn.as_str()));
        Ok(query
            .first()
            .await?
            .as_ref()
            .map(K::read_snapshot)
            .transpose()?)
    }

    /// Reads one change of a connection.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_change(
        &self,
        account: &AccountId,
        arn: &K::Id,
        version: u32,
    ) -> Result<Option<Change<K>>, TableError> {
        let pk = K::KEYS.changes_pk(account, arn.as_str());
        let query = Query::table(self, "read change", arn, pk).with_sk(keys::change_sk(version));
        Ok(query.first().await?.map(codec::read_record).transpose()?)
    }

    /// Reads the record of the run with this number.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_run(
        &self,
        account: &AccountId,
        sequence: u64,
    ) -> Result<Option<RunRecord<K>>, TableError> {
        let item = self.read_run_item(account, sequence).await?;
        Ok(item.map(codec::read_record).transpose()?)
    }

    /// Reads the item of the run with this number.
    ///
    /// # Errors
    /// [`TableError`] if the query fails.
    pub async fn read_run_item(
        &self,
        account: &AccountId,
        sequence: u64,
    ) -> Result<Option<Item>, TableError> {
        let pk = K::KEYS.runs_pk(account);
        let query = Query::table(self, "read run", account, pk).with_sk(keys::run_sk(sequence));
        query.first().await
    }

    /// Reads the last run of an account's chain, even if the account's record
    /// is behind it.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_last_run(
        &self,
        account: &AccountId,
    ) -> Result<Option<RunRecord<K>>, TableError> {
        let pk = K::KEYS.runs_pk(account);
        let query = Query::table(self, "read last run", account, pk).backward();
        Ok(query.first().await?.map(codec::read_record).transpose()?)
    }
}
