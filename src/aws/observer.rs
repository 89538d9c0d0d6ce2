//! Watching a run from outside: its retries, and ending it early.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::error::{CallError, CallErrorKind};

/// Observes the calls that will be retried.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A call failed and will be retried.
    fn retrying(&self, retry: &Retry<'_>);
}

/// A failed call that will be retried.
#[derive(Clone, Copy)]
pub struct Retry<'a> {
    /// The operation: `ListConnections`, `write`, …
    pub operation: &'a str,
    /// Its subject: a page, an ARN.
    pub subject: &'a str,
    /// The error.
    pub call_error: &'a CallError,
    /// The number of failed attempts, at least 1.
    pub failed: u32,
    /// The wait before the next attempt.
    pub wait: Duration,
    /// The deadline.
    pub until: Instant,
}

impl fmt::Display for Retry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.until.saturating_duration_since(Instant::now());
        write!(
            f,
            "{} {}: {}; attempt {} failed, next in {:.1} s, for {:.0} s at most",
            self.operation,
            self.subject,
            self.call_error,
            self.failed,
            self.wait.as_secs_f64(),
            left.as_secs_f64(),
        )
    }
}

/// The request to end a run early: first its listings, so that what they
/// observed is still written; once it writes, its writing. The run is recorded
/// all the same.
#[derive(Debug, Default)]
pub(super) struct Interrupt {
    listing: AtomicBool,
    writing: AtomicBool,
    has_begun_to_write: AtomicBool,
    changed: Notify,
}

impl Interrupt {
    pub(super) fn set(&self) {
        self.listing.store(true, Ordering::SeqCst);
        if self.has_begun_to_write.load(Ordering::SeqCst) {
            self.writing.store(true, Ordering::SeqCst);
        }
        self.changed.notify_waiters();
    }

    pub(super) fn begin_to_write(&self) {
        self.has_begun_to_write.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_set(&self) -> bool {
        self.listing.load(Ordering::SeqCst)
    }

    pub(super) fn ends_writing(&self) -> bool {
        self.writing.load(Ordering::SeqCst)
    }

    /// Returns when it is set, for the first time or once more.
    pub(super) async fn again(&self) {
        self.changed.notified().await;
    }

    /// Returns once it is set.
    pub(super) async fn wait(&self) {
        let mut changed = std::pin::pin!(self.changed.notified());
        // From here on no change is missed.
        changed.as_mut().enable();
        if !self.is_set() {
            changed.await;
        }
    }
}

/// Returns the error of calls that an interrupted run did not make.
pub(crate) fn interrupted() -> CallError {
    let problem = "the run was interrupted";
    CallError::new(CallErrorKind::Refused, "Interrupted", problem)
}
