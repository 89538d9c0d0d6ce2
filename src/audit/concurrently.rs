//! Reads several accounts at the same time, and gives results in the order of
//! the accounts.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_util::stream::{self, StreamExt};

use super::error::AuditError;
use crate::domain::AccountId;
use crate::table::read::audit::{RowPages, Stored};
use crate::table::{CorruptItem, StoredKind, TableError};

/// The accounts that are read at the same time. A request takes some milliseconds, most
/// of them waiting; and what was read is in memory until its turn.
const MAX_CONCURRENT_ACCOUNTS: usize = 32;

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

impl<T: Stored<K>, K: StoredKind> Pages for RowPages<'_, T, K> {
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

/// Observes how far a read of several accounts is.
pub trait ReadObserver: Debug + Send + Sync {
    /// Returns true if the read that begins is to be reported: false within another.
    fn begins(&self) -> bool;

    /// Some was read.
    fn read(&self, so_far: ReadSoFar);

    /// Everything was read, or reading failed.
    fn ended(&self);
}

/// How far a read is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadSoFar {
    /// The accounts to read.
    pub accounts: usize,
    /// Those that are done.
    pub done: usize,
    /// The rows so far; 0 where accounts are read as a whole.
    pub rows: u64,
}

/// A read of several accounts.
pub(crate) struct Reading<'a> {
    accounts: &'a [AccountId],
    observer: Option<&'a dyn ReadObserver>,
    so_far: ReadSoFar,
}

impl<'a> Reading<'a> {
    pub(super) fn new(accounts: &'a [AccountId], observer: Option<&'a dyn ReadObserver>) -> Self {
        let so_far = ReadSoFar {
            accounts: accounts.len(),
            ..ReadSoFar::default()
        };
        Self {
            accounts,
            observer: observer.filter(|observer| observer.begins()),
            so_far,
        }
    }

    fn add_rows(&mut self, rows: usize) {
        self.so_far.rows += rows as u64;
        self.report();
    }

    fn end_account(&mut self) {
        self.so_far.done += 1;
        self.report();
    }

