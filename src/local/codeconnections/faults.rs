//! What can go wrong with a request, on demand.

use std::sync::Arc;

/// What a fault hook is told about a request to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// The account that asks.
    pub account: String,
    /// The region it asks in.
    pub region: String,
    /// The operation it asks for, whether the stand-in has it or not.
    pub operation: String,
    /// How many requests to the service came before this one.
    pub sequence: u64,
}

/// A way for a request to go wrong.
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
    /// No answer at all, until the client gives up.
    Hang,
}

/// Decides which requests go wrong, and how. It is asked once for each, before
/// anything else is done with it, and must not block.
pub type FaultHook = Arc<dyn Fn(&RequestInfo) -> Option<Fault> + Send + Sync>;
