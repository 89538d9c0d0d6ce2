//! Exit codes, errors, and messages on standard error.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::audit::AuditError;
use crate::aws::error::chain;
use crate::output::escape::printable;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what it was asked for.
    Success = 0,
    /// The command failed.
    Failure = 1,
    /// Wrong usage. Nothing was written.
    Usage = 2,
    /// `verify` or `check` has findings.
    Findings = 3,
    /// The records do not cover the answer, or not all of it.
    NoEvidence = 4,
    /// Interrupted by Ctrl-C: 128 and the signal, as in shells.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error of a command, by its exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Wrong usage.
    #[error("{0}")]
    Usage(String),
    /// The command failed.
    #[error("{}", chain(&**.0))]
    Failure(Box<dyn Error + Send + Sync>),
    /// No run has the digest of `--head`.
    #[error("{0}")]
    Findings(String),
    /// The records do not cover the answer.
    #[error("{0}")]
    NoEvidence(String),
}

impl CliError {
    /// Wraps the cause of a failure, or of missing evidence.
    pub(crate) fn failure(error: impl Error + Send + Sync + 'static) -> Self {
        let cause: &(dyn Error + 'static) = &error;
        match cause.downcast_ref() {
            Some(AuditError::RunsNotInTable { .. }) => Self::NoEvidence(error.to_string()),
            _ => Self::Failure(Box::new(error)),
        }
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Failure(_) => Exit::Failure,
            Self::Findings(_) => Exit::Findings,
            Self::NoEvidence(_) => Exit::NoEvidence,
        }
    }
}

/// Prints a line on standard error. Ignores a closed standard error.
pub(crate) fn say(problem: &str) {
    let _ = writeln!(io::stderr(), "ccinv: {}", printable(problem));
}

/// Returns an environment variable.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
