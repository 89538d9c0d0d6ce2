//! The evidence for rules: what they need of one account, and its gaps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use crate::audit::dependencies::{DependencyBasis, DependencyRow};
use crate::audit::properties::Properties;
use crate::audit::{Basis, ConnectionRow};
use crate::domain::arn::normalized;
use crate::domain::{
    AccountId, Change, ConnectionArn, Dependency, DependencyId, Region, RunRecord, SourceScope,
    Timestamp,
};
use crate::table::keys;

/// The time to evaluate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Now: connections as in their snapshots.
    Now(Timestamp),
    /// An earlier time: connections as the changes observed by then leave them.
    AsOf(Timestamp),
}

impl Moment {
    /// Returns the time.
    pub fn at(self) -> Timestamp {
        match self {
            Self::Now(at) | Self::AsOf(at) => at,
        }
    }
}

/// The key of a record in the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RecordKey {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
}

impl RecordKey {
    /// The key of a snapshot.
    pub fn snapshot(account: &AccountId, arn: &ConnectionArn) -> Self {
        Self {
            pk: keys::account_pk(account),
            sk: keys::snapshot_sk(arn),
        }
    }

    /// The key of a change.
    pub fn change(account: &AccountId, arn: &ConnectionArn, version: u32) -> Self {
        Self {
            pk: keys::changes_pk(account, arn),
            sk: keys::change_sk(version),
        }
    }

    /// The key of a run.
    pub fn run(account: &AccountId, sequence: u64) -> Self {
        Self {
            pk: keys::runs_pk(account),
            sk: keys::run_sk(sequence),
        }
    }

    /// The key of a change of a dependency.
    pub fn dependency_change(account: &AccountId, id: &DependencyId, version: u32) -> Self {
        Self {
            pk: keys::DEPENDENCIES.changes_pk(account, id.as_str()),
            sk: keys::change_sk(version),
        }
    }

    /// The key of a run of dependencies.
    pub fn dependency_run(account: &AccountId, sequence: u64) -> Self {
        Self {
            pk: keys::DEPENDENCIES.runs_pk(account),
            sk: keys::run_sk(sequence),
        }
    }
}

/// A gap in the evidence of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceGap {
    /// What is missing.
    pub kind: GapKind,
    /// What is missing, in a line.
    pub message: String,
    /// The records that show the gap, or that can't be read.
    pub evidence: Vec<RecordKey>,
}

/// The kinds of gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GapKind {
    /// Everything: no run of the account finished.
    Record,
    /// The basis: runs can't be read.
    Basis,
    /// A complete run: connections may be missing.
    CompleteRun,
    /// The listing of this region.
    Region(Region),
    /// Writes that a run did not complete.
    Writes,
    /// Deletions that a run held back.
    Deletions,
    /// Connections: snapshots or changes can't be read.
    Connections,
    /// Changes: some can't be read.
    Changes,
    /// Runs: some can't be read.
    Runs,
    /// Dependencies: no run of them finished, or some can't be read.
    Dependencies,
    /// The last listing of this source of dependencies.
    Source(SourceScope),
}

/// The dependencies of all accounts, or of those that may concern one account.
#[derive(Debug, Clone, Default)]
pub struct DependencyEvidence {
    /// The dependencies of each account.
    pub accounts: BTreeMap<AccountId, AccountDependencies>,
    /// The connections of all accounts, deleted ones too, by normalized ARN.
    /// Read only if a rule needs them.
    pub connections: HashMap<String, ConnectionRow>,
    /// What `connections` is based on, by account. An account of which a record
    /// can't be read is missing.
    pub inventories: HashMap<AccountId, Basis>,
    /// The normalized ARNs that a consumer of any account names.
    pub used: HashSet<String>,
    /// The normalized ARNs of the hosts of all accounts.
    pub hosts: HashSet<String>,
    /// The tags and shares of connections and hosts of all accounts.
    pub properties: Properties,
}

/// The dependencies of one account.
#[derive(Debug, Clone, Default)]
pub struct AccountDependencies {
    /// The dependencies, by type, name and id.
    pub rows: Vec<DependencyRow>,
    /// The run that they are based on; `None` if it can't be read.
    pub basis: Option<DependencyBasis>,
    /// The changes since the earliest time that a rule needs, oldest first.
    pub changes: Vec<Change<Dependency>>,
    /// The time by which every source had been listed completely once. Read
    /// together with the changes.
    pub begins_at: Option<Timestamp>,
    /// What is missing.
    pub gaps: Vec<EvidenceGap>,
}

