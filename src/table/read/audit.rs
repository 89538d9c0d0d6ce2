//! Reads of audits: by keys and indexes, never by a scan.

use std::marker::PhantomData;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::query::Query;
use crate::aws::meter::Use;
use crate::aws::{CallError, CallErrorKind};
use crate::domain::attributes::AttributeName;
use crate::domain::{
    AccountId, Attributes, Change, Connection, ConnectionArn, ConnectionStatus, Identifier, Kind,
    RunRecord, Snapshot, Timestamp, UnknownMembers,
};
use crate::table::client::Table;
use crate::table::codec::Item;
use crate::table::error::{CorruptItem, TableError};
use crate::table::fast_path::record::RecordRow;
use crate::table::kind::{AccountRow, Row, StoredKind};
use crate::table::schema::{BY_STATUS, BY_TIME};
use crate::table::{codec, keys};

/// The greatest number that a run's key can hold.
pub const LAST_RUN: u64 = 999_999_999_999;

/// The most runs that are read back to find the last complete listing of each scope.
pub const MAX_RUNS_READ: usize = 100;

/// A connection in the index by status: everything but what differs from run to
/// run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusIndexEntry {
    /// The inventoried account.
    pub account: AccountId,
    /// Its identity.
    pub arn: ConnectionArn,
    /// Its attributes, as far as the index holds them.
    pub attributes: Attributes,
    /// The time at which it was first seen.
    pub first_seen_at: Timestamp,
    /// The time since which it is in its status.
    pub status_since: Timestamp,
    /// The number of changes recorded of it.
    pub version: u32,
}

/// Everything in a table, a page at a time.
#[derive(Debug)]
pub struct Pages<'a> {
    table: &'a Table,
    start: Option<Item>,
    done: bool,
}

impl Pages<'_> {
    /// Returns the next page; `None` after the last.
    ///
    /// # Errors
    /// [`TableError`] if the scan fails.
    pub async fn next(&mut self) -> Result<Option<Vec<Item>>, TableError> {
        if self.done {
            return Ok(None);
        }
        let table = self.table;
        let start = self.start.take();
        let ask = async || {
            let answer = table
                .client()
                .scan()
                .table_name(table.name().as_str())
                .consistent_read(true)
                .set_exclusive_start_key(start.clone())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .interceptor(table.meter().counts(Use::Read))
                .send()
                .await;
            answer.map_err(|error| TableError::call("scan", table.name(), table.call_error(&error)))
        };
        let answer = table.retried(ask).await?;
        table.meter().count_read_units(answer.consumed_capacity());
        // An empty page has an empty list.
        let items = answer.items.ok_or_else(|| {
            let call_error = CallError::unreadable("an answer without items");
            TableError::call("scan", table.name(), call_error)
        })?;
        // A table is in no order that could be checked.
        if start.is_some() && start == answer.last_evaluated_key {
            let problem = "a page ends where it began: this would never end";
            let call_error = CallError::new(CallErrorKind::Service, "KeyRepeated", problem);
            return Err(TableError::call("scan", table.name(), call_error));
        }
        self.done = answer.last_evaluated_key.is_none();
        self.start = answer.last_evaluated_key;
        Ok(Some(items))
    }
}

/// The rows of a query, a page at a time.
#[derive(Debug)]
pub struct RowPages<'a, T, K: Kind = Connection> {
    query: Query<'a, K>,
    row: PhantomData<T>,
}

/// A record that the items of a query are read as.
pub trait Stored<K: Kind>: Sized {
    /// What an item is read as first.
    type Row: Row;

    /// Reads the record.
    ///
    /// # Errors
    /// [`CorruptItem`] names the attribute that is wrong.
    fn read(row: Self::Row) -> Result<Self, CorruptItem>;
}

impl<K: StoredKind> Stored<K> for Snapshot<K> {
    type Row = K::Row;

    fn read(row: K::Row) -> Result<Self, CorruptItem> {
        match row.into() {
            AccountRow::Snapshot(snapshot) => snapshot,
            AccountRow::Record(item) => Err(wrong(&item, keys::SK, "is not that of a snapshot")),
        }
    }
}

impl<K: StoredKind> Stored<K> for Change<K> {
    type Row = RecordRow<Self>;

    fn read(row: RecordRow<Self>) -> Result<Self, CorruptItem> {
        row.read()
    }
}

impl<K: StoredKind> Stored<K> for RunRecord<K> {
    type Row = RecordRow<Self>;

    fn read(row: RecordRow<Self>) -> Result<Self, CorruptItem> {
        row.read()
    }
}

impl<'a, T, K: Kind> RowPages<'a, T, K> {
    fn of(query: Query<'a, K>) -> Self {
        Self {
            query,
            row: PhantomData,
        }
    }
}

