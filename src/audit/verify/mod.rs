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
pub mod period;
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
use records::{Entry, Records, Source};

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
    progress: impl FnMut(u64),
) -> Result<Verification, TableError> {
    let mut verifier = Verifier::default();
    verifier.read(table, progress).await?;
    Ok(verifier.verification(only, now).await)
}

/// A verification under way: items are added in any order.
#[derive(Default)]
pub struct Verifier {
    records: AllRecords,
    read: u64,
    /// Pages are decoded while the next ones are read.
    at_work: VecDeque<JoinHandle<Vec<AnyEntry>>>,
}

impl Verifier {
    /// Adds all items of a table. Calls `progress` after each page, with the number of
    /// items read so far.
    ///
    /// # Errors
    /// [`TableError`] if the table can't be read.
    pub async fn read(
        &mut self,
        table: &Table,
        mut progress: impl FnMut(u64),
    ) -> Result<(), TableError> {
        let mut pages = table.pages();
        while let Some(page) = pages.next().await? {
            self.add(page, Source::Table).await;
            progress(self.read);
        }
        Ok(())
    }

    /// Adds runs of an archive. One that is in the table, too, counts once.
    pub async fn add_archived(&mut self, runs: Vec<Item>) {
        self.add(runs, Source::Archive).await;
    }

    async fn add(&mut self, page: Vec<Item>, source: Source) {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        self.read += page.len() as u64;
        self.at_work
            .push_back(tokio::task::spawn_blocking(move || entries(page, source)));
        if self.at_work.len() > at_once
            && let Some(page) = self.at_work.pop_front()
        {
            self.records.add_all(page).await;
        }
    }

    /// Returns the number of items so far.
    pub fn read_items(&self) -> u64 {
        self.read
    }

    /// Verifies what was added at `now`, or only one account in it.
    pub async fn verification(mut self, only: Option<&AccountId>, now: Timestamp) -> Verification {
        for page in self.at_work {
            self.records.add_all(page).await;
        }
        let (accounts, mut alterations) = self.records.connections.verified(only, now);
        let (dependencies, of_dependencies) = self.records.dependencies.verified(only, now);
        alterations.extend(of_dependencies);
        let (evaluations, of_evaluations) = self.records.evaluations.verified(only, now);
        alterations.extend(of_evaluations);
        Verification {
            accounts,
            dependencies,
            evaluations,
            findings: alterations,
        }
    }
}

/// A decoded item of any kind.
enum AnyEntry {
    Connection(Entry<Connection>),
    Dependency(Entry<Dependency>),
    Finding(Entry<Finding>),
}

/// The records of all kinds.
#[derive(Default)]
struct AllRecords {
    connections: Records<Connection>,
    dependencies: Records<Dependency>,
    evaluations: Records<Finding>,
}

fn entries(page: Vec<Item>, source: Source) -> Vec<AnyEntry> {
    let of_item = |item: Item| match item.get(keys::PK) {
        Some(AttributeValue::S(pk)) if Dependency::KEYS.partition_of(pk).is_some() => {
            AnyEntry::Dependency(Entry::of(item, source))
        }
        Some(AttributeValue::S(pk)) if Finding::KEYS.partition_of(pk).is_some() => {
            AnyEntry::Finding(Entry::of(item, source))
        }
        // What belongs to none is an alteration.
        _ => AnyEntry::Connection(Entry::of(item, source)),
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
