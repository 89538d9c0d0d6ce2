//! The command line: options, output, and exit codes.

mod aws_configuration;
mod commands;
mod cost_estimate;
mod cost_of_dependencies;
mod dependencies;
mod dependency_evidence;
mod dependency_sources;
mod html_report;
mod output_formats;
mod printed_text;
mod properties;
mod report_layout;
mod report_picture;
mod scan_database_file;
mod scan_failures;
mod services_not_enabled;
mod sql;
mod sql_prompt;
pub(crate) mod sql_questions;
mod terminal;
