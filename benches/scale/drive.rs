//! The processes that run the function once per account, several accounts at a time.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use codeconnections_inventory::aws::RetryPolicy;
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::domain::diff::DiffContext;
use codeconnections_inventory::domain::listing::AccountListing;
use codeconnections_inventory::domain::plan::PreviousSnapshots;
use codeconnections_inventory::domain::{
    AccountId, Attributes, Clock, ConnectionArn, Filter, Listing, ListingEnd, Outcome, Region,
    RunId, SchemaVersion, SystemClock, plan,
};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::inventory::{Inventory, RunOptions};
use codeconnections_inventory::lambda::config::DEFAULT_GUARD;
use codeconnections_inventory::lambda::handler::{AllowedAccounts, Handler, HandlerError};
use codeconnections_inventory::listing::{CodeConnections, Limits, MemberRole};
use codeconnections_inventory::local::embedded::local_config;
use codeconnections_inventory::table::codec::{Item, snapshot};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::options::Options;
use crate::service;
use crate::support::process::{peak_bytes, running_seconds};
use crate::support::{Result, put, table_at};

/// The account of the function.
const OWN: &str = "999999999999";
/// The listed region, whose listing has connections of all regions.
const LISTED: &str = "us-east-1";

/// ARN prefix and name of the state machine.
const MACHINE: &str = "arn:aws:states:us-east-1:999999999999";
const NAME: &str = "inventory-StateMachine-1A2B3C4D5E6F";

/// Totals of the runs of all accounts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    pub seconds: f64,
    pub processor_seconds: f64,
    pub peak_bytes: u64,
    pub outcomes: BTreeMap<String, u64>,
    pub complete: u64,
    /// Duration of each run in milliseconds.
    pub durations: Vec<u64>,
    pub listing: u64,
    pub read: u64,
    pub write: u64,
    pub read_units: f64,
    pub write_units: f64,
    pub index_write_units: f64,
    pub changes: BTreeMap<String, u64>,
    pub unwritten: u64,
    /// Invocations that Lambda throttled because of its concurrency quota.
    pub refused: u64,
    /// Accounts whose invocation was throttled at every attempt of the state machine.
    pub without_run: u64,
}

impl Measured {
    fn add(&mut self, run: &Summary) {
        *self.outcomes.entry(run.outcome.to_string()).or_default() += 1;
        self.complete += u64::from(run.outcome == Outcome::Complete);
        self.durations.push(run.duration_ms);
        self.listing += run.requests.listing;
        self.read += run.requests.read;
        self.write += run.requests.write;
        self.read_units += run.capacity.read_units;
        self.write_units += run.capacity.write_units;
        self.index_write_units += run.capacity.index_write_units;
        for (kind, number) in &run.changes {
            *self.changes.entry(kind.to_string()).or_default() += number;
        }
        self.unwritten += run.unwritten;
    }
}

/// Maximum backoffs of the state machine after throttled invocations, in seconds, with full
/// jitter.
const WAITS_S: [f64; 4] = [3.0, 6.0, 12.0, 24.0];

/// Lambda's unused concurrency.
struct Lambda {
    free: Cell<usize>,
}

impl Lambda {
    fn of(options: &Options) -> Self {
        let free = match options.quota {
            0 => usize::MAX,
            quota => quota - options.calls,
        };
        Self {
            free: Cell::new(free),
        }
    }

    /// Invokes the function like the state machine, with retries if throttled. Returns none
    /// if every attempt was throttled.
    async fn invoke<T>(&self, refused: &mut u64, run: impl Future<Output = T>) -> Option<T> {
        let mut waits = WAITS_S.iter();
        while self.free.get() == 0 {
            *refused += 1;
            let wait = fastrand::f64() * waits.next()?;
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
        }
        self.free.set(self.free.get() - 1);
        let result = run.await;
        self.free.set(self.free.get() + 1);
        Some(result)
    }
}

/// Runs all accounts with one handler per concurrent account, like Lambda's execution
/// environments. A free handler takes the next account.
#[tokio::main(flavor = "current_thread")]
pub async fn run(options: &Options, service: &str, table: &str) -> Result<()> {
    let next = Cell::new(0);
    let lambda = Lambda::of(options);
    let timeout = Duration::from_secs(options.timeout_s);
    let run_id = RunId::new(SystemClock.now(), fastrand::u128(..));
    let execution = &format!("{MACHINE}:execution:{NAME}:{run_id}");
    let began = Instant::now();
    let environments = (0..options.at_once.min(options.accounts)).map(|_| async {
        let handler = handler(options, service, table);
        let mut measured = Measured::default();
        while next.get() < options.accounts {
            let account = next.replace(next.get() + 1);
            let event = json!({
                "account": service::account(account),
                "execution_id": execution,
                "schedule_arn": format!("{MACHINE}:stateMachine:{NAME}"),
            });
            // The state machine does not retry a run that has ended.
            let run = handler.handle(&event, timeout);
            match lambda.invoke(&mut measured.refused, run).await {
                Some(Ok(answer) | Err(HandlerError::RunFailed(answer))) => {
                    measured.add(&answer.runs()[0]);
                }
                Some(Err(error)) => panic!("{error}"),
                None => measured.without_run += 1,
            }
        }
        measured
    });
    let environments = join_all(environments).await;
    let mut all = sum(environments);
    all.seconds = began.elapsed().as_secs_f64();
    all.processor_seconds = running_seconds(std::process::id())?;
    all.peak_bytes = peak_bytes("self")?;
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}

