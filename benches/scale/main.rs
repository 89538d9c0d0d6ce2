//! Simulates an organization: the real function, once per account, against a
//! service and a table with the latency and throttling of AWS.
//!
//!     cargo bench --bench scale
//!     cargo bench --bench scale -- --accounts 10000 > full.txt
//!
//! A separate process simulates AWS over HTTP. Each run of the organization is a
//! new process, so that CPU time and memory are those of the function alone (of all
//! execution environments together).
//!
//! Counts are asserted, times are not. The second part is a calculation: the
//! duration by latency alone, with sufficient CPU.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a simulation of counts far below 2^52 that has nothing better to do than stop"
)]

mod bucket;
mod drive;
mod front;
mod limits;
mod options;
mod report;
#[path = "../support/responses.rs"]
mod responses;
mod schedule;
mod server;
mod service;
#[path = "../support/mod.rs"]
mod support;

use drive::Measured;
use options::{Options, USAGE};
use report::{Column, Served};
use server::Server;
use support::Result;

/// Above this many connections a first run is not waited for.
const LARGEST_FIRST_RUN: usize = 10_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", options] => server::serve(serde_json::from_str(options)?),
        ["run", options, service, table] => {
            drive::run(&serde_json::from_str(options)?, service, table)
        }
        ["seed", options, _, table] => drive::seed(&serde_json::from_str(options)?, table),
        // `cargo bench` adds a flag of its own; without it, this is a test.
        [options @ .., "--bench"] => match options {
            ["--help" | "-h"] => {
                println!("{USAGE}");
                Ok(())
            }
            options => {
                let options = Options::parse(options)?;
                let columns = simulate(&options)?;
                report::print(&options, &columns);
                all_holds(&columns)
            }
        },
        words => test(words),
    }
}

/// Whatever it is that `cargo test` runs.
fn test(words: &[&str]) -> Result<()> {
    type Test = (&'static str, fn() -> Result<()>);
    let tests: [Test; 2] = [
        (
            "a_simulated_organization_is_recorded_whole",
            throttled_organization,
        ),
        (
            "defaults_fit_the_lambda_quota_of_a_new_account",
            new_account,
        ),
    ];
    if words.contains(&"--list") {
        return Ok(());
    }
    let filters: Vec<&&str> = words.iter().filter(|w| !w.starts_with('-')).collect();
    let mut passed = 0;
    for (name, test) in tests {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(**filter)) {
            test()?;
            println!("test {name} ... ok");
            passed += 1;
        }
    }
    println!("\ntest result: ok. {passed} passed; 0 failed; 0 ignored");
    Ok(())
}

/// The template's defaults and Lambda's smallest quota, with runs after calls
/// under way all the time: nothing is refused, so no account goes without a run.
fn new_account() -> Result<()> {
    let options = Options {
        accounts: 24,
        connections: 20,
        ..Options::default()
    };
    assert_eq!(options.quota, 10, "what AWS allows a new account");
    let template = include_str!("../../template.yaml");
    let default = format!(
        "  AccountsAtOnce:\n    Type: Number\n    Default: {}\n",
        options.at_once
    );
    assert!(template.contains(&default), "{default}");
    let columns = simulate(&options)?;
    all_holds(&columns)?;
    for column in &columns {
        let measured = &column.measured;
        let counts = [measured.complete, measured.refused, measured.without_run];
        assert_eq!(counts, [24, 0, 0], "{}", column.title);
    }
    Ok(())
}

/// A few accounts, much throttling.
fn throttled_organization() -> Result<()> {
    let options = Options {
        accounts: 3,
        connections: 120,
        throttled: 10.0,
        changed: 10.0,
        timeout_s: 600,
        ..Options::default()
    };
    let columns = simulate(&options)?;
    all_holds(&columns)?;
    let complete: Vec<u64> = columns.iter().map(|c| c.measured.complete).collect();
    assert_eq!(complete, [3, 3, 3]);
    let changes: Vec<u64> = columns
        .iter()
        .map(|column| column.measured.changes.values().sum())
        .collect();
    assert_eq!(
        changes,
        [360, 0, 35],
        "first seen, unchanged, about a tenth changed"
    );
    Ok(())
}

