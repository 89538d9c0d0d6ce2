//! Retries of failed calls, within the deadline of a part of a run.
//!
//! [`Retries::retry`] is the one loop. Writes, which are compared again between
//! attempts, use its parts through [`Attempts`].

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::error::{CallError, CallErrorKind};
use super::meter::Meter;
use super::observer::Retry;
use super::retry_policy::RetryPolicy;

/// The part of a run that a call belongs to: ending a run early stops each part
/// differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunPart {
    /// Listing: a call under way is abandoned.
    Listing,
    /// Writing what was observed: only an early end during writing stops it.
    Writing,
    /// Reading the table and recording the run: each call is still made once.
    Recording,
}

/// The retries of the calls of one part of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retries<'a> {
    /// Which errors are retried, and when.
    pub(crate) policy: RetryPolicy,
    /// The deadline: no attempt begins or goes on after it.
    pub(crate) until: Instant,
    /// The part of the run.
    pub(crate) part: RunPart,
    /// The run's meter: it reports waits, and says whether to end early.
    pub(crate) meter: &'a Meter,
}

/// An error that an attempt ends in.
pub(crate) trait AttemptError {
    /// Returns the failed call, or `None` if another attempt can't help.
    fn failed_call(&self) -> Option<FailedCall<'_>>;

    /// Logs that another attempt follows.
    fn log_retry(&self, _failed: u32, _wait: Duration) {}
}

/// A failed call, as a progress display names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedCall<'a> {
    /// What was called: `ListConnections`, `write`, …
    pub(crate) operation: &'a str,
    /// What it was about: an ARN, an account, a page.
    pub(crate) subject: &'a str,
    /// Why it failed.
    pub(crate) call_error: &'a CallError,
}

/// An operation that is not tried again.
#[derive(Debug)]
pub(crate) struct GivenUp<E> {
    /// The error to report.
    pub(crate) error: E,
    /// How many attempts failed.
    pub(crate) attempts: u32,
    /// Whether it could be tried again if the run were not to end early.
    pub(crate) is_interrupted: bool,
}

impl<'a> Retries<'a> {
    /// Calls until it succeeds, fails for good or the deadline passes.
    /// `timed_out` makes the error of an attempt that the deadline cut off.
    ///
    /// # Errors
    /// [`GivenUp`] with the most telling error.
    pub(crate) async fn retry<T, E, F>(
        &self,
        call: impl Fn() -> F,
        timed_out: impl Fn() -> E,
    ) -> Result<T, GivenUp<E>>
    where
        E: AttemptError,
        F: Future<Output = Result<T, E>>,
    {
        let mut attempts = self.attempts();
        loop {
            let attempt = async {
                let outcome = self.bounded(call()).await;
                outcome.unwrap_or_else(|| Err(timed_out()))
            };
            let error = tokio::select! {
                biased;
                () = self.abandoned() => return Err(attempts.interrupted(timed_out)),
                outcome = attempt => match outcome {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                },
            };
            attempts.wait_after(error).await?;
        }
    }

    /// Returns the count of attempts of one operation, none made yet.
    pub(crate) fn attempts<E: AttemptError>(self) -> Attempts<'a, E> {
        Attempts {
            retries: self,
            failed: 0,
            earlier: None,
        }
    }

    /// Awaits one attempt; `None` if the deadline comes first.
    pub(crate) async fn bounded<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.until, call).await.ok()
    }

    /// Returns true if nothing more is to be sent.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.until || self.is_interrupted()
    }

    fn is_interrupted(&self) -> bool {
        match self.part {
            RunPart::Listing | RunPart::Recording => self.meter.is_interrupted(),
            RunPart::Writing => self.meter.writing_is_interrupted(),
        }
    }

    /// Returns once a call under way is to be abandoned.
    async fn abandoned(&self) {
        match self.part {
            RunPart::Listing => self.meter.interrupted().await,
            RunPart::Writing | RunPart::Recording => std::future::pending().await,
        }
    }
}

/// The failed attempts of one operation.
#[derive(Debug)]
pub(crate) struct Attempts<'a, E> {
    retries: Retries<'a>,
    failed: u32,
    earlier: Option<E>,
}