impl<T: Stored<K>, K: Kind> RowPages<'_, T, K> {
    /// Returns the next page; `None` after the last. An item that can't be read
    /// is an error in its place.
    ///
    /// # Errors
    /// [`TableError`] if the query fails.
    pub async fn next_rows(&mut self) -> Result<Option<Vec<Result<T, CorruptItem>>>, TableError> {
        let page = self.query.next_rows().await?;
        Ok(page.map(|page| page.into_iter().map(T::read).collect()))
    }

    /// Returns the next page; `None` after the last.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or an item can't be read.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, TableError> {
        let Some(page) = self.next_rows().await? else {
            return Ok(None);
        };
        Ok(Some(page.into_iter().collect::<Result<_, _>>()?))
    }

    /// Passes each row to `each`, until it returns false.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn each(mut self, mut each: impl FnMut(T) -> bool) -> Result<(), TableError> {
        while let Some(page) = self.next_rows().await? {
            for row in page {
                if !each(row?) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns all rows.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn collect(mut self) -> Result<Vec<T>, TableError> {
        let mut rows = Vec::new();
        while let Some(page) = self.next().await? {
            rows.extend(page);
        }
        Ok(rows)
    }
}

impl Table {
    /// Returns every connection in `status`, in all accounts, longest in it
    /// first.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or an item can't be read.
    pub async fn connections_by_status(
        &self,
        status: &ConnectionStatus,
    ) -> Result<Vec<StatusIndexEntry>, TableError> {
        let pk = keys::status_pk(Some(status));
        let query = Query::index(self, "list connections by status", status, BY_STATUS, pk);
        let items = query.collect(None).await?;
        Ok(items
            .into_iter()
            .map(connections_by_status)
            .collect::<Result<_, _>>()?)
    }

    /// Returns every item of the table once, strongly consistent, a page at a
    /// time. Only the verification of the whole table may scan it.
    pub fn pages(&self) -> Pages<'_> {
        Pages {
            table: self,
            start: None,
            done: false,
        }
    }
}

impl<K: StoredKind> Table<K> {
    /// Returns the accounts in the table, sorted.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or an item can't be read.
    pub async fn accounts(&self) -> Result<Vec<AccountId>, TableError> {
        let pk = K::KEYS.accounts_pk().to_owned();
        let query = Query::index(self, "list accounts", self.name(), BY_STATUS, pk);
        let items = query.collect(None).await?;
        let accounts = items.iter().map(|item| {
            codec::account_of::<K>(item).ok_or_else(|| wrong(item, keys::PK, "names no account"))
        });
        Ok(accounts.collect::<Result<_, _>>()?)
    }

    /// Returns a resource's changes, oldest first.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or an item can't be read.
    pub async fn changes_of(
        &self,
        account: &AccountId,
        arn: &K::Id,
    ) -> Result<Vec<Change<K>>, TableError> {
        let pk = K::KEYS.changes_pk(account, arn.as_str());
        let query = Query::table(self, "read changes", arn, pk);
        let items = query.collect(None).await?;
        Ok(items
            .into_iter()
            .map(codec::read_record)
            .collect::<Result<_, _>>()?)
    }

