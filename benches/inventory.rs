//! What a run over many unchanged connections costs: time, processor time,
//! peak memory, requests and capacity units.
//!
//!     cargo bench --bench inventory
//!     cargo bench --bench inventory -- 1000 5000
//!
//! The table and the service run in a process of their own and are reached
//! over HTTP, as on AWS, and each run is made by a fresh process, so that
//! processor time and memory are those of the inventory alone. The table's and
//! the service's own time is in the seconds of a run, and on AWS it differs.
//!
//! The counts are asserted, the times are not.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that can't do its work has nothing better to do than stop"
)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use codeconnections_inventory::aws::{Deadline, Meter, Patience};
use codeconnections_inventory::collect::{CodeConnections, Limits, Lister};
use codeconnections_inventory::config::{DEFAULT_CONCURRENCY, DEFAULT_GUARD};
use codeconnections_inventory::domain::decide::{Comparison, Step};
use codeconnections_inventory::domain::plan::{self, Known, TombstoneGuard};
use codeconnections_inventory::domain::{
    AccountId, Clock, Filter, Format, Region, RunId, SystemClock,
};
use codeconnections_inventory::handler::{Accounts, Handler};
use codeconnections_inventory::inventory::{Inventory, Policy};
use codeconnections_inventory::local::EmbeddedTable;
use codeconnections_inventory::local::codeconnections::protocol::{self, Wire};
use codeconnections_inventory::local::embedded::local_config;
use codeconnections_inventory::table::items::{self, Item};
use codeconnections_inventory::table::snapshots;
use codeconnections_inventory::table::store::READ_AT_ONCE;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[path = "support/mod.rs"]
mod support;

use support::process::{peak_bytes, running_seconds};
use support::{Result, put, table_at};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// Above this a first run is not waited for: its table is filled by
/// `BatchWriteItem` with the items that a first run writes.
const LARGEST_FIRST_RUN: usize = 10_000;

/// As long as it takes.
const PATIENT: Duration = Duration::from_secs(4 * 3600);

fn main() -> Result<()> {
    // `cargo bench` adds a flag of its own.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", connections] => serve(connections.parse()?),
        ["fill", service, table] => fill(service, table),
        ["run", service, table] => run(service, table),
        [] => compare(&SIZES),
        sizes => {
            let sizes: std::result::Result<Vec<usize>, _> =
                sizes.iter().map(|size| size.parse()).collect();
            compare(&sizes.map_err(|_| "give numbers of connections, such as 1000 5000")?)
        }
    }
}

// --- The benchmark ----------------------------------------------------------

/// What one run, in a process of its own, came to.
struct Measured {
    seconds: f64,
    processor_seconds: f64,
    peak_bytes: f64,
    summary: Value,
}

fn compare(sizes: &[usize]) -> Result<()> {
    println!(
        "{:>11} {:>10} {:>9} {:>9} {:>8} {:>10} {:>12} {:>8} {:>6} {:>6} {:>10} {:>11} {:>11}",
        "connections",
        "first run",
        "its peak",
        "unchanged",
        "CPU",
        "its peak",
        "growth",
        "listing",
        "reads",
        "writes",
        "read units",
        "write units",
        "index units",
    );
    let mut smaller: Option<(usize, f64)> = None;
    for &size in sizes {
        let server = Server::start(size)?;
        let first = if size <= LARGEST_FIRST_RUN {
            let first = server.run()?;
            let seen = first.summary["changes"]["FIRST_SEEN"].as_u64();
            assert_eq!(seen, Some(size as u64), "{}", first.summary);
            Some(first)
        } else {
            server.child("fill")?;
            // The first run that is recorded makes the account's record.
            server.run()?;
            None
        };
        let unchanged = server.run()?;
        check(size, &unchanged.summary);

        let seconds = |seconds: f64| format!("{seconds:.2} s");
        let mebibytes = |bytes: f64| format!("{:.1} MiB", bytes / 1_048_576.0);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let growth = smaller.map(|(fewer, bytes)| {
            let each = (unchanged.peak_bytes - bytes) / (size as f64 - fewer as f64);
            format!("{each:.0} B each")
        });
        let summary = &unchanged.summary;
        let (requests, capacity) = (&summary["requests"], &summary["capacity"]);
        println!(
            "{size:>11} {:>10} {:>9} {:>9} {:>8} {:>10} {:>12} {:>8} {:>6} {:>6} {:>10} {:>11} {:>11}",
            or_dash(first.as_ref().map(|first| seconds(first.seconds))),
            or_dash(first.as_ref().map(|first| mebibytes(first.peak_bytes))),
            seconds(unchanged.seconds),
            seconds(unchanged.processor_seconds),
            mebibytes(unchanged.peak_bytes),
            or_dash(growth),
            requests["listing"],
            requests["read"],
            requests["write"],
            capacity["read_units"],
            capacity["write_units"],
            capacity["index_write_units"],
        );
        smaller = Some((size, unchanged.peak_bytes));
    }
    println!(
        "\nA first run of more than {LARGEST_FIRST_RUN} connections is not made: the table is \
         filled with the items that it writes, and one run that is not shown makes the \
         account's record."
    );
    Ok(())
}