impl<E: AttemptError> Attempts<'_, E> {
    /// Waits before the attempt that follows on `error`.
    ///
    /// # Errors
    /// [`GivenUp`] if none should follow. An earlier error is reported instead of
    /// a timeout: it says more.
    pub(crate) async fn wait_after(&mut self, error: E) -> Result<(), GivenUp<E>> {
        self.failed = self.failed.saturating_add(1);
        let wait = error.failed_call().and_then(|failed_call| {
            let Retries { policy, until, .. } = self.retries;
            policy.wait(failed_call.call_error, self.failed, until)
        });
        let error = match self.earlier.take() {
            Some(earlier) if is_timeout(&error) => earlier,
            _ => error,
        };
        let given_up = |error, is_interrupted| GivenUp {
            error,
            attempts: self.failed,
            is_interrupted,
        };
        let Some((wait, failed_call)) = wait.zip(error.failed_call()) else {
            return Err(given_up(error, false));
        };
        if self.retries.is_interrupted() {
            return Err(given_up(error, true));
        }
        error.log_retry(self.failed, wait);
        let FailedCall {
            operation,
            subject,
            call_error,
        } = failed_call;
        let retry = Retry {
            operation,
            subject,
            call_error,
            failed: self.failed,
            wait,
            until: self.retries.until,
        };
        if !self.retries.meter.wait_for(retry).await {
            return Err(given_up(error, true));
        }
        self.earlier = Some(error);
        Ok(())
    }

    /// Returns the error of the last attempt, if one failed.
    pub(crate) fn last_error(&self) -> Option<&E> {
        self.earlier.as_ref()
    }

    fn interrupted(self, timed_out: impl FnOnce() -> E) -> GivenUp<E> {
        GivenUp {
            error: self.earlier.unwrap_or_else(timed_out),
            attempts: self.failed,
            is_interrupted: true,
        }
    }
}

fn is_timeout(error: &impl AttemptError) -> bool {
    let failed_call = error.failed_call();
    failed_call.is_some_and(|failed| failed.call_error.kind == CallErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call_error(kind: CallErrorKind) -> CallError {
        CallError::new(kind, "X", "x")
    }

    impl AttemptError for CallError {
        fn failed_call(&self) -> Option<FailedCall<'_>> {
            Some(FailedCall {
                operation: "call",
                subject: "it",
                call_error: self,
            })
        }
    }

    fn retries(meter: &Meter, part: RunPart) -> Retries<'_> {
        Retries {
            policy: RetryPolicy::default(),
            until: Instant::now() + Duration::from_secs(60),
            part,
            meter,
        }
    }

    /// An operation whose attempts end as given, and then never do.
    async fn retry_through(
        retries: Retries<'_>,
        outcomes: &[Result<u8, CallErrorKind>],
    ) -> Result<u8, GivenUp<CallError>> {
        let outcomes = std::cell::RefCell::new(outcomes.iter());
        let call = || {
            let outcome = outcomes.borrow_mut().next().copied();
            async move {
                match outcome {
                    Some(outcome) => outcome.map_err(call_error),
                    None => std::future::pending().await,
                }
            }
        };
        let timed_out = || CallError::new(CallErrorKind::TimedOut, "TimedOut", "over");
        retries.retry(call, timed_out).await
    }

    #[tokio::test(start_paused = true)]
    async fn retry_reports_the_error_before_a_timeout() {
        let meter = Meter::default();
        let fresh = || retries(&meter, RunPart::Recording);
        let throttled = Err(CallErrorKind::Throttled);
        assert!(matches!(
            retry_through(fresh(), &[throttled, throttled, Ok(1)]).await,
            Ok(1)
        ));
        let given_up = retry_through(fresh(), &[throttled]).await;
        assert!(matches!(
            given_up,
            Err(GivenUp { error, attempts: 2, .. }) if error.kind == CallErrorKind::Throttled
        ));
        let denied = retry_through(fresh(), &[throttled, Err(CallErrorKind::Denied)]).await;
        assert!(matches!(
            denied,
            Err(GivenUp { error, attempts: 2, .. }) if error.kind == CallErrorKind::Denied
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn early_end_abandons_a_listing_call_and_no_other() {
        let meter = Meter::default();
        meter.interrupt();
        let listing = retry_through(retries(&meter, RunPart::Listing), &[Ok(1)]).await;
        assert!(listing.is_err_and(|given_up| given_up.is_interrupted && given_up.attempts == 0));
        let outcomes = [Err(CallErrorKind::Throttled), Ok(1)];
        let recording = retry_through(retries(&meter, RunPart::Recording), &outcomes).await;
        assert!(recording.is_err_and(|given_up| given_up.is_interrupted && given_up.attempts == 1));
        let writing = retry_through(retries(&meter, RunPart::Writing), &outcomes).await;
        assert!(matches!(writing, Ok(1)), "it was not writing yet");
    }
}
