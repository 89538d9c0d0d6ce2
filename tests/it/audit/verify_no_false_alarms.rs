//! Verification has no findings in a hundred tables of random histories with faults,
//! crashes, concurrent runs and late runs, nor right after a crash, and none in bundles
//! of their periods.
//!
//! `TEST_CASES=100 cargo test --test it verify_no_false_alarms` creates a hundred times as many.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::support::cases::cases;
use crate::support::proxy::{Act, Proxy};
use crate::support::raw_items::verified;
use crate::support::scripted_listing::Stage;
use crate::support::scripted_service::{arn, entry};
use crate::support::test_env::{self, ACCOUNT, Place, REGION, TestEnv, TestHandler};
use codeconnections_inventory::bundle::archive::Files;
use codeconnections_inventory::bundle::manifest::{self, Bundle, MANIFEST};
use codeconnections_inventory::bundle::records;
use codeconnections_inventory::bundle::verify::{BundleFinding, verify};
use codeconnections_inventory::checkpoint::chain_state::ChainKind;
use codeconnections_inventory::domain::listing::MAX_OBSERVATION_AGE;
use codeconnections_inventory::domain::{Connection, Timestamp, TombstoneGuard};
use serde_json::{Value, json};

const TABLES: u32 = 100;
const WORKERS: usize = 3;
const REGIONS: [&str; 3] = ["eu-south-1", "eu-west-1", "us-east-1"];

struct History {
    env: TestEnv,
    stage: Stage,
    shown: Vec<Option<(&'static str, bool)>>,
    rng: fastrand::Rng,
    steps: Vec<String>,
}

impl History {
    async fn new(endpoint: &str, seed: u64) -> Self {
        Self {
            env: TestEnv::with_table_at(Some(endpoint.to_owned())).await,
            stage: Stage::new(vec![]).await,
            shown: vec![None; 3],
            rng: fastrand::Rng::with_seed(seed),
            steps: Vec::new(),
        }
    }

    /// Changes some connections and advances the clock.
    fn change_connections(&mut self) {
        for shown in &mut self.shown {
            if self.rng.u8(..3) == 0 {
                let status = ["PENDING", "AVAILABLE", "ERROR"][self.rng.usize(..3)];
                let there = self.rng.u8(..4) > 0;
                *shown = there.then(|| (status, self.rng.bool()));
            }
        }
        let shown = self.shown.iter().enumerate();
        let entries = shown.filter_map(|(number, shown)| {
            let (status, hosted) = (*shown)?;
            let id = format!("c{number}");
            let mut entry = entry(&arn(REGION, &id), &id, status);
            if hosted {
                entry["HostArn"] =
                    json!("arn:aws:codeconnections:eu-west-1:123456789012:host/h-1a2b3c4d");
            }
            Some(entry)
        });
        self.stage.show(entries.collect());
        let seconds = [1, 60, 3_600][self.rng.usize(..3)];
        self.env.clock.advance(Duration::from_secs(seconds));
    }

    fn event(&mut self) -> Value {
        if self.rng.u8(..3) == 0 {
            return json!({
                "id": format!("event-{}", self.rng.u8(..12)),
                "detail-type": "Scheduled Event", "source": "aws.events",
                "account": ACCOUNT, "detail": {}, "resources": [],
            });
        }
        let mut asked: Vec<&str> = REGIONS.to_vec();
        self.rng.shuffle(&mut asked);
        asked.truncate(self.rng.usize(1..=2));
        let mut event = json!({"regions": asked});
        if self.rng.u8(..6) == 0 {
            event["ProviderTypeFilter"] = "GitHub".into();
        }
        event
    }

    fn handler(&self, table: &str) -> TestHandler {
        let source = self.env.source_at(&self.stage.endpoint);
        let mut handler = self.env.handler_of(source, self.env.table_at(table));
        handler.inventory.options.guard = TombstoneGuard::Off;
        handler
    }

    async fn step(&mut self) {
        self.change_connections();
        let (event, what) = (self.event(), self.rng.u8(..6));
        self.steps.push(format!("{what} {event}"));
        match what {
            0 => self.throttled(&event).await,
            1 | 2 => self.crash(&event).await,
            3 => self.overlap(&event).await,
            4 => self.late(&event).await,
            _ => {
                let handler = self.handler(&self.env.table_endpoint);
                test_env::run(&handler, &event).await;
            }
        }
    }

    async fn throttled(&mut self, event: &Value) {
        let (every, lost) = (self.rng.usize(2..4), self.rng.bool());
        let proxy = Proxy::start(&self.env.table_endpoint, move |seen| {
            match (seen.number % every, lost) {
                (0, true) => Act::fault_after(500, "InternalServerError"),
                (0, false) => Act::fault(400, "ThrottlingException"),
                _ => Act::Pass,
            }
        });
        let handler = self.handler(&proxy.await.endpoint);
        test_env::run(&handler, event).await;
    }

