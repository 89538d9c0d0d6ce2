//! Keys: how each kind of item is named in the table.

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
/// What the partition key of an account's record and snapshots begins with.
const ACCOUNT_PREFIX: &str = "ACCOUNT#";
/// What a snapshot's sort key begins with.
pub const CONNECTION_PREFIX: &str = "CONNECTION#";

/// The partition of an account's record and its snapshots: the only ones
/// that the function's role may update.
pub fn account_pk(account: &AccountId) -> String {
    joined([ACCOUNT_PREFIX, account.as_str()])
}

/// The account whose partition this is, if it is an account's.
pub fn account_in(pk: &str) -> Option<AccountId> {
    pk.strip_prefix(ACCOUNT_PREFIX)?.parse().ok()
}

/// Both at once, without what `format!` does for anything that can be shown: a
/// run makes two such keys for each connection.
fn joined(parts: [&str; 2]) -> String {
    parts.concat()
}

/// A snapshot's sort key.
pub fn snapshot_sk(arn: &ConnectionArn) -> String {
    joined([CONNECTION_PREFIX, arn.as_str()])
}

/// The partition of one connection's changes.
pub fn changes_pk(account: &AccountId, arn: &ConnectionArn) -> String {
    format!("CONNECTION#{account}#{arn}")
}

/// A change's sort key.
pub fn change_sk(version: u32) -> String {
    format!("CHANGE#{version:010}")
}

/// The partition of an account's runs.
pub fn runs_pk(account: &AccountId) -> String {
    format!("RUNS#{account}")
}

/// A run's sort key: its number in the account's chain.
///
/// The number is the key so that a chain can't fork: whatever two runs do at
/// the same time, only one of them can insert the next number.
pub fn run_sk(sequence: u64) -> String {
    format!("RUN#{sequence:012}")
}

/// The partition of the index by status for connections in `status`.
pub fn status_pk(status: Option<&ConnectionStatus>) -> String {
    format!("STATUS#{}", status.map_or("", ConnectionStatus::as_str))
}

/// The sort key in the index by status: the connection longest in its status
/// first. Its id is enough to tell it apart, and keeps the snapshot under the
/// 1,024 bytes of one write unit.
pub fn status_sk(since: Timestamp, arn: &ConnectionArn) -> String {
    format!("{since}#{}", arn.id())
}

/// The partition of the index by time for an account's changes.
pub fn time_pk(account: &AccountId) -> String {
    format!("CHANGES#{account}")
}

/// The sort key in the index by time.
pub fn time_sk(observed_at: Timestamp, arn: &ConnectionArn, version: u32) -> String {
    format!("{observed_at}#{arn}#{version:010}")
}
