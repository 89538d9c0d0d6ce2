//! A listing that a test sets, and a run that a test delays.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use codeconnections_inventory::table::Table;
use serde_json::Value;

use super::proxy::{Act, Proxy};
use super::scripted_service::{Script, last};
use super::test_env::TestEnv;

/// A listing of one region that a test sets.
pub struct Stage {
    pub endpoint: String,
    entries: Arc<Mutex<Vec<Value>>>,
    _script: Script,
}

impl Stage {
    pub async fn new(entries: Vec<Value>) -> Self {
        let entries = Arc::new(Mutex::new(entries));
        let shown = Arc::clone(&entries);
        let script = Script::start(move |_| last(shown.lock().expect("shown").clone())).await;
        Self {
            endpoint: script.endpoint.clone(),
            entries,
            _script: script,
        }
    }

    pub fn show(&self, entries: Vec<Value>) {
        *self.entries.lock().expect("shown") = entries;
    }
}

/// A proxy in front of the table that holds the first request of an operation until it is
/// released.
pub struct Held {
    reached: Arc<AtomicBool>,
    released: Arc<AtomicBool>,
    seen: Arc<AtomicUsize>,
    proxy: Proxy,
}

impl Held {
    /// Starts a proxy that throttles requests of this operation until it is released.
    pub async fn before(env: &TestEnv, operation: &'static str) -> Self {
        let reached = Arc::new(AtomicBool::new(false));
        let released = Arc::new(AtomicBool::new(false));
        let (was_reached, is_released) = (Arc::clone(&reached), Arc::clone(&released));
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let proxy = Proxy::start(&env.table_endpoint, move |seen| {
            count.fetch_add(1, Ordering::SeqCst);
            if seen.operation != operation || is_released.load(Ordering::SeqCst) {
                return Act::Pass;
            }
            was_reached.store(true, Ordering::SeqCst);
            Act::fault(400, "ThrottlingException")
        })
        .await;
        Self {
            reached,
            released,
            seen,
            proxy,
        }
    }

    pub fn table(&self, env: &TestEnv) -> Table {
        env.table_at(&self.proxy.endpoint)
    }

    pub async fn reached(&self) {
        while !self.reached.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until earlier requests have arrived: for the second request from now on of a
    /// run that sends one at a time.
    pub async fn earlier_requests_arrived(&self) {
        let enough = self.seen.load(Ordering::SeqCst) + 2;
        while self.seen.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
    }

    pub fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
    }
}
