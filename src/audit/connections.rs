//! Connections: as they are now, from their snapshots; and as they were at a
//! time, from the recorded changes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Audit, AuditError, attribute_columns};
use crate::domain::{
    AccountId, Attributes, Change, ChangeKind, ConnectionArn, ConnectionStatus, Digest,
    ProviderType, Region, Snapshot, Timestamp,
};
use crate::table::read::audit::StatusIndexEntry;

/// The snapshots of so many connections of an account are read one by one.
const READ_ONE_BY_ONE: usize = 8;

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
    /// Its page in the AWS console, if it is there and the partition has one.
    pub console_url: Option<String>,
    /// The region it lives in.
    pub region: String,
    /// What the service reported last.
    #[serde(flatten, serialize_with = "attribute_columns::serialize")]
    pub attributes: Attributes,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// Since when it is in its status.
    pub status_since: Timestamp,
    /// When it was last seen. None where the answer comes from the changes,
    /// which do not hold it.
    pub last_seen_at: Option<Timestamp>,
    /// When it was shown to be gone.
    pub deleted_at: Option<Timestamp>,
    /// The number of changes recorded of it.
    pub version: u32,
    /// The digest of its last change.
    pub digest: Option<Digest>,
}

impl ConnectionFilter {
    /// Whether it means this connection.
    pub fn admits(&self, row: &ConnectionRow) -> bool {
        let deleted = row.deleted_at.is_some();
        (self.include_deleted || !deleted)
            && self.account.as_ref().is_none_or(|id| *id == row.account)
            && (self.status.is_none() || self.status == row.attributes.connection_status)
            && (self.provider.is_none() || self.provider == row.attributes.provider_type)
            && self
                .region
                .as_ref()
                .is_none_or(|region| region.as_str() == row.region)
    }
}

impl ConnectionRow {
    /// A snapshot of `account`.
    pub fn of(account: &AccountId, snapshot: Snapshot) -> Self {
        let deleted_at = snapshot.is_deleted().then(|| snapshot.rests_on().began_at);
        Self {
            last_seen_at: Some(snapshot.last_seen.began_at),
            deleted_at,
            version: snapshot.version,
            digest: Some(snapshot.digest),
            ..Self::new(
                account,
                snapshot.arn,
                snapshot.attributes,
                snapshot.first_seen_at,
                snapshot.status_since,
            )
        }
        .with_page_if_present()
    }

    /// What is gone has no page.
    fn with_page_if_present(mut self) -> Self {
        self.console_url = self.console_url.filter(|_| self.deleted_at.is_none());
        self
    }

    fn new(
        account: &AccountId,
        arn: ConnectionArn,
        attributes: Attributes,
        first_seen_at: Timestamp,
        status_since: Timestamp,
    ) -> Self {
        Self {
            account: account.clone(),
            console_url: arn.console_url(),
            region: arn.region().to_owned(),
            connection_arn: arn,
            attributes,
            first_seen_at,
            status_since,
            last_seen_at: None,
            deleted_at: None,
            version: 0,
            digest: None,
        }
    }

    /// Returns the same connection with other attributes.
    #[must_use]
    pub fn with(&self, attributes: Attributes) -> Self {
        Self {
            attributes,
            ..self.clone()
        }
    }
}

/// Connections as their changes leave them, taken in one by one.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    connections: BTreeMap<(AccountId, ConnectionArn), Replayed>,
}

/// What the last change alone does not say of a connection.
#[derive(Debug, Clone)]
struct Replayed {
    first_seen_at: Timestamp,
    status_since: Timestamp,
    last: Change,
}

impl Replay {
    /// Takes in a change. Those of one connection must come in their order.
    pub fn take(&mut self, change: Change) {
        let key = (change.account.clone(), change.arn.clone());
        match self.connections.entry(key) {
            Entry::Vacant(unseen) => {
                unseen.insert(Replayed {
                    first_seen_at: change.observed_at,
                    status_since: change.observed_at,
                    last: change,
                });
            }
            Entry::Occupied(mut seen) => {
                let seen = seen.get_mut();
                if change.kind.starts_status() {
                    seen.status_since = change.observed_at;
                }
                seen.last = change;
            }
        }
    }

    /// The connection as it is by now, if it was ever seen.
    pub fn get(&self, account: &AccountId, arn: &ConnectionArn) -> Option<ConnectionRow> {
        let seen = self.connections.get(&(account.clone(), arn.clone()));
        seen.cloned().map(ConnectionRow::from)
    }

    /// The connections, by account and ARN.
    pub fn into_rows(self) -> impl Iterator<Item = ConnectionRow> {
        self.connections.into_values().map(ConnectionRow::from)
    }
}

