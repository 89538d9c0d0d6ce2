//! The cost of queries on a large record: duration, CPU time, peak memory and read units
//! of the command line's process.
//!
//!     cargo bench --bench audit                      # 100,000 connections, 1,000,000 changes
//!     cargo bench --bench audit -- 10000 10          # connections, and changes of each
//!     cargo bench --bench audit -- 10000 10 1        # the same in one account
//!     cargo bench --bench audit -- verify report     # only these commands
//!     cargo bench --bench audit -- 10000 1 1 list    # without changes, which list does not read
//!     cargo bench --bench audit -- --latency 20      # each answer 20 ms late
//!
//! With a latency each command runs twice: the second time the recorded answers are
//! replayed, each so much later, and the embedded table takes no part in the seconds.
//!
//! This process serves the table over HTTP. It fills it with the records of accounts with
//! 250 connections each (AWS's default quota), which all change in each run. In the embedded
//! table the duration of a page grows with its partition, so the seconds of one large account
//! are those of the embedded table.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark, which stops at errors"
)]

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use axum::body::Bytes;
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::domain::diff::DiffContext;
use codeconnections_inventory::domain::listing::AccountListing;
use codeconnections_inventory::domain::plan::PreviousSnapshots;
use codeconnections_inventory::domain::run::{
    ListingReport, Outcome, SnapshotsRecord, count_by_status,
};
use codeconnections_inventory::domain::{
    AccountId, AccountRecord, Attributes, Clock, Filter, Listing, ListingEnd, Region, RunId,
    RunRecord, SchemaVersion, SystemClock, Timestamp, Trigger, plan,
};
use codeconnections_inventory::inventory::CODE_VERSION;
use codeconnections_inventory::local::EmbeddedTable;
use codeconnections_inventory::local::embedded::TABLE;
use codeconnections_inventory::table::codec;
use codeconnections_inventory::table::codec::{Item, snapshot};
use futures_util::stream::{self, StreamExt};

#[path = "../tests/support/fakes/mod.rs"]
mod fakes;
#[path = "peers/front.rs"]
#[allow(dead_code, reason = "only the peers benchmark uses all of it")]
mod front;
mod support;

use fakes::http_server::Seen;
use front::{Elsewhere, Front};
use support::{Result, put, table_at};

/// The id of the first account.
const FIRST_ACCOUNT: usize = 123_456_000_000;
/// AWS's default quota of connections per account.
const QUOTA: usize = 250;
const REGION: &str = "eu-west-1";
const HOUR: i64 = 3_600_000;
const BY_STATUS: &str = "select connection_status, count(*) from connections group by 1";
const BY_KIND: &str = "select kind, count(*) from changes group by 1";
/// The length of `2026-08-01`.
const DAY_LENGTH: usize = 10;
/// The length of `2026-08-01T12:00:00.000Z`.
const TIME_LENGTH: usize = 24;

