//! `demo`: runs the inventory on a simulated account that changes between runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::changes::{change_table, history_table};
use super::demo_steps::{Demo, DemoHandler, add_step, print_step, step_table, take};
use super::list::connection_table;
use super::next_steps::{next_steps, shell_word};
use super::runs::run_table;
use crate::audit::{Audit, ChangeFilter, ConnectionFilter};
use crate::aws::RetryPolicy;
use crate::cli::error::{CliError, Exit};
use crate::cli::render::{TableArgs, print, print_table, print_wrapped};
use crate::cli::store::open_file;
use crate::domain::{AccountId, ChangeKind, Clock, Region, SystemClock, Timestamp};
use crate::inventory::{Inventory, RunOptions};
use crate::lambda::config::{DEFAULT_CONCURRENCY, DEFAULT_GUARD};
use crate::lambda::handler::{AllowedAccounts, Handler};
use crate::listing::{CodeConnections, Limits};
use crate::local::demo_account::{ACCOUNT, REGIONS};
use crate::local::embedded::Open;
use crate::local::{EmbeddedTable, EmulatorService, ManualClock, demo_account};
use crate::output::text::count;

/// Run the inventory on a simulated account, without AWS
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv demo                 run the demo and keep nothing
  ccinv demo --verbose       print every step, and the recorded tables
  ccinv demo --dir /tmp/d    keep the database in /tmp/d
  ccinv demo --serve         keep the simulated account up, for the AWS CLI")]
pub(crate) struct DemoArgs {
    /// Keep the database in this directory (created if missing)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Keep the simulated account up until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Serve the account on this TCP port; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "serve")]
    port: u16,
    /// Print every step in full, and the recorded tables
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    table: TableArgs,
}

const FILE: &str = "demo.db";
/// The directory in the examples of a demo that kept nothing.
const EXAMPLE_DIR: &str = "demo";
/// Rows of each table that `--verbose` prints.
const MAX_ROWS: usize = 12;
pub(crate) async fn run(args: DemoArgs) -> Result<Exit, CliError> {
    // First the port: without it, no file is made.
    let codeconnections = demo_account::codeconnections().map_err(CliError::failure)?;
    let services =
        demo_account::dependency_services(&codeconnections).map_err(CliError::failure)?;
    let service = EmulatorService::start_with(codeconnections.clone(), services, args.port)
        .await
        .map_err(|error| CliError::Usage(format!("--port {}: {error}", args.port)))?;
    let (dir, temporary) = match &args.dir {
        Some(dir) => (dir.clone(), None),
        None => {
            let temporary = tempfile::tempdir().map_err(CliError::failure)?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    std::fs::create_dir_all(&dir).map_err(|error| {
        CliError::Usage(format!(
            "--dir {}: can't create the directory: {error}",
            dir.display()
        ))
    })?;
    let file = dir.join(FILE);
    if file.exists() {
        return Err(CliError::Usage(format!(
            "--dir {}: already has a demo; read it with `ccinv list --db {}`, or name another \
             directory",
            dir.display(),
            shell_word(&file.display().to_string())
        )));
    }
    let embedded = open_file(&file, Open::OrCreate).await?;
    let steps = demo_account::steps().map_err(CliError::failure)?;
    let all: Duration = steps.iter().map(|step| step.after).sum();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(
        SystemClock.now().millis() - i64::try_from(all.as_millis()).unwrap_or(0),
    )));
    let handler = handler(&service, &embedded, Arc::clone(&clock))?;
    let audit = Audit::new(embedded.table().clone());
    let width = args.table.width();
    let demo = Demo {
        codeconnections: &codeconnections,
        handler: &handler,
        audit: &audit,
    };
    if args.verbose {
        print_wrapped(INTRODUCTION, width)?;
        for (number, step) in (1..).zip(&steps) {
            let taken = take(step, &demo).await?;
            print_step(number, step, clock.now(), &taken, width)?;
        }
        print_tables(&audit, width).await?;
    } else {
        let mut table = step_table();
        for (number, step) in (1..).zip(&steps) {
            let taken = take(step, &demo).await?;
            add_step(&mut table, number, step, &taken);
        }
        print(SHORT_INTRODUCTION)?;
        print_table(&table, width)?;
        print(&totals(&audit).await?)?;
    }
    print(&ending(args.dir.is_some().then_some(&file)))?;
    drop(temporary);
    if args.serve {
        serve(&service).await?;
    }
    Ok(Exit::Success)
}

const INTRODUCTION: &str = "\
A simulated account with 240 CodeConnections and what uses them, an embedded
DynamoDB table, and the handler of the deployed function, called with the events
that AWS sends.

";

const SHORT_INTRODUCTION: &str = "\
The inventory ran on a simulated account with 240 CodeConnections:

";

/// The commands to try next, on the database if it was kept.
fn ending(kept: Option<&PathBuf>) -> String {
    let example = || format!("{EXAMPLE_DIR}/{FILE}");
    let db = kept.map_or_else(example, |file| file.display().to_string());
    let db = shell_word(&db);
    let history = format!("ccinv history ledger-api --db {db}");
    let impact = format!("ccinv impact --db {db}");
    match kept {
        Some(_) => next_steps(&[
            (&format!("ccinv list --db {db}"), "what is there now"),
            (&impact, "what uses broken connections"),
            (&format!("ccinv verify --db {db}"), "verify the integrity"),
        ]),
        None => next_steps(&[
            (
                &format!("ccinv demo --dir {EXAMPLE_DIR}"),
                "keep the database",
            ),
            (&impact, "what uses broken connections"),
            (&history, "one connection's changes"),
        ]),
    }
}

