//! Keys: the name of each kind of item in the table.

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
/// The partition of the index by status that names every account.
pub const ACCOUNTS: &str = "ACCOUNTS";
/// The prefix of the partition key of an account's record and snapshots.
const ACCOUNT_PREFIX: &str = "ACCOUNT#";
/// The prefix of a snapshot's sort key.
pub const CONNECTION_PREFIX: &str = "CONNECTION#";

/// Returns the partition of an account's record and its snapshots: the only
/// partitions that the function's role may update.
pub fn account_pk(account: &AccountId) -> String {
    joined([ACCOUNT_PREFIX, account.as_str()])
}

/// Returns the account of an account's partition.
pub fn account_in(pk: &str) -> Option<AccountId> {
    pk.strip_prefix(ACCOUNT_PREFIX)?.parse().ok()
}

/// Joins two texts without `format!`: a run makes two such keys for each
/// connection.
fn joined(parts: [&str; 2]) -> String {
    parts.concat()
}

/// Returns a snapshot's sort key.
pub fn snapshot_sk(arn: &ConnectionArn) -> String {
    joined([CONNECTION_PREFIX, arn.as_str()])
}

/// Returns the partition of one connection's changes.
pub fn changes_pk(account: &AccountId, arn: &ConnectionArn) -> String {
    format!("CONNECTION#{account}#{arn}")
}

/// Returns a change's sort key.
pub fn change_sk(version: u32) -> String {
    format!("CHANGE#{version:010}")
}

/// Returns the partition of an account's runs.
pub fn runs_pk(account: &AccountId) -> String {
    format!("RUNS#{account}")
}

/// Returns a run's sort key: its number in the account's chain.
///
/// The number is the key so that a chain can't fork: of two runs at the same
/// time, only one can insert the next number.
pub fn run_sk(sequence: u64) -> String {
    format!("RUN#{sequence:012}")
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

/// Returns the partition of the index by time for an account's changes.
pub fn time_pk(account: &AccountId) -> String {
    format!("CHANGES#{account}")
}

/// Returns the sort key in the index by time.
pub fn time_sk(observed_at: Timestamp, arn: &ConnectionArn, version: u32) -> String {
    format!("{observed_at}#{arn}#{version:010}")
}
