//! Verification: whether the record is whole.
//!
//! Everything is read once. Each change and run must be as it was written
//! (its digest is recomputed), must be numbered without gaps, and must refer
//! to the one before; each snapshot must be what its last change left; and an
//! account's last run must stand for the snapshots that are there. What that
//! leaves to an editor is to replace a whole account with a consistent other
//! one, or to cut its end off: a head noted elsewhere shows that.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use crate::domain::run::SnapshotsRecord;
use crate::domain::{
    AccountId, AccountRecord, Change, ChangeKind, ConnectionArn, Digest, Presence, RunId,
    RunRecord, Snapshot, Timestamp,
};
use crate::table::items::{self, Item};
use crate::table::{Table, TableError, keys};

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

/// Checks a table, or only one account in it.
///
/// # Errors
/// [`TableError`] if the table can't be read.
pub async fn verify(table: &Table, only: Option<&AccountId>) -> Result<Verification, TableError> {
    let mut records = Records::default();
    table.scan(|item| records.add(item)).await?;
    Ok(records.verify(only))
}

/// What is kept of the items until all are read: they come in no order that
/// could be relied on.
#[derive(Default)]
struct Records {
    accounts: BTreeMap<AccountId, Account>,
    findings: Vec<Finding>,
}

#[derive(Default)]
struct Account {
    record: Option<AccountRecord>,
    snapshots: HashMap<ConnectionArn, Snapshot>,
    chains: HashMap<ConnectionArn, Vec<Link>>,
    runs: Vec<RunRecord>,
}

/// A change, as far as its chain needs it.
struct Link {
    change: Change,
    digest: Digest,
}

impl Records {
    fn add(&mut self, item: Item) {
        let (pk, sk) = (text(&item, keys::PK), text(&item, keys::SK));
        let read = if pk.starts_with("RUNS#") {
            self.add_run(&item)
        } else if pk.starts_with("CONNECTION#") {
            self.add_change(&item)
        } else if pk.starts_with("ACCOUNT#") && sk == keys::ACCOUNT_SK {
            self.add_account(&item)
        } else if pk.starts_with("ACCOUNT#") {
            self.add_snapshot(&item)
        } else {
            Err("was put in: no record of this inventory".to_owned())
        };
        if let Err(problem) = read {
            self.findings.push(Finding { pk, sk, problem });
        }
    }

    fn account(&mut self, account: &AccountId) -> &mut Account {
        self.accounts.entry(account.clone()).or_default()
    }

    fn add_run(&mut self, item: &Item) -> Result<(), String> {
        let run: RunRecord = read(item)?;
        as_written(item, &items::run_item(&run))?;
        self.account(&run.account).runs.push(run);
        Ok(())
    }

    fn add_change(&mut self, item: &Item) -> Result<(), String> {
        let change: Change = read(item)?;
        as_written(item, &items::change_item(&change))?;
        let digest = change.digest();
        let chains = &mut self.account(&change.account).chains;
        let chain = chains.entry(change.arn.clone()).or_default();
        chain.push(Link { change, digest });
        Ok(())
    }

    fn add_account(&mut self, item: &Item) -> Result<(), String> {
        let record: AccountRecord = read(item)?;
        as_written(item, &items::account_item(&record))?;
        let account = record.account.clone();
        self.account(&account).record = Some(record);
        Ok(())
    }

    fn add_snapshot(&mut self, item: &Item) -> Result<(), String> {
        let account = items::account_of(item).ok_or("its key names no account")?;
        let snapshot = items::read_snapshot(item.clone()).map_err(edited)?;
        let snapshots = &mut self.account(&account).snapshots;
        snapshots.insert(snapshot.arn.clone(), snapshot);
        Ok(())
    }