fn handler(
    service: &EmulatorService,
    embedded: &EmbeddedTable,
    clock: Arc<ManualClock>,
) -> Result<DemoHandler, CliError> {
    let account: AccountId = ACCOUNT.parse().map_err(CliError::failure)?;
    let regions: Result<Vec<Region>, _> = REGIONS.iter().map(|region| region.parse()).collect();
    Ok(Handler {
        inventory: Inventory {
            source: CodeConnections::new(service.config(), Some(account.clone()), None),
            table: embedded.table().clone(),
            clock,
            options: RunOptions {
                guard: DEFAULT_GUARD,
                concurrency: DEFAULT_CONCURRENCY,
                retry_policy: RetryPolicy::default(),
                limits: Limits::default(),
            },
        },
        accounts: AllowedAccounts::Listed(vec![account]),
        regions: regions.map_err(CliError::failure)?,
        retired_regions: Vec::new(),
        random: || fastrand::u128(..),
    })
}

/// Describes all that the demo recorded, in a line.
async fn totals(audit: &Audit) -> Result<String, CliError> {
    let rows = audit.connections(&every_connection()).await;
    let rows = rows.map_err(CliError::failure)?;
    let deleted = rows.iter().filter(|row| row.deleted_at.is_some()).count();
    let changes = audit.changes(&every_change()).await;
    let changes = changes.map_err(CliError::failure)?;
    Ok(format!(
        "\nOn record: {}, {deleted} of them deleted; {}.\n\
         --verbose prints every step and the tables.\n",
        count(rows.len(), "connection"),
        count(changes.len(), "change"),
    ))
}

fn every_connection() -> ConnectionFilter {
    ConnectionFilter {
        include_deleted: true,
        ..ConnectionFilter::default()
    }
}

fn every_change() -> ChangeFilter {
    ChangeFilter {
        since: Timestamp::from_millis(i64::MIN),
        until: Timestamp::from_millis(i64::MAX),
        kind: None,
        status: None,
        provider: None,
        account: None,
    }
}

async fn print_tables(audit: &Audit, width: Option<usize>) -> Result<(), CliError> {
    let account: AccountId = ACCOUNT.parse().map_err(CliError::failure)?;
    let rows = audit.connections(&every_connection()).await;
    let mut rows = rows.map_err(CliError::failure)?;
    let all = rows.len();
    // Those worth a look first: not simply there and available.
    rows.sort_by_key(|row| {
        let plain = row
            .attributes
            .connection_status
            .as_ref()
            .map(|s| s.as_str())
            == Some("AVAILABLE");
        (
            row.deleted_at.is_some(),
            plain,
            std::cmp::Reverse(row.status_since),
        )
    });
    rows.truncate(MAX_ROWS);
    print("\nCONNECTIONS as last seen; deleted ones stay as tombstones\n")?;
    print_table(&connection_table(&rows), width)?;
    print(&format!(
        "  … {} in all (`ccinv list --include-deleted`)\n",
        count(all, "connection")
    ))?;

    let changes = audit.changes(&every_change()).await;
    let mut changes = changes.map_err(CliError::failure)?;
    let recorded = changes.len();
    changes.retain(|change| {
        change.change.kind != ChangeKind::FirstSeen || change.change.previously_seen_at.is_some()
    });
    changes.truncate(MAX_ROWS);
    print("\nCHANGES: the API gives no times, so each has the range between two listings\n")?;
    print_table(&change_table(&changes), width)?;
    print(&format!(
        "  … {} recorded in all (`ccinv changes`)\n",
        count(recorded, "change")
    ))?;

    let histories = audit.history("ledger-api", Some(&account)).await;
    if let Some(history) = histories.map_err(CliError::failure)?.first() {
        print("\nONE CONNECTION'S HISTORY (`ccinv history ledger-api`)\n")?;
        print_table(&history_table(&history.changes), width)?;
    }
    let runs = audit.runs(&account, MAX_ROWS).await;
    print("\nRUNS: each has the digest of the one before\n")?;
    print_table(&run_table(&runs.map_err(CliError::failure)?), width)
}

async fn serve(service: &EmulatorService) -> Result<(), CliError> {
    let endpoint = service.endpoint();
    print(&format!(
        "
The account stays up at {endpoint} until Ctrl-C.
In another terminal:

  export AWS_ENDPOINT_URL={endpoint} AWS_REGION=eu-west-1
  export AWS_ACCESS_KEY_ID={ACCOUNT} AWS_SECRET_ACCESS_KEY=any
  aws codeconnections create-connection \\
    --provider-type GitHub --connection-name mine
  ccinv scan --db mine.db
  curl {endpoint}/_standin/status \\
    -d '{{\"arn\": \"ARN\", \"status\": \"AVAILABLE\"}}'
  ccinv scan --db mine.db && ccinv history --db mine.db mine
  ccinv scan --db mine.db --dependencies && ccinv uses --db mine.db mine
"
    ))?;
    tokio::signal::ctrl_c().await.map_err(CliError::failure)
}