#[tokio::main]
async fn main() -> Result<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    words.retain(|word| word != "--bench");
    let latency = match words.iter().position(|word| word == "--latency") {
        None => None,
        Some(at) => {
            let value = words.drain(at..).take(2).nth(1);
            let millis = value.ok_or("--latency needs milliseconds, and comes last")?;
            Some(Duration::from_millis(millis.parse()?))
        }
    };
    let (numbers, only): (Vec<String>, Vec<String>) = words
        .into_iter()
        .partition(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    let numbers: std::result::Result<Vec<usize>, _> =
        numbers.iter().map(|word| word.parse()).collect();
    let (connections, rounds, accounts) = match numbers?.as_slice() {
        [] => (100_000, 10, None),
        [connections, rounds] => (*connections, *rounds, None),
        [connections, rounds, accounts] => (*connections, *rounds, Some(*accounts)),
        _ => return Err("give numbers of connections, of changes of each, of accounts".into()),
    };
    if rounds == 0 || rounds == 1 && only != ["list"] {
        return Err("other commands than list need two changes of each".into());
    }
    let accounts = accounts.unwrap_or(connections.div_ceil(QUOTA)).max(1);
    let of_each = connections.div_ceil(accounts);
    let embedded = EmbeddedTable::in_memory().await?;
    let now = SystemClock.now();
    let record = Record::ending(now, rounds, 0)?;
    let began = Instant::now();
    let table = table_at(embedded.endpoint());
    for number in 0..accounts {
        let of_account = Record::ending(now, rounds, number)?;
        of_account.fill(table.client(), of_each).await?;
    }
    println!(
        "{accounts} accounts with {of_each} connections, {rounds} changes of each by as many runs: \
         {} connections, {} changes, filled in {:.0} s\n",
        accounts * of_each,
        accounts * of_each * rounds,
        began.elapsed().as_secs_f64()
    );
    let front = Front::before(Elsewhere::at(embedded.endpoint())).await;
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>9} {:>11}",
        "ccinv", "seconds", "CPU s", "peak MiB", "requests", "read units"
    );
    let middle = record.began(rounds / 2).to_string();
    let (first, last) = (
        record.began(0).to_string(),
        record.began(rounds - 1).to_string(),
    );
    // Not the moment of the question: the same requests can be recorded and replayed.
    let end = now.to_string();
    let page = std::env::temp_dir().join(format!("ccinv-audit-{}.html", std::process::id()));
    let page = page.to_str().ok_or("a folder whose name is no text")?;
    for words in [
        vec!["list", "--format", "jsonl"],
        vec!["list"],
        vec!["list", "--as-of", &middle, "--format", "jsonl"],
        vec![
            "changes", "--since", &last, "--until", &end, "--format", "jsonl",
        ],
        vec![
            "changes", "--since", &first, "--until", &end, "--format", "jsonl",
        ],
        vec!["changes", "--since", &first, "--until", &end, "--json"],
        vec!["export", "changes"],
        vec!["verify"],
        vec!["check"],
        vec!["check", "--as-of", &end],
        vec!["sql", BY_STATUS],
        vec!["sql", BY_KIND],
        vec!["report", "--since", &middle, "--until", &end, "--out", page],
    ] {
        let is_asked = only.is_empty() || only.iter().any(|command| *command == words[0]);
        if !is_asked || rounds == 1 && words.contains(&"--as-of") {
            continue;
        }
        let measured = match latency {
            None => measure(&front, &words).await?,
            Some(latency) => {
                front.keep();
                measure(&front, &words).await?;
                let alike = move |seen: &Seen| alike(seen, now);
                let late = Front::with_answers(&front.kept(), alike).await;
                late.be_away(latency);
                measure(&late, &words).await?
            }
        };
        println!("{:<44} {measured}", words[..words.len().min(5)].join(" "));
    }
    let _ = std::fs::remove_file(page);
    Ok(())
}

/// Returns what two requests of the same command share: the body without the time of day
/// of those times that follow from the time of the question. The record's own times stay:
/// they are at most two seconds after `now`, or after a whole number of hours before it.
fn alike(seen: &Seen, now: Timestamp) -> Bytes {
    let mut text = String::from_utf8_lossy(&front::same_members(seen)).into_owned();
    let mut at = 0;
    while let Some(found) = text[at..].find('T') {
        at += found + 1;
        let Some(begin) = at.checked_sub(DAY_LENGTH + 1) else {
            continue;
        };
        let time = text.get(begin..begin + TIME_LENGTH);
        let Some(time) = time.and_then(|time| time.parse::<Timestamp>().ok()) else {
            continue;
        };
        let from_now = (time.millis() - now.millis()).rem_euclid(HOUR);
        if from_now % 1_000 != 0 || from_now > 2_000 {
            text.replace_range(at..begin + TIME_LENGTH, "");
        }
    }
    text.into()
}

/// Runs one command and measures its process.
async fn measure(front: &Front, words: &[&str]) -> Result<String> {
    front.passed();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ccinv"));
    command
        .args(words)
        .args(["--table", TABLE])
        .env_clear()
        .env("AWS_ENDPOINT_URL_DYNAMODB", &front.endpoint)
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    let (status, took) = support::process::watch(&mut command).await?;
    // Findings and missing evidence are results.
    if !matches!(status.code(), Some(0 | 3 | 4)) {
        return Err(format!("{}: {status}", words.join(" ")).into());
    }
    let passed = front.passed();
    Ok(format!(
        "{:>9.2} {:>9.2} {:>9.1} {:>9} {:>11.1}",
        took.seconds,
        took.processor_seconds,
        took.peak_mebibytes,
        passed.total(),
        passed.read_units
    ))
}

/// The records of an account after a number of hourly runs.
struct Record {
    account: AccountId,
    region: Region,
    first: Timestamp,
    rounds: usize,
}

impl Record {
    fn ending(now: Timestamp, rounds: usize, number: usize) -> Result<Self> {
        let hours = i64::try_from(rounds)?;
        Ok(Self {
            account: (FIRST_ACCOUNT + number).to_string().parse()?,
            region: REGION.parse()?,
            first: Timestamp::from_millis(now.millis() - hours * HOUR),
            rounds,
        })
    }

