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
    reason = "a simulation: counts are far below 2^52, and it stops at errors"
)]

mod bucket;
mod drive;
#[path = "../../tests/support/fakes/mod.rs"]
mod fakes;
mod front;
mod limits;
mod options;
mod report;
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

/// With more connections the table is filled instead of measuring a first run.
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
        // `cargo bench` adds this flag; without it, this is a test.
        [options @ .., "--bench"] => match options {
            ["--help" | "-h"] => {
                println!("{USAGE}");
                Ok(())
            }
            options => {
                let options = Options::parse(options)?;
                let columns = simulate(&options)?;
                report::print(&options, &columns);
                check(&columns)
            }
        },
        words => test(words),
    }
}

/// Runs the tests for `cargo test`.
fn test(words: &[&str]) -> Result<()> {
    type Test = (&'static str, fn() -> Result<()>);
    let tests: [Test; 3] = [
        ("filled_table_is_not_altered", filled),
        (
            "simulated_organization_is_fully_recorded",
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

/// Asserts that with the template's defaults and Lambda's smallest quota, and with runs after
/// API calls all the time, no invocation is throttled.
fn new_account() -> Result<()> {
    let options = Options {
        accounts: 24,
        connections: 20,
        ..Options::default()
    };
    assert_eq!(options.quota, 10, "the quota of a new account");
    let template = include_str!("../../template.yaml");
    let default = format!(
        "  AccountsAtOnce:\n    Type: Number\n    Default: {}\n",
        options.at_once
    );
    assert!(template.contains(&default), "{default}");
    let columns = simulate(&options)?;
    check(&columns)?;
    for column in &columns {
        let measured = &column.measured;
        let counts = [measured.complete, measured.refused, measured.without_run];
        assert_eq!(counts, [24, 0, 0], "{}", column.title);
    }
    Ok(())
}

/// Asserts that runs do not report the snapshots of a filled table as an alteration.
fn filled() -> Result<()> {
    let options = Options {
        accounts: 11,
        connections: 1_000,
        throttled: 0.0,
        ..Options::default()
    };
    assert!(options.accounts * options.connections > LARGEST_FIRST_RUN);
    let columns = simulate(&options)?;
    check(&columns)?;
    let complete: Vec<u64> = columns.iter().map(|c| c.measured.complete).collect();
    assert_eq!(complete, [11, 11], "unchanged, and some changed");
    Ok(())
}

/// Asserts that an organization with much throttling is fully recorded.
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
    check(&columns)?;
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

/// Fails if counts are wrong.
fn check(columns: &[Column]) -> Result<()> {
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
        server.send("fill")?;
        server.send("busy")?;
        columns.push(measure(&mut server, options, "first")?);
    } else {
        let seeded = server.child("seed", options)?;
        println!(
            "No first run of so many connections: the table was filled with the snapshots that \
             first runs\nleave, in {:.0} s, and runs over them made the accounts' records.\n",
            seeded["seconds"].as_f64().ok_or("no seconds")?
        );
        server.send("fill")?;
        // The first run has to find the snapshots. If it recorded an empty account, the next
        // run would report them as put in.
        let _: Measured = serde_json::from_value(server.child("run", options)?)?;
        server.send("busy")?;
    }
    columns.push(measure(&mut server, options, "unchanged")?);
    server.send("change")?;
    let title = format!("{} % changed", options.changed);
    columns.push(measure(&mut server, options, &title)?);
    Ok(columns)
}

/// Runs every account once.
fn measure(server: &mut Server, options: &Options, title: &str) -> Result<Column> {
    server.send("counts")?;
    let measured: Measured = serde_json::from_value(server.child("run", options)?)?;
    let counts = server.send("counts")?;
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
    // Progress of a long benchmark.
    eprintln!("{title}: {:.0} s", measured.seconds);
    Ok(Column {
        title: title.to_owned(),
        broken: broken(options, title, &measured, &served),
        measured,
        served,
    })
}

/// Returns the counts that are wrong on a machine of any speed. Incomplete runs are not
/// wrong.
fn broken(options: &Options, title: &str, measured: &Measured, served: &Served) -> Vec<String> {
    let mut broken = Vec::new();
    let mut holds = |what: &str, left: u64, holds: fn(&u64, &u64) -> bool, right: u64| {
        if !holds(&left, &right) {
            broken.push(format!("{title}: {what}: {left} and {right}"));
        }
    };
    // A run counts the requests that it sends. Some may not arrive, because a connection
    // that times out is opened again.
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
    // Throttled requests succeeded in the end.
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
