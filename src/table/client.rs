//! The handle of the inventory's table: client, name and meter.

use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::name::TableName;
use crate::aws::{CallError, CallErrorKind, Meter};
use crate::domain::{Connection, Kind};

/// The inventory's table, as one run uses it, and as it holds resources of one
/// kind.
#[derive(Debug, Clone)]
pub struct Table<K: Kind = Connection> {
    client: Client,
    name: TableName,
    meter: Arc<Meter>,
    throttled_for: Duration,
    kind: PhantomData<K>,
}

impl Table {
    /// Returns the table `name` with its own meter, as it holds connections.
    pub fn new(client: Client, name: TableName) -> Self {
        Self {
            client,
            name,
            meter: Arc::default(),
            throttled_for: Duration::ZERO,
            kind: PhantomData,
        }
    }
}

impl<K: Kind> Table<K> {
    /// Returns the same table, as it holds resources of another kind.
    pub fn of_kind<L: Kind>(&self) -> Table<L> {
        Table {
            client: self.client.clone(),
            name: self.name.clone(),
            meter: Arc::clone(&self.meter),
            throttled_for: self.throttled_for,
            kind: PhantomData,
        }
    }

    /// Returns the same table, counting with `meter`.
    #[must_use]
    pub fn metered(&self, meter: Arc<Meter>) -> Self {
        Self {
            client: self.client.clone(),
            name: self.name.clone(),
            meter,
            throttled_for: self.throttled_for,
            kind: PhantomData,
        }
    }

    /// Returns the same table, whose throttled reads are retried for this long.
    /// Without it, only the client retries them, a few times.
    #[must_use]
    pub fn retries_throttled(self, throttled_for: Duration) -> Self {
        Self {
            throttled_for,
            ..self
        }
    }

    pub(crate) fn throttled_for(&self) -> Duration {
        self.throttled_for
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
