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
mod records;
mod replay;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;

use crate::domain::{AccountId, ConnectionArn, Digest, Timestamp};
use crate::table::items::Item;
use crate::table::{Table, TableError, keys};
use records::{Entry, Records};

/// By how much the clock of a run may be ahead of the one that verifies. AWS
/// takes no request whose clock is off by more.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
pub const CLOCKS_DIFFER_BY: Duration = Duration::from_mins(15);

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Each account that was checked.
    pub accounts: Vec<AccountVerified>,
    /// What is wrong, by record. Empty for a record that is whole.
    pub findings: Vec<Finding>,
}

/// How much of an account was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountVerified {
    /// The account.
    pub account: AccountId,
    /// Its connections, those that are gone too.
    pub connections: u64,
    /// Their changes.
    pub changes: u64,
    /// Its runs.
    pub runs: u64,
    /// The digest of its last run, which stands for all of it.
    pub head: Option<Digest>,
    /// The digests of all its runs: each was the head once.
    #[serde(skip)]
    pub digests: Vec<Digest>,
}

/// A record with which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
    /// What is wrong.
    pub problem: String,
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

/// What is wrong so far, and with which records.
#[derive(Default)]
struct Findings {
    found: Vec<Finding>,
    /// The keys of what is found already.
    named: HashSet<(String, String)>,
}

impl Findings {
    fn add(&mut self, (pk, sk): (String, String), problem: impl Into<String>) {
        self.named.insert((pk.clone(), sk.clone()));
        let problem = problem.into();
        self.found.push(Finding { pk, sk, problem });
    }

    /// Whether something is wrong with this record already. What does not fit
    /// it then says nothing of others.
    fn names(&self, key: &(String, String)) -> bool {
        self.named.contains(key)
    }

    /// Whether something is wrong with a record of this partition.
    fn names_any_of(&self, pk: &str) -> bool {
        self.found.iter().any(|finding| finding.pk == pk)
    }

    fn into_sorted(mut self, only: Option<&AccountId>) -> Vec<Finding> {
        let of = |pk: &str| pk.split('#').nth(1).map(str::to_owned);
        let wanted = only.map(ToString::to_string);
        self.found
            .retain(|finding| wanted.is_none() || of(&finding.pk) == wanted);
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

fn run_key(id: &AccountId, sequence: u64) -> (String, String) {
    (keys::runs_pk(id), keys::run_sk(sequence))
}

fn change_key(id: &AccountId, arn: &ConnectionArn, version: u64) -> (String, String) {
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    (keys::changes_pk(id, arn), keys::change_sk(version))
}

fn snapshot_key(id: &AccountId, arn: &ConnectionArn) -> (String, String) {
    (keys::account_pk(id), keys::snapshot_sk(arn))
}

fn account_key(id: &AccountId) -> (String, String) {
    (keys::account_pk(id), keys::ACCOUNT_SK.to_owned())
}
