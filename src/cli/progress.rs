//! Progress, for who waits at a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::error::say;

const TICK: Duration = Duration::from_millis(100);

/// Shows on standard error, if that is a terminal, how far `work` has come:
/// what `told` says, with a spinner and the time. Nothing of it stays.
pub(crate) async fn shown<T>(work: impl Future<Output = T>, told: impl Fn() -> String) -> T {
    shown_with(work, told, Vec::new).await
}

/// The same, with lines that stay: those that `said` gives, each once.
pub(crate) async fn shown_with<T>(
    work: impl Future<Output = T>,
    told: impl Fn() -> String,
    said: impl Fn() -> Vec<String>,
) -> T {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
        bar.set_style(style);
    }
    let mut work = std::pin::pin!(work);
    loop {
        bar.set_message(told());
        bar.tick();
        let done = tokio::time::timeout(TICK, &mut work).await;
        for line in said() {
            bar.suspend(|| say(&line));
        }
        if let Ok(done) = done {
            bar.finish_and_clear();
            return done;
        }
    }
}
