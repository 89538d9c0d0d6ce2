//! How a command ends: exit codes, errors, and the line that says why.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::aws::error::chain;
use crate::output::escape::printable;

/// How the command ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was asked.
    Success = 0,
    /// It failed.
    Failure = 1,
    /// It was asked wrongly. Nothing was written.
    Usage = 2,
    /// Something is not as it should be.
    Findings = 3,
    /// It can't say, or can't say all: something was not recorded.
    NoEvidence = 4,
    /// It was ended by Ctrl-C, as shells tell it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// It was asked wrongly.
    #[error("{0}")]
    Usage(String),
    /// It failed.
    #[error("{}", chain(&**.0))]
    Failure(Box<dyn Error + Send + Sync>),
    /// Something is not as it should be.
    #[error("{0}")]
    Findings(String),
    /// Nothing is recorded that would answer.
    #[error("{0}")]
    NoEvidence(String),
}

impl CliError {
    pub(crate) fn failure(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Failure(Box::new(error))
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Failure(_) => Exit::Failure,
            Self::Findings(_) => Exit::Findings,
            Self::NoEvidence(_) => Exit::NoEvidence,
        }
    }
}

/// A line on standard error. That nobody reads it is no failure.
pub(crate) fn say(problem: &str) {
    let _ = writeln!(io::stderr(), "ccinv: {}", printable(problem));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
