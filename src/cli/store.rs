//! Opens the inventory that a command reads or writes.

use std::path::Path;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;

use super::args::StoreArgs;
use super::aws;
use super::error::{CliError, say};
use super::progress;
use crate::audit::Audit;
use crate::aws::error::chain;
use crate::local::EmbeddedError;
use crate::local::EmbeddedTable;
use crate::local::embedded::Open;
use crate::table::Table;

/// How long a throttled read is retried. An audit of many accounts can be more than
/// double the traffic that an on-demand table had before, which is throttled at first.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>
const THROTTLED_FOR: Duration = Duration::from_mins(5);

/// An open inventory.
pub(crate) struct Store {
    table: Table,
    /// Serves the table until it is dropped.
    embedded: Option<EmbeddedTable>,
}

impl Store {
    /// Opens the inventory to read it.
    pub(crate) async fn open(args: &StoreArgs) -> Result<Self, CliError> {
        match &args.table {
            Some(_) => {
                let config = aws::config(&args.aws).await?;
                let store = Self::open_with(args, Open::Existing, &config).await?;
                Ok(Self {
                    table: store.table.retries_throttled(THROTTLED_FOR),
                    ..store
                })
            }
            None => {
                args.aws.check_unused()?;
                Self::file(args, Open::Existing).await
            }
        }
    }

    /// Opens the inventory; `config` is for a table on AWS.
    pub(crate) async fn open_with(
        args: &StoreArgs,
        open: Open,
        config: &SdkConfig,
    ) -> Result<Self, CliError> {
        let Some(name) = &args.table else {
            return Self::file(args, open).await;
        };
        Self::check_region(args, config)?;
        aws::credentials(config).await?;
        Ok(Self {
            table: Table::new(Client::new(config), name.clone()),
            embedded: None,
        })
    }

    /// Refuses a table on AWS without a region.
    pub(crate) fn check_region(args: &StoreArgs, config: &SdkConfig) -> Result<(), CliError> {
        if args.table.is_none() || aws::region(config)?.is_some() {
            return Ok(());
        }
        Err(CliError::Usage(
            "--table: no AWS region is set; use --region, set AWS_REGION, or use a profile with a \
             region"
                .to_owned(),
        ))
    }

    async fn file(args: &StoreArgs, open: Open) -> Result<Self, CliError> {
        let embedded = open_file(&args.db, open).await?;
        Ok(Self {
            table: embedded.table().clone(),
            embedded: Some(embedded),
        })
    }

    /// Waits until what was written outlasts a power failure.
    ///
    /// # Errors
    /// [`CliError`] if that fails.
    pub(crate) fn settle(&self) -> Result<(), CliError> {
        match &self.embedded {
            Some(embedded) => embedded.settle().map_err(CliError::failure),
            None => Ok(()),
        }
    }

    /// Returns the queries on the table. They show their progress.
    pub(crate) fn audit(&self) -> Audit {
        Audit::new(self.table.clone()).observed_by(progress::reads())
    }

    /// The table.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}

/// Opens a database file. A missing or foreign file is wrong usage.
pub(crate) async fn open_file(path: &Path, open: Open) -> Result<EmbeddedTable, CliError> {
    let opened = EmbeddedTable::in_file(path, open).await;
    let embedded = opened.map_err(|error| match error {
        EmbeddedError::Missing(_)
        | EmbeddedError::File { .. }
        | EmbeddedError::NotADatabase { .. } => CliError::Usage(chain(&error)),
        EmbeddedError::Serve(_) | EmbeddedError::Sync { .. } | EmbeddedError::Table(_) => {
            CliError::failure(error)
        }
    })?;
    if let Some(warning) = warning(path) {
        say(&warning);
    }
    Ok(embedded)
}

/// Returns a warning about a file that other users can read or write. Its mode
/// is not changed: it may be shared on purpose.
#[cfg(unix)]
fn warning(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    let others = match mode & 0o077 {
        0 => return None,
        others if others & 0o022 != 0 => "write",
        _ => "read",
    };
    let path = path.display();
    Some(format!(
        "warning: others can {others} {path} (mode {mode:04o}); chmod 600 {path} keeps it to you"
    ))
}

#[cfg(not(unix))]
fn warning(_: &Path) -> Option<String> {
    None
}
