//! Verification: whether the record is whole.
//!
//! Everything is read once. Each item must be as this software writes it, with
//! its own digest or seal; changes and runs must be numbered without gaps, and
//! refer to the one before; each snapshot must be what its last change left;
//! each of an account's runs must stand for what the changes leave by then, and
//! tell of as many as are there; and the account's record must repeat the runs.
//! What that leaves to an editor is to make everything anew from some record on,
//! or to cut an account's end off: a head noted elsewhere shows that.

mod account;
mod chains;
mod findings;
mod records;
mod replay;

use std::collections::VecDeque;

use serde::Serialize;
use tokio::task::JoinHandle;

use crate::domain::{AccountId, Timestamp};
use crate::table::codec::Item;
use crate::table::{Table, TableError};
pub use findings::{AccountVerified, CLOCKS_DIFFER_BY, Finding};
use records::{Entry, Records};

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Each account that was checked.
    pub accounts: Vec<AccountVerified>,
    /// What is wrong, by record. Empty for a record that is whole.
    pub findings: Vec<Finding>,
}

/// Checks a table, or only one account in it, as it is at `now`.
///
/// `progress` is told how many items were read so far, after each page.
///
/// # Errors
/// [`TableError`] if the table can't be read.
pub async fn verify(
    table: &Table,
    only: Option<&AccountId>,
    now: Timestamp,
    mut progress: impl FnMut(u64),
) -> Result<Verification, TableError> {
    let mut records = Records::default();
    let mut read = 0;
    // What a page says is worked out while the next ones are read.
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut at_work = VecDeque::with_capacity(at_once);
    let mut pages = table.pages();
    while let Some(page) = pages.next().await? {
        read += page.len() as u64;
        at_work.push_back(tokio::task::spawn_blocking(|| entries(page)));
        if at_work.len() > at_once
            && let Some(page) = at_work.pop_front()
        {
            records.add_all(page).await;
        }
        progress(read);
    }
    for page in at_work {
        records.add_all(page).await;
    }
    let Records {
        accounts,
        mut findings,
    } = records;
    let mut verified = Vec::new();
    for (id, mut account) in accounts {
        if only.is_none_or(|only| *only == id) {
            account.sort();
            account.verify(&id, now, &mut findings);
            verified.push(account.verified(id));
        }
    }
    Ok(Verification {
        accounts: verified,
        findings: findings.into_sorted(only),
    })
}

fn entries(page: Vec<Item>) -> Vec<Entry> {
    page.into_iter().map(Entry::of).collect()
}

impl Records {
    async fn add_all(&mut self, page: JoinHandle<Vec<Entry>>) {
        match page.await {
            Ok(entries) => entries.into_iter().for_each(|entry| self.add(entry)),
            // It goes on where it would have without the other thread.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}
