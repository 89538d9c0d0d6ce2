//! What is kept of each item until all are read: they come in no order that
//! could be relied on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::{AccountVerified, Findings};
use crate::domain::account::RunReference;
use crate::domain::listing::Window;
use crate::domain::run::SnapshotsRecord;
use crate::domain::{
    AccountId, AccountRecord, Change, ChangeKind, ConnectionArn, Digest, Format, Outcome, Region,
    RunId, RunRecord, Snapshot, Timestamp,
};
use crate::table::items::{self, Item};
use crate::table::keys;

/// Everything that was read, by account, and what is wrong with single items.
#[derive(Default)]
pub(super) struct Records {
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) findings: Findings,
}

/// What was read of one account.
#[derive(Default)]
pub(super) struct Account {
    pub(super) record: Option<AccountRecord>,
    pub(super) snapshots: HashMap<ConnectionArn, SnapshotRead>,
    pub(super) chains: HashMap<ConnectionArn, Chain>,
    pub(super) runs: Vec<RunLink>,
}

/// A snapshot and the format that it is stored in.
pub(super) struct SnapshotRead {
    pub(super) snapshot: Snapshot,
    pub(super) format: Format,
}

/// A connection's changes: of the last one all, of the others what their
/// chain needs, for there may be millions.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) last: Option<Change>,
}

/// A change, as far as its chain needs it.
pub(super) struct Link {
    pub(super) version: u32,
    pub(super) kind: ChangeKind,
    pub(super) observed_at: Timestamp,
    pub(super) observed_until: Timestamp,
    pub(super) run_id: RunId,
    pub(super) digest: Digest,
    pub(super) previous_digest: Option<Digest>,
}

/// A run, as far as its chain and the account's record need it.
pub(super) struct RunLink {
    pub(super) format: Format,
    pub(super) this: RunReference,
    pub(super) event_id: Option<Box<str>>,
    /// The complete and unfiltered listings.
    pub(super) covered: Vec<(Region, Window)>,
    pub(super) connections: BTreeMap<String, u64>,
    pub(super) unwritten: u64,
    pub(super) wrote_all: bool,
    pub(super) snapshots: Option<SnapshotsRecord>,
    pub(super) account_sequence: Option<u64>,
    pub(super) digest: Digest,
    pub(super) previous_digest: Option<Digest>,
}

impl Records {
    pub(super) fn add(&mut self, item: Item) {
        let (pk, sk) = (text(&item, keys::PK), text(&item, keys::SK));
        let read = if pk.starts_with("RUNS#") {
            self.add_run(item)
        } else if pk.starts_with("CONNECTION#") {
            self.add_change(item)
        } else if pk.starts_with("ACCOUNT#") && sk == keys::ACCOUNT_SK {
            self.add_account(item)
        } else if pk.starts_with("ACCOUNT#") {
            self.add_snapshot(item)
        } else {
            Err("was put in: no record of this inventory".to_owned())
        };
        if let Err(problem) = read {
            self.findings.add((pk, sk), problem);
        }
    }

    fn account(&mut self, account: &AccountId) -> &mut Account {
        self.accounts.entry(account.clone()).or_default()
    }

    fn add_run(&mut self, item: Item) -> Result<(), String> {
        let run: RunRecord = items::read_record(item.clone()).map_err(edited)?;
        let written = items::run_item(&run);
        same_key(&item, &written)?;
        let link = RunLink {
            digest: run.digest(),
            this: RunReference::from(&run),
            event_id: run.trigger.event_id().map(Into::into),
            covered: run.covered().collect(),
            wrote_all: run.wrote_all(),
            connections: run.connections,
            unwritten: run.unwritten,
            snapshots: run.snapshots,
            account_sequence: run.account_sequence,
            previous_digest: run.previous_digest,
            format: run.format,
        };
        self.account(&run.account).runs.push(link);
        as_written(&item, &written)
    }