    fn verify(mut self, only: Option<&AccountId>) -> Verification {
        let mut verified = Vec::new();
        for (id, mut account) in std::mem::take(&mut self.accounts) {
            if only.is_some_and(|only| *only != id) {
                continue;
            }
            account.runs.sort_by_key(|run| run.sequence);
            self.verify_runs(&id, &account);
            for (arn, chain) in &mut account.chains {
                chain.sort_by_key(|link| link.change.version);
                self.verify_chain(&id, arn, chain, account.snapshots.get(arn));
            }
            for arn in account.snapshots.keys() {
                if !account.chains.contains_key(arn) {
                    let problem = "its changes were removed".to_owned();
                    self.snapshot_finding(&id, arn, problem);
                }
            }
            self.verify_head(&id, &account);
            verified.push(AccountVerified {
                account: id,
                connections: account.snapshots.len() as u64,
                changes: account
                    .chains
                    .values()
                    .map(|chain| chain.len() as u64)
                    .sum(),
                runs: account.runs.len() as u64,
                head: account.runs.last().map(RunRecord::digest),
                digests: account.runs.iter().map(RunRecord::digest).collect(),
            });
        }
        let wanted = only.map(|only| only.to_string());
        self.findings.retain(|finding| {
            wanted
                .as_ref()
                .is_none_or(|id| finding.pk.contains(id.as_str()))
        });
        self.findings.sort();
        Verification {
            accounts: verified,
            findings: self.findings,
        }
    }

    fn verify_runs(&mut self, id: &AccountId, account: &Account) {
        let (mut expected, mut before) = (1, None);
        for run in &account.runs {
            if let Some(problem) = break_of(run.sequence, expected, run.previous_digest, before) {
                self.run_finding(id, run.sequence, problem);
            }
            expected = run.sequence + 1;
            before = Some(run.digest());
        }
        let Some(record) = &account.record else {
            return;
        };
        match account.runs.last() {
            Some(last) if last.sequence < record.sequence => {
                let problem = format!(
                    "was removed: the account's record knows run {}",
                    record.sequence
                );
                self.run_finding(id, last.sequence + 1, problem);
            }
            Some(last) if last.sequence == record.sequence && last.digest() != record.head => {
                let problem = "is not the one that the account's record refers to".to_owned();
                self.run_finding(id, last.sequence, problem);
            }
            Some(_) => {}
            None => self.run_finding(id, 1, "all runs were removed".to_owned()),
        }
    }

    fn verify_chain(
        &mut self,
        id: &AccountId,
        arn: &ConnectionArn,
        chain: &[Link],
        snapshot: Option<&Snapshot>,
    ) {
        let (mut expected, mut before) = (1, None);
        for Link { change, digest } in chain {
            let version = u64::from(change.version);
            if let Some(problem) = break_of(version, expected, change.previous_digest, before) {
                self.change_finding(id, arn, change.version, problem);
            }
            expected = version + 1;
            before = Some(*digest);
        }
        let Some(last) = chain.last() else { return };
        let Some(snapshot) = snapshot else {
            return self.snapshot_finding(id, arn, "was removed: it has changes".to_owned());
        };
        if snapshot.version > last.change.version {
            let problem = format!(
                "was removed: the snapshot knows change {}",
                snapshot.version
            );
            self.change_finding(id, arn, last.change.version + 1, problem);
        } else if snapshot.version < last.change.version {
            let problem = "was put in, or the snapshot was set back".to_owned();
            self.change_finding(id, arn, last.change.version, problem);
        } else if let Some(problem) = departs(snapshot, chain, last) {
            self.snapshot_finding(id, arn, problem);
        }
    }

    /// Whether the last run stands for the snapshots that are there. Changes
    /// of runs that are not recorded (they crashed, or have not ended) may
    /// have come after it.
    fn verify_head(&mut self, id: &AccountId, account: &Account) {
        let told = account
            .runs
            .iter()
            .rev()
            .find_map(|run| Some((run, run.snapshots.as_ref()?)));
        let Some((run, told)) = told else { return };
        let recorded: HashSet<&RunId> = account.runs.iter().map(|run| &run.run_id).collect();
        let later = |link: &Link, since: Timestamp| {
            !recorded.contains(&link.change.run_id) && link.change.observed_at >= since
        };
        let anything = Timestamp::from_millis(i64::MIN);
        let fits = *told == SnapshotsRecord::of(&account.snapshots)
            || [run.started_at, anything].into_iter().any(|since| {
                *told == SnapshotsRecord::of(&account.without(|link| later(link, since)))
            });
        if !fits {
            let problem = format!(
                "stands for {} connections with other changes than those that are there: \
                 a connection was removed as a whole, put in, or set back",
                told.count
            );
            self.run_finding(id, run.sequence, problem);
        }
    }

