//! Reading the responses of an operation without the SDK's reader.

use std::fmt::{self, Debug};
use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, Error, Output,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer};

/// Reads a response: the body of a successful one, or `None` for an error. If
/// it returns `None`, the SDK reads the response.
type Read = dyn Fn(Option<&[u8]>) -> Option<Output> + Send + Sync;

/// Has the responses of one operation read by a function, and what that can't
/// read by the SDK.
#[derive(Clone)]
pub(crate) struct ReadWith {
    /// Makes the operation's own configuration, which holds the SDK's reader.
    operation: fn() -> Option<FrozenLayer>,
    read: Arc<Read>,
}

impl ReadWith {
    /// `operation` gives the operation's own configuration.
    pub(crate) fn new(
        operation: fn() -> Option<FrozenLayer>,
        read: impl Fn(Option<&[u8]>) -> Option<Output> + Send + Sync + 'static,
    ) -> Self {
        Self {
            operation,
            read: Arc::new(read),
        }
    }
}

impl Debug for ReadWith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadWith")
    }
}

impl Intercept for ReadWith {
    fn name(&self) -> &'static str {
        "ReadWith"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(of_sdk) = (self.operation)()
            && of_sdk.load::<SharedResponseDeserializer>().is_some()
        {
            let read = Arc::clone(&self.read);
            let reader = SharedResponseDeserializer::new(Reader { read, of_sdk });
            config.interceptor_state().store_put(reader);
        }
        Ok(())
    }
}

struct Reader {
    read: Arc<Read>,
    of_sdk: FrozenLayer,
}

impl Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl DeserializeResponse for Reader {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        config: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let is_answer = response.status().as_u16() == 200;
        let body = response.body().bytes().filter(|_| is_answer);
        if let Some(output) = (self.read)(body) {
            return Ok(output);
        }
        match self.of_sdk.load::<SharedResponseDeserializer>() {
            Some(of_sdk) => of_sdk.deserialize_nonstreaming_with_config(response, config),
            None => Err(OrchestratorError::other("the SDK has no reader of answers")),
        }
    }
}