/// The counts that a run over `size` unchanged connections may not exceed.
fn check(size: usize, summary: &Value) {
    let size = size as u64;
    let count = |part: &str, name: &str| {
        let count = summary[part][name].as_f64();
        count.unwrap_or_else(|| panic!("{part}.{name} in {summary}"))
    };
    let at_most = |part: &str, name: &str, most: u64| {
        let found = count(part, name);
        assert!(found <= most as f64, "{part}.{name}: {found} > {most}");
    };
    assert_eq!(summary["outcome"], "COMPLETE", "{summary}");
    assert_eq!(summary["changes"], json!({}), "nothing changed");
    assert_eq!(summary["listings"][0]["connections"], size, "all are seen");
    at_most("requests", "listing", size.div_ceil(100));
    at_most("requests", "write", size.div_ceil(25) + 2);
    // The account's record is read with its snapshots.
    at_most(
        "requests",
        "read",
        (size + 1).div_ceil(READ_AT_ONCE.into()) + 1,
    );
    at_most("capacity", "write_units", size + 3);
    at_most("capacity", "index_write_units", 0);
    // A table that reports no units would pass all of that.
    assert!(count("capacity", "write_units") >= size as f64, "{summary}");
}

/// The process of the table and the service, as long as this lives.
struct Server {
    process: Child,
    /// The process ends when this is closed.
    stdin: Option<ChildStdin>,
    service: String,
    table: String,
}