    fn run_finding(&mut self, id: &AccountId, sequence: u64, problem: String) {
        let (pk, sk) = (keys::runs_pk(id), keys::run_sk(sequence));
        self.findings.push(Finding { pk, sk, problem });
    }

    fn change_finding(
        &mut self,
        id: &AccountId,
        arn: &ConnectionArn,
        version: u32,
        problem: String,
    ) {
        let (pk, sk) = (keys::changes_pk(id, arn), keys::change_sk(version));
        self.findings.push(Finding { pk, sk, problem });
    }

    fn snapshot_finding(&mut self, id: &AccountId, arn: &ConnectionArn, problem: String) {
        let (pk, sk) = (keys::account_pk(id), keys::snapshot_sk(arn));
        self.findings.push(Finding { pk, sk, problem });
    }
}

impl Account {
    /// The snapshots as they were before their last changes that are `later`:
    /// only what a run's record stands for is right in them.
    fn without(&self, later: impl Fn(&Link) -> bool) -> HashMap<ConnectionArn, Snapshot> {
        let mut snapshots = self.snapshots.clone();
        for (arn, chain) in &self.chains {
            let kept = chain.iter().rposition(|link| !later(link));
            match (
                kept.and_then(|kept| chain.get(kept)),
                snapshots.get_mut(arn),
            ) {
                (Some(link), Some(snapshot)) => {
                    snapshot.version = link.change.version;
                    snapshot.digest = link.digest;
                }
                _ => {
                    snapshots.remove(arn);
                }
            }
        }
        snapshots
    }
}

/// How a record breaks its chain, if it does.
fn break_of(
    number: u64,
    expected: u64,
    refers_to: Option<Digest>,
    before: Option<Digest>,
) -> Option<String> {
    if number > expected {
        return Some(format!(
            "records {expected} to {} before it were removed",
            number - 1
        ));
    }
    if number < expected {
        return Some("its number is there twice".to_owned());
    }
    (refers_to != before).then(|| "refers to another one than the one before it".to_owned())
}

/// How a snapshot departs from what its changes left, if it does.
fn departs(snapshot: &Snapshot, chain: &[Link], last: &Link) -> Option<String> {
    let change = &last.change;
    let told = change.after.as_ref().or(change.before.as_ref());
    let new_status = |link: &&Link| {
        matches!(
            link.change.kind,
            ChangeKind::FirstSeen | ChangeKind::StatusChanged | ChangeKind::Reappeared
        )
    };
    let since = chain
        .iter()
        .rev()
        .find(new_status)
        .map(|link| link.change.observed_at);
    let first = chain.first().map(|link| link.change.observed_at);
    let gone = match snapshot.presence {
        Presence::Present => None,
        Presence::Deleted { seen_gone } => Some((seen_gone.began_at, seen_gone.ended_at)),
    };
    let recorded_gone =
        (change.kind == ChangeKind::Deleted).then_some((change.observed_at, change.observed_until));
    let field = if snapshot.digest != last.digest {
        "digest"
    } else if Some(&snapshot.attributes) != told {
        "attributes"
    } else if gone != recorded_gone {
        "presence"
    } else if Some(snapshot.first_seen_at) != first {
        "first_seen_at"
    } else if Some(snapshot.status_since) != since {
        "status_since"
    } else {
        return None;
    };
    Some(format!(
        "was edited: its {field} is not what its last change left"
    ))
}

fn read<T: serde::de::DeserializeOwned>(item: &Item) -> Result<T, String> {
    items::read_record(item.clone()).map_err(edited)
}

fn edited(corrupt: crate::table::Corrupt) -> String {
    format!("was edited: {} {}", corrupt.attribute, corrupt.problem)
}

/// Whether an item is what this software would write for what it says.
fn as_written(item: &Item, written: &Item) -> Result<(), String> {
    let names: std::collections::BTreeSet<&String> = item.keys().chain(written.keys()).collect();
    let differs = names
        .into_iter()
        .find(|name| item.get(*name) != written.get(*name));
    match differs.map(String::as_str) {
        None => Ok(()),
        Some("digest") => Err("was edited: its digest is not that of what it says".to_owned()),
        Some(name) => Err(format!(
            "was edited: {name} does not belong to the rest of it"
        )),
    }
}

fn text(item: &Item, name: &str) -> String {
    match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    }
}
