//! Progress of long commands, shown on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::error::say;

const TICK: Duration = Duration::from_millis(100);

/// Runs `work`, and shows a spinner with `status` and the elapsed time. They go
/// to standard error, only if that is a terminal, and are wiped at the end.
pub(crate) async fn shown<T>(work: impl Future<Output = T>, status: impl Fn() -> String) -> T {
    shown_with(work, status, Vec::new).await
}

/// As [`shown`], and prints the lines that `take_messages` returns, which stay.
pub(crate) async fn shown_with<T>(
    work: impl Future<Output = T>,
    status: impl Fn() -> String,
    take_messages: impl Fn() -> Vec<String>,
) -> T {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
        bar.set_style(style);
    }
    let mut work = std::pin::pin!(work);
    loop {
        bar.set_message(status());
        bar.tick();
        let done = tokio::time::timeout(TICK, &mut work).await;
        for line in take_messages() {
            bar.suspend(|| say(&line));
        }
        if let Ok(done) = done {
            bar.finish_and_clear();
            return done;
        }
    }
}