fn sum(parts: Vec<Measured>) -> Measured {
    let mut all = Measured::default();
    for part in parts {
        for (outcome, number) in part.outcomes {
            *all.outcomes.entry(outcome).or_default() += number;
        }
        for (kind, number) in part.changes {
            *all.changes.entry(kind).or_default() += number;
        }
        all.complete += part.complete;
        all.durations.extend(part.durations);
        all.listing += part.listing;
        all.read += part.read;
        all.write += part.write;
        all.read_units += part.read_units;
        all.write_units += part.write_units;
        all.index_write_units += part.index_write_units;
        all.unwritten += part.unwritten;
        all.refused += part.refused;
        all.without_run += part.without_run;
    }
    all.durations.sort_unstable();
    all
}

/// Returns the function's handler in organization mode, which assumes a role in each
/// account.
fn handler(options: &Options, service: &str, table: &str) -> Handler<CodeConnections, SystemClock> {
    let role = MemberRole {
        name: "codeconnections-inventory-read".into(),
        external_id: None,
    };
    let own: AccountId = OWN.parse().expect("an account");
    Handler {
        inventory: Inventory {
            source: CodeConnections::new(local_config(service), Some(own.clone()), Some(role)),
            table: table_at(table),
            clock: SystemClock,
            options: RunOptions {
                guard: DEFAULT_GUARD,
                concurrency: options.concurrency,
                retry_policy: RetryPolicy::default(),
                limits: Limits::default(),
            },
        },
        accounts: AllowedAccounts::Any { own },
        regions: vec![region()],
        retired_regions: Vec::new(),
        random: || fastrand::u128(..),
    }
}

fn account(number: usize) -> AccountId {
    service::account(number).parse().expect("an account")
}

fn region() -> Region {
    LISTED.parse().expect("a region")
}

/// Fills the table with the snapshots of first runs, 25 per request and unconditionally. It
/// leaves the changes out, because no run reads them.
#[tokio::main(flavor = "current_thread")]
pub async fn seed(options: &Options, table: &str) -> Result<()> {
    let client = table_at(table).client().clone();
    let began = Instant::now();
    let mut accounts = stream::iter(0..options.accounts)
        .map(async |number| {
            let items = snapshots(options, number);
            for batch in items.chunks(25) {
                put(&client, batch).await?;
            }
            Result::Ok(())
        })
        .buffer_unordered(options.at_once);
    while let Some(done) = accounts.next().await {
        done?;
    }
    println!("{}", json!({"seconds": began.elapsed().as_secs_f64()}));
    Ok(())
}

/// Returns the snapshots of a first run over an account.
fn snapshots(options: &Options, number: usize) -> Vec<Item> {
    let account = account(number);
    let now = SystemClock.now();
    let run_id = RunId::new(now, fastrand::u128(..));
    let connections: HashMap<ConnectionArn, _> = (0..options.connections)
        .map(|connection| {
            let arn = service::arn(number, connection).parse().expect("an ARN");
            let attributes = Attributes {
                connection_name: Some(service::name(connection).into()),
                connection_status: Some(service::BEFORE.into()),
                owner_account_id: Some(account.as_str().into()),
                provider_type: Some("GitHub".into()),
                ..Attributes::default()
            };
            (arn, attributes)
        })
        .collect();
    let listing = Listing {
        scope: region(),
        began_at: now,
        ended_at: now,
        pages: 1,
        end: ListingEnd::Complete,
        resources: connections,
    };
    let observation = AccountListing::new(Filter::default(), vec![listing]);
    let comparison = DiffContext {
        account: &account,
        run_id: &run_id,
        event_id: None,
        calls: &[],
    };
    let previous: PreviousSnapshots = PreviousSnapshots::default();
    let plan = plan::plan(&previous, &observation, TombstoneGuard::Off);
    let transitions = plan.changes.iter().map(|each| comparison.transition(each));
    transitions
        .map(|t| snapshot::snapshot_item(&account, &t.snapshot, SchemaVersion::CURRENT))
        .collect()
}
