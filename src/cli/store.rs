//! Opening the inventory that a command is about.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;

use super::CliError;
use super::args::StoreArgs;
use crate::aws::clients;
use crate::local::EmbeddedTable;
use crate::local::embedded::{EmbeddedError, Open};
use crate::table::Table;

/// An open inventory.
pub(super) struct Store {
    table: Table,
    /// What serves the table, as long as it is used.
    _embedded: Option<EmbeddedTable>,
}

impl Store {
    /// Opens what `args` name, to read it.
    pub(super) async fn open(args: &StoreArgs) -> Result<Self, CliError> {
        match &args.table {
            Some(_) => Self::open_with(args, Open::Existing, &clients::load().await).await,
            None => Self::file(args, Open::Existing).await,
        }
    }

    /// Opens what `args` name, with `config` if it is on AWS.
    pub(super) async fn open_with(
        args: &StoreArgs,
        open: Open,
        config: &SdkConfig,
    ) -> Result<Self, CliError> {
        let Some(name) = &args.table else {
            return Self::file(args, open).await;
        };
        if config.region().is_none() {
            return Err(CliError::Usage(
                "no AWS region is set; set AWS_REGION, or a profile that has one".to_owned(),
            ));
        }
        Ok(Self {
            table: Table::new(Client::new(config), name.clone()),
            _embedded: None,
        })
    }

    async fn file(args: &StoreArgs, open: Open) -> Result<Self, CliError> {
        let embedded =
            EmbeddedTable::in_file(&args.db, open)
                .await
                .map_err(|error| match error {
                    EmbeddedError::Missing(_)
                    | EmbeddedError::File { .. }
                    | EmbeddedError::NotADatabase { .. } => {
                        CliError::Usage(crate::aws::fault::chain(&error))
                    }
                    EmbeddedError::Serve(_) | EmbeddedError::Table(_) => CliError::failure(error),
                })?;
        Ok(Self {
            table: embedded.table().clone(),
            _embedded: Some(embedded),
        })
    }

    /// The table.
    pub(super) fn table(&self) -> &Table {
        &self.table
    }
}