impl From<Replayed> for ConnectionRow {
    fn from(seen: Replayed) -> Self {
        let Replayed {
            first_seen_at,
            status_since,
            last,
        } = seen;
        let (digest, deleted) = (last.digest(), last.kind == ChangeKind::Deleted);
        let told = last.after.or(last.before).unwrap_or_default();
        Self {
            deleted_at: deleted.then_some(last.observed_at),
            version: last.version,
            digest: Some(digest),
            ..Self::new(&last.account, last.arn, told, first_seen_at, status_since)
        }
        .with_page_if_present()
    }
}

impl Audit {
    /// The connections that `filter` means, by account and ARN; those asked
    /// for by status are read from the index, the longest in it first.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn connections(
        &self,
        filter: &ConnectionFilter,
    ) -> Result<Vec<ConnectionRow>, AuditError> {
        let mut rows = Vec::new();
        self.each_connection(filter, |row| {
            rows.push(row);
            true
        })
        .await?;
        Ok(rows)
    }

    /// Gives each of these connections to `each`, as the pages come, until it
    /// answers that it has enough.
    ///
    /// # Errors
    /// As [`Self::connections`].
    pub async fn each_connection(
        &self,
        filter: &ConnectionFilter,
        mut each: impl FnMut(ConnectionRow) -> bool,
    ) -> Result<(), AuditError> {
        let mut go_on = true;
        let mut give = |row: ConnectionRow| {
            go_on = go_on && (!filter.admits(&row) || each(row));
            go_on
        };
        match &filter.status {
            Some(status) if !filter.include_deleted => {
                self.each_in_status(status, filter, &mut give).await?;
            }
            _ => {
                for account in self.accounts(filter.account.as_ref()).await? {
                    self.table()
                        .each_snapshot(&account, |snapshot| {
                            give(ConnectionRow::of(&account, snapshot))
                        })
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Gives each connection in `status` to `give`, the longest in it first,
    /// until it answers that it has enough.
    ///
    /// The index by status says which they are. It lacks what differs from run
    /// to run, so their snapshots are read: of few connections of an account
    /// one by one, of many the account's all.
    async fn each_in_status(
        &self,
        status: &ConnectionStatus,
        filter: &ConnectionFilter,
        mut give: impl FnMut(ConnectionRow) -> bool,
    ) -> Result<(), AuditError> {
        let mut found = self.table().connections_by_status(status).await?;
        let account = filter.account.as_ref();
        found.retain(|found| account.is_none_or(|account| *account == found.account));
        let mut of_account: HashMap<AccountId, usize> = HashMap::new();
        for found in &found {
            *of_account.entry(found.account.clone()).or_default() += 1;
        }
        let many = of_account.into_iter().filter(|(_, n)| *n > READ_ONE_BY_ONE);
        let mut read: HashMap<AccountId, HashMap<ConnectionArn, Snapshot>> = HashMap::new();
        for (account, _) in many {
            let snapshots = read.entry(account.clone()).or_default();
            self.table()
                .each_snapshot(&account, |snapshot| {
                    if snapshot.attributes.connection_status.as_ref() == Some(status) {
                        snapshots.insert(snapshot.arn.clone(), snapshot);
                    }
                    true
                })
                .await?;
        }
        for StatusIndexEntry { account, arn, .. } in found {
            let snapshot = match read.get_mut(&account) {
                Some(snapshots) => snapshots.remove(&arn),
                None => self.table().read_snapshot(&account, &arn).await?,
            };
            // The index may be a moment behind.
            if let Some(snapshot) = snapshot
                && !give(ConnectionRow::of(&account, snapshot))
            {
                break;
            }
        }
        Ok(())
    }

    /// The connections that `filter` means as they had been observed by `at`,
    /// by account and ARN, from the recorded changes.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn connections_as_of(
        &self,
        filter: &ConnectionFilter,
        at: Timestamp,
    ) -> Result<Vec<ConnectionRow>, AuditError> {
        let mut replay = Replay::default();
        for account in self.accounts(filter.account.as_ref()).await? {
            self.table()
                .each_change_by(&account, at, |change| {
                    // What was being observed at the time was not known yet.
                    if change.observed_until <= at {
                        replay.take(change);
                    }
                    true
                })
                .await?;
        }
        Ok(replay
            .into_rows()
            .filter(|row| filter.admits(row))
            .collect())
    }

    /// An account's snapshots, in no order.
    pub(super) async fn snapshots(&self, account: &AccountId) -> Result<Vec<Snapshot>, AuditError> {
        let state = self.table().read_account(account).await?;
        match state.corrupt.into_iter().next() {
            Some(corrupt) => Err(AuditError::Table(corrupt.into())),
            None => Ok(state.snapshots.into_values().collect()),
        }
    }
}
