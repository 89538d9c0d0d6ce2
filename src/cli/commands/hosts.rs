//! `hosts`: the hosts of self-managed providers.

use clap::Args as ClapArgs;
use serde::Serialize;

use super::dependency_table::{notes, require_runs, require_sources};
use super::tags::{TagColumn, TaggedRow};
use crate::audit::dependencies::{DependencyBasis, DependencyFilter, DependencyRow};
use crate::audit::properties::tags_in_words;
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, RowAnswer};
use crate::cli::store::Store;
use crate::domain::{AccountId, DependencyType, Timestamp};
use crate::output::text::{count, or_dash};

/// List hosts: the addresses of self-managed providers
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Hosts are recorded by `ccinv scan --dependencies`, in each region that it lists.

Examples:
  ccinv hosts
  ccinv hosts --as-of 2026-10-31 --format csv

Exit codes: 0 success, 4 no run of dependencies covers the answer.")]
pub(crate) struct HostsArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Show the state at this time: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    as_of: Option<Timestamp>,
    #[command(flatten)]
    format: FormatArgs,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Document<'a> {
    dependencies: &'a [TaggedRow<DependencyRow>],
    rests_on: &'a [DependencyBasis],
}

pub(crate) async fn run(args: HostsArgs) -> Result<Exit, CliError> {
    if let Some(at) = args.as_of {
        evidence::require_past("--as-of", at)?;
    }
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let filter = DependencyFilter {
        types: Some(vec![DependencyType::Host, DependencyType::Tags]),
        account: args.account.clone(),
        ..DependencyFilter::default()
    };
    let answer = audit.dependencies(&filter, args.as_of).await;
    let answer = answer.map_err(CliError::failure)?;
    require_runs(&audit, &answer.rests_on, args.account.as_ref()).await?;
    let is_host = |row: &DependencyRow| row.dependency_type == DependencyType::Host;
    let (hosts, tags): (Vec<_>, Vec<_>) = answer.dependencies.into_iter().partition(is_host);
    let of_type = |kind| {
        answer
            .rests_on
            .iter()
            .map(move |it| it.of_type(kind))
            .collect()
    };
    let rests_on: Vec<DependencyBasis> = of_type(DependencyType::Host);
    let column = TagColumn::new(tags, of_type(DependencyType::Tags));
    let hosts = hosts.into_iter().filter_map(|row| column.admit(row));
    let hosts: Vec<TaggedRow<DependencyRow>> = hosts.collect();
    let mut lines = vec![count(hosts.len(), "host")];
    lines.extend(notes(&rests_on));
    lines.extend(column.notes());
    RowAnswer {
        rows: &hosts,
        document: &Document {
            dependencies: &hosts,
            rests_on: &answer.rests_on,
        },
        notes: lines,
    }
    .print(args.format, host_table)?;
    require_sources(&rests_on)?;
    Ok(Exit::Success)
}

fn host_table(rows: &[TaggedRow<DependencyRow>]) -> TextTable {
    let mut table = TextTable::new([
        ("STATUS", Cut::Never),
        ("NAME", Cut::End),
        ("PROVIDER", Cut::End),
        ("ENDPOINT", Cut::End),
        ("VPC", Cut::End),
        ("TLS", Cut::Never),
        ("ACCOUNT", Cut::Never),
        ("ARN", Cut::Middle),
    ])
    .may_drop(["ACCOUNT", "TLS", "VPC"]);
    for TaggedRow { row, tags } in rows {
        let member = |name: &str| or_dash(row.member(name).as_deref());
        let certificate = row.members.get("TlsCertificate").map(|_| "certificate");
        let message = row.member("StatusMessage");
        let tags = tags.as_ref().filter(|tags| !tags.is_empty());
        let tags = tags.map(|tags| format!("tags: {}", tags_in_words(Some(tags))));
        table.add(
            [
                Cell::word(or_dash(row.status.as_deref())),
                or_dash(row.name.as_deref()).into(),
                member("ProviderType").into(),
                member("ProviderEndpoint").into(),
                member("VpcId").into(),
                or_dash(certificate).into(),
                row.account.to_string().into(),
                row.arn.clone().into(),
            ],
            message.into_iter().chain(tags).collect(),
        );
    }
    table
}
