//! Decodes items, and holds what the checks need of them: items come in no
//! particular order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;

use super::alterations::{AccountVerified, Alterations};
use super::resource::{Resource, SnapshotState, StatusId};
use crate::domain::account::RunReference;
use crate::domain::listing::Window;
use crate::domain::run::SnapshotsRecord;
use crate::domain::{
    AccountId, AccountRecord, Change, ChangeKind, Digest, Kind, Outcome, RunId, RunRecord,
    SchemaVersion, Timestamp,
};
use crate::table::codec::{Item, snapshot};
use crate::table::keys::Partition;
use crate::table::{StoredKind, codec, keys};

/// The records by account, and the alterations about single items.
pub(super) struct Records<K: Kind> {
    pub(super) accounts: BTreeMap<AccountId, Account<K>>,
    pub(super) alterations: Alterations,
}

/// The records of one account.
pub(super) struct Account<K: Kind> {
    pub(super) record: Option<AccountRecord<K>>,
    pub(super) resources: HashMap<K::Id, Resource<K>>,
    pub(super) runs: Vec<RunLink<K>>,
    /// The run ids that changes name: each is held once.
    run_ids: HashSet<RunId>,
    /// The distinct statuses that changes leave.
    statuses: HashMap<Box<str>, StatusId>,
}

/// The part of a run that the checks need.
pub(super) struct RunLink<K: Kind> {
    /// Whether it is in the table, not only in an archive.
    pub(super) is_in_table: bool,
    pub(super) format: SchemaVersion,
    pub(super) this: RunReference,
    pub(super) finished_at: Timestamp,
    pub(super) event_id: Option<Box<str>>,
    /// The complete and unfiltered listings.
    pub(super) covered: Vec<(K::Scope, Window)>,
    pub(super) connections: BTreeMap<String, u64>,
    pub(super) changes: BTreeMap<ChangeKind, u64>,
    pub(super) unwritten: u64,
    pub(super) knew_its_changes: bool,
    pub(super) wrote_all: bool,
    pub(super) snapshots: Option<SnapshotsRecord>,
    pub(super) account_sequence: Option<u64>,
    pub(super) digest: Digest,
    pub(super) previous_digest: Option<Digest>,
}

/// Where an item was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The table.
    Table,
    /// An archive of old runs.
    Archive,
}

/// A decoded item, checked without the others.
pub(super) struct Entry<K: Kind> {
    key: (String, String),
    record: Option<(AccountId, Record<K>)>,
    problem: Option<String>,
}

/// A record of an account.
enum Record<K: Kind> {
    Run(Box<RunLink<K>>),
    Change(Box<Change<K>>, Digest),
    Account(Box<AccountRecord<K>>),
    Snapshot(K::Id, Box<SnapshotState<K>>),
}

impl<K: StoredKind> Entry<K> {
    /// Decodes an item and encodes it again: the expensive part.
    pub(super) fn of(item: Item, source: Source) -> Self {
        let key = (text(&item, keys::PK), text(&item, keys::SK));
        let (pk, sk) = (&key.0, &key.1);
        let read = match K::KEYS.partition_of(pk) {
            Some(Partition::Runs) => run(&item, source),
            Some(Partition::Changes) => change(&item),
            Some(Partition::Account) if sk == keys::ACCOUNT_SK => account(&item),
            Some(Partition::Account) => snapshot(item),
            None => Err("was inserted: not a record of this inventory".to_owned()),
        };
        match read {
            Ok((account, record, as_written)) => Self {
                key,
                record: Some((account, record)),
                problem: as_written.err(),
            },
            Err(problem) => Self {
                key,
                record: None,
                problem: Some(problem),
            },
        }
    }
}

/// The record in an item, and whether the item is as this software writes it.
/// An item without a record that belongs under its key is only a problem.
type Read<K> = Result<(AccountId, Record<K>, Result<(), String>), String>;

