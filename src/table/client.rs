//! The handle of the inventory's table: client, name and meter.

use std::error::Error;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::name::TableName;
use crate::aws::{CallError, CallErrorKind, Meter};

/// The inventory's table, as one run uses it.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: TableName,
    meter: Arc<Meter>,
}

impl Table {
    /// The table `name`, with a meter of its own.
    pub fn new(client: Client, name: TableName) -> Self {
        Self {
            client,
            name,
            meter: Arc::default(),
        }
    }

    /// The same table, counting with `meter`.
    #[must_use]
    pub fn metered(&self, meter: Arc<Meter>) -> Self {
        Self {
            client: self.client.clone(),
            name: self.name.clone(),
            meter,
        }
    }

    /// The table's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The client that it is reached with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What a failed request means. What is not found can only be the table.
    pub(crate) fn call_error<E>(&self, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut call_error = CallError::from(error);
        if call_error.kind == CallErrorKind::NotFound {
            let told = &call_error.message;
            call_error.message = format!("no table {} here ({told})", self.name).into();
        }
        call_error
    }
}
