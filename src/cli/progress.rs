//! How far a command has come: a spinner on standard error if that is a
//! terminal, else nothing.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A spinner that goes away when it is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Begins, with what is being done, if it is `wanted`.
    pub(super) fn begin(message: &'static str, wanted: bool) -> Self {
        if !wanted || !io::stderr().is_terminal() {
            return Self {
                bar: ProgressBar::hidden(),
            };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {human_pos} [{elapsed}]") {
            bar.set_style(style);
        }
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    /// So many records were read by now.
    pub(super) fn at(&self, records: u64) {
        self.bar.set_position(records);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
