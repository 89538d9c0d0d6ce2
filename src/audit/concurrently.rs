//! Reads several accounts at the same time, and gives results in the order of
//! the accounts.

use std::pin::pin;

use futures_util::stream::{self, StreamExt};

use super::AuditError;
use crate::domain::AccountId;
use crate::table::read::audit::RowPages;
use crate::table::{CorruptItem, StoredKind, TableError};

/// The accounts of which a page is read at the same time. A request takes some
/// milliseconds, most of them waiting.
const MAX_CONCURRENT_PAGES: usize = 32;

/// The accounts that are read as a whole at the same time: fewer, since each is in
/// memory until its turn.
const MAX_CONCURRENT_ACCOUNTS: usize = 16;

/// What is read of one account, a page at a time.
pub(crate) trait Pages {
    /// A row of a page.
    type Row;

    /// Returns the next page; `None` after the last.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    async fn next(&mut self) -> Result<Option<Page<Self::Row>>, AuditError>;
}

/// The rows of a page. A row that can't be read is an error in its place.
pub(crate) type Page<T> = Vec<Result<T, AuditError>>;

impl<T, K: StoredKind> Pages for RowPages<'_, T, K> {
    type Row = T;

    async fn next(&mut self) -> Result<Option<Page<T>>, AuditError> {
        let page = self.next_rows().await?;
        let row = |row: Result<T, CorruptItem>| Ok(row.map_err(TableError::from)?);
        Ok(page.map(|page| page.into_iter().map(row).collect()))
    }
}

/// The rows of an account, each with the account.
pub(crate) struct WithAccount<'a, P> {
    /// The account.
    pub(crate) account: &'a AccountId,
    /// Its pages.
    pub(crate) pages: P,
}

impl<'a, P: Pages> Pages for WithAccount<'a, P> {
    type Row = (&'a AccountId, P::Row);

    async fn next(&mut self) -> Result<Option<Page<Self::Row>>, AuditError> {
        let page = self.pages.next().await?;
        let row = |row: Result<P::Row, AuditError>| Ok((self.account, row?));
        Ok(page.map(|page| page.into_iter().map(row).collect()))
    }
}

/// Calls `read` for several accounts at the same time, and `each` with the
/// results in the order of `accounts`, until it returns false.
///
/// # Errors
/// The first error of `read`, in the order of `accounts`.
pub(crate) async fn each_account<T>(
    accounts: &[AccountId],
    read: impl AsyncFn(&AccountId) -> Result<T, AuditError>,
    mut each: impl FnMut(T) -> bool,
) -> Result<(), AuditError> {
    let reads = stream::iter(accounts).map(|account| read(account));
    let mut results = pin!(reads.buffered(MAX_CONCURRENT_ACCOUNTS));
    while let Some(result) = results.next().await {
        if !each(result?) {
            break;
        }
    }
    Ok(())
}

/// Calls `each` with every row of every account, in the order of `accounts`,
/// until it returns false.
///
/// Of accounts whose turn has not come, one page is read: memory is bounded by
/// pages, not by accounts.
///
/// # Errors
/// As [`each_account`].
pub(crate) async fn each_row<'a, P: Pages>(
    accounts: &'a [AccountId],
    open: impl Fn(&'a AccountId) -> P,
    mut each: impl FnMut(P::Row) -> bool,
) -> Result<(), AuditError> {
    let first_page = |account| {
        let mut pages = open(account);
        async move {
            let first = pages.next().await?;
            Ok::<_, AuditError>((first, pages))
        }
    };
    let reads = stream::iter(accounts).map(first_page);
    let mut opened = pin!(reads.buffered(MAX_CONCURRENT_PAGES));
    while let Some(account) = opened.next().await {
        let (mut page, mut pages) = account?;
        while let Some(rows) = page {
            for row in rows {
                if !each(row?) {
                    return Ok(());
                }
            }
            page = pages.next().await?;
        }
    }
    Ok(())
}
