//! What rules are judged by: everything that they need of one account, and
//! what of it is missing.

use std::collections::HashMap;

use serde::Serialize;

use crate::audit::{Basis, ConnectionRow};
use crate::domain::{AccountId, Change, ConnectionArn, Region, RunRecord, Timestamp};
use crate::table::keys;

/// The time that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is now: connections are as their snapshots say.
    Now(Timestamp),
    /// Connections are as the changes recorded by then leave them.
    AsOf(Timestamp),
}

impl Moment {
    /// The time.
    pub fn at(self) -> Timestamp {
        match self {
            Self::Now(at) | Self::AsOf(at) => at,
        }
    }
}

/// The key of a record that shows something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RecordKey {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
}

impl RecordKey {
    /// A snapshot's.
    pub fn snapshot(account: &AccountId, arn: &ConnectionArn) -> Self {
        Self {
            pk: keys::account_pk(account),
            sk: keys::snapshot_sk(arn),
        }
    }

    /// A change's.
    pub fn change(account: &AccountId, arn: &ConnectionArn, version: u32) -> Self {
        Self {
            pk: keys::changes_pk(account, arn),
            sk: keys::change_sk(version),
        }
    }

    /// A run's.
    pub fn run(account: &AccountId, sequence: u64) -> Self {
        Self {
            pk: keys::runs_pk(account),
            sk: keys::run_sk(sequence),
        }
    }
}

/// Something that is not known of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceGap {
    /// What it is.
    pub what: GapKind,
    /// What it is, in a line.
    pub message: String,
    /// The records that show that, or that can't be read.
    pub evidence: Vec<RecordKey>,
}

/// What may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GapKind {
    /// Everything: no run of the account had ended.
    Record,
    /// What the answer rests on: the runs can't be read.
    Basis,
    /// A complete run: what is not listed may be there.
    CompleteRun,
    /// What this region lists.
    Region(Region),
    /// What a run had still to write.
    Writes,
    /// Deletions that a run held back.
    Deletions,
    /// Connections that can't be read.
    Connections,
    /// Changes that can't be read.
    Changes,
    /// Runs that can't be read.
    Runs,
}

/// What is known of an account, as far as the rules need it.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The account.
    pub account: AccountId,
    /// The time that is judged.
    pub moment: Moment,
    /// What it rests on. None if that can't be read.
    pub basis: Option<Basis>,
    /// Its connections, those that are gone too, by ARN.
    pub connections: Vec<ConnectionRow>,
    /// Their changes since the longest span of a rule that is about changes,
    /// each connection's first one first.
    pub changes: HashMap<ConnectionArn, Vec<Change>>,
    /// Its runs in the longest span of a rule that needs them, but those that
    /// did not write all that they saw.
    pub runs: Vec<RunRecord>,
    /// A run in that span that received a page, if there is one.
    pub saw_something: Option<u64>,
    /// The regions that list each connection now. Only with runs.
    pub listed_in: HashMap<ConnectionArn, Vec<Region>>,
    /// When its first run began that shows what was not there.
    pub begins_at: Option<Timestamp>,
    /// What is not known.
    pub missing: Vec<EvidenceGap>,
}

impl Evidence {
    /// The records that show a connection as it is judged.
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

    /// Returns the key of the last run that the answer is based on.
    pub fn last_run_key(&self) -> Option<RecordKey> {
        let last = self.basis.as_ref()?.last_run.as_ref()?;
        Some(RecordKey::run(&self.account, last.sequence))
    }

    /// The connection with this ARN.
    pub fn connection(&self, arn: &ConnectionArn) -> Option<&ConnectionRow> {
        let found = self
            .connections
            .binary_search_by(|row| row.connection_arn.cmp(arn));
        found.ok().and_then(|at| self.connections.get(at))
    }

    /// A connection's changes, as far as they were needed.
    pub fn changes_of(&self, row: &ConnectionRow) -> &[Change] {
        let changes = self.changes.get(&row.connection_arn);
        changes.map_or(&[], Vec::as_slice)
    }

    /// Whether the runs that the answer rests on asked this region.
    pub fn asked(&self, region: &Region) -> bool {
        let basis = self.basis.as_ref();
        let runs = basis.map(|basis| [&basis.last_run, &basis.last_complete_run]);
        let mut runs = runs.into_iter().flatten().flatten();
        runs.any(|run| run.regions.contains(region))
    }

    /// Whether this region was asked and did not answer to the end.
    pub fn not_observed(&self, region: &Region) -> bool {
        let basis = self.basis.as_ref();
        let mut regions = basis.into_iter().flat_map(|basis| &basis.not_observed);
        regions.any(|missing| missing.region == *region)
    }
}
