//! The evidence for rules: what they need of one account, and its gaps.

use std::collections::HashMap;

use serde::Serialize;

use crate::audit::{Basis, ConnectionRow};
use crate::domain::{AccountId, Change, ConnectionArn, Region, RunRecord, Timestamp};
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
