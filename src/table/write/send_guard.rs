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

use crate::domain::listing::{MAX_OBSERVATION_AGE, is_too_late};
use crate::domain::{Clock, Timestamp};

/// A change that was not sent, or not again: it was observed more than
/// [`MAX_OBSERVATION_AGE`] ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("observed more than {} minutes ago", MAX_OBSERVATION_AGE.as_secs() / 60)]
pub struct TooLate {
    /// Whether it was sent before and nobody said that it was refused: it may
    /// have been recorded then.
    pub was_sent: bool,
}

impl TooLate {
    /// This, if it is why a request failed.
    pub(crate) fn in_causes_of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(too_late) = error.downcast_ref() {
                return Some(*too_late);
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
pub(crate) struct Tries {
    clock: Arc<dyn Clock>,
    observed_at: Timestamp,
    /// A try was sent, and nobody has said yet that it was refused.
    is_open: Arc<AtomicBool>,
    /// The same of a try that is over.
    was_open: Arc<AtomicBool>,
}

impl Tries {
    pub(crate) fn new(clock: &Arc<dyn Clock>, observed_at: Timestamp) -> Self {
        Self {
            clock: Arc::clone(clock),
            observed_at,
            is_open: Arc::default(),
            was_open: Arc::default(),
        }
    }

    /// Whether one of them may have arrived, or may arrive yet.
    pub(crate) fn are_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }
}

impl Intercept for Tries {
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
        if is_too_late(self.observed_at, self.clock.now()) {
            let was_sent = self.are_open();
            return Err(TooLate { was_sent }.into());
        }
        self.is_open.store(true, Ordering::Relaxed);
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
            self.was_open.store(true, Ordering::Relaxed);
        }
        let was_open = self.was_open.load(Ordering::Relaxed);
        self.is_open.store(was_open, Ordering::Relaxed);
        Ok(())
    }
}
