//! The command line `ccinv`.

mod args;
mod asked;
mod aws;
mod basis;
mod changes;
mod check;
mod check_output;
mod cost;
mod csv;
mod demo;
mod diff;
#[doc(hidden)]
pub mod doors;
mod export;
mod list;
pub(crate) mod output;
mod progress;
mod report;
mod roles;
mod rule_flags;
mod rules_file;
mod runs;
mod scan;
mod shell;
mod show;
mod sink;
mod store;
mod table;
mod verify;
mod when;
pub(crate) mod words;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::aws::fault::{chain, one_line};
use crate::config::parse_level;
use crate::logging;
use args::{Args, Command};
use output::printable;

/// How the command ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// It did what it was asked.
    Fine = 0,
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
enum CliError {
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
    fn failure(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Failure(Box::new(error))
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Failure(_) => Exit::Failure,
            Self::Findings(_) => Exit::Findings,
            Self::NoEvidence(_) => Exit::NoEvidence,
        }
    }
}

/// Reads the arguments, does what they say, and gives the exit code.
pub async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return wrong_arguments(&error).into(),
    };
    let done = match set_up_logging() {
        Ok(()) => run(args).await,
        Err(problem) => Err(CliError::Usage(format!("LOG_LEVEL: {problem}"))),
    };
    let exit = done.unwrap_or_else(|error| {
        say(&error.to_string());
        error.exit()
    });
    exit.into()
}

/// Help and version are asked for, and go to standard output. What is wrong
/// is told in a line.
fn wrong_arguments(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return match output::is_read(error.print()) {
                Ok(_) => Exit::Fine,
                Err(error) => {
                    say(&error.to_string());
                    error.exit()
                }
            };
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
        }
        _ => {
            // The parser's own text goes on with the usage, and how to get
            // help.
            let told = error.to_string();
            let told = told.strip_prefix("error: ").unwrap_or(&told);
            let end = ["\nUsage:", "\nFor more information"]
                .iter()
                .filter_map(|rest| told.find(rest))
                .min();
            say(&one_line(&told[..end.unwrap_or(told.len())]));
        }
    }
    Exit::Usage
}

/// A line on standard error. That nobody reads it is no failure.
fn say(problem: &str) {
    let _ = writeln!(io::stderr(), "ccinv: {}", printable(problem));
}

async fn run(args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Scan(args) => scan::run(args).await,
        Command::List(args) => list::run(args).await,
        Command::Show(args) => show::run(args).await,
        Command::History(args) => changes::history(args).await,
        Command::Changes(args) => changes::changes(args).await,
        Command::Diff(args) => diff::run(args).await,
        Command::Runs(args) => runs::run(args).await,
        Command::Report(args) => report::run(*args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Check(args) => check::run(*args).await,
        Command::Export(args) => export::run(args).await,
        Command::Cost(args) => cost::run(args),
        Command::Completions(args) => shell::completions(args),
        Command::Man => shell::man(),
    }
}

/// A person reads the summary; log lines are for who asks for them.
fn set_up_logging() -> Result<(), String> {
    if let Some(level) = environment("LOG_LEVEL").filter(|level| !level.is_empty()) {
        logging::init(parse_level(Some(&level))?, logging::Format::Text);
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