    fn report(&self) {
        if let Some(observer) = self.observer {
            observer.read(self.so_far);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(observer) = self.observer {
            observer.ended();
        }
    }
}

/// Calls `read` for several accounts at the same time, and `each` with the
/// results in the order of the accounts, until it returns false.
///
/// # Errors
/// The first error of `read`, in the order of the accounts.
pub(crate) async fn each_account<T>(
    mut reading: Reading<'_>,
    read: impl AsyncFn(&AccountId) -> Result<T, AuditError>,
    mut each: impl FnMut(T) -> bool,
) -> Result<(), AuditError> {
    let reads = stream::iter(reading.accounts).map(|account| read(account));
    let mut results = pin!(reads.buffered(MAX_CONCURRENT_ACCOUNTS));
    while let Some(result) = results.next().await {
        if !each(result?) {
            break;
        }
        reading.end_account();
    }
    Ok(())
}

/// Calls `each` with every row of every account, in the order of the accounts,
/// until it returns false.
///
/// Of accounts whose turn has not come, one page is read, and from the second page of an
/// account on the next one while rows are given: memory is bounded by pages, not by
/// accounts.
///
/// # Errors
/// As [`each_account`].
pub(crate) async fn each_row<'a, P: Pages>(
    mut reading: Reading<'a>,
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
    let reads = stream::iter(reading.accounts).map(first_page);
    let mut opened = pin!(reads.buffered(MAX_CONCURRENT_ACCOUNTS));
    while let Some(account) = opened.next().await {
        let (mut page, mut pages) = account?;
        let mut is_first = true;
        while let Some(rows) = page {
            reading.add_rows(rows.len());
            let mut next = pin!(pages.next());
            // Sends the request, so that it is answered while the rows are given. Who has
            // enough of the first page needs no other.
            let begun = match std::mem::take(&mut is_first) {
                true => Poll::Pending,
                false => poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await,
            };
            for row in rows {
                if !each(row?) {
                    return Ok(());
                }
            }
            page = match begun {
                Poll::Ready(next) => next?,
                Poll::Pending => next.await?,
            };
        }
        reading.end_account();
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// Requests that are answered in the reverse order: each one waits until all
    /// that were sent after it are answered.
    #[derive(Default)]
    struct Requests {
        sent: Cell<usize>,
        answered: RefCell<Vec<usize>>,
    }

    impl Requests {
        /// Sends the request of number `number` of `all`.
        async fn send(&self, number: usize, all: usize) {
            self.sent.set(self.sent.get() + 1);
            let mut polls = 0;
            poll_fn(|context| {
                polls += 1;
                assert!(polls < 1_000, "request {number} waits for those after it");
                if self.answered.borrow().len() + number + 1 == all {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            self.answered.borrow_mut().push(number);
        }
    }

    fn accounts(number: usize) -> Vec<AccountId> {
        let accounts = (0..number).map(|number| format!("{number:012}").parse().unwrap());
        accounts.collect()
    }

    fn of(accounts: &[AccountId]) -> Reading<'_> {
        Reading::new(accounts, None)
    }

    fn number_of(account: &AccountId) -> usize {
        account.as_str().parse().unwrap()
    }

    fn missing(account: &AccountId, sequence: u64) -> AuditError {
        AuditError::RunMissing {
            account: account.clone(),
            sequence,
        }
    }

    /// Pages of numbers; those after the last are refused.
    struct Numbers<'a> {
        requests: &'a Requests,
        account: &'a AccountId,
        all: usize,
        pages: std::vec::IntoIter<Page<usize>>,
        is_first: bool,
    }

    impl Pages for Numbers<'_> {
        type Row = usize;

        async fn next(&mut self) -> Result<Option<Page<usize>>, AuditError> {
            if std::mem::take(&mut self.is_first) {
                self.requests.send(number_of(self.account), self.all).await;
            } else {
                self.requests.sent.set(self.requests.sent.get() + 1);
            }
            Ok(self.pages.next())
        }
    }

    #[tokio::test]
    async fn accounts_are_read_at_once_and_given_in_their_order() {
        let accounts = accounts(5);
        let requests = Requests::default();
        let read = async |account: &AccountId| {
            requests.send(number_of(account), 5).await;
            Ok(number_of(account))
        };
        let mut given = Vec::new();
        let each = |number| {
            given.push(number);
            true
        };
        each_account(of(&accounts), read, each).await.expect("read");
        assert_eq!(*requests.answered.borrow(), [4, 3, 2, 1, 0]);
        assert_eq!(given, [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn first_error_is_that_of_the_first_account() {
        let accounts = accounts(5);
        let requests = Requests::default();
        let read = async |account: &AccountId| {
            let number = number_of(account);
            requests.send(number, 5).await;
            match number {
                2 | 4 => Err(missing(account, 1)),
                _ => Ok(number),
            }
        };
        let mut given = Vec::new();
        let each = |number| {
            given.push(number);
            true
        };
        let error = each_account(of(&accounts), read, each).await;
        assert_eq!(error.expect_err("two fail"), missing(&accounts[2], 1));
        assert_eq!(given, [0, 1]);
    }

    #[tokio::test]
    async fn no_more_accounts_are_read_once_enough_were_given() {
        let accounts = accounts(MAX_CONCURRENT_ACCOUNTS * 3);
        let requests = Requests::default();
        let read = async |account: &AccountId| {
            requests.sent.set(requests.sent.get() + 1);
            Ok(number_of(account))
        };
        each_account(of(&accounts), read, |number| number < 1)
            .await
            .expect("read");
        // Those at the same time as the first, and one more for each that was given.
        let sent = requests.sent.get();
        assert!(sent <= MAX_CONCURRENT_ACCOUNTS + 2, "{sent} requests");
    }

    #[tokio::test]
    async fn rows_of_later_accounts_wait_for_their_turn() {
        let accounts = accounts(3);
        let requests = Requests::default();
        let open = |account| {
            let first = number_of(account) * 10;
            Numbers {
                requests: &requests,
                account,
                all: 3,
                pages: vec![vec![Ok(first), Ok(first + 1)], vec![], vec![Ok(first + 2)]]
                    .into_iter(),
                is_first: true,
            }
        };
        let mut given = Vec::new();
        let mut sent_before = Vec::new();
        let each = |row| {
            given.push(row);
            sent_before.push(requests.sent.get());
            true
        };
        each_row(of(&accounts), open, each).await.expect("read");
        assert_eq!(*requests.answered.borrow(), [2, 1, 0]);
        assert_eq!(sent_before[0], 3);
        assert_eq!(sent_before[2], 6, "those after it, too");
        assert_eq!(given, [0, 1, 2, 10, 11, 12, 20, 21, 22]);

        let requests = Requests::default();
        let open = |account| Numbers {
            requests: &requests,
            account,
            all: 3,
            pages: vec![vec![Ok(0), Ok(1)], vec![Ok(2)]].into_iter(),
            is_first: true,
        };
        let enough = each_row(of(&accounts), open, |row| row < 1).await;
        enough.expect("read");
        assert_eq!(requests.sent.get(), 3, "a first page of each, and no other");
    }

    #[tokio::test]
    async fn rows_before_an_unreadable_one_are_given() {
        let accounts = accounts(2);
        let requests = Requests::default();
        let open = |account| Numbers {
            requests: &requests,
            account,
            all: 2,
            pages: vec![vec![Ok(0), Err(missing(account, 7)), Ok(1)]].into_iter(),
            is_first: true,
        };
        let mut given = Vec::new();
        let each = |row| {
            given.push(row);
            true
        };
        let error = each_row(of(&accounts), open, each).await;
        assert_eq!(error.expect_err("unreadable"), missing(&accounts[0], 7));
        assert_eq!(given, [0]);
    }
}
