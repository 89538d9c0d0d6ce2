//! `demo`: an account changes between runs; what was recorded of it.

use clap::Args as ClapArgs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::changes::{change_table, history_table};
use super::list::connection_table;
use super::runs::run_table;
use crate::audit::{Audit, ChangeFilter, ConnectionFilter};
use crate::aws::RetryPolicy;
use crate::cli::error::{CliError, Exit};
use crate::cli::render::{TableArgs, print, print_table};
use crate::cli::store::open_file;
use crate::domain::{AccountId, ChangeKind, Clock, Region, SystemClock, Timestamp};
use crate::inventory::summary::Summary;
use crate::inventory::{Inventory, RunOptions};
use crate::lambda::config::{DEFAULT_CONCURRENCY, DEFAULT_GUARD};
use crate::lambda::handler::{AllowedAccounts, Handler, HandlerError};
use crate::listing::{CodeConnections, Limits};
use crate::local::codeconnections::CodeConnectionsEmulator;
use crate::local::demo_account::{ACCOUNT, REGIONS, Step};
use crate::local::embedded::Open;
use crate::local::{EmbeddedTable, EmulatorService, ManualClock, demo_account};
use crate::output::escape::printable;
use crate::output::text::{count, format_time, or_dash};

/// Run the inventory on a simulated account, without AWS
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv demo                 run the demo and keep nothing
  ccinv demo --dir /tmp/d    keep the database in /tmp/d
  ccinv demo --serve         keep the simulated account up, for the AWS CLI")]
pub(crate) struct DemoArgs {
    /// Keep the database in this directory (created if missing)
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Keep the simulated account up until Ctrl-C
    #[arg(long)]
    pub(crate) serve: bool,
    /// Serve the account on this TCP port; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "serve")]
    pub(crate) port: u16,
    #[command(flatten)]
    table: TableArgs,
}

const FILE: &str = "demo.db";
const SHOWN: usize = 12;
const REMAINING: Duration = Duration::from_secs(300);

type DemoHandler = Handler<CodeConnections, Arc<ManualClock>>;

pub(crate) async fn run(args: DemoArgs) -> Result<Exit, CliError> {
    // First the port: without it, no file is made.
    let codeconnections = demo_account::codeconnections().map_err(CliError::failure)?;
    let service = EmulatorService::start(codeconnections.clone(), args.port)
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
            "--dir {}: can't be made as a folder: {error}",
            dir.display()
        ))
    })?;
    let file = dir.join(FILE);
    if file.exists() {
        return Err(CliError::Usage(format!(
            "--dir {}: a demo is there already; read it with `ccinv list --db {}`",
            dir.display(),
            file.display()
        )));
    }
    let embedded = open_file(&file, Open::OrCreate).await?;
    let steps = demo_account::steps().map_err(CliError::failure)?;
    let all: Duration = steps.iter().map(|step| step.after).sum();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(
        SystemClock.now().millis() - i64::try_from(all.as_millis()).unwrap_or(0),
    )));
    let handler = handler(&service, &embedded, Arc::clone(&clock))?;
    print(INTRODUCTION)?;
    for (number, step) in steps.iter().enumerate() {
        take(number + 1, step, &codeconnections, &handler, &clock).await?;
    }
    report(&Audit::new(embedded.table().clone()), args.table.width()).await?;
    match &temporary {
        Some(_) => print("\nThe database was temporary; `ccinv demo --dir FOLDER` keeps it.\n")?,
        None => print(&format!(
            "\nThe database is {0}; read it with `ccinv list --db {0}`.\n",
            file.display()
        ))?,
    }
    if args.serve {
        serve(&service).await?;
    }
    Ok(Exit::Success)
}

const INTRODUCTION: &str = "\
An account with 240 CodeConnections, on embedded parts: a DynamoDB in a file and
a stand-in for the service. What follows is the function's own handler, fed with
the events that AWS would send.

";

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

