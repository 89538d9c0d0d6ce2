//! Verification of the integrity of the record.
//!
//! Everything is read once. These must hold:
//! - Each item is as this software writes it, with its own digest or checksum.
//! - Changes and runs are numbered without gaps, and refer to the one before.
//! - Each snapshot is what its last change left.
//! - Each run's digest of snapshots and its counts follow from the changes
//!   recorded by then.
//! - The account's record repeats the runs.
//!
//! An editor can still rewrite everything from some record on, or cut off the
//! end of an account. Only a head noted elsewhere shows that.

mod account;
mod alterations;
mod chains;
mod records;
mod replay;
mod resource;
mod rows;

use std::collections::VecDeque;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::domain::{AccountId, Connection, Dependency, Finding, Timestamp};
use crate::table::codec::Item;
use crate::table::{StoredKind, Table, TableError, keys};
pub use alterations::{AccountVerified, Alteration, MAX_CLOCK_SKEW};
use records::{Entry, Records};

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Each account whose connections were checked.
    pub accounts: Vec<AccountVerified>,
    /// Each account whose dependencies were checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<AccountVerified>,
    /// Each account whose recorded findings of rules were checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<AccountVerified>,
    /// The alterations, by record. Empty if the record is intact.
    pub findings: Vec<Alteration>,
}

/// Verifies a table at `now`, or only one account in it.
///
/// Calls `progress` after each page, with the number of items read so far.
///
/// # Errors
/// [`TableError`] if the table can't be read.
pub async fn verify(
    table: &Table,
    only: Option<&AccountId>,
    now: Timestamp,
    mut progress: impl FnMut(u64),
) -> Result<Verification, TableError> {
    let mut records = AllRecords {
        connections: Records::new(),
        dependencies: Records::new(),
        evaluations: Records::new(),
    };
    let mut read = 0;
    // Pages are decoded while the next ones are read.
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
    let (accounts, mut alterations) = records.connections.verified(only, now);
    let (dependencies, of_dependencies) = records.dependencies.verified(only, now);
    alterations.extend(of_dependencies);
    let (evaluations, of_evaluations) = records.evaluations.verified(only, now);
    alterations.extend(of_evaluations);
    Ok(Verification {
        accounts,
        dependencies,
        evaluations,
        findings: alterations,
    })
}

/// A decoded item of any kind.
enum AnyEntry {
    Connection(Entry<Connection>),
    Dependency(Entry<Dependency>),
    Finding(Entry<Finding>),
}

/// The records of all kinds.
struct AllRecords {
    connections: Records<Connection>,
    dependencies: Records<Dependency>,
    evaluations: Records<Finding>,
}

fn entries(page: Vec<Item>) -> Vec<AnyEntry> {
    let of_item = |item: Item| match item.get(keys::PK) {
        Some(AttributeValue::S(pk)) if Dependency::KEYS.partition_of(pk).is_some() => {
            AnyEntry::Dependency(Entry::of(item))
        }
        Some(AttributeValue::S(pk)) if Finding::KEYS.partition_of(pk).is_some() => {
            AnyEntry::Finding(Entry::of(item))
        }
        // What belongs to none is an alteration.
        _ => AnyEntry::Connection(Entry::of(item)),
    };
    page.into_iter().map(of_item).collect()
}

impl<K: StoredKind> Records<K> {
    /// Returns the accounts that were checked, and the alterations.
    fn verified(
        self,
        only: Option<&AccountId>,
        now: Timestamp,
    ) -> (Vec<AccountVerified>, Vec<Alteration>) {
        let Self {
            accounts,
            mut alterations,
        } = self;
        let mut verified = Vec::new();
        for (id, mut account) in accounts {
            if only.is_none_or(|only| *only == id) {
                account.sort();
                account.verify(&id, now, &mut alterations);
                verified.push(account.verified(id));
            }
        }
        (verified, alterations.into_sorted(only))
    }
}

impl AllRecords {
    async fn add_all(&mut self, page: JoinHandle<Vec<AnyEntry>>) {
        match page.await {
            Ok(entries) => entries.into_iter().for_each(|entry| match entry {
                AnyEntry::Connection(entry) => self.connections.add(entry),
                AnyEntry::Dependency(entry) => self.dependencies.add(entry),
                AnyEntry::Finding(entry) => self.evaluations.add(entry),
            }),
            // The panic continues as it would have without the other thread.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}
