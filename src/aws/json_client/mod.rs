//! Calls of AWS services that speak JSON, without an SDK crate for each.
//!
//! A dependency can stand in a dozen services, of which each has one or two
//! operations that matter here. Their crates would add minutes to a build and
//! megabytes to a function, and drop every member that they do not model. So
//! requests and responses are JSON values, and all the rest is the SDK's: its
//! orchestrator with signing, credentials, time-outs, retries and HTTP client.

mod protocol;
mod service;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::Value;

use crate::aws::error::CallError;
use crate::aws::meter::Meter;
use crate::aws::service_call::{ServiceCall, SigningOptions};
use crate::domain::Region;
use protocol::{parse, request};

#[cfg(feature = "compliance")]
pub(super) use protocol::percent_encoded;
pub use service::{Operation, Service};

/// Calls services with one account's credentials.
#[derive(Debug, Clone, Copy)]
pub struct JsonClient<'a> {
    /// Credentials, endpoints and the HTTP client.
    pub config: &'a SdkConfig,
    /// Counts the requests.
    pub meter: &'a Meter,
}

impl JsonClient<'_> {
    /// Calls an operation in a region and returns its response.
    ///
    /// # Errors
    /// The [`CallError`] that the call ended in, after the SDK's own retries.
    pub async fn call(
        &self,
        operation: Operation,
        region: &Region,
        input: &Value,
    ) -> Result<Value, CallError> {
        let call = ServiceCall {
            config: self.config,
            meter: self.meter,
            service: operation.service,
            name: operation.name(),
            region,
            signing: SigningOptions::default(),
        };
        let call = call
            .builder()
            .serializer(move |input: Value| request(operation, input))
            .deserializer(|response: &HttpResponse| parse(response))
            .build();
        call.invoke(input.clone())
            .await
            .map_err(|error| CallError::from(&error))
    }
}