    /// Starts a run that crashes at a request. No run follows within this step.
    async fn crash(&mut self, event: &Value) {
        let (at, after) = (self.rng.usize(1..9), self.rng.bool());
        let proxy = Proxy::start(&self.env.table_endpoint, move |seen| match after {
            _ if seen.number != at => Act::Pass,
            false => Act::Hang,
            true => Act::PassThenHang,
        })
        .await;
        let handler = self.handler(&proxy.endpoint);
        tokio::select! {
            _ = test_env::run(&handler, event) => {}
            () = proxy.hangs() => {}
        }
        proxy.shut().await;
    }

    async fn overlap(&mut self, event: &Value) {
        let other = self.event();
        let handler = self.handler(&self.env.table_endpoint);
        tokio::join!(
            test_env::run(&handler, event),
            test_env::run(&handler, &other)
        );
    }

    /// Holds a run up before it writes, while a newer one runs.
    async fn late(&mut self, event: &Value) {
        let reached = Arc::new(AtomicBool::new(false));
        let released = Arc::new(AtomicBool::new(false));
        let (was_reached, is_released) = (Arc::clone(&reached), Arc::clone(&released));
        let proxy = Proxy::start(&self.env.table_endpoint, move |seen| {
            if seen.operation == "Query" || is_released.load(Ordering::SeqCst) {
                return Act::Pass;
            }
            was_reached.store(true, Ordering::SeqCst);
            Act::fault(400, "ThrottlingException")
        })
        .await;
        let (older, newer) = (
            self.handler(&proxy.endpoint),
            self.handler(&self.env.table_endpoint),
        );
        let done = AtomicBool::new(false);
        let older = async {
            test_env::run(&older, event).await;
            done.store(true, Ordering::SeqCst);
        };
        let other = async {
            // A run of an event that was processed before writes nothing.
            while !reached.load(Ordering::SeqCst) && !done.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            self.change_connections();
            let event = self.event();
            test_env::run(&newer, &event).await;
            if self.rng.bool() {
                self.env.clock.advance(MAX_OBSERVATION_AGE);
            }
            released.store(true, Ordering::SeqCst);
        };
        tokio::join!(older, other);
    }

    /// Returns what is found in a bundle of a period between runs.
    async fn verify_bundle(&mut self) -> Vec<BundleFinding> {
        let start: Timestamp = test_env::START.parse().expect("a time");
        let runs = self.env.runs().await;
        let mut times: Vec<Timestamp> = runs.iter().map(|run| run.finished_at).collect();
        let within = |_| start.millis() + self.rng.i64(..4 * 3_600_000);
        times.extend([(); 2].map(within).map(Timestamp::from_millis));
        self.rng.shuffle(&mut times);
        let (since, until) = (times[0].min(times[1]), times[0].max(times[1]));
        let (table, accounts) = (&self.env.table, [test_env::account()]);
        let none = BTreeMap::new();
        let read = records::read::<Connection>(table, &accounts, (since, until), &none).await;
        let read = read.expect("read");
        let kind = ChainKind::Connections;
        let mut files = Files::from([
            (records::runs_name(kind), read.runs.into_bytes()),
            (records::changes_name(kind), read.changes.into_bytes()),
        ]);
        let bundle = Bundle {
            since,
            until,
            accounts: read.accounts.into_iter().collect(),
            table: table.name().to_string(),
            code_version: String::new(),
        };
        let manifest = manifest::of(&files, bundle).to_text();
        files.insert(MANIFEST.to_owned(), manifest.into_bytes());
        verify(&files, None, &[]).findings
    }
}

/// Creates and verifies tables in one DynamoDB until there are `wanted` of them.
/// Returns the number of runs that they record.
async fn make(next: &AtomicU64, wanted: u64) -> u64 {
    let place = Place::new().await;
    let mut runs = 0;
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= wanted {
            return runs;
        }
        let mut history = History::new(&place.endpoint, seed).await;
        for _ in 0..history.rng.usize(1..4) {
            history.step().await;
        }
        let found = verified(&history.env).await;
        assert_eq!(found.findings, [], "{seed}: {:#?}", history.steps);
        let in_bundle = history.verify_bundle().await;
        assert_eq!(in_bundle, [], "bundle of {seed}: {:#?}", history.steps);
        runs += found
            .accounts
            .iter()
            .map(|account| account.runs)
            .sum::<u64>();
    }
}

#[test]
fn unedited_tables_have_no_findings() {
    let wanted = u64::from(cases(TABLES));
    let next = AtomicU64::new(0);
    let worker = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(make(&next, wanted))
    };
    // Tables are named after the thread that makes them.
    let test = std::thread::current().name().map(str::to_owned);
    let runs: u64 = std::thread::scope(|scope| {
        let workers = [(); WORKERS].map(|()| {
            std::thread::Builder::new()
                .name(test.clone().unwrap_or_default())
                .spawn_scoped(scope, worker)
                .expect("a thread")
        });
        workers
            .into_iter()
            .map(|worker| worker.join().expect("whole"))
            .sum()
    });
    println!("{wanted} tables of {runs} recorded runs: no false alarm");
    assert!(runs > wanted, "{runs}");
}