    /// Returns an account's changes observed from `since` on and before
    /// `until`, oldest first, page by page.
    pub fn changes_between(
        &self,
        account: &AccountId,
        since: Timestamp,
        until: Timestamp,
    ) -> RowPages<'_, Change<K>, K> {
        // A key is a time and more: one at `until` itself sorts after it.
        self.changes(account, since, until.to_string())
    }

    /// Returns an account's changes observed at `at` or before, oldest first,
    /// page by page.
    pub fn changes_by(&self, account: &AccountId, at: Timestamp) -> RowPages<'_, Change<K>, K> {
        // '$' follows the '#' that ends the time in a key.
        self.changes(account, Timestamp::from_millis(i64::MIN), format!("{at}$"))
    }

    fn changes(
        &self,
        account: &AccountId,
        first: Timestamp,
        last: String,
    ) -> RowPages<'_, Change<K>, K> {
        let pk = K::KEYS.time_pk(account);
        let query = Query::index(self, "read changes by time", account, BY_TIME, pk);
        RowPages::of(query.between(first.to_string(), last))
    }

    /// Returns an account's snapshots by ARN, page by page.
    pub fn snapshots(&self, account: &AccountId) -> RowPages<'_, Snapshot<K>, K> {
        // '$' follows the '#' that ends the prefix.
        let first = K::KEYS.snapshot_prefix();
        let (first, last) = (first.to_owned(), first.replace('#', "$"));
        let pk = K::KEYS.account_pk(account);
        let query = Query::table(self, "read snapshots", account, pk);
        RowPages::of(query.between(first, last))
    }

    /// Passes an account's runs from number `last` on down to `each`, until it
    /// returns false.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or an item can't be read.
    pub async fn runs_back_from(
        &self,
        account: &AccountId,
        last: u64,
        each: impl FnMut(RunRecord<K>) -> bool,
    ) -> Result<(), TableError> {
        let query = Query::table(self, "read runs", account, K::KEYS.runs_pk(account))
            .between(keys::run_sk(0), keys::run_sk(last))
            .backward();
        runs_until_enough(query, each).await
    }

    /// Returns an account's runs by number, page by page.
    pub fn runs(&self, account: &AccountId) -> RowPages<'_, RunRecord<K>, K> {
        RowPages::of(Query::table(
            self,
            "read runs",
            account,
            K::KEYS.runs_pk(account),
        ))
    }

    /// Passes an account's runs from number `first` on up to `each`, until it
    /// returns false.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or an item can't be read.
    pub async fn runs_from(
        &self,
        account: &AccountId,
        first: u64,
        each: impl FnMut(RunRecord<K>) -> bool,
    ) -> Result<(), TableError> {
        self.runs_from_key(account, keys::run_sk(first), each).await
    }

    /// Does the same from a sort key on, which can be that of no run.
    ///
    /// # Errors
    /// As [`Self::runs_from`].
    pub async fn runs_from_key(
        &self,
        account: &AccountId,
        first: String,
        each: impl FnMut(RunRecord<K>) -> bool,
    ) -> Result<(), TableError> {
        let query = Query::table(self, "read runs", account, K::KEYS.runs_pk(account))
            .between(first, keys::run_sk(LAST_RUN));
        runs_until_enough(query, each).await
    }

    /// Returns an account's runs, newest first, at most `most`.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or an item can't be read.
    pub async fn runs_of(
        &self,
        account: &AccountId,
        most: usize,
    ) -> Result<Vec<RunRecord<K>>, TableError> {
        const MAX_PAGE_ITEMS: usize = 100;
        let pk = K::KEYS.runs_pk(account);
        let page = i32::try_from(most.clamp(1, MAX_PAGE_ITEMS)).unwrap_or(i32::MAX);
        let query = Query::table(self, "read runs", account, pk)
            .backward()
            .limit(page);
        let items = query.collect(Some(most)).await?;
        Ok(items
            .into_iter()
            .map(codec::read_record)
            .collect::<Result<_, _>>()?)
    }
}

/// Reads runs in pages that grow: the first run is often enough.
async fn runs_until_enough<K: Kind>(
    query: Query<'_, K>,
    mut each: impl FnMut(RunRecord<K>) -> bool,
) -> Result<(), TableError> {
    const MAX_PAGE_ITEMS: i32 = 256;
    let mut limit = 1;
    let mut query = query.limit(limit);
    while let Some(page) = query.next().await? {
        for item in page {
            if !each(codec::read_record(item)?) {
                return Ok(());
            }
        }
        limit = (limit * 4).min(MAX_PAGE_ITEMS);
        query = query.limit(limit);
    }
    Ok(())
}

fn connections_by_status(item: Item) -> Result<StatusIndexEntry, CorruptItem> {
    let text = |name: &str| match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(wrong(&item, name, "is not a text")),
    };
    let time = |name: &str| {
        let parsed = text(name)?.and_then(|text| text.parse().ok());
        parsed.ok_or_else(|| wrong(&item, name, "is missing or not a time"))
    };
    let arn = text(keys::SK)?.and_then(|sk| keys::CONNECTIONS.id_in(sk)?.parse().ok());
    // The projection can't be changed in place: the index lacks attributes that
    // were added later.
    let projected = |name: AttributeName| match BY_STATUS.includes {
        Some(names) if !names.contains(&name.as_str()) => Ok(None),
        _ => Ok(text(name.as_str())?.map(Into::into)),
    };
    let attributes = Attributes::from_fields(projected, UnknownMembers::default())?;
    Ok(StatusIndexEntry {
        account: codec::account_of::<Connection>(&item)
            .ok_or_else(|| wrong(&item, keys::PK, "names no account"))?,
        arn: arn.ok_or_else(|| wrong(&item, keys::SK, "names no connection"))?,
        attributes,
        first_seen_at: time("first_seen_at")?,
        status_since: time("status_since")?,
        version: match item.get("version") {
            Some(AttributeValue::N(digits)) => digits.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| wrong(&item, "version", "is missing or not a number"))?,
    })
}

pub(super) fn wrong(item: &Item, attribute: &str, problem: &str) -> CorruptItem {
    let key = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    CorruptItem::new(key(keys::PK), key(keys::SK), attribute, problem)
}
