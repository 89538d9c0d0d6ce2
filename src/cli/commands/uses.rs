//! `uses`: what uses a connection.

use clap::Args as ClapArgs;
use serde::Serialize;

use super::dependency_table::{consumer_table, notes, require_runs, require_sources};
use crate::audit::dependencies::{DependencyAnswer, DependencyFilter};
use crate::cli::args::{StoreArgs, parse_connection, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::render::{FormatArgs, RowAnswer};
use crate::cli::store::Store;
use crate::cli::{evidence, suggestions};
use crate::domain::dependency::NOT_ASKED;
use crate::domain::{AccountId, Timestamp};
use crate::output::text::count;

/// List what uses a connection: pipelines, build projects, stacks, …
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Dependencies are recorded by `ccinv scan --dependencies`. An ARN that is not on \
record can be asked for, too: of a host, or of another account's connection.

Examples:
  ccinv uses payments-api
  ccinv uses payments-api --as-of 30d --json
  ccinv uses arn:aws:codeconnections:eu-west-1:123456789012:connection/8c0a5f2e-…

Exit codes: 0 success, 4 no run of dependencies covers the answer.")]
pub(crate) struct UsesArgs {
    /// ARN, name, or last part of the ARN
    #[arg(value_name = "ARN_OR_NAME", value_parser = parse_used)]
    connection: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID of what uses it
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Show the state at this time: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    as_of: Option<Timestamp>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Parses a connection, or the ARN of a host.
fn parse_used(text: &str) -> Result<String, String> {
    let host = crate::domain::arn::HostArn::parse(text);
    match host {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => parse_connection(text),
    }
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Document<'a> {
    connections: &'a [String],
    not_asked: [&'static str; NOT_ASKED.len()],
    #[serde(flatten)]
    answer: &'a DependencyAnswer,
}

pub(crate) async fn run(args: UsesArgs) -> Result<Exit, CliError> {
    if let Some(at) = args.as_of {
        evidence::require_past("--as-of", at)?;
    }
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let histories = audit.history(&args.connection, None).await;
    let histories = histories.map_err(CliError::failure)?;
    let mut connections: Vec<String> = histories
        .iter()
        .map(|history| history.connection_arn.to_string())
        .collect();
    if connections.is_empty() && args.connection.starts_with("arn:") {
        connections.push(args.connection.clone());
    }
    if connections.is_empty() {
        return Err(suggestions::no_connection(&audit, &args.connection, None).await?);
    }
    let filter = DependencyFilter {
        account: args.account.clone(),
        uses: Some(connections.clone()),
        without_properties: true,
        ..DependencyFilter::default()
    };
    let answer = audit.dependencies(&filter, args.as_of).await;
    let answer = answer.map_err(CliError::failure)?;
    require_runs(&audit, &answer.rests_on, args.account.as_ref()).await?;
    let users = count(answer.dependencies.len(), "dependency");
    let mut lines = vec![format!("{users} of {}", connections.join(", "))];
    lines.extend(notes(&answer.rests_on));
    RowAnswer {
        rows: &answer.dependencies,
        document: &Document {
            connections: &connections,
            not_asked: NOT_ASKED,
            answer: &answer,
        },
        notes: lines,
    }
    .print(args.format, consumer_table)?;
    require_sources(&answer.rests_on)?;
    Ok(Exit::Success)
}
