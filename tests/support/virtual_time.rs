//! Time that goes on with the work that is done, and further where a test says
//! so: no busy machine makes a time-out of it, and none has to be waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);

/// The time of one runtime.
#[derive(Debug, Clone, Default)]
pub struct Time(Arc<AtomicU64>);

impl Time {
    /// Does `work` on a runtime of its own, with a time of its own.
    pub fn goes(work: impl AsyncFnOnce(Self)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let time = Self::default();
            // A paused time jumps as soon as nothing is left to do, and waiting
            // for a socket looks so; but not while something blocks.
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

    /// So much time has passed, by the next tick; together with whatever else
    /// says so until then, not more than the longest of them.
    pub fn passes(&self, time: Duration) {
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
