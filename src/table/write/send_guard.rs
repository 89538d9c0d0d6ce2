//! The sending of a change, try by try, the SDK's own retries too: one that
//! comes too late is stopped right before it is sent, and it is known of each
//! whether it was refused or may have arrived.

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

/// A change that was not sent, or not again: it was observed more than
/// [`MAX_OBSERVATION_AGE`] ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("observed more than {} minutes ago", MAX_OBSERVATION_AGE.as_secs() / 60)]
pub struct StaleObservation {
    /// Whether it was sent before and nobody said that it was refused: it may
    /// have been recorded then.
    pub was_sent: bool,
}

impl StaleObservation {
    /// This, if it is why a request failed.
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

/// Watches the tries of one change.
///
/// The clock and not a deadline: the SDK may wait between two tries, and a
/// machine that slept meanwhile wakes up with its timers where they were.
#[derive(Debug, Clone)]
pub(crate) struct AttemptTracker {
    clock: Arc<dyn Clock>,
    observed_at: Timestamp,
    /// A try was sent, and nobody has said yet that it was refused.
    is_indeterminate: Arc<AtomicBool>,
    /// The same of a try that is over.
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

    /// Whether one of them may have arrived, or may arrive yet.
    pub(crate) fn is_indeterminate(&self) -> bool {
        self.is_indeterminate.load(Ordering::Relaxed)
    }
}

impl Intercept for AttemptTracker {
    fn name(&self) -> &'static str {
        "Tries"
    }

    /// It is signed by now, and not yet counted.
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

    /// A refusal of the caller's is final; whatever else ended a try is not.
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
