//! Retries of reads that the table throttles, for audits. A run has a deadline, and
//! retries of its own (`inventory::retrying_table`).

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::retry::{AttemptError, FailedCall, Retries, RunPart};
use crate::aws::retry_policy::RetryPolicy;
use crate::aws::{CallError, CallErrorKind};
use crate::domain::Kind;
use crate::table::client::Table;
use crate::table::error::TableError;

/// A failed read. Only throttling is retried: other errors are reported at once.
struct FailedRead(TableError);

impl AttemptError for FailedRead {
    fn failed_call(&self) -> Option<FailedCall<'_>> {
        let failed = self.0.failed_call();
        failed.filter(|failed| failed.call_error.kind == CallErrorKind::Throttled)
    }
}

impl<K: Kind> Table<K> {
    /// Calls `read`, and retries it with backoff while the table throttles it, for as
    /// long as [`retries_throttled`](Table::retries_throttled) says.
    pub(super) async fn retried<T, F>(&self, read: impl Fn() -> F) -> Result<T, TableError>
    where
        F: Future<Output = Result<T, TableError>>,
    {
        let Some(longest) = self.throttled_for() else {
            return read().await;
        };
        let retries = Retries {
            policy: RetryPolicy::default(),
            until: Instant::now() + longest,
            part: RunPart::Recording,
            meter: self.meter(),
        };
        let read = || {
            let read = read();
            async { read.await.map_err(FailedRead) }
        };
        let read = retries.retry(read, || FailedRead(self.timed_out(longest)));
        read.await.map_err(|given_up| given_up.error.0)
    }

    fn timed_out(&self, longest: Duration) -> TableError {
        let problem = format!("no answer for {} seconds", longest.as_secs());
        let call_error = CallError::new(CallErrorKind::TimedOut, "TimedOut", problem);
        TableError::call("read", self.name(), call_error)
    }
}
