//! Audit queries: what exists, what changed, what was run, and whether the
//! record of it is whole. They only read.

pub mod verify;

use serde::Serialize;

use crate::domain::{
    AccountId, Change, ChangeKind, ConnectionArn, ConnectionStatus, ProviderType, Region,
    RunRecord, Snapshot, Timestamp,
};
use crate::table::{Table, TableError};

/// Answers questions from one table.
#[derive(Debug, Clone)]
pub struct Audit {
    table: Table,
}

/// Which connections are asked for. What is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// In this status.
    pub status: Option<ConnectionStatus>,
    /// Of this provider.
    pub provider: Option<ProviderType>,
    /// Listed for this account.
    pub account: Option<AccountId>,
    /// Living in this region.
    pub region: Option<Region>,
    /// Those that are gone, too.
    pub include_deleted: bool,
}

/// A connection as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionRow {
    /// The account that was asked.
    pub account: AccountId,
    /// Its identity.
    pub connection_arn: ConnectionArn,
    /// The region it lives in.
    pub region: String,
    /// Its name.
    pub connection_name: Option<Box<str>>,
    /// Its status when it was last seen.
    pub connection_status: Option<ConnectionStatus>,
    /// Where the code lives.
    pub provider_type: Option<ProviderType>,
    /// The owner, as the service calls it.
    pub owner_account_id: Option<Box<str>>,
    /// Its host.
    pub host_arn: Option<Box<str>>,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// Since when it is in its status.
    pub status_since: Timestamp,
    /// When it was last seen. None where the answer comes from an index that
    /// does not hold it.
    pub last_seen_at: Option<Timestamp>,
    /// When it was shown to be gone.
    pub deleted_at: Option<Timestamp>,
}

/// Which changes are asked for. What is not given does not restrict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Observed from here on.
    pub since: Timestamp,
    /// Observed before this.
    pub until: Timestamp,
    /// Of this kind.
    pub kind: Option<ChangeKind>,
    /// To this status; for a deletion, from it.
    pub status: Option<ConnectionStatus>,
    /// Of a connection of this provider.
    pub provider: Option<ProviderType>,
    /// In this account.
    pub account: Option<AccountId>,
}

/// A connection's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// The account that was asked.
    pub account: AccountId,
    /// Its identity.
    pub connection_arn: ConnectionArn,
    /// Its changes, the first one first.
    pub changes: Vec<Change>,
}

impl Audit {
    /// Answers from `table`.
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// The table that answers.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The accounts that the table knows, or only `account`.
    ///
    /// # Errors
    /// [`TableError`] if the table can't be read.
    pub async fn accounts(
        &self,
        account: Option<&AccountId>,
    ) -> Result<Vec<AccountId>, TableError> {
        match account {
            Some(account) => Ok(vec![account.clone()]),
            None => self.table.accounts().await,
        }
    }

    /// The connections that `filter` means, by account and ARN; those asked
    /// for by status alone are read from the index, the longest in it first.
    ///
    /// # Errors
    /// [`TableError`] if the table can't be read.
    pub async fn connections(
        &self,
        filter: &ConnectionFilter,
    ) -> Result<Vec<ConnectionRow>, TableError> {
        let mut rows = Vec::new();
        match &filter.status {
            Some(status) if filter.account.is_none() && !filter.include_deleted => {
                for found in self.table.in_status(status).await? {
                    rows.push(ConnectionRow {
                        region: found.arn.region().to_owned(),
                        connection_arn: found.arn,
                        account: found.account,
                        connection_name: found.attributes.connection_name,
                        connection_status: found.attributes.connection_status,
                        provider_type: found.attributes.provider_type,
                        owner_account_id: found.attributes.owner_account_id,
                        host_arn: found.attributes.host_arn,
                        first_seen_at: found.first_seen_at,
                        status_since: found.status_since,
                        last_seen_at: None,
                        deleted_at: None,
                    });
                }
            }
            _ => {
                for account in self.accounts(filter.account.as_ref()).await? {
                    let mut snapshots = self.snapshots(&account).await?;
                    snapshots.sort_by(|a, b| a.arn.cmp(&b.arn));
                    rows.extend(snapshots.into_iter().map(|s| row(&account, s)));
                }
            }
        }
        rows.retain(|row| filter.admits(row));
        Ok(rows)
    }

