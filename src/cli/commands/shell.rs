//! `completions` and `man`, generated from the arguments.

use clap::builder::PossibleValuesParser;
use clap::{Args as ClapArgs, Command, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::cli::error::{CliError, Exit};
use crate::cli::render::print;
use crate::domain::ListingGroup;
use crate::domain::{ChangeKind, ConnectionStatus, ProviderType};

/// The supported shells.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

/// Print completions for a shell
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv completions bash > /etc/bash_completion.d/ccinv
  ccinv completions zsh > \"${fpath[1]}/_ccinv\"
  ccinv completions fish > ~/.config/fish/completions/ccinv.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell to print completions for
    #[arg(value_name = "SHELL", value_enum)]
    shell: For,
}

pub(crate) fn completions(args: CompletionsArgs, command: Command) -> Result<Exit, CliError> {
    let shell = match args.shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut completed(command), "ccinv", &mut text);
    printed(text)
}

/// Adds the values and hints that shells complete with. `ccinv` itself accepts
/// other values, too.
fn completed(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let of_file = arg.get_value_names().is_some_and(|names| {
                let mut names = names.iter().map(|name| name.as_str());
                names.any(|name| matches!(name, "FILE" | "DIR"))
            });
            match values(arg.get_long().unwrap_or_default()) {
                Some(values) => arg.value_parser(PossibleValuesParser::new(values)),
                None if of_file || !arg.get_action().takes_values() => arg,
                // Without a hint, shells offer files.
                None => arg.value_hint(ValueHint::Other),
            }
        })
        .mut_subcommands(completed)
}

/// Returns the known values of an option that accepts others, too.
fn values(option: &str) -> Option<Vec<&'static str>> {
    Some(match option {
        "status" => {
            let known: &'static [ConnectionStatus] = &ConnectionStatus::KNOWN;
            known.iter().map(ConnectionStatus::as_str).collect()
        }
        "kind" => ChangeKind::ALL.map(ChangeKind::as_str).to_vec(),
        "outcome" => vec!["COMPLETE", "PARTIAL", "FAILED"],
        "provider" | "allow-provider" => {
            let known: &'static [ProviderType] = &ProviderType::KNOWN;
            known.iter().map(ProviderType::as_str).collect()
        }
        "region" | "regions" | "retired-regions" => ListingGroup::DEFAULT_REGIONS.to_vec(),
        _ => return None,
    })
}

/// Print the manual page
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv man | man -l -
  ccinv man > /usr/local/share/man/man1/ccinv.1")]
pub(crate) struct ManArgs;

/// Prints one page with a section for each command.
pub(crate) fn man(mut command: Command) -> Result<Exit, CliError> {
    command.build();
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.clone());
    page.render_title(&mut text)
        .and_then(|()| page.render_name_section(&mut text))
        .and_then(|()| page.render_synopsis_section(&mut text))
        .and_then(|()| page.render_description_section(&mut text))
        .and_then(|()| page.render_options_section(&mut text))
        .and_then(|()| page.render_extra_section(&mut text))
        .map_err(CliError::failure)?;
    for command in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let name = command.get_name().to_uppercase();
        text.extend_from_slice(format!(".SH \"CCINV {name}\"\n").as_bytes());
        let page = clap_mangen::Man::new(command.clone());
        let mut sections = Vec::new();
        page.render_synopsis_section(&mut sections)
            .and_then(|()| page.render_description_section(&mut sections))
            .and_then(|()| page.render_options_section(&mut sections))
            .and_then(|()| page.render_extra_section(&mut sections))
            .map_err(CliError::failure)?;
        let sections = String::from_utf8(sections).map_err(CliError::failure)?;
        // A command's sections are subsections here.
        text.extend_from_slice(sections.replace(".SH ", ".SS ").as_bytes());
    }
    printed(text)
}

fn printed(text: Vec<u8>) -> Result<Exit, CliError> {
    print(&String::from_utf8(text).map_err(CliError::failure)?)?;
    Ok(Exit::Success)
}
