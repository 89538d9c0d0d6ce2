//! Keys: the name of each kind of item in the table.

use std::fmt::Display;

use crate::domain::{AccountId, ConnectionArn, ConnectionStatus, Timestamp};

/// Partition key of the table.
pub const PK: &str = "pk";
/// Sort key of the table.
pub const SK: &str = "sk";
/// Partition key of the index by status.
pub const STATUS_PK: &str = "status_pk";
/// Sort key of the index by status.
pub const STATUS_SK: &str = "status_sk";
/// Partition key of the index by time.
pub const TIME_PK: &str = "time_pk";
/// Sort key of the index by time.
pub const TIME_SK: &str = "time_sk";

/// The sort key of an account's record. It sorts before the snapshots, so
/// that one query reads both, the record first.
pub const ACCOUNT_SK: &str = "ACCOUNT";

/// The names of the items of one kind of resource. Each kind has partitions of
/// its own, so that a function's role is limited to its kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// The prefix of the partition of an account's record and snapshots.
    account: &'static str,
    /// The prefix of a snapshot's sort key, and of the partition of changes.
    resource: &'static str,
    /// The prefix of the partition of an account's runs.
    runs: &'static str,
    /// The prefix of the partition of an account's changes in the index by time.
    time: &'static str,
    /// The partition of the index by status that names every account.
    accounts: &'static str,
}

/// The names of the items of connections.
pub const CONNECTIONS: Keys = Keys {
    account: "ACCOUNT#",
    resource: "CONNECTION#",
    runs: "RUNS#",
    time: "CHANGES#",
    accounts: "ACCOUNTS",
};

/// The names of the items of dependencies.
pub const DEPENDENCIES: Keys = Keys {
    account: "DEPENDENCIES#",
    resource: "DEPENDENCY#",
    runs: "DEPENDENCY_RUNS#",
    time: "DEPENDENCY_CHANGES#",
    accounts: "DEPENDENCY_ACCOUNTS",
};

/// The names of the items of findings.
pub const FINDINGS: Keys = Keys {
    account: "FINDINGS#",
    resource: "FINDING#",
    runs: "FINDING_RUNS#",
    time: "FINDING_CHANGES#",
    accounts: "FINDING_ACCOUNTS",
};

impl Keys {
    /// Returns the partition of an account's record and its snapshots: the only
    /// partitions that the function's role may update.
    pub fn account_pk(&self, account: &AccountId) -> String {
        joined([self.account, account.as_str()])
    }

    /// Returns the account of an account's partition.
    pub fn account_in(&self, pk: &str) -> Option<AccountId> {
        pk.strip_prefix(self.account)?.parse().ok()
    }

    /// Returns a snapshot's sort key.
    pub fn snapshot_sk(&self, id: &str) -> String {
        joined([self.resource, id])
    }

    /// Returns the id of the resource of a snapshot's sort key.
    pub fn id_in<'a>(&self, sk: &'a str) -> Option<&'a str> {
        sk.strip_prefix(self.resource)
    }

    /// Returns the prefix of the sort key of every snapshot.
    pub fn snapshot_prefix(&self) -> &'static str {
        self.resource
    }

    /// Returns the partition of one resource's changes.
    pub fn changes_pk(&self, account: &AccountId, id: &str) -> String {
        format!("{}{account}#{id}", self.resource)
    }

    /// Returns the partition of an account's runs.
    pub fn runs_pk(&self, account: &AccountId) -> String {
        joined([self.runs, account.as_str()])
    }

    /// Returns the partition in the index by time for an account's changes.
    pub fn time_pk(&self, account: &AccountId) -> String {
        joined([self.time, account.as_str()])
    }

    /// Returns the partition of the index by status that names every account.
    pub fn accounts_pk(&self) -> &'static str {
        self.accounts
    }

    /// Returns the type of the record in this partition; `None` if it is of
    /// another kind of resource.
    pub fn partition_of(&self, pk: &str) -> Option<Partition> {
        let partitions = [
            (self.runs, Partition::Runs),
            (self.resource, Partition::Changes),
            (self.account, Partition::Account),
        ];
        let found = partitions
            .into_iter()
            .find(|(prefix, _)| pk.starts_with(prefix));
        found.map(|(_, partition)| partition)
    }
}

/// What a partition of the table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// An account's record and its snapshots.
    Account,
    /// The changes of one resource.
    Changes,
    /// The runs of an account.
    Runs,
}

/// Joins two texts without `format!`: a run makes two such keys for each
/// connection.
fn joined(parts: [&str; 2]) -> String {
    parts.concat()
}

/// Returns the partition of an account's record and its connections.
pub fn account_pk(account: &AccountId) -> String {
    CONNECTIONS.account_pk(account)
}

/// Returns the sort key of a connection's snapshot.
pub fn snapshot_sk(arn: &ConnectionArn) -> String {
    CONNECTIONS.snapshot_sk(arn.as_str())
}

/// Returns the partition of one connection's changes.
pub fn changes_pk(account: &AccountId, arn: &ConnectionArn) -> String {
    CONNECTIONS.changes_pk(account, arn.as_str())
}

/// Returns the partition of an account's runs.
pub fn runs_pk(account: &AccountId) -> String {
    CONNECTIONS.runs_pk(account)
}

/// Returns a change's sort key.
pub fn change_sk(version: u32) -> String {
    format!("CHANGE#{version:010}")
}

/// Returns a run's sort key: its number in the account's chain.
///
/// The number is the key so that a chain can't fork: of two runs at the same
/// time, only one can insert the next number.
pub fn run_sk(sequence: u64) -> String {
    format!("RUN#{sequence:012}")
}

/// Returns a key after this one, and before the key of each run that sorts after it. It
/// is short enough for a condition, whatever this one is.
pub fn after_run_sk(sk: &str) -> String {
    let length = run_sk(0).len();
    match sk.chars().count() > length {
        // No run's key is longer, or has these characters at its beginning.
        true => sk.chars().take(length).chain([char::MAX]).collect(),
        false => sk.to_owned() + "\0",
    }
}

/// Returns the partition of the index by status for connections in `status`.
pub fn status_pk(status: Option<&ConnectionStatus>) -> String {
    format!("STATUS#{}", status.map_or("", ConnectionStatus::as_str))
}

/// Returns the sort key in the index by status: the connection longest in its
/// status first. The connection's id is unique enough, and keeps the snapshot
/// within the 1,024 bytes of one write unit.
pub fn status_sk(since: Timestamp, arn: &ConnectionArn) -> String {
    format!("{since}#{}", arn.id())
}

/// Returns the partition of the index by status for what uses this connection
/// or host.
pub fn uses_pk(arn: &str) -> String {
    joined(["USES#", arn])
}

/// Returns the sort key in the index by time.
pub fn time_sk(observed_at: Timestamp, id: &impl Display, version: u32) -> String {
    format!("{observed_at}#{id}#{version:010}")
}
