//! Paused time that advances with the work, and further on request of a test. So a busy
//! machine causes no timeout, and no test waits for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);

/// The virtual time of one runtime.
#[derive(Debug, Clone, Default)]
pub struct Time(Arc<AtomicU64>);

impl Time {
    /// Runs `work` on its own runtime with its own time.
    pub fn run(work: impl AsyncFnOnce(Self)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let time = Self::default();
            // Paused time jumps when the runtime is idle, and waiting for a socket counts as
            // idle. It does not jump while a blocking task runs.
            let (done, blocks) = mpsc::channel::<()>();
            let blocking = tokio::task::spawn_blocking(move || blocks.recv());
            tokio::select! {
                () = work(time.clone()) => {}
                () = time.go_on() => {}
            }
            drop(done);
            let _ = blocking.await;
        });
    }

    /// Advances the time at the next tick: by the longest duration of all calls until then.
    pub fn advance(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_max(millis, Ordering::SeqCst);
    }

    async fn go_on(&self) {
        loop {
            let tick = tokio::task::spawn_blocking(|| std::thread::sleep(TICK));
            tick.await.expect("no panic");
            let passed = Duration::from_millis(self.0.swap(0, Ordering::SeqCst));
            tokio::time::advance(TICK.max(passed)).await;
        }
    }
}
