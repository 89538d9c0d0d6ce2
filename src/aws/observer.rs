//! Watching a run from outside: what it waits for, and ending it early.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::error::{CallError, CallErrorKind};

/// Is told of each call that will be tried again.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A call failed and is waited for.
    fn retrying(&self, retry: &Retry<'_>);
}

/// A call that failed and will be tried again.
#[derive(Clone, Copy)]
pub struct Retry<'a> {
    /// What was called: `ListConnections`, `write`, …
    pub operation: &'a str,
    /// What it was about.
    pub subject: &'a str,
    /// Why it failed.
    pub call_error: &'a CallError,
    /// How often it has failed, at least once.
    pub failed: u32,
    /// How long until it is tried again.
    pub wait: Duration,
    /// When it is given up.
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

/// Whether a run is to end early: first its listings, so that what they saw is
/// still written; once it writes, its writing. It is recorded all the same.
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

/// What is told of what an interrupted run did not do.
pub(crate) fn interrupted() -> CallError {
    let problem = "the run was ended early by whoever started it";
    CallError::new(CallErrorKind::Refused, "Interrupted", problem)
}
