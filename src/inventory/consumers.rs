//! The consumers that a change breaks, which the change names.
//!
//! They are looked up for people, before the change is sent. A change is never
//! held up or lost because of them: what could not be looked up is not named.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::aws::error::chain;
use crate::domain::Identifier;
use crate::domain::diff::{DiffContext, Transition};
use crate::table::{StoredKind, Table};

/// The most lookups of a run. Each takes two queries, and a change without one only
/// its part of a transaction.
const MAX_LOOKUPS: u32 = 100;

/// The longest that a lookup may take. The change is sent after it.
const LOOKUP_TIME: Duration = Duration::from_secs(2);

/// The lookups of one run.
#[derive(Debug, Default)]
pub struct ConsumerLookups {
    begun: AtomicU32,
    /// One failed: the others would wait for the same error.
    failed: AtomicBool,
}

impl ConsumerLookups {
    fn may_begin(&self) -> bool {
        !self.failed.load(Ordering::Relaxed)
            && self.begun.fetch_add(1, Ordering::Relaxed) < MAX_LOOKUPS
    }

    /// Names the consumers on record in a change that breaks them. Nothing is awaited
    /// after `until`.
    pub(super) async fn name_consumers<K: StoredKind>(
        &self,
        table: &Table<K>,
        comparison: &DiffContext<'_>,
        until: Instant,
        transition: &mut Transition<K>,
    ) {
        let change = &transition.change;
        if !K::breaks_consumers(change.before.as_ref(), change.after.as_ref()) || !self.may_begin()
        {
            return;
        }
        let until = until.min(Instant::now() + LOOKUP_TIME);
        let arn = change.arn.as_str();
        let problem = match timeout_at(until, table.count_consumers(arn)).await {
            Ok(Ok(consumers)) => {
                if !consumers.is_empty() {
                    transition.set_consumers(consumers);
                }
                return;
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => "no answer in time".to_owned(),
        };
        if !self.failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                account = %comparison.account,
                run_id = %comparison.run_id,
                connection_arn = %change.arn,
                error = problem,
                "the consumers of a connection could not be looked up; changes of this run do \
                 not name them"
            );
        }
    }
}
