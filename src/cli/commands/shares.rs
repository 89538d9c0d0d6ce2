//! `shares`: with whom connections are shared.

use clap::Args as ClapArgs;

use super::dependency_table::{basis_notes, dependency_table, require_runs, require_sources};
use crate::audit::dependencies::{DependencyFilter, DependencyRow};
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, RowAnswer};
use crate::cli::store::Store;
use crate::domain::{AccountId, DependencyType, Timestamp};
use crate::output::text::{count, or_dash};

/// List with whom connections are shared by AWS RAM
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Shares are recorded by `ccinv scan --dependencies`, in each region that it lists. \
SHARE is a connection of the account and a principal that may use it. \
SHARE_RECEIVED is a connection of another account that this one may use, and who \
shares it. A principal outside of the organization is external.

Examples:
  ccinv shares --external
  ccinv shares --as-of 2026-10-31 --format csv

Exit codes: 0 success, 4 no run of dependencies covers the answer.")]
pub(crate) struct SharesArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Leave out shares with principals inside of the organization
    #[arg(long)]
    external: bool,
    /// Show the state at this time: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    as_of: Option<Timestamp>,
    #[command(flatten)]
    format: FormatArgs,
}

pub(crate) async fn run(args: SharesArgs) -> Result<Exit, CliError> {
    if let Some(at) = args.as_of {
        evidence::require_past("--as-of", at)?;
    }
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let filter = DependencyFilter {
        types: Some(vec![DependencyType::Share, DependencyType::ShareReceived]),
        account: args.account.clone(),
        ..DependencyFilter::default()
    };
    let answer = audit.dependencies(&filter, args.as_of).await;
    let mut answer = answer.map_err(CliError::failure)?;
    // What RAM doesn't say of a principal may be external.
    answer
        .dependencies
        .retain(|share| !args.external || share.members.get("external") != Some(&false.into()));
    require_runs(&audit, &answer.rests_on, args.account.as_ref()).await?;
    let mut lines = vec![count(answer.dependencies.len(), "share")];
    lines.extend(basis_notes(&answer.rests_on));
    RowAnswer {
        rows: &answer.dependencies,
        document: &answer,
        notes: lines,
    }
    .print(args.format, share_table)?;
    require_sources(&answer.rests_on)?;
    Ok(Exit::Success)
}

/// Returns whether a principal is outside of the organization, in a word.
fn place(share: &DependencyRow) -> &'static str {
    match share.members.get("external").and_then(|it| it.as_bool()) {
        Some(true) => "external",
        Some(false) => "internal",
        None => "unknown",
    }
}

/// Returns a share for people.
pub(crate) fn share_in_words(share: &DependencyRow) -> String {
    let principal = or_dash(share.member("principal").as_deref());
    let place = place(share);
    match share.dependency_type {
        DependencyType::ShareReceived => {
            format!("with account {} by {principal} ({place})", share.account)
        }
        _ => format!("with {principal} ({place})"),
    }
}

fn share_table(rows: &[DependencyRow]) -> TextTable {
    let columns = [
        ("TYPE", Cut::Never),
        ("PRINCIPAL", Cut::Middle),
        ("PLACE", Cut::Never),
    ];
    dependency_table(rows, columns, |row| {
        [
            Cell::word(row.dependency_type.as_str()),
            or_dash(row.member("principal").as_deref()).into(),
            place(row).to_owned().into(),
        ]
    })
}
