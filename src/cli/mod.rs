//! The command line `ccinv`.
//!
//! [`main`] parses the arguments and runs a command of `commands`, one file
//! each. `app` lists the commands; `args` has the arguments that several share;
//! `render` prints rows as tables, JSON, JSON Lines and CSV; `evidence` refuses to
//! answer without recorded runs; `error` has the exit codes.
//!
//! Called by `bin/ccinv.rs`. Imports everything else.

mod app;
mod args;
mod aws;
mod commands;
mod error;
mod evidence;
#[doc(hidden)]
pub mod fuzzing;
mod out_file;
mod progress;
mod render;
mod run_progress;
mod store;
mod suggestions;

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::domain::text::one_line;
use crate::lambda::logging::{self, parse_level};
use app::{Args, AuditCommand, Command, EvidenceCommand, InventoryCommand, ToolsCommand};
use commands::{
    archive, changes, check, checkpoint, cost, demo, diff, evaluate, export, findings, hosts,
    impact, list, report, runs, scan, shares, shell, show, sql, uses, verify,
};
use error::{CliError, Exit, environment, say};

/// Parses the arguments, runs the command, and returns the exit code.
pub async fn main() -> ExitCode {
    let args = match app::parse() {
        Ok(args) => args,
        Err(error) => return print_clap_error(&error).into(),
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

/// Prints help and version on standard output, and an error as one line on
/// standard error.
fn print_clap_error(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return match render::is_read(error.print()) {
                Ok(_) => Exit::Success,
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
            // The usage and a hint to --help follow clap's message.
            let message = error.to_string();
            let message = message.strip_prefix("error: ").unwrap_or(&message);
            let end = ["\nUsage:", "\nFor more information"]
                .iter()
                .filter_map(|rest| message.find(rest))
                .min();
            say(&one_line(&message[..end.unwrap_or(message.len())]));
        }
    }
    Exit::Usage
}

async fn run(args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Inventory(command) => match command {
            InventoryCommand::Demo(args) => demo::run(args).await,
            InventoryCommand::Scan(args) => scan::run(*args).await,
            InventoryCommand::Evaluate(args) => evaluate::run(args).await,
        },
        Command::Audit(command) => match command {
            AuditCommand::List(args) => list::run(args).await,
            AuditCommand::Show(args) => show::run(args).await,
            AuditCommand::History(args) => changes::history(args).await,
            AuditCommand::Changes(args) => changes::changes(args).await,
            AuditCommand::Diff(args) => diff::run(args).await,
            AuditCommand::Uses(args) => uses::run(args).await,
            AuditCommand::Impact(args) => impact::run(args).await,
            AuditCommand::Hosts(args) => hosts::run(args).await,
            AuditCommand::Shares(args) => shares::run(args).await,
            AuditCommand::Runs(args) => runs::run(args).await,
            AuditCommand::Check(args) => check::run(*args).await,
            AuditCommand::Findings(args) => findings::run(args).await,
            AuditCommand::Report(args) => report::run(*args).await,
            AuditCommand::Sql(args) => sql::run(args).await,
        },
        Command::Evidence(command) => match command {
            EvidenceCommand::Verify(args) => verify::run(*args).await,
            EvidenceCommand::Checkpoint(args) => checkpoint::run(*args).await,
            EvidenceCommand::Archive(args) => archive::run(*args).await,
            EvidenceCommand::Export(args) => export::run(*args).await,
        },
        Command::Tools(command) => match command {
            ToolsCommand::Cost(args) => cost::run(args),
            ToolsCommand::Completions(args) => shell::completions(args, app::command()),
            ToolsCommand::Man(_) => shell::man(app::command()),
        },
    }
}

/// Logs only if `LOG_LEVEL` is set: the summaries are for people.
fn set_up_logging() -> Result<(), String> {
    if let Some(level) = environment("LOG_LEVEL").filter(|level| !level.is_empty()) {
        logging::init(parse_level(Some(&level))?, logging::Format::Text);
    }
    Ok(())
}
