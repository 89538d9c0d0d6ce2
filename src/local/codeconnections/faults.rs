//! Injected faults.

use std::sync::Arc;

/// A request to the service, as a fault hook gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// The account of the caller.
    pub account: String,
    /// The region of the request.
    pub region: String,
    /// The name of the operation, implemented or not.
    pub operation: String,
    /// The number of requests to the service before this one.
    pub sequence: u64,
}

/// A failure of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `ThrottlingException`.
    Throttle,
    /// `InternalFailure`, with status 500.
    InternalError,
    /// `AccessDeniedException`.
    Deny,
    /// `UnrecognizedClientException`, as from a region that is not enabled.
    NotEnabled,
    /// No response until the client gives up.
    Hang,
}

/// Decides which requests fail, and how. It is called once per request, before the
/// request is handled, and must not block.
pub type FaultHook = Arc<dyn Fn(&RequestInfo) -> Option<Fault> + Send + Sync>;