/// Counts that are wrong end it badly, but not before all is printed.
fn all_holds(columns: &[Column]) -> Result<()> {
    let broken: Vec<&str> = columns
        .iter()
        .flat_map(|column| column.broken.iter().map(String::as_str))
        .collect();
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken.join("; ").into())
    }
}

fn simulate(options: &Options) -> Result<Vec<Column>> {
    println!("{}\n", report::setting(options));
    let mut server = Server::start(options)?;
    let mut columns = Vec::new();
    if options.accounts * options.connections <= LARGEST_FIRST_RUN {
        server.tell("fill")?;
        server.tell("busy")?;
        columns.push(measure(&mut server, options, "first")?);
    } else {
        // The first run that is recorded makes the account's record. It finds
        // no connections, and the table gets what it would have written.
        let _: Measured = serde_json::from_value(server.child("run", options)?)?;
        let seeded = server.child("seed", options)?;
        println!(
            "No first run of so many connections: after runs over empty accounts the table was \
             filled\nwith the snapshots that first runs leave, in {:.0} s.\n",
            seeded["seconds"].as_f64().ok_or("no seconds")?
        );
        server.tell("fill")?;
        server.tell("busy")?;
    }
    columns.push(measure(&mut server, options, "unchanged")?);
    server.tell("change")?;
    let title = format!("{} % changed", options.changed);
    columns.push(measure(&mut server, options, &title)?);
    Ok(columns)
}

/// Runs every account once.
fn measure(server: &mut Server, options: &Options, title: &str) -> Result<Column> {
    server.tell("counts")?;
    let measured: Measured = serde_json::from_value(server.child("run", options)?)?;
    let counts = server.tell("counts")?;
    let count = |part: &str, name: &str| {
        let count = counts[part][name].as_u64();
        count.ok_or_else(|| format!("no {part}.{name}"))
    };
    let served = Served {
        assumed: count("service", "assumed")?,
        listing: count("service", "listing")?,
        listing_throttled: count("service", "throttled")?,
        table: count("table", "requests")?,
        table_throttled: count("table", "throttled")?,
        peak_bytes: counts["peak_bytes"].as_u64().ok_or("no peak")?,
    };
    // A long run shows how far it is.
    eprintln!("{title}: {:.0} s", measured.seconds);
    Ok(Column {
        title: title.to_owned(),
        broken: broken(options, title, &measured, &served),
        measured,
        served,
    })
}

/// What must hold however slow the machine is, and does not. Whether all runs
/// are complete in time is not among it.
fn broken(options: &Options, title: &str, measured: &Measured, served: &Served) -> Vec<String> {
    let mut broken = Vec::new();
    let mut holds = |what: &str, left: u64, holds: fn(&u64, &u64) -> bool, right: u64| {
        if !holds(&left, &right) {
            broken.push(format!("{title}: {what}: {left} and {right}"));
        }
    };
    // What a run sends is counted by it. It may not arrive: a connection that
    // is not made in time is made again.
    let table = measured.read + measured.write;
    let at_least = u64::ge;
    holds(
        "listings sent and met",
        measured.listing,
        at_least,
        served.listing,
    );
    holds("table requests sent and met", table, at_least, served.table);
    let accounts = options.accounts as u64;
    if measured.complete < accounts {
        return broken;
    }
    // Whatever was throttled was done in the end.
    holds("left unwritten", measured.unwritten, u64::eq, 0);
    let pages = accounts * options.connections.div_ceil(100) as u64;
    let answered = served.listing - served.listing_throttled;
    holds("pages answered and there", answered, at_least, pages);
    if title == "unchanged" {
        let units = accounts * (options.connections as u64 + 2);
        holds("write units", measured.write_units as u64, u64::eq, units);
        let index = measured.index_write_units as u64;
        holds("write units of indexes", index, u64::eq, 0);
        let changes = measured.changes.values().sum();
        holds("changes", changes, u64::eq, 0);
    }
    broken
}