fn run<K: StoredKind>(item: &Item, source: Source) -> Read<K> {
    let run: RunRecord<K> = codec::read_record(item).map_err(edited)?;
    let written = codec::run_item(&run);
    same_key(item, &written)?;
    let account = run.account.clone();
    let digest = run.digest();
    let record = Record::Run(Box::new(RunLink::of(run, digest, source)));
    Ok((account, record, as_written(item, &written)))
}

fn change<K: StoredKind>(item: &Item) -> Read<K> {
    let change: Change<K> = codec::read_record(item).map_err(edited)?;
    let digest = change.digest();
    let written = codec::change_item_with(&change, digest);
    same_key(item, &written)?;
    let account = change.account.clone();
    let record = Record::Change(Box::new(change), digest);
    Ok((account, record, as_written(item, &written)))
}

fn account<K: StoredKind>(item: &Item) -> Read<K> {
    let record: AccountRecord<K> = codec::read_record(item).map_err(edited)?;
    as_written(item, &codec::account_item(&record))?;
    let account = record.account.clone();
    Ok((account, Record::Account(Box::new(record)), Ok(())))
}

fn snapshot<K: StoredKind>(item: Item) -> Read<K> {
    let account = codec::account_of::<K>(&item).ok_or("its key names no account")?;
    let (snapshot, format) = K::read_unsealed(&item).map_err(edited)?;
    let written = snapshot::snapshot_item(&account, &snapshot, format);
    let arn = snapshot.arn.clone();
    let record = Record::Snapshot(arn, Box::new(SnapshotState::new(snapshot, format)));
    Ok((account, record, as_written(&item, &written)))
}

impl<K: Kind> Default for Records<K> {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
            alterations: Alterations::default(),
        }
    }
}

impl<K: StoredKind> Records<K> {
    /// Adds an item.
    pub(super) fn add(&mut self, entry: Entry<K>) {
        if let Some(problem) = entry.problem {
            self.alterations.add(entry.key, problem);
        }
        let Some((account, record)) = entry.record else {
            return;
        };
        let account = self.accounts.entry(account).or_insert_with(Account::new);
        match record {
            Record::Run(link) => account.runs.push(*link),
            Record::Account(record) => account.record = Some(*record),
            Record::Snapshot(arn, state) => account.resource(arn).snapshot = Some(*state),
            Record::Change(change, digest) => account.add(*change, digest),
        }
    }
}

impl<K: Kind> Account<K> {
    pub(super) fn new() -> Self {
        Self {
            record: None,
            resources: HashMap::new(),
            runs: Vec::new(),
            run_ids: HashSet::new(),
            statuses: HashMap::new(),
        }
    }

    fn resource(&mut self, arn: K::Id) -> &mut Resource<K> {
        self.resources.entry(arn).or_insert_with(Resource::new)
    }

    pub(super) fn add(&mut self, change: Change<K>, digest: Digest) {
        let status = change.after.as_ref().map(|after| self.status_id(after));
        let run_id = self.run_id(&change.run_id);
        let resource = self.resource(change.arn.clone());
        resource.add(change, digest, status, run_id);
    }

    fn run_id(&mut self, run_id: &RunId) -> RunId {
        if let Some(held) = self.run_ids.get(run_id) {
            return held.clone();
        }
        self.run_ids.insert(run_id.clone());
        run_id.clone()
    }

    fn status_id(&mut self, attributes: &K::Attributes) -> StatusId {
        let word = K::status_word(attributes);
        if let Some(id) = self.statuses.get(word) {
            return *id;
        }
        let id = StatusId(u32::try_from(self.statuses.len()).unwrap_or(u32::MAX));
        self.statuses.insert(word.into(), id);
        id
    }

    /// Returns the statuses that changes leave, by index.
    pub(super) fn statuses(&self) -> HashMap<StatusId, &str> {
        let named = self.statuses.iter().map(|(status, id)| (*id, &**status));
        named.collect()
    }

    pub(super) fn sort(&mut self) {
        // A run of an archive can be in the table still, which counts.
        let by_number = |run: &RunLink<K>| (run.this.sequence, run.digest, !run.is_in_table);
        self.runs.sort_by_cached_key(by_number);
        self.runs
            .dedup_by_key(|run| (run.this.sequence, run.digest));
        self.resources.values_mut().for_each(Resource::sort);
    }

