//! Connections: now, from their snapshots; at an earlier time, from the recorded
//! changes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::concurrently::{WithAccount, each_row};
use super::{Audit, AuditError, attribute_columns};
use crate::domain::arn::normalized;
use crate::domain::{
    AccountId, Attributes, Change, ChangeKind, ConnectionArn, ConnectionStatus, Digest,
    ProviderType, Region, Snapshot, Timestamp,
};
use crate::table::read::audit::StatusIndexEntry;

/// Up to this many snapshots of an account are read one by one.
const MAX_SINGLE_READS: usize = 8;

/// Selects connections. A missing field does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionFilter {
    /// In this status.
    pub status: Option<ConnectionStatus>,
    /// With this provider.
    pub provider: Option<ProviderType>,
    /// Listed for this account.
    pub account: Option<AccountId>,
    /// With this region in the ARN.
    pub region: Option<Region>,
    /// Deleted ones, too.
    pub include_deleted: bool,
    /// Not named by one of these ARNs, in the service's present spelling.
    pub not_among: Option<BTreeSet<String>>,
}

/// A connection in results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionRow {
    /// The inventoried account.
    pub account: AccountId,
    /// Its ARN.
    pub connection_arn: ConnectionArn,
    /// Its page in the AWS console, if it is present and the partition has one.
    pub console_url: Option<String>,
    /// The region in its ARN.
    pub region: String,
    /// Its attributes when it was last seen.
    #[serde(flatten, serialize_with = "attribute_columns::serialize")]
    pub attributes: Attributes,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// Since when it has its status.
    pub status_since: Timestamp,
    /// When it was last seen; `None` in results from changes, which do not have
    /// it.
    pub last_seen_at: Option<Timestamp>,
    /// When a listing showed its deletion.
    pub deleted_at: Option<Timestamp>,
    /// The number of its recorded changes.
    pub version: u32,
    /// The digest of its last change.
    pub digest: Option<Digest>,
}

impl ConnectionFilter {
    /// Returns true if it selects this connection.
    pub fn admits(&self, row: &ConnectionRow) -> bool {
        let deleted = row.deleted_at.is_some();
        (self.include_deleted || !deleted)
            && self
                .not_among
                .as_ref()
                .is_none_or(|arns| !arns.contains(&normalized(row.connection_arn.as_str())))
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
    /// Returns the row of a snapshot.
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

    /// Removes the page of a deleted connection.
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

/// Connections as their changes leave them, replayed one by one.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    connections: BTreeMap<(AccountId, ConnectionArn), Replayed>,
}

/// The state of a connection after its last change so far.
#[derive(Debug, Clone)]
struct Replayed {
    first_seen_at: Timestamp,
    status_since: Timestamp,
    last: Change,
}

impl Replay {
    /// Applies a change. Those of one connection must come in their order.
    pub fn apply(&mut self, change: Change) {
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

    /// Returns the connection after the changes so far, if it has one.
    pub fn get(&self, account: &AccountId, arn: &ConnectionArn) -> Option<ConnectionRow> {
        let seen = self.connections.get(&(account.clone(), arn.clone()));
        seen.cloned().map(ConnectionRow::from)
    }

    /// Returns the connections by account and ARN.
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
        let attributes = last.after.or(last.before).unwrap_or_default();
        Self {
            deleted_at: deleted.then_some(last.observed_at),
            version: last.version,
            digest: Some(digest),
            ..Self::new(
                &last.account,
                last.arn,
                attributes,
                first_seen_at,
                status_since,
            )
        }
        .with_page_if_present()
    }
}

impl Audit {
    /// Returns the selected connections by account and ARN. A filter by status
    /// reads the index, and returns those longest in the status first.
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

    /// Calls `each` with the selected connections, page by page, until it returns
    /// false.
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
                let accounts = self.accounts(filter.account.as_ref()).await?;
                let open = |account| WithAccount {
                    account,
                    pages: self.table().snapshots(account),
                };
                let mut give = |(account, snapshot): (&AccountId, Snapshot)| {
                    give(ConnectionRow::of(account, snapshot))
                };
                each_row(self.reading(&accounts), open, &mut give).await?;
            }
        }
        Ok(())
    }

    /// Calls `give` with each connection in `status`, longest in it first, until
    /// it returns false.
    ///
    /// The status index lacks what each run updates, so the snapshots are read:
    /// a few of an account one by one, otherwise all of the account.
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
        let many = of_account
            .into_iter()
            .filter(|(_, n)| *n > MAX_SINGLE_READS);
        let mut read: HashMap<AccountId, HashMap<ConnectionArn, Snapshot>> = HashMap::new();
        for (account, _) in many {
            let snapshots = read.entry(account.clone()).or_default();
            self.table()
                .snapshots(&account)
                .each(|snapshot| {
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
            // The index is eventually consistent.
            if let Some(snapshot) = snapshot
                && !give(ConnectionRow::of(&account, snapshot))
            {
                break;
            }
        }
        Ok(())
    }

    /// Returns the selected connections as observed by `at`, by account and ARN,
    /// from the recorded changes.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn connections_as_of(
        &self,
        filter: &ConnectionFilter,
        at: Timestamp,
    ) -> Result<Vec<ConnectionRow>, AuditError> {
        let mut replay = Replay::default();
        let accounts = self.accounts(filter.account.as_ref()).await?;
        let open = |account| self.table().changes_by(account, at);
        each_row(self.reading(&accounts), open, |change| {
            // An observation that had not ended was not known yet.
            if change.observed_until <= at {
                replay.apply(change);
            }
            true
        })
        .await?;
        Ok(replay
            .into_rows()
            .filter(|row| filter.admits(row))
            .collect())
    }

    /// Returns an account's snapshots, in no order.
    pub(super) async fn snapshots(&self, account: &AccountId) -> Result<Vec<Snapshot>, AuditError> {
        let state = self.table().read_account(account).await?;
        match state.corrupt.into_iter().next() {
            Some(corrupt) => Err(AuditError::Table(corrupt.into())),
            None => Ok(state.snapshots.into_values().collect()),
        }
    }
}
