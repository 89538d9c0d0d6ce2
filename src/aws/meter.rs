//! The cost of a run: requests on the wire and capacity units; and how it is
//! watched.

use std::ops::Sub;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::ConsumedCapacity;
use serde::Serialize;

use super::observer::{Interrupt, Observer, Retry};

/// Counts the requests and capacity of one run. Its parts and its observers
/// share it.
#[derive(Debug, Default)]
pub struct Meter {
    listing: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    write: Arc<AtomicU64>,
    /// In thousandths of a unit: units come in halves.
    read_units: AtomicU64,
    write_units: AtomicU64,
    index_write_units: AtomicU64,
    pages: AtomicU64,
    listed: AtomicU64,
    written: AtomicU64,
    observer: Option<Arc<dyn Observer>>,
    interrupt: Interrupt,
}

/// Requests sent, those that were retried counted each time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// To `CodeConnections`.
    pub listing: u64,
    /// To the table, reading.
    pub read: u64,
    /// To the table, writing.
    pub write: u64,
}

impl Sub for Requests {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            listing: self.listing.saturating_sub(earlier.listing),
            read: self.read.saturating_sub(earlier.read),
            write: self.write.saturating_sub(earlier.write),
        }
    }
}

/// Capacity units that the table said it used. A table that reports none
/// (some emulators) counts as none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Capacity {
    /// Read units.
    pub read_units: f64,
    /// Write units, indexes included.
    pub write_units: f64,
    /// Write units of the indexes alone.
    pub index_write_units: f64,
}

impl Sub for Capacity {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            read_units: self.read_units - earlier.read_units,
            write_units: self.write_units - earlier.write_units,
            index_write_units: self.index_write_units - earlier.index_write_units,
        }
    }
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Listing pages received.
    pub pages: u64,
    /// Connections on them.
    pub listed: u64,
    /// Connections written.
    pub written: u64,
}

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Listing,
    Read,
    Write,
}

impl Meter {
    /// Returns the meter of a run whose retries `observer` observes.
    pub fn watched(observer: Arc<dyn Observer>) -> Self {
        Self {
            observer: Some(observer),
            ..Self::default()
        }
    }

    /// Ends the run early: its listings, so that what they saw is written, or
    /// its writing if it has begun to write. The run is recorded all the same.
    pub fn interrupt(&self) {
        self.interrupt.set();
    }

    /// Returns true if the run is to end early.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    pub(crate) async fn interrupted(&self) {
        self.interrupt.wait().await;
    }

    pub(crate) fn begin_to_write(&self) {
        self.interrupt.begin_to_write();
    }

    pub(crate) fn writing_is_interrupted(&self) -> bool {
        self.interrupt.ends_writing()
    }

    /// Reports a retry, and waits for it. Returns false if the run is to end
    /// early: then there is no retry.
    pub(crate) async fn wait_for(&self, retry: Retry<'_>) -> bool {
        if let Some(observer) = &self.observer {
            observer.retrying(&retry);
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(retry.wait) => true,
            () = self.interrupt.again() => false,
        }
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Requests {
        Requests {
            listing: self.listing.load(Ordering::Relaxed),
            read: self.read.load(Ordering::Relaxed),
            write: self.write.load(Ordering::Relaxed),
        }
    }

    /// Returns the capacity so far.
    pub fn capacity(&self) -> Capacity {
        let units = |counter: &AtomicU64| {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let thousandths = counter.load(Ordering::Relaxed) as f64;
            thousandths / 1000.0
        };
        Capacity {
            read_units: units(&self.read_units),
            write_units: units(&self.write_units),
            index_write_units: units(&self.index_write_units),
        }
    }

    /// Returns the progress so far.
    pub fn progress(&self) -> Progress {
        Progress {
            pages: self.pages.load(Ordering::Relaxed),
            listed: self.listed.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn count_page(&self, connections: usize) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.listed.fetch_add(connections as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_written(&self, connections: usize) {
        self.written
            .fetch_add(connections as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_read_units(&self, capacity: Option<&ConsumedCapacity>) {
        if let Some(capacity) = capacity {
            add(&self.read_units, capacity.capacity_units());
        }
    }

    pub(crate) fn count_write_units<'a>(
        &self,
        capacities: impl IntoIterator<Item = &'a ConsumedCapacity>,
    ) {
        for capacity in capacities {
            add(&self.write_units, capacity.capacity_units());
            let indexes = capacity.global_secondary_indexes();
            for index in indexes.into_iter().flat_map(|map| map.values()) {
                add(&self.index_write_units, index.capacity_units());
            }
        }
    }

    /// Returns an interceptor that counts a request each time it is sent.
    pub(crate) fn counts(&self, what: Use) -> CountTransmissions {
        CountTransmissions(Arc::clone(match what {
            Use::Listing => &self.listing,
            Use::Read => &self.read,
            Use::Write => &self.write,
        }))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "units are positive and small"
)]
fn add(counter: &AtomicU64, units: Option<f64>) {
    let thousandths = (units.unwrap_or(0.0).max(0.0) * 1000.0).round() as u64;
    counter.fetch_add(thousandths, Ordering::Relaxed);
}

#[derive(Debug)]
pub(crate) struct CountTransmissions(Arc<AtomicU64>);

impl Intercept for CountTransmissions {
    fn name(&self) -> &'static str {
        "CountTransmissions"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