    fn add_change(&mut self, item: Item) -> Result<(), String> {
        let change: Change = items::read_record(item.clone()).map_err(edited)?;
        let written = items::change_item(&change);
        same_key(&item, &written)?;
        let chains = &mut self.account(&change.account).chains;
        let chain = chains.entry(change.arn.clone()).or_default();
        chain.links.push(Link {
            version: change.version,
            kind: change.kind,
            observed_at: change.observed_at,
            observed_until: change.observed_until,
            run_id: change.run_id.clone(),
            digest: change.digest(),
            previous_digest: change.previous_digest,
        });
        let last = chain.last.as_ref().map(|last| last.version);
        if last.is_none_or(|last| last < change.version) {
            chain.last = Some(change);
        }
        as_written(&item, &written)
    }

    fn add_account(&mut self, item: Item) -> Result<(), String> {
        let record: AccountRecord = items::read_record(item.clone()).map_err(edited)?;
        as_written(&item, &items::account_item(&record))?;
        let account = record.account.clone();
        self.account(&account).record = Some(record);
        Ok(())
    }

    fn add_snapshot(&mut self, item: Item) -> Result<(), String> {
        let account = items::account_of(&item).ok_or("its key names no account")?;
        let (snapshot, format) = items::read_unsealed(item.clone()).map_err(edited)?;
        let written = items::snapshot_item(&account, &snapshot, format);
        let read = SnapshotRead { snapshot, format };
        let snapshots = &mut self.account(&account).snapshots;
        snapshots.insert(read.snapshot.arn.clone(), read);
        as_written(&item, &written)
    }
}

impl Account {
    pub(super) fn sort(&mut self) {
        self.runs.sort_by_key(|run| run.this.sequence);
        for chain in self.chains.values_mut() {
            chain.links.sort_by_key(|link| link.version);
        }
    }

    pub(super) fn verified(&self, account: AccountId) -> AccountVerified {
        let changes = self.chains.values().map(|chain| chain.links.len() as u64);
        AccountVerified {
            account,
            connections: self.snapshots.len() as u64,
            changes: changes.sum(),
            runs: self.runs.len() as u64,
            head: self.runs.last().map(|run| run.digest),
            digests: self.runs.iter().map(|run| run.digest).collect(),
        }
    }

    /// The run with this number. The runs are sorted.
    pub(super) fn run(&self, sequence: u64) -> Option<&RunLink> {
        let found = self
            .runs
            .binary_search_by_key(&sequence, |run| run.this.sequence);
        found.ok().and_then(|i| self.runs.get(i))
    }
}

impl RunLink {
    pub(super) fn is_complete(&self) -> bool {
        self.this.outcome == Outcome::Complete
    }
}

fn edited(corrupt: crate::table::Corrupt) -> String {
    format!("was edited: {} {}", corrupt.attribute, corrupt.problem)
}

/// Whether a record is where what it says belongs. It is no part of any chain
/// otherwise.
fn same_key(item: &Item, written: &Item) -> Result<(), String> {
    for name in [keys::PK, keys::SK] {
        if item.get(name) != written.get(name) {
            let belongs = format!("{} {}", text(written, keys::PK), text(written, keys::SK));
            return Err(format!(
                "was edited or put in: it says that it is {belongs}"
            ));
        }
    }
    Ok(())
}

/// Whether an item is what this software would write for what it says.
fn as_written(item: &Item, written: &Item) -> Result<(), String> {
    let names: BTreeSet<&String> = item.keys().chain(written.keys()).collect();
    let differing = |name: &&String| !same(item.get(*name), written.get(*name));
    let differs: Vec<&str> = names
        .into_iter()
        .filter(differing)
        .map(String::as_str)
        .collect();
    match differs[..] {
        [] => Ok(()),
        [items::DIGEST] => Err("was edited: its digest is not that of what it says".to_owned()),
        [items::SEAL] => Err("was edited: its seal is not that of what it says".to_owned()),
        _ => Err(format!(
            "was edited: {} does not belong to the rest of it",
            differs.join(", ")
        )),
    }
}

/// A set has no order.
fn same(a: Option<&AttributeValue>, b: Option<&AttributeValue>) -> bool {
    match (a, b) {
        (Some(AttributeValue::Ss(a)), Some(AttributeValue::Ss(b))) => {
            a.len() == b.len() && a.iter().collect::<BTreeSet<_>>() == b.iter().collect()
        }
        _ => a == b,
    }
}

fn text(item: &Item, name: &str) -> String {
    match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    }
}