    /// Returns when a run began.
    fn began(&self, round: usize) -> Timestamp {
        let hours = i64::try_from(round).expect("few");
        Timestamp::from_millis(self.first.millis() + hours * HOUR)
    }

    async fn fill(&self, client: &Client, connections: usize) -> Result<()> {
        let mut previous = PreviousSnapshots::default();
        let mut account: Option<AccountRecord> = None;
        for round in 0..self.rounds {
            let began_at = self.began(round);
            let run_id = RunId::new(began_at, round as u128);
            let observation =
                AccountListing::new(Filter::default(), vec![self.listing(connections, round)]);
            let comparison = DiffContext {
                account: &self.account,
                run_id: &run_id,
                event_id: None,
                calls: &[],
            };
            let plan = plan::plan(&previous, &observation, TombstoneGuard::Off);
            let planned = plan.changes.iter();
            let transitions: Vec<_> = planned.map(|each| comparison.transition(each)).collect();
            assert_eq!(transitions.len(), connections, "all change");
            if self.rounds > 1 {
                let changes = transitions.iter().map(|t| codec::change_item(&t.change));
                write(client, changes).await?;
            }
            let mut kinds = std::collections::BTreeMap::new();
            for transition in transitions {
                *kinds.entry(transition.change.kind).or_default() += 1;
                previous
                    .snapshots
                    .insert(transition.snapshot.arn.clone(), transition.snapshot);
            }
            let run = RunRecord {
                agreement: None,
                format: SchemaVersion::CURRENT,
                account: self.account.clone(),
                sequence: round as u64 + 1,
                run_id,
                started_at: began_at,
                finished_at: Timestamp::from_millis(began_at.millis() + 2_000),
                outcome: Outcome::Complete,
                problems: Vec::new(),
                trigger: Trigger::Request,
                filter: Filter::default(),
                listings: observation
                    .listings()
                    .iter()
                    .map(ListingReport::from)
                    .collect(),
                connections: count_by_status(previous.snapshots.values()),
                changes: kinds,
                tombstones_held_back: 0,
                unwritten: 0,
                unsettled: 0,
                unconfirmed: 0,
                retired_regions: Vec::new(),
                code_version: CODE_VERSION.into(),
                evaluation: None,
                snapshots: Some(SnapshotsRecord::of(&previous.snapshots)),
                account_sequence: account.as_ref().map(|account| account.sequence),
                previous_digest: account.as_ref().map(|account| account.head),
            };
            write(client, [codec::run_item(&run)]).await?;
            account = Some(AccountRecord::with(account.as_ref(), &run));
        }
        let snapshots = previous.snapshots.values();
        let snapshots =
            snapshots.map(|s| snapshot::snapshot_item(&self.account, s, SchemaVersion::CURRENT));
        write(client, snapshots).await?;
        write(client, account.iter().map(codec::account_item)).await
    }

    fn listing(&self, connections: usize, round: usize) -> Listing {
        let status = if round.is_multiple_of(2) {
            "AVAILABLE"
        } else {
            "ERROR"
        };
        let listed: HashMap<_, _> = (0..connections)
            .map(|number| {
                let arn = format!(
                    "arn:aws:codeconnections:{REGION}:{}:connection/\
                     8c0a5f2e-3b41-4d0e-9a77-{number:012}",
                    self.account
                );
                let attributes = Attributes {
                    connection_name: Some(format!("connection-{number}").into()),
                    connection_status: Some(status.into()),
                    owner_account_id: Some(self.account.as_str().into()),
                    provider_type: Some("GitHub".into()),
                    ..Attributes::default()
                };
                (arn.parse().expect("an ARN"), attributes)
            })
            .collect();
        let began_at = self.began(round);
        Listing {
            scope: self.region.clone(),
            began_at,
            ended_at: Timestamp::from_millis(began_at.millis() + 1_000),
            pages: u32::try_from(connections.div_ceil(100)).expect("few"),
            end: ListingEnd::Complete,
            resources: listed,
        }
    }
}

/// Writes items unconditionally, 25 per request.
async fn write(client: &Client, items: impl IntoIterator<Item = Item>) -> Result<()> {
    let batches = stream::iter(items).chunks(25);
    let mut requests = std::pin::pin!(
        batches
            .map(|batch| async move { put(client, &batch).await })
            .buffer_unordered(4)
    );
    while let Some(done) = requests.next().await {
        done?;
    }
    Ok(())
}
