//! What a verification found, by record.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use crate::domain::{AccountId, Digest, Identifier, RunId};
use crate::table::{StoredKind, keys};

/// How far the clock of a run may be ahead of the verifier's. AWS refuses
/// requests with more skew.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
pub const MAX_CLOCK_SKEW: Duration = Duration::from_mins(15);

/// What was checked of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountVerified {
    /// The account.
    pub account: AccountId,
    /// The number of connections, including deleted ones.
    pub connections: u64,
    /// The number of changes.
    pub changes: u64,
    /// The number of runs.
    pub runs: u64,
    /// The runs that changes name and that are not recorded, each with the number of
    /// its changes. They crashed, are in progress, were archived or made up: the
    /// function's log has the id of each of its runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub not_recorded: BTreeMap<RunId, u64>,
    /// The digest of the last run. It covers the whole history.
    pub head: Option<Digest>,
    /// The number and digest of each run, by number. Each was the head once.
    #[serde(skip)]
    pub digests: Vec<(u64, Digest)>,
}

/// An alteration of a record, as its problem shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Alteration {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
    /// What is wrong.
    pub problem: String,
}

/// The alterations so far.
#[derive(Default)]
pub(super) struct Alterations {
    found: Vec<Alteration>,
    /// The keys of records with an alteration.
    named: HashSet<(String, String)>,
}

impl Alterations {
    pub(super) fn add(&mut self, (pk, sk): (String, String), problem: impl Into<String>) {
        self.named.insert((pk.clone(), sk.clone()));
        let problem = problem.into();
        self.found.push(Alteration { pk, sk, problem });
    }

    /// Returns true if this record has an alteration. It is no evidence about other
    /// records then.
    pub(super) fn names(&self, key: &(String, String)) -> bool {
        self.named.contains(key)
    }

    /// Returns true if a record of this partition has an alteration.
    pub(super) fn names_any_of(&self, pk: &str) -> bool {
        self.found.iter().any(|it| it.pk == pk)
    }

    /// Returns the alterations by key, or only those of one account.
    pub(super) fn into_sorted(mut self, only: Option<&AccountId>) -> Vec<Alteration> {
        if let Some(only) = only {
            let is_of_account = |pk: &str| pk.split('#').nth(1) == Some(only.as_str());
            self.found.retain(|it| is_of_account(&it.pk));
        }
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

pub(super) fn run_key<K: StoredKind>(id: &AccountId, sequence: u64) -> (String, String) {
    (K::KEYS.runs_pk(id), keys::run_sk(sequence))
}

pub(super) fn change_key<K: StoredKind>(
    id: &AccountId,
    arn: &K::Id,
    version: u64,
) -> (String, String) {
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    (
        K::KEYS.changes_pk(id, arn.as_str()),
        keys::change_sk(version),
    )
}

pub(super) fn snapshot_key<K: StoredKind>(id: &AccountId, arn: &K::Id) -> (String, String) {
    (K::KEYS.account_pk(id), K::KEYS.snapshot_sk(arn.as_str()))
}

pub(super) fn account_key<K: StoredKind>(id: &AccountId) -> (String, String) {
    (K::KEYS.account_pk(id), keys::ACCOUNT_SK.to_owned())
}
