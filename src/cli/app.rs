//! The list of commands. Their help is with their arguments, in `commands`.

use clap::{Parser, Subcommand};

use super::aws::GlobalArgs;
use super::commands::changes::{ChangesArgs, HistoryArgs};
use super::commands::check::CheckArgs;
use super::commands::cost::CostArgs;
use super::commands::demo::DemoArgs;
use super::commands::diff::DiffArgs;
use super::commands::export::ExportArgs;
use super::commands::list::ListArgs;
use super::commands::report::ReportArgs;
use super::commands::runs::RunsArgs;
use super::commands::scan::ScanArgs;
use super::commands::shell::{CompletionsArgs, ManArgs};
use super::commands::show::ShowArgs;
use super::commands::verify::VerifyArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  failure
  2  wrong usage; nothing was written
  3  findings: the record is not whole, or a rule is broken
  4  evidence is missing: nothing is recorded, or a run was not complete
  130  ended by Ctrl-C";

/// An inventory of AWS CodeConnections that can be believed.
#[derive(Debug, Parser)]
#[command(name = "ccinv", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    aws: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Scan(ScanArgs),
    List(ListArgs),
    Show(ShowArgs),
    History(HistoryArgs),
    Changes(ChangesArgs),
    Diff(DiffArgs),
    Runs(RunsArgs),
    Report(Box<ReportArgs>),
    Verify(VerifyArgs),
    Check(Box<CheckArgs>),
    Export(ExportArgs),
    Cost(CostArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}