    /// The histories of the connection with this ARN, or of every connection
    /// that has or had this name.
    ///
    /// # Errors
    /// [`TableError`] if the table can't be read.
    pub async fn history(
        &self,
        arn_or_name: &str,
        account: Option<&AccountId>,
    ) -> Result<Vec<History>, TableError> {
        let mut histories = Vec::new();
        for account in self.accounts(account).await? {
            let arns = match arn_or_name.parse::<ConnectionArn>() {
                Ok(arn) => vec![arn],
                Err(_) => self.named(&account, arn_or_name).await?,
            };
            for arn in arns {
                let changes = self.table.changes_of(&account, &arn).await?;
                if !changes.is_empty() {
                    histories.push(History {
                        account: account.clone(),
                        connection_arn: arn,
                        changes,
                    });
                }
            }
        }
        Ok(histories)
    }

    /// The changes that `filter` means, by account and time.
    ///
    /// # Errors
    /// [`TableError`] if the table can't be read.
    pub async fn changes(&self, filter: &ChangeFilter) -> Result<Vec<Change>, TableError> {
        let mut changes = Vec::new();
        for account in self.accounts(filter.account.as_ref()).await? {
            let between = self
                .table
                .changes_between(&account, filter.since, filter.until);
            changes.extend(between.await?);
        }
        changes.retain(|change| filter.admits(change));
        Ok(changes)
    }

    /// An account's runs, the last one first, at most `most`.
    ///
    /// # Errors
    /// [`TableError`] if the table can't be read.
    pub async fn runs(
        &self,
        account: &AccountId,
        most: usize,
    ) -> Result<Vec<RunRecord>, TableError> {
        self.table.runs_of(account, most).await
    }

    async fn named(
        &self,
        account: &AccountId,
        name: &str,
    ) -> Result<Vec<ConnectionArn>, TableError> {
        let snapshots = self.snapshots(account).await?;
        let has_name = |s: &Snapshot| s.attributes.connection_name.as_deref() == Some(name);
        let mut found: Vec<_> = snapshots.into_iter().filter(has_name).collect();
        found.sort_by(|a, b| (a.first_seen_at, &a.arn).cmp(&(b.first_seen_at, &b.arn)));
        Ok(found.into_iter().map(|snapshot| snapshot.arn).collect())
    }

    async fn snapshots(&self, account: &AccountId) -> Result<Vec<Snapshot>, TableError> {
        let state = self.table.read_account(account).await?;
        match state.corrupt.into_iter().next() {
            Some(corrupt) => Err(corrupt.into()),
            None => Ok(state.snapshots.into_values().collect()),
        }
    }
}

impl ConnectionFilter {
    fn admits(&self, row: &ConnectionRow) -> bool {
        let deleted = row.deleted_at.is_some();
        (self.include_deleted || !deleted)
            && (self.status.is_none() || self.status == row.connection_status)
            && (self.provider.is_none() || self.provider == row.provider_type)
            && self
                .region
                .as_ref()
                .is_none_or(|region| region.as_str() == row.region)
    }
}

impl ChangeFilter {
    fn admits(&self, change: &Change) -> bool {
        let told = change.after.as_ref().or(change.before.as_ref());
        let status = told.and_then(|told| told.connection_status.as_ref());
        let provider = told.and_then(|told| told.provider_type.as_ref());
        self.kind.is_none_or(|kind| kind == change.kind)
            && (self.status.is_none() || self.status.as_ref() == status)
            && (self.provider.is_none() || self.provider.as_ref() == provider)
    }
}

fn row(account: &AccountId, snapshot: Snapshot) -> ConnectionRow {
    let deleted_at = snapshot.is_deleted().then(|| snapshot.rests_on().began_at);
    ConnectionRow {
        account: account.clone(),
        region: snapshot.arn.region().to_owned(),
        connection_arn: snapshot.arn,
        connection_name: snapshot.attributes.connection_name,
        connection_status: snapshot.attributes.connection_status,
        provider_type: snapshot.attributes.provider_type,
        owner_account_id: snapshot.attributes.owner_account_id,
        host_arn: snapshot.attributes.host_arn,
        first_seen_at: snapshot.first_seen_at,
        status_since: snapshot.status_since,
        last_seen_at: Some(snapshot.last_seen.began_at),
        deleted_at,
    }
}
