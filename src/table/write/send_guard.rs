//! Guards each attempt to send a change, SDK retries included: it stops an
//! attempt whose observation is too old right before it is sent, and knows
//! whether the outcome of any attempt is indeterminate.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

use crate::domain::listing::{MAX_OBSERVATION_AGE, is_stale};
use crate::domain::{Clock, Timestamp};

/// A change that was not sent, or not again: its observation is older than
/// [`MAX_OBSERVATION_AGE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("observed more than {} minutes ago", MAX_OBSERVATION_AGE.as_secs() / 60)]
pub struct StaleObservation {
    /// Whether an earlier attempt was sent and not refused: it may be recorded.
    pub was_sent: bool,
}

impl StaleObservation {
    /// Returns this error, if it is among the causes of `error`.
    pub(crate) fn in_causes_of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(stale) = error.downcast_ref() {
                return Some(*stale);
            }
            cause = error.source();
        }
        None
    }
}

/// Watches the attempts of one change.
///
/// It uses the clock and not a deadline: the SDK may wait between attempts, and
/// the timers of a machine that slept meanwhile are late.
#[derive(Debug, Clone)]
pub(crate) struct AttemptTracker {
    clock: Arc<dyn Clock>,
    observed_at: Timestamp,
    /// An attempt was sent and has not been refused yet.
    is_indeterminate: Arc<AtomicBool>,
    /// The same, of an attempt that is over.
    was_indeterminate: Arc<AtomicBool>,
}

impl AttemptTracker {
    pub(crate) fn new(clock: &Arc<dyn Clock>, observed_at: Timestamp) -> Self {
        Self {
            clock: Arc::clone(clock),
            observed_at,
            is_indeterminate: Arc::default(),
            was_indeterminate: Arc::default(),
        }
    }

    /// Returns true if one of the attempts may have arrived, or may still
    /// arrive.
    pub(crate) fn is_indeterminate(&self) -> bool {
        self.is_indeterminate.load(Ordering::Relaxed)
    }
}

impl Intercept for AttemptTracker {
    fn name(&self) -> &'static str {
        "Tries"
    }

    /// The request is signed by now, and not yet counted.
    fn modify_before_transmit(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_stale(self.observed_at, self.clock.now()) {
            let was_sent = self.is_indeterminate();
            return Err(StaleObservation { was_sent }.into());
        }
        self.is_indeterminate.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// A refusal is final; any other end of an attempt is not.
    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let refused = |answer: &HttpResponse| answer.status().is_client_error();
        if !context.response().is_some_and(refused) {
            self.was_indeterminate.store(true, Ordering::Relaxed);
        }
        let was_indeterminate = self.was_indeterminate.load(Ordering::Relaxed);
        self.is_indeterminate
            .store(was_indeterminate, Ordering::Relaxed);
        Ok(())
    }
}
