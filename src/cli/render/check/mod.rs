//! How a check comes out: for people, as JSON, as JUnit XML, as OCSF events.

mod junit;
mod ocsf;
mod text;

use clap::{Args as ClapArgs, ValueEnum};

use crate::cli::error::CliError;
use crate::cli::render;
use crate::compliance::check::CheckReport;
use crate::domain::Timestamp;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// Aligned text, with each finding under its rule
    #[default]
    Table,
    /// One JSON document: the rules, what they came to, and what that rests on
    Json,
    /// JUnit XML: a test suite for each account, a test case for each rule
    Junit,
    /// OCSF Compliance Finding events (class 2003), one a line
    Ocsf,
}

/// Which format is asked for.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct CheckFormatArgs {
    /// How the result comes out
    #[arg(long, value_name = "FORMAT", default_value = "table", value_enum)]
    format: CheckFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl CheckFormatArgs {
    /// The format.
    pub(crate) fn get(self) -> CheckFormat {
        if self.json {
            CheckFormat::Json
        } else {
            self.format
        }
    }
}

/// Prints what a check came to.
pub(crate) fn print(
    check_report: &CheckReport,
    format: CheckFormat,
    as_of: Option<Timestamp>,
    width: Option<usize>,
) -> Result<(), CliError> {
    match format {
        CheckFormat::Table => text::print(check_report, as_of, width),
        CheckFormat::Json => render::print_json(check_report),
        CheckFormat::Junit => render::print(&junit::written(check_report)?),
        CheckFormat::Ocsf => render::print(&ocsf::written(check_report)?),
    }
}
