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
    /// Returns the table `name` with its own meter.
    pub fn new(client: Client, name: TableName) -> Self {
        Self {
            client,
            name,
            meter: Arc::default(),
        }
    }

    /// Returns the same table, counting with `meter`.
    #[must_use]
    pub fn metered(&self, meter: Arc<Meter>) -> Self {
        Self {
            client: self.client.clone(),
            name: self.name.clone(),
            meter,
        }
    }

    /// Returns the table's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Returns the client that reaches it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the meaning of a failed request. Only the table itself can be
    /// not found.
    pub(crate) fn call_error<E>(&self, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut call_error = CallError::from(error);
        if call_error.kind == CallErrorKind::NotFound {
            let message = &call_error.message;
            call_error.message = format!("no table {} here ({message})", self.name).into();
        }
        call_error
    }
}
