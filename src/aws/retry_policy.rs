//! Which failed calls are retried and when, and the deadlines of a run.

use std::time::Duration;

use tokio::time::Instant;

use super::error::CallError;

/// The times by which the parts of a run must be done.
///
/// A run that keeps them ends by itself and records what is missing. A run that
/// Lambda ends records nothing.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// No listing request is sent after this.
    pub listing: Instant,
    /// No snapshot or change is written after this.
    pub writing: Instant,
    /// The run's record must be written by this.
    pub end: Instant,
}

impl Deadline {
    /// Returns the deadlines of a run that has `remaining` left from now.
    pub fn after(remaining: Duration) -> Self {
        let now = Instant::now();
        let reserve = (remaining / 10).clamp(Duration::from_millis(100), Duration::from_secs(10));
        let reserve = reserve.min(remaining / 2);
        Self {
            listing: now + remaining * 6 / 10,
            writing: now + (remaining - reserve),
            // The answer must still leave the function.
            end: now + (remaining - reserve / 4),
        }
    }
}

/// How often and after which waits a failed call is sent again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The longest wait before the second attempt.
    pub initial_backoff: Duration,
    /// The longest wait between two attempts.
    pub max_backoff: Duration,
    /// Attempts to reach a service that refuses connections, or whose address
    /// answers with something else, such as a sign-in page: more don't help.
    pub unreachable_tries: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            unreachable_tries: 4,
        }
    }
}

impl RetryPolicy {
    /// Returns the wait before the next attempt, or `None` if there should be
    /// none: the error is not retryable, or `until` is near.
    ///
    /// `failed` counts the failed attempts, at least 1. The longest wait doubles
    /// with each up to `max_backoff`, and each wait is a random part of it ("full
    /// jitter"), so that callers don't come back all at once.
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
    ///
    /// No wait takes more than half of the time that is left: a long one must not
    /// be the reason that a run gives up before its deadline. Less time than the
    /// first wait is not enough for another attempt.
    pub fn wait(&self, call_error: &CallError, failed: u32, until: Instant) -> Option<Duration> {
        if !call_error.kind.is_retryable() {
            return None;
        }
        if call_error.kind.is_soon_clear() && failed >= self.unreachable_tries {
            return None;
        }
        let doubled = self
            .initial_backoff
            .saturating_mul(1 << failed.saturating_sub(1).min(16));
        let left = until.saturating_duration_since(Instant::now());
        let longest = doubled.min(self.max_backoff).min(left / 2);
        (left > self.initial_backoff).then(|| longest.mul_f64(fastrand::f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::CallErrorKind;

    fn call_error(kind: CallErrorKind) -> CallError {
        CallError::new(kind, "X", "x")
    }

    #[test]
    fn retryable_errors_are_retried_until_the_deadline() {
        let retry_policy = RetryPolicy::default();
        let far = Instant::now() + Duration::from_secs(3600);
        let past = Instant::now();
        for failed in [1, 2, 100, u32::MAX] {
            let wait = retry_policy.wait(&call_error(CallErrorKind::Throttled), failed, far);
            assert!(wait.is_some_and(|wait| wait <= retry_policy.max_backoff));
        }
        assert_eq!(
            retry_policy.wait(&call_error(CallErrorKind::Throttled), 1, past),
            None
        );
    }

    #[tokio::test(start_paused = true)]
    async fn long_waits_leave_time_for_another_attempt_before_the_deadline() {
        let retry_policy = RetryPolicy::default();
        let until = Instant::now() + Duration::from_secs(4);
        let mut last_attempt = Instant::now();
        while let Some(wait) = retry_policy.wait(&call_error(CallErrorKind::Throttled), 9, until) {
            tokio::time::sleep(wait).await;
            last_attempt = Instant::now();
        }
        assert!(last_attempt < until);
        // Time advances by milliseconds.
        assert!(until - last_attempt <= retry_policy.initial_backoff + Duration::from_millis(1));
    }

    #[test]
    fn other_errors_are_not_retried() {
        let retry_policy = RetryPolicy::default();
        let far = Instant::now() + Duration::from_secs(3600);
        assert_eq!(
            retry_policy.wait(&call_error(CallErrorKind::Denied), 1, far),
            None
        );
        assert_eq!(
            retry_policy.wait(&call_error(CallErrorKind::Disk), 1, far),
            None
        );
        for kind in [CallErrorKind::Unreachable, CallErrorKind::Foreign] {
            assert!(retry_policy.wait(&call_error(kind), 3, far).is_some());
            assert_eq!(retry_policy.wait(&call_error(kind), 4, far), None);
        }
    }

    #[test]
    fn a_deadline_leaves_time_for_the_record() {
        let deadline = Deadline::after(Duration::from_secs(60));
        assert!(deadline.listing < deadline.writing && deadline.writing < deadline.end);
        let short = Deadline::after(Duration::from_millis(20));
        assert!(short.writing < short.end);
    }
}
