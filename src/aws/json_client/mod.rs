//! Calls of AWS services that speak JSON, without an SDK crate for each.
//!
//! A dependency can stand in a dozen services, of which each has one or two
//! operations that matter here. Their crates would add minutes to a build and
//! megabytes to a function, and drop every member that they do not model. So
//! requests and responses are JSON values, and all the rest is the SDK's: its
//! orchestrator with signing, credentials, time-outs, retries and HTTP client.

mod protocol;
mod service;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use serde_json::Value;
use tokio::time::Instant;

use crate::aws::error::{CallError, CallErrorKind};
use crate::aws::meter::Meter;
use crate::aws::retry::{AttemptError, FailedCall, Retries, RunPart};
use crate::aws::retry_policy::RetryPolicy;
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

/// How long a throttled call is made again.
const THROTTLED_FOR: Duration = Duration::from_mins(1);

/// A call that failed.
pub(crate) struct FailedJsonCall {
    pub(crate) operation: &'static str,
    pub(crate) subject: String,
    pub(crate) call_error: CallError,
}

impl AttemptError for FailedJsonCall {
    fn failed_call(&self) -> Option<FailedCall<'_>> {
        Some(FailedCall {
            operation: self.operation,
            subject: &self.subject,
            call_error: &self.call_error,
        })
    }
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

    /// Same as [`call`](Self::call), again for a minute while the service throttles it.
    /// Most services do so with status 400, which the SDK does not retry here.
    ///
    /// # Errors
    /// The [`CallError`] that the last call ended in.
    pub async fn call_retrying_throttles(
        &self,
        operation: Operation,
        region: &Region,
        input: &Value,
    ) -> Result<Value, CallError> {
        let retries = Retries {
            policy: RetryPolicy::default(),
            until: Instant::now() + THROTTLED_FOR,
            part: RunPart::Listing,
            meter: self.meter,
        };
        let mut attempts = retries.attempts();
        loop {
            let call_error = match self.call(operation, region, input).await {
                Err(error) if error.kind == CallErrorKind::Throttled => error,
                ended => return ended,
            };
            let failed = FailedJsonCall {
                operation: operation.name(),
                subject: region.to_string(),
                call_error,
            };
            let wait = attempts.wait_after(failed).await;
            wait.map_err(|given_up| given_up.error.call_error.after(given_up.attempts))?;
        }
    }
}