impl Server {
    fn start(connections: usize) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", &connections.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().ok_or("no output")?;
        let mut endpoints = String::new();
        BufReader::new(stdout).read_line(&mut endpoints)?;
        let mut endpoints = endpoints.split_whitespace().map(str::to_owned);
        let mut next = || endpoints.next().ok_or("the server did not start");
        Ok(Self {
            service: next()?,
            table: next()?,
            process,
            stdin,
        })
    }

    /// Does `role` in a process of its own, and gives what it prints.
    fn child(&self, role: &str) -> Result<String> {
        let output = Command::new(std::env::current_exe()?)
            .args([role, &self.service, &self.table])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("{role}: {}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn run(&self) -> Result<Measured> {
        let told: Value = serde_json::from_str(&self.child("run")?)?;
        let number = |name: &str| told[name].as_f64().ok_or(format!("no {name}"));
        Ok(Measured {
            seconds: number("seconds")?,
            processor_seconds: number("processor_seconds")?,
            peak_bytes: number("peak_bytes")?,
            summary: told["summary"].clone(),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.process.wait();
    }
}

// --- Its processes ----------------------------------------------------------

/// Serves a service with so many connections, and an empty table.
#[tokio::main]
async fn serve(connections: usize) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let service = format!("http://{}", listener.local_addr()?);
    let app = Router::new().fallback(list).with_state(connections);
    let _service = tokio::spawn(async move { axum::serve(listener, app).await });
    let table = EmbeddedTable::in_memory().await?;
    println!("{service} {}", table.endpoint());
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    closed.await??;
    Ok(())
}

/// Answers `ListConnections`: a page of the connections that there always are.
async fn list(
    State(connections): State<usize>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let call = match protocol::parse(uri.path(), &headers, &body) {
        Ok(call) => call,
        Err(refusal) => return refusal.into_response(),
    };
    let asked = |field: &str| {
        call.input[field]
            .as_i64()
            .and_then(|n| usize::try_from(n).ok())
    };
    let token = call.input["NextToken"].as_str();
    let start: usize = token.map_or(0, |token| token.parse().expect("a token of ours"));
    let end = (start + asked("MaxResults").unwrap_or(100)).min(connections);
    let mut page = json!({"Connections": (start..end).map(connection).collect::<Vec<_>>()});
    if end < connections {
        page["NextToken"] = json!(end.to_string());
    }
    protocol::respond(Wire::CBOR, StatusCode::OK, &page)
}

fn connection(number: usize) -> Value {
    json!({
        "ConnectionName": format!("connection-{number}"),
        "ConnectionArn": format!(
            "arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/\
             8c0a5f2e-3b41-4d0e-9a77-{number:012}"
        ),
        "ProviderType": "GitHub",
        "OwnerAccountId": ACCOUNT,
        "ConnectionStatus": "AVAILABLE",
    })
}

/// One run, by the function's own handler on the function's own kind of
/// runtime.
#[tokio::main(flavor = "current_thread")]
async fn run(service: &str, table: &str) -> Result<()> {
    let handler = Handler {
        inventory: Inventory {
            source: CodeConnections::new(local_config(service), None, None),
            table: table_at(table),
            clock: SystemClock,
            policy: Policy {
                guard: DEFAULT_GUARD,
                concurrency: DEFAULT_CONCURRENCY,
                patience: Patience::default(),
                limits: Limits::default(),
            },
        },
        accounts: Accounts::Listed(vec![account()]),
        regions: vec![region()],
        random: || fastrand::u128(..),
    };
    let began = Instant::now();
    let answer = handler.handle(&json!({}), PATIENT).await?;
    let seconds = began.elapsed().as_secs_f64();
    let told = json!({
        "seconds": seconds,
        "processor_seconds": running_seconds(std::process::id())?,
        "peak_bytes": peak_bytes("self")?,
        "summary": answer.runs()[0],
    });
    println!("{told}");
    Ok(())
}

/// Fills the table with the items that a first run writes: the same plan, but
/// 25 items to a request and no conditions.
#[tokio::main(flavor = "current_thread")]
async fn fill(service: &str, table: &str) -> Result<()> {
    let (account, clock, meter) = (account(), SystemClock, Meter::default());
    let run_id = RunId::new(clock.now(), 0);
    let lister = Lister {
        run_id: &run_id,
        source: &CodeConnections::new(local_config(service), None, None),
        clock: &clock,
        patience: Patience::default(),
        limits: Limits::default(),
        meter: &meter,
    };
    let deadline = Deadline::after(PATIENT);
    let filter = Filter::default();
    let observation = lister.list(&account, &[region()], &filter, deadline).await;
    let comparison = Comparison {
        account: &account,
        run_id: &run_id,
        event_id: None,
        calls: &[],
    };
    let known = Known::default();
    let plan = plan::plan(&comparison, &known, &observation, TombstoneGuard::Off);
    let items: Vec<Item> = plan.changes.iter().flat_map(written).collect();
    let client = table_at(table).client().clone();
    let mut requests = stream::iter(items.chunks(25))
        .map(|batch| put(&client, batch))
        .buffer_unordered(DEFAULT_CONCURRENCY);
    while let Some(done) = requests.next().await {
        done?;
    }
    Ok(())
}

/// The items that record a step.
fn written(step: &Step) -> [Item; 2] {
    let snapshot = snapshots::snapshot_item(&account(), &step.snapshot, Format::CURRENT);
    [snapshot, items::change_item(&step.change)]
}

fn account() -> AccountId {
    ACCOUNT.parse().expect("an account")
}

fn region() -> Region {
    REGION.parse().expect("a region")
}
