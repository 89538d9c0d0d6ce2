//! Changes that come too late: a request that must not be sent any more is
//! stopped right before it is sent, the SDK's own retries too.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

use crate::domain::listing::{MAX_OBSERVATION_AGE, is_too_late};
use crate::domain::{Clock, Timestamp};

/// A change that was not sent, or not again: it was observed more than
/// [`MAX_OBSERVATION_AGE`] ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("observed more than {} minutes ago", MAX_OBSERVATION_AGE.as_secs() / 60)]
pub struct TooLate {
    /// Whether it was sent before and its answer did not come: it may have
    /// been recorded then.
    pub was_sent: bool,
}

impl TooLate {
    /// This, if it is why a request failed.
    pub(super) fn in_causes_of(error: &(dyn Error + 'static)) -> Option<Self> {
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

/// Asks the clock each time that a change is about to be sent.
///
/// The clock and not a deadline: the SDK may wait between two tries, and a
/// machine that slept meanwhile wakes up with its timers where they were.
#[derive(Debug)]
pub(super) struct RefuseWhenTooLate {
    clock: Arc<dyn Clock>,
    observed_at: Timestamp,
    was_sent: AtomicBool,
}

impl RefuseWhenTooLate {
    pub(super) fn new(clock: &Arc<dyn Clock>, observed_at: Timestamp) -> Self {
        Self {
            clock: Arc::clone(clock),
            observed_at,
            was_sent: AtomicBool::new(false),
        }
    }
}

impl Intercept for RefuseWhenTooLate {
    fn name(&self) -> &'static str {
        "RefuseWhenTooLate"
    }

    /// It is signed by now, and not yet counted.
    fn modify_before_transmit(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_too_late(self.observed_at, self.clock.now()) {
            let was_sent = self.was_sent.load(Ordering::Relaxed);
            return Err(TooLate { was_sent }.into());
        }
        self.was_sent.store(true, Ordering::Relaxed);
        Ok(())
    }
}
