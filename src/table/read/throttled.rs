//! Retries of reads that the table throttles, for audits. A run has a deadline, and
//! retries of its own (`inventory::retrying_table`).

use tokio::time::Instant;

use crate::aws::CallErrorKind;
use crate::aws::retry::{AttemptError, FailedCall, Retries, RunPart};
use crate::aws::retry_policy::RetryPolicy;
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
        let retries = Retries {
            policy: RetryPolicy::default(),
            until: Instant::now() + self.throttled_for(),
            part: RunPart::Recording,
            meter: self.meter(),
        };
        // Written without `Retries::retry`: the deployed function links a copy of
        // this for each kind of row, and needs none of it.
        let mut attempts = retries.attempts();
        loop {
            let error = match read().await {
                Ok(answer) => return Ok(answer),
                Err(error) => FailedRead(error),
            };
            let wait = attempts.wait_after(error).await;
            wait.map_err(|given_up| given_up.error.0)?;
        }
    }
}
