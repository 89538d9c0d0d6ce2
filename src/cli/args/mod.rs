//! Arguments that several commands share, and the parsers of their values.

pub(crate) mod checkpoints;
pub(crate) mod rules;
pub(crate) mod time;

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::aws::AwsArgs;
use super::suggestions;
pub(crate) use crate::compliance::parameters::parse_provider;
use crate::domain::{
    ChangeKind, Clock, ConnectionArn, ConnectionStatus, Region, SystemClock, Timestamp, duration,
};
use crate::lambda::config::parse_regions;
use crate::table::name::TableName;

/// Selects the inventory to read or write.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct StoreArgs {
    /// Use this local database file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_DB)]
    pub(crate) db: PathBuf,
    /// Use this DynamoDB table instead, with your AWS credentials
    #[arg(long, value_name = "NAME", conflicts_with = "db")]
    pub(crate) table: Option<TableName>,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// The default of `--db`.
const DEFAULT_DB: &str = "codeconnections-inventory.db";

impl StoreArgs {
    /// Returns the options that select the same inventory again. The options of
    /// AWS are for a table.
    pub(crate) fn given(&self) -> Vec<(&'static str, String)> {
        let Some(table) = &self.table else {
            let db = self.db.display().to_string();
            return match db == DEFAULT_DB {
                true => Vec::new(),
                false => vec![("--db", db)],
            };
        };
        let aws = self.aws.given().into_iter();
        std::iter::once(("--table", table.to_string()))
            .chain(aws.map(|(option, value)| (option, value.to_owned())))
            .collect()
    }
}

/// A comma-separated list of regions.
#[derive(Debug, Clone)]
pub(crate) struct RegionList(pub(crate) Vec<Region>);

impl RegionList {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse_regions(text).map(Self)
    }
}

/// Parses an ARN or a name. Text that starts with `arn:` must be a valid ARN: a
/// mistyped one must not be looked up as a name.
pub(crate) fn parse_connection(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("empty; expected a connection's ARN or name".to_owned());
    }
    if text.starts_with("arn:") {
        let arn: Result<ConnectionArn, _> = text.parse();
        arn.map_err(|malformed| malformed.to_string())?;
    }
    Ok(text.to_owned())
}

/// Parses a time, in UTC.
pub(crate) fn parse_when(text: &str) -> Result<Timestamp, String> {
    time::parse(text, SystemClock.now())
}

/// Parses a duration longer than zero, in milliseconds.
pub(crate) fn parse_every(text: &str) -> Result<i64, String> {
    duration::parse_millis(text)
        .filter(|every| *every > 0)
        .ok_or_else(|| format!("{text:?} is not a duration such as 1h, 15m or 1d"))
}

/// The help of an option that filters by kind of change.
pub(crate) fn kind_help() -> String {
    let kinds = ChangeKind::ALL.map(ChangeKind::as_str);
    format!("Filter by kind: {}", kinds.join(", "))
}

/// Parses a kind of change in any case, with `_` or `-`.
pub(crate) fn parse_kind(text: &str) -> Result<ChangeKind, String> {
    let word = text.to_ascii_uppercase().replace('-', "_");
    word.parse().map_err(|_| {
        let kinds = ChangeKind::ALL.map(ChangeKind::as_str);
        let hint = suggestions::hint_of(&word, &kinds);
        format!("{text:?} is not one of {}{hint}", kinds.join(", "))
    })
}

/// Parses a status in any case, also one that this version does not know.
pub(crate) fn parse_status(text: &str) -> Result<ConnectionStatus, String> {
    let status = ConnectionStatus::from(text.to_ascii_uppercase().as_str());
    if text.is_empty() {
        return Err("empty; expected a status such as PENDING".to_owned());
    }
    Ok(status)
}
