//! Progress of long commands, shown on a terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::error::say;
use crate::audit::{ReadObserver, ReadSoFar};
use crate::output::text::{count, grouped};

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
    let bar = spinner();
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

/// Returns a spinner on standard error, which shows nothing if that is no terminal.
fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
        bar.set_style(style);
    }
    bar
}

/// The reads of this process: what prints must be able to end their line.
static READS: LazyLock<Arc<Reads>> = LazyLock::new(|| {
    Arc::new(Reads {
        spinner: spinner(),
        began: Mutex::default(),
        is_shown: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    })
});

/// Returns the observer that shows how far reads of several accounts are, if they
/// take more than a second.
pub(crate) fn reads() -> Arc<dyn ReadObserver> {
    READS.clone()
}

/// Shows reads again, after the answer to a statement of a prompt.
pub(crate) fn begin_reads() {
    READS.is_over.store(false, Ordering::Relaxed);
}

/// Shows no more of reads: rows are printed on the terminal now, and show it
/// themselves.
pub(crate) fn end_reads() {
    READS.is_over.store(true, Ordering::Relaxed);
    READS.erase();
}

#[derive(Debug)]
struct Reads {
    spinner: ProgressBar,
    /// When the read began that is under way.
    began: Mutex<Option<Instant>>,
    is_shown: AtomicBool,
    is_over: AtomicBool,
}

impl Reads {
    fn began(&self) -> MutexGuard<'_, Option<Instant>> {
        // The time is usable after a panic, too.
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn erase(&self) {
        if self.is_shown.swap(false, Ordering::Relaxed) {
            self.spinner.finish_and_clear();
        }
    }
}

impl ReadObserver for Reads {
    fn begins(&self) -> bool {
        let mut began = self.began();
        let is_within_another = began.is_some();
        began.get_or_insert_with(Instant::now);
        !is_within_another
    }

    fn read(&self, so_far: ReadSoFar) {
        const SHOWN_AFTER: Duration = Duration::from_secs(1);
        let elapsed = self.began().map(|began| began.elapsed());
        let elapsed = elapsed.filter(|elapsed| *elapsed > SHOWN_AFTER);
        if let Some(elapsed) = elapsed.filter(|_| !self.is_over.load(Ordering::Relaxed)) {
            if !self.is_shown.swap(true, Ordering::Relaxed) {
                self.spinner.reset();
                self.spinner.set_elapsed(elapsed);
            }
            self.spinner.set_message(line(so_far, elapsed.as_secs()));
            self.spinner.tick();
        }
    }

    fn ended(&self) {
        *self.began() = None;
        self.erase();
    }
}

/// Describes how far a read is after this many seconds.
fn line(so_far: ReadSoFar, seconds: u64) -> String {
    let ReadSoFar {
        accounts,
        done,
        rows,
    } = so_far;
    let mut line = format!(
        "reading: {} of {}",
        grouped(done as u64),
        count(accounts, "account")
    );
    if rows > 0 {
        let rate = rows / seconds.max(1);
        let noun = if rows == 1 { "row" } else { "rows" };
        line += &format!(", {} {noun}, {} a second", grouped(rows), grouped(rate));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_accounts_and_the_rate_of_rows() {
        let so_far = ReadSoFar {
            accounts: 400,
            done: 12,
            rows: 30_112,
        };
        assert_eq!(
            line(so_far, 4),
            "reading: 12 of 400 accounts, 30,112 rows, 7,528 a second"
        );
        assert_eq!(
            line(so_far, 0),
            "reading: 12 of 400 accounts, 30,112 rows, 30,112 a second"
        );
        let whole = ReadSoFar {
            accounts: 1,
            done: 0,
            rows: 0,
        };
        assert_eq!(line(whole, 2), "reading: 0 of 1 account");
    }
}
