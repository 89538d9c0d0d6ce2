//! The list of commands, in groups. Their help is with their arguments, in
//! `commands`.

use std::fmt::Write as _;

use clap::builder::Styles;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::aws::GlobalArgs;
use super::commands::archive::ArchiveArgs;
use super::commands::changes::{ChangesArgs, HistoryArgs};
use super::commands::check::CheckArgs;
use super::commands::checkpoint::CheckpointArgs;
use super::commands::cost::CostArgs;
use super::commands::demo::DemoArgs;
use super::commands::diff::DiffArgs;
use super::commands::evaluate::EvaluateArgs;
use super::commands::export::ExportArgs;
use super::commands::findings::FindingsArgs;
use super::commands::hosts::HostsArgs;
use super::commands::impact::ImpactArgs;
use super::commands::list::ListArgs;
use super::commands::report::ReportArgs;
use super::commands::runs::RunsArgs;
use super::commands::scan::ScanArgs;
use super::commands::shares::SharesArgs;
use super::commands::shell::{CompletionsArgs, ManArgs};
use super::commands::show::ShowArgs;
use super::commands::sql::SqlArgs;
use super::commands::uses::UsesArgs;
use super::commands::verify::VerifyArgs;

const EXIT_CODES: &str = "\
Run 'ccinv <COMMAND> --help' for its options and examples.

Exit codes:
  0    success
  1    failure
  2    wrong usage; nothing was written
  3    findings: of verify or check
  4    evidence missing: no complete run covers the answer
  130  interrupted by Ctrl-C";

/// Auditable inventory and change history for AWS CodeConnections
#[derive(Debug, Parser)]
#[command(name = "ccinv", version, after_help = EXIT_CODES, max_term_width = 80)]
pub(crate) struct Args {
    #[command(flatten)]
    aws: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command, in the group under which help lists it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Inventory(InventoryCommand),
    #[command(flatten)]
    Audit(AuditCommand),
    #[command(flatten)]
    Evidence(EvidenceCommand),
    #[command(flatten)]
    Tools(ToolsCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum InventoryCommand {
    Demo(DemoArgs),
    Scan(Box<ScanArgs>),
    Evaluate(EvaluateArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    List(ListArgs),
    Show(ShowArgs),
    History(HistoryArgs),
    Changes(ChangesArgs),
    Diff(DiffArgs),
    Uses(UsesArgs),
    Impact(ImpactArgs),
    Hosts(HostsArgs),
    Shares(SharesArgs),
    Runs(RunsArgs),
    Check(Box<CheckArgs>),
    Findings(FindingsArgs),
    Report(Box<ReportArgs>),
    Sql(SqlArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    Verify(Box<VerifyArgs>),
    Checkpoint(Box<CheckpointArgs>),
    Archive(Box<ArchiveArgs>),
    Export(Box<ExportArgs>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolsCommand {
    Cost(CostArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Adds a group's commands to a parser.
type AddCommands = fn(clap::Command) -> clap::Command;

/// The groups of [`Command`], with their headings.
const GROUPS: [(&str, AddCommands); 4] = [
    ("Inventory", InventoryCommand::augment_subcommands),
    ("Audit", AuditCommand::augment_subcommands),
    ("Evidence", EvidenceCommand::augment_subcommands),
    ("Tools", ToolsCommand::augment_subcommands),
];

/// Parses the arguments of this process.
///
/// # Errors
/// What clap reports, which includes help and version.
pub(crate) fn parse() -> Result<Args, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Args::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Returns the parser. Its help lists the commands by group: clap itself knows
/// one list of subcommands only.
pub(crate) fn command() -> clap::Command {
    Args::command().help_template(help_template())
}

fn help_template() -> String {
    let styles = Styles::styled();
    let (heading, name) = (styles.get_header(), styles.get_literal());
    let groups = GROUPS.map(|(group, add)| (group, add(clap::Command::new(group))));
    let names = groups
        .iter()
        .flat_map(|(_, command)| command.get_subcommands());
    let width = names.map(|command| command.get_name().len()).max();
    let width = width.unwrap_or_default();
    let mut template = "{about-with-newline}\n{usage-heading} {usage}\n\n".to_owned();
    for (group, commands) in &groups {
        let _ = writeln!(template, "{heading}{group}:{heading:#}");
        for command in commands.get_subcommands() {
            let about = command.get_about().cloned().unwrap_or_default();
            let padded = format!("{:width$}", command.get_name());
            let _ = writeln!(template, "  {name}{padded}{name:#}  {about}");
        }
        template.push('\n');
    }
    let _ = write!(
        template,
        "{heading}Options:{heading:#}\n{{options}}{{after-help}}"
    );
    template
}
