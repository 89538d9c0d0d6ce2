//! What a person at a terminal sees of a run while it goes on: its progress,
//! retries, and the answer to Ctrl-C.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::say;
use super::progress;
use crate::aws::Meter;
use crate::aws::observer::{Observer, Retry};

/// Ends the run early at the first Ctrl-C, and returns at the second.
///
/// Listens from the call on, not from the first poll: a run that is polled before can
/// have listed pages by then.
pub(crate) fn interrupts(meter: &Meter, messages: &Messages) -> impl Future<Output = ()> {
    // One listener for both: a second Ctrl-C that comes before the next line
    // would be lost between two.
    let listener = ctrl_c();
    async move {
        let Ok(mut listener) = listener else {
            // Without a signal handler, the run goes on to its end.
            return std::future::pending().await;
        };
        listener.recv().await;
        meter.interrupt();
        messages.say(
            "ending early and recording what was observed; press Ctrl-C again to exit at once",
        );
        listener.recv().await;
    }
}

#[cfg(unix)]
pub(crate) fn ctrl_c() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
}

#[cfg(windows)]
pub(crate) use tokio::signal::windows::ctrl_c;

/// Prints retries and interrupts: at once, or past the spinner that is shown.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    lines: Mutex<Vec<String>>,
    is_spinner_shown: AtomicBool,
}

impl Messages {
    fn say(&self, line: &str) {
        if self.is_spinner_shown.load(Ordering::Relaxed) {
            self.lines().push(line.to_owned());
        } else {
            say(line);
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines())
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        // The lines are usable after a panic, too.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Messages {
    fn retrying(&self, retry: &Retry<'_>) {
        self.say(&retry.to_string());
    }
}

/// The interval of progress lines without a terminal.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(15);

/// Shows the progress of a run: a spinner on a terminal, otherwise a line now and
/// then. Both print messages.
pub(crate) async fn with_progress<T>(
    run: impl Future<Output = T>,
    meter: &Meter,
    messages: &Messages,
) -> T {
    if !io::stderr().is_terminal() {
        say("listing connections");
        let mut run = std::pin::pin!(run);
        loop {
            let done = tokio::time::timeout(PROGRESS_INTERVAL, &mut run).await;
            say(&progress_line(meter));
            if let Ok(done) = done {
                return done;
            }
        }
    }
    messages.is_spinner_shown.store(true, Ordering::Relaxed);
    progress::shown_with(run, || progress_line(meter), || messages.take()).await
}

fn progress_line(meter: &Meter) -> String {
    let progress = meter.progress();
    format!(
        "{} pages listed with {} connections, {} written",
        progress.pages, progress.listed, progress.written
    )
}
