//! The output of a check: text, JSON, JUnit XML, SARIF or OCSF events.

mod junit;
mod ocsf;
mod sarif;
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
    /// One JSON document: the rules, their results, and the runs these are based on
    Json,
    /// JUnit XML: a test suite for each account, a test case for each rule
    Junit,
    /// SARIF 2.1.0: a result for each finding, a notification for insufficient data
    Sarif,
    /// OCSF Compliance Finding events (class 2003), one per line
    Ocsf,
}

/// Selects the output format of a check.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct CheckFormatArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table", value_enum)]
    format: CheckFormat,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl CheckFormatArgs {
    /// Returns the format.
    pub(crate) fn get(self) -> CheckFormat {
        if self.json {
            CheckFormat::Json
        } else {
            self.format
        }
    }
}

/// Prints the result of a check.
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
        CheckFormat::Sarif => render::print_json(&sarif::log(check_report)),
        CheckFormat::Ocsf => render::print(&ocsf::written(check_report)?),
    }
}
