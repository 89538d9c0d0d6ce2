//! `impact`: what uses connections and hosts that do not work or do not exist.

use std::collections::BTreeSet;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::dependency_table::{notes, reads, require_runs, require_sources};
use crate::audit::dependencies::DependencyRow;
use crate::audit::impact::{Impact, ImpactAnswer};
use crate::cli::args::StoreArgs;
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, Row, RowAnswer};
use crate::cli::store::Store;
use crate::domain::AccountId;
use crate::domain::dependency::NOT_ASKED;
use crate::output::text::{count, or_dash};

/// List what uses connections that do not work, or do not exist
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Dependencies are recorded by `ccinv scan --dependencies`. Each one is listed whose \
connection or host is not AVAILABLE, is DELETED, or is in no inventory of this \
table (NOT_IN_INVENTORY): a dangling reference. NOT_OBSERVED is no finding: its \
account or region was not listed, so it may work.

Examples:
  ccinv impact
  ccinv impact --account 123456789012 --json

Exit codes: 0 nothing is affected, 3 findings, 4 no findings, but no run of \
connections or dependencies covers the answer.")]
pub(crate) struct ImpactArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID of what uses it
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    #[command(flatten)]
    format: FormatArgs,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    answer: &'a ImpactAnswer,
    not_asked: [&'static str; NOT_ASKED.len()],
}

pub(crate) async fn run(args: ImpactArgs) -> Result<Exit, CliError> {
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    // Whether a connection works is known from the runs of connections.
    let inventories = evidence::current(&audit, None).await?;
    let answer = audit.impact(args.account.as_ref(), inventories).await;
    let answer = answer.map_err(CliError::failure)?;
    require_runs(&audit, &answer.rests_on, args.account.as_ref()).await?;
    let reasons = answer
        .impact
        .iter()
        .filter_map(|it| it.not_observed.as_deref());
    let not_observed = reasons.clone().count();
    let affected = answer.impact.len() - not_observed;
    let mut lines = vec![format!("{} affected", count(affected, "dependency"))];
    let reasons: BTreeSet<&str> = reasons.collect();
    lines.extend(reasons.iter().map(|why| format!("not observed: {why}")));
    lines.extend(evidence::lines(&answer.connections_rest_on));
    lines.extend(notes(&answer.rests_on));
    RowAnswer {
        rows: &answer.impact,
        document: &Document {
            answer: &answer,
            not_asked: NOT_ASKED,
        },
        notes: lines,
    }
    .print(args.format, impact_table)?;
    if affected > 0 {
        return Ok(Exit::Findings);
    }
    evidence::require_complete_run(&answer.connections_rest_on)?;
    require_sources(&answer.rests_on)?;
    if not_observed > 0 {
        return Err(CliError::NoEvidence(format!(
            "connections of {} were not observed: they may not work or exist; run `ccinv scan` \
             in their accounts and regions",
            count(not_observed, "dependency")
        )));
    }
    Ok(Exit::Success)
}

fn impact_table(rows: &[Impact]) -> TextTable {
    let mut table = TextTable::new([
        ("REASON", Cut::Never),
        ("CONNECTION", Cut::End),
        ("USED BY", Cut::Never),
        ("NAME", Cut::End),
        ("READS", Cut::End),
        ("ACCOUNT", Cut::Never),
        ("USES", Cut::Middle),
    ])
    .may_drop(["ACCOUNT"]);
    for row in rows {
        let dependency = &row.dependency;
        table.add(
            [
                Cell::word(row.reason.as_str()),
                or_dash(row.connection_name.as_deref()).into(),
                dependency.dependency_type.label().to_owned().into(),
                or_dash(dependency.name.as_deref()).into(),
                reads(dependency).into(),
                dependency.account.to_string().into(),
                row.uses.clone().into(),
            ],
            Vec::new(),
        );
    }
    table
}

impl Row for Impact {
    fn header() -> Vec<&'static str> {
        let mut header = vec!["reason", "connection_name"];
        header.extend(DependencyRow::header());
        header.push("not_observed");
        header
    }

    fn csv(&self) -> Vec<String> {
        let mut fields = vec![
            self.reason.clone(),
            self.connection_name.clone().unwrap_or_default(),
        ];
        fields.extend(self.dependency.csv());
        fields.push(self.not_observed.clone().unwrap_or_default());
        fields
    }
}