/// The evidence of an account that the rules need.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The account.
    pub account: AccountId,
    /// The time to evaluate.
    pub moment: Moment,
    /// The runs that it is based on; `None` if they can't be read.
    pub basis: Option<Basis>,
    /// The connections by ARN, including deleted ones.
    pub connections: Vec<ConnectionRow>,
    /// The changes since the earliest time that a rule needs, oldest first.
    pub changes: HashMap<ConnectionArn, Vec<Change>>,
    /// The runs since the earliest time that a rule needs, without those that did
    /// not write everything.
    pub runs: Vec<RunRecord>,
    /// One of all these runs that received a page.
    pub run_with_page: Option<u64>,
    /// The regions that list each connection now. Read together with the runs.
    pub listed_in: HashMap<ConnectionArn, Vec<Region>>,
    /// The start of the first run that shows absence.
    pub begins_at: Option<Timestamp>,
    /// The dependencies of all accounts, if a rule needs them.
    pub dependencies: Option<Arc<DependencyEvidence>>,
    /// The gaps.
    pub gaps: Vec<EvidenceGap>,
}

impl Evidence {
    /// Returns the keys of the records that show a connection at that time.
    pub fn keys_of(&self, row: &ConnectionRow) -> Vec<RecordKey> {
        let change = RecordKey::change(&self.account, &row.connection_arn, row.version);
        match self.moment {
            Moment::Now(_) => vec![
                RecordKey::snapshot(&self.account, &row.connection_arn),
                change,
            ],
            Moment::AsOf(_) => vec![change],
        }
    }

    /// Returns the keys of the records that show a dependency at that time.
    pub fn keys_of_dependency(&self, row: &DependencyRow) -> Vec<RecordKey> {
        let keys = &keys::DEPENDENCIES;
        let change = RecordKey::dependency_change(&self.account, &row.id, row.version);
        match self.moment {
            Moment::Now(_) => vec![
                RecordKey {
                    pk: keys.account_pk(&self.account),
                    sk: keys.snapshot_sk(row.id.as_str()),
                },
                change,
            ],
            Moment::AsOf(_) => vec![change],
        }
    }

    /// Returns the dependencies of the account, if a rule needs them.
    pub fn own_dependencies(&self) -> Option<&AccountDependencies> {
        self.dependencies.as_deref()?.of(&self.account)
    }

    /// Returns the key of the last run that the answer is based on.
    pub fn last_run_key(&self) -> Option<RecordKey> {
        let last = self.basis.as_ref()?.last_run.as_ref()?;
        Some(RecordKey::run(&self.account, last.sequence))
    }

    /// Returns the connection with this ARN.
    pub fn connection(&self, arn: &ConnectionArn) -> Option<&ConnectionRow> {
        let found = self
            .connections
            .binary_search_by(|row| row.connection_arn.cmp(arn));
        found.ok().and_then(|at| self.connections.get(at))
    }

    /// Returns the changes of a connection that were read.
    pub fn changes_of(&self, row: &ConnectionRow) -> &[Change] {
        let changes = self.changes.get(&row.connection_arn);
        changes.map_or(&[], Vec::as_slice)
    }

    /// Returns true if the runs that the evidence is based on listed this region.
    pub fn was_listed(&self, region: &Region) -> bool {
        let basis = self.basis.as_ref();
        let runs = basis.map(|basis| [&basis.last_run, &basis.last_complete_run]);
        let mut runs = runs.into_iter().flatten().flatten();
        runs.any(|run| run.regions.contains(region))
    }

    /// Returns true if the last listing of this region is not complete.
    pub fn not_observed(&self, region: &Region) -> bool {
        let basis = self.basis.as_ref();
        let mut regions = basis.into_iter().flat_map(|basis| &basis.not_observed);
        regions.any(|missing| missing.region == *region)
    }
}

impl DependencyEvidence {
    /// Returns the dependencies of an account.
    pub fn of(&self, account: &AccountId) -> Option<&AccountDependencies> {
        self.accounts.get(account)
    }

    /// Returns the connection that a consumer names, in any account.
    pub fn connection_used_by(&self, row: &DependencyRow) -> Option<&ConnectionRow> {
        self.connections.get(&normalized(row.uses.as_deref()?))
    }

    /// Returns true if a consumer of any account names this connection.
    pub(crate) fn is_used(&self, row: &ConnectionRow) -> bool {
        let arn = normalized(row.connection_arn.as_str());
        self.used.contains(&arn)
    }

    /// Returns true if a host with this ARN is on record, in any account.
    pub(crate) fn has_host(&self, arn: &str) -> bool {
        self.hosts.contains(&normalized(arn))
    }
}

impl AccountDependencies {
    /// Returns true if the last run of dependencies asked this region.
    pub(crate) fn was_asked(&self, region: &Region) -> bool {
        let sources = self.basis.iter().flat_map(|basis| &basis.sources);
        sources
            .clone()
            .any(|source| source.region == region.as_str())
    }
}