    pub(super) fn verified(&self, account: AccountId) -> AccountVerified {
        let resources = self.resources.values();
        let changes = resources
            .clone()
            .map(|resource| resource.links.len() as u64);
        let snapshots = resources.filter(|resource| resource.snapshot.is_some());
        let numbered = self.runs.iter().map(|run| (run.this.sequence, run.digest));
        AccountVerified {
            account,
            changes: changes.sum(),
            connections: snapshots.count() as u64,
            runs: self.runs.len() as u64,
            not_recorded: self.not_recorded(),
            head: self.runs.last().map(|run| run.digest),
            digests: numbered.collect(),
        }
    }

    /// Returns the runs that only changes name, each with the number of its changes.
    fn not_recorded(&self) -> BTreeMap<RunId, u64> {
        let recorded: HashSet<&RunId> = self.runs.iter().map(|run| &run.this.run_id).collect();
        let only_named = self.run_ids.iter().filter(|id| !recorded.contains(id));
        let mut changes: BTreeMap<RunId, u64> = only_named.map(|id| (id.clone(), 0)).collect();
        if changes.is_empty() {
            return changes;
        }
        for link in self.resources.values().flat_map(|resource| &resource.links) {
            if let Some(number) = changes.get_mut(&link.run_id) {
                *number += 1;
            }
        }
        changes
    }

    /// Returns the run with this number. The runs are sorted.
    pub(super) fn run(&self, sequence: u64) -> Option<&RunLink<K>> {
        let found = self
            .runs
            .binary_search_by_key(&sequence, |run| run.this.sequence);
        found.ok().and_then(|i| self.runs.get(i))
    }
}

impl<K: Kind> RunLink<K> {
    pub(super) fn of(run: RunRecord<K>, digest: Digest, source: Source) -> Self {
        Self {
            is_in_table: source == Source::Table,
            digest,
            this: RunReference::from(&run),
            finished_at: run.finished_at,
            event_id: run.trigger.event_id().map(Into::into),
            covered: run.covered().collect(),
            wrote_all: run.wrote_all(),
            knew_its_changes: run.knew_its_changes(),
            connections: run.connections,
            changes: run.changes,
            unwritten: run.unwritten,
            snapshots: run.snapshots,
            account_sequence: run.account_sequence,
            previous_digest: run.previous_digest,
            format: run.format,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.this.outcome == Outcome::Complete
    }
}

fn edited(corrupt: crate::table::CorruptItem) -> String {
    format!("was edited: {} {}", corrupt.attribute, corrupt.problem)
}

/// Checks that a record is under its own key. It is no part of a chain
/// otherwise.
fn same_key(item: &Item, written: &Item) -> Result<(), String> {
    for name in [keys::PK, keys::SK] {
        if item.get(name) != written.get(name) {
            let belongs = format!("{} {}", text(written, keys::PK), text(written, keys::SK));
            return Err(format!(
                "was edited or inserted: its content belongs to {belongs}"
            ));
        }
    }
    Ok(())
}

/// Checks that an item is what this software writes for its content.
fn as_written(item: &Item, written: &Item) -> Result<(), String> {
    let is_there = |(name, value)| same(Some(value), written.get(name));
    if item.len() == written.len() && item.iter().all(is_there) {
        return Ok(());
    }
    let names: BTreeSet<&String> = item.keys().chain(written.keys()).collect();
    let differing = |name: &&String| !same(item.get(*name), written.get(*name));
    let differs: Vec<&str> = names
        .into_iter()
        .filter(differing)
        .map(String::as_str)
        .collect();
    match differs[..] {
        [] => Ok(()),
        [codec::DIGEST] => Err("was edited: its digest does not match its content".to_owned()),
        [codec::SEAL] => Err("was edited: its seal does not match its content".to_owned()),
        _ => Err(format!(
            "was edited: {} does not match the rest of it",
            differs.join(", ")
        )),
    }
}

/// Compares values; sets have no order.
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