async fn take(
    number: usize,
    step: &Step,
    codeconnections: &CodeConnectionsEmulator,
    handler: &DemoHandler,
    clock: &ManualClock,
) -> Result<(), CliError> {
    clock.advance(step.after);
    let event = step.happen(codeconnections).map_err(CliError::failure)?;
    let answer = match handler.handle(&event, REMAINING).await {
        Ok(answer) | Err(HandlerError::RunFailed(answer)) => answer,
        Err(error) => return Err(CliError::failure(error)),
    };
    print(&format!(
        "{number}. {}: {}\n",
        format_time(clock.now()),
        step.says
    ))?;
    for run in answer.runs() {
        print(&format!("     → {}\n", line(run)))?;
        for problem in &run.problems {
            print(&format!("       {}\n", printable(problem)))?;
        }
    }
    Ok(())
}

fn line(run: &Summary) -> String {
    if run.already_recorded {
        return format!(
            "already dealt with by run {}",
            or_dash(run.sequence.map(|n| n.to_string()).as_deref())
        );
    }
    let changes: Vec<String> = run
        .changes
        .iter()
        .map(|(kind, number)| format!("{number} {kind}"))
        .collect();
    let changes = if changes.is_empty() {
        "no change".to_owned()
    } else {
        changes.join(", ")
    };
    format!(
        "{}; {changes}; {} write requests, {} write units, {} of them on indexes",
        run.outcome, run.requests.write, run.capacity.write_units, run.capacity.index_write_units
    )
}

async fn report(audit: &Audit, width: Option<usize>) -> Result<(), CliError> {
    let account: AccountId = ACCOUNT.parse().map_err(CliError::failure)?;
    let filter = ConnectionFilter {
        include_deleted: true,
        ..ConnectionFilter::default()
    };
    let mut rows = audit
        .connections(&filter)
        .await
        .map_err(CliError::failure)?;
    let all = rows.len();
    // What is worth a look first: not simply there and available.
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
    rows.truncate(SHOWN);
    print("\nCONNECTIONS, as last seen; what is gone stays as a tombstone\n")?;
    print_table(&connection_table(&rows), width)?;
    print(&format!(
        "  … {} in all (`ccinv list --include-deleted`)\n",
        count(all, "connection")
    ))?;

    let ever = ChangeFilter {
        since: Timestamp::from_millis(i64::MIN),
        until: Timestamp::from_millis(i64::MAX),
        kind: None,
        status: None,
        provider: None,
        account: None,
    };
    let mut changes = audit.changes(&ever).await.map_err(CliError::failure)?;
    let recorded = changes.len();
    changes.retain(|change| {
        change.change.kind != ChangeKind::FirstSeen || change.change.previously_seen_at.is_some()
    });
    changes.truncate(SHOWN);
    print("\nCHANGES: the API gives no times, so each lies in a span between two looks\n")?;
    print_table(&change_table(&changes), width)?;
    print(&format!(
        "  … {} recorded in all (`ccinv changes`)\n",
        count(recorded, "change")
    ))?;

    if let Some(history) = audit
        .history("ledger-api", Some(&account))
        .await
        .map_err(CliError::failure)?
        .first()
    {
        print("\nONE CONNECTION'S HISTORY (`ccinv history ledger-api`)\n")?;
        print_table(&history_table(&history.changes), width)?;
    }
    let runs = audit
        .runs(&account, SHOWN)
        .await
        .map_err(CliError::failure)?;
    print("\nRUNS: what the inventory rests on, each chained to the one before by its digest\n")?;
    print_table(&run_table(&runs), width)
}

async fn serve(service: &EmulatorService) -> Result<(), CliError> {
    let endpoint = service.endpoint();
    print(&format!(
        "
The account stays up at {endpoint} until Ctrl-C. In another terminal:

  export AWS_ENDPOINT_URL_CODECONNECTIONS={endpoint} AWS_ENDPOINT_URL_STS={endpoint}
  export AWS_ACCESS_KEY_ID={ACCOUNT} AWS_SECRET_ACCESS_KEY=any AWS_REGION=eu-west-1
  aws codeconnections create-connection --provider-type GitHub --connection-name mine
  ccinv scan --db mine.db
  curl {endpoint}/_standin/status -d '{{\"arn\": \"ARN\", \"status\": \"AVAILABLE\"}}'
  ccinv scan --db mine.db && ccinv history --db mine.db mine
"
    ))?;
    tokio::signal::ctrl_c().await.map_err(CliError::failure)
}
