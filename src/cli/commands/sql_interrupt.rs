//! Ctrl-C while a statement is answered: it ends the statement, not the prompt.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use tokio::sync::Notify;

use crate::cli::error::CliError;
use crate::cli::run_progress::ctrl_c;

/// Whether Ctrl-C was pressed since the last statement.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt {
    is_pressed: Arc<AtomicBool>,
    pressed: Arc<Notify>,
}

/// The statement was ended by Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

impl Interrupt {
    /// Returns an interrupt that Ctrl-C sets from now on, instead of ending the
    /// process.
    pub(super) fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let mut listener = ctrl_c()?;
        let pressed = interrupt.clone();
        tokio::spawn(async move {
            while listener.recv().await.is_some() {
                pressed.is_pressed.store(true, Ordering::Relaxed);
                pressed.pressed.notify_one();
            }
        });
        Ok(interrupt)
    }

    /// Returns what is true once Ctrl-C is pressed.
    pub(super) fn is_pressed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_pressed)
    }

    /// Waits for `answer`, or until Ctrl-C is pressed.
    pub(super) async fn or_ended(
        &self,
        answer: impl Future<Output = Result<(), CliError>>,
    ) -> Result<(), CliError> {
        tokio::select! {
            biased;
            () = self.pressed.notified() => Err(CliError::failure(Interrupted)),
            answered = answer => match answered {
                Err(_) if self.is_pressed.load(Ordering::Relaxed) => {
                    Err(CliError::failure(Interrupted))
                }
                answered => answered,
            },
        }
    }

    /// Forgets that it was pressed.
    pub(super) fn reset(&self) {
        self.is_pressed.store(false, Ordering::Relaxed);
        // It may have been pressed when the statement had just ended.
        let _ = self.pressed.notified().now_or_never();
    }
}
