//! What a verification found, and with which records.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use crate::domain::{AccountId, ConnectionArn, Digest};
use crate::table::keys;

/// By how much the clock of a run may be ahead of the one that verifies. AWS
/// takes no request whose clock is off by more.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
pub const CLOCKS_DIFFER_BY: Duration = Duration::from_mins(15);

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

/// What is wrong so far, and with which records.
#[derive(Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    /// The keys of what is found already.
    named: HashSet<(String, String)>,
}

impl Findings {
    pub(super) fn add(&mut self, (pk, sk): (String, String), problem: impl Into<String>) {
        self.named.insert((pk.clone(), sk.clone()));
        let problem = problem.into();
        self.found.push(Finding { pk, sk, problem });
    }

    /// Whether something is wrong with this record already. What does not fit
    /// it then says nothing of others.
    pub(super) fn names(&self, key: &(String, String)) -> bool {
        self.named.contains(key)
    }

    /// Whether something is wrong with a record of this partition.
    pub(super) fn names_any_of(&self, pk: &str) -> bool {
        self.found.iter().any(|finding| finding.pk == pk)
    }

    pub(super) fn into_sorted(mut self, only: Option<&AccountId>) -> Vec<Finding> {
        let of = |pk: &str| pk.split('#').nth(1).map(str::to_owned);
        let wanted = only.map(ToString::to_string);
        self.found
            .retain(|finding| wanted.is_none() || of(&finding.pk) == wanted);
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

pub(super) fn run_key(id: &AccountId, sequence: u64) -> (String, String) {
    (keys::runs_pk(id), keys::run_sk(sequence))
}

pub(super) fn change_key(id: &AccountId, arn: &ConnectionArn, version: u64) -> (String, String) {
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    (keys::changes_pk(id, arn), keys::change_sk(version))
}

pub(super) fn snapshot_key(id: &AccountId, arn: &ConnectionArn) -> (String, String) {
    (keys::account_pk(id), keys::snapshot_sk(arn))
}

pub(super) fn account_key(id: &AccountId) -> (String, String) {
    (keys::account_pk(id), keys::ACCOUNT_SK.to_owned())
}
