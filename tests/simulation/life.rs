//! Simulates the life of a schedule in virtual time, with the real handler and
//! the SDK's real clients.

use std::cell::Cell;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::aws::RetryPolicy;
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::domain::{Change, Clock, Outcome, RunId, Timestamp};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::inventory::{Inventory, RunOptions};
use codeconnections_inventory::lambda::handler::{AllowedAccounts, Handler, HandlerError};
use codeconnections_inventory::listing::{CodeConnections, Limits};
use codeconnections_inventory::local::embedded::{TABLE, local_config};
use codeconnections_inventory::table::{Table, schema};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::network::{Log, Network};
use super::reference::{self, GroundTruth, Record};
use super::schedule::{Event, REGIONS, Run, Schedule, State, Step, Wait, listed_by};
use super::stage::{SimClock, Stage, connection_arn};
use super::support::test_env::{self, ACCOUNT, account, region};

pub const GUARD: f64 = 0.5;

/// The result of a run, as far as its caller knows it.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    pub number: usize,
    pub run: Run,
    pub run_id: RunId,
    pub event_id: Option<String>,
    pub began: Timestamp,
    /// When its last request had arrived or was lost.
    pub ended: Timestamp,
    /// `None` if its process ended before.
    pub summary: Option<Summary>,
}

/// The counts of simulated lives.
#[derive(Debug, Default)]
pub struct Counts {
    pub runs: u64,
    pub requests: u64,
    pub changes: u64,
    pub killed: u64,
    /// Requests that did not succeed.
    pub faults: u64,
    /// The digest of the log.
    pub digest: u64,
    /// The outcome of each request.
    pub log: Vec<String>,
}

thread_local! {
    /// The number of the run that begins. It makes its ID unique within a
    /// millisecond.
    static NEXT: Cell<u128> = const { Cell::new(0) };
}

/// Simulates a schedule. Returns an error if something does not hold.
pub fn simulate(schedule: &Schedule) -> (Counts, Result<(), String>) {
    // The SDK and the function take their random numbers from this seed.
    fastrand::seed(42);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut life = Life::new(schedule).await;
        let result = life.simulate(schedule).await;
        let log = life
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let counts = Counts {
            requests: log.len() as u64,
            faults: log
                .iter()
                .filter(|line| !line.ends_with("Passed 200"))
                .count() as u64,
            digest: digest(&log),
            log,
            ..life.counts
        };
        (counts, result)
    })
}

/// The first eight bytes of a log's SHA-256.
fn digest(log: &[String]) -> u64 {
    let hash = Sha256::digest(log.join("\n"));
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

struct Life {
    stage: Arc<Stage>,
    /// The table, over a network without faults.
    table: Table,
    log: Log,
    connections: usize,
    running: Vec<JoinHandle<FinishedRun>>,
    finished: Vec<FinishedRun>,
    started: usize,
    last_tick: Option<String>,
    counts: Counts,
    /// The number of changes up to a past time, as it was read then.
    past_counts: Vec<(Timestamp, usize)>,
}

impl Life {
    async fn new(schedule: &Schedule) -> Self {
        let stage = Arc::new(Stage::new(&schedule.at_first));
        let log = Log::default();
        let quiet = Network::new(&stage, usize::MAX, &Run::undisturbed(), &Log::default());
        let client = client(&config(&quiet, stage.clock));
        let name = TABLE.parse().expect("a table name");
        schema::create(&client, &name).await.expect("a table");
        Self {
            table: Table::new(client, name),
            log,
            connections: schedule.at_first.len(),
            running: Vec::new(),
            finished: Vec::new(),
            started: 0,
            last_tick: None,
            counts: Counts::default(),
            past_counts: Vec::new(),
            stage,
        }
    }

    async fn simulate(&mut self, schedule: &Schedule) -> Result<(), String> {
        for step in &schedule.steps {
            self.take(step).await?;
        }
        self.wait(Duration::from_mins(20)).await;
        self.collect().await;
        let record = self.read().await?;
        reference::check(&self.ground_truth(), &record)?;
        self.check_past_is_unchanged(&record)?;
        // Whatever happened, two undisturbed runs must complete the record.
        for _ in 0..2 {
            self.wait(Duration::from_mins(60)).await;
            self.start(&Run::undisturbed());
            self.wait(Duration::from_mins(5)).await;
        }
        self.collect().await;
        let truth = self.ground_truth();
        let record = self.read().await?;
        reference::check(&truth, &record)?;
        reference::check_final_state(&truth, &record)?;
        self.check_past_is_unchanged(&record)?;
        self.counts.runs = truth.runs.len() as u64;
        self.counts.killed = truth
            .runs
            .iter()
            .filter(|run| run.summary.is_none())
            .count() as u64;
        self.counts.changes = record.histories.iter().map(|h| h.len() as u64).sum();
        Ok(())
    }

    async fn take(&mut self, step: &Step) -> Result<(), String> {
        let stage = &self.stage;
        match step {
            Step::Show(connection, status) => stage.change(*connection, |state| {
                let host = state.map_or(0, |state| state.host);
                Some(State {
                    status: *status,
                    host,
                })
            }),
            Step::Rehost(connection, host) => stage.change(*connection, |state| {
                state.map(|state| State {
                    host: *host,
                    ..state
                })
            }),
            Step::Hide(connection) => stage.change(*connection, |_| None),
            Step::HideAll => (0..self.connections).for_each(|c| stage.change(c, |_| None)),
            Step::Run(run) => self.start(run),
            Step::Wait(wait) => {
                self.wait(wait.duration()).await;
                if matches!(wait, Wait::Minutes(17..)) {
                    self.note_past_count().await?;
                }
            }
        }
        Ok(())
    }

    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Notes the current number of past changes, to compare it with later ones.
    async fn note_past_count(&mut self) -> Result<(), String> {
        let until = Timestamp::from_millis(self.stage.clock.now().millis() - 16 * 60_000);
        let number = changes_until(&self.read_histories().await?, until);
        self.past_counts.push((until, number));
        Ok(())
    }

    fn check_past_is_unchanged(&self, record: &Record) -> Result<(), String> {
        if self.finished.iter().any(|run| run.run.clock_off != 0) {
            // A wrong clock writes into the past or the future.
            return Ok(());
        }
        for (until, number) in &self.past_counts {
            let now = changes_until(&record.histories, *until);
            if now != *number {
                return Err(format!(
                    "until {until} there were {number} changes, and now {now}"
                ));
            }
        }
        Ok(())
    }

    fn start(&mut self, run: &Run) {
        let number = self.started;
        self.started += 1;
        let event = self.event(number, run);
        let event_id = event["id"].as_str().map(str::to_owned);
        let (stage, log, run) = (Arc::clone(&self.stage), Arc::clone(&self.log), run.clone());
        let task = tokio::task::spawn_local(run_once(stage, log, number, run, event, event_id));
        self.running.push(task);
    }

    /// Returns the event for the function.
    fn event(&mut self, number: usize, run: &Run) -> Value {
        let mut event = match run.event {
            Event::Tick | Event::Again => {
                let again = self.last_tick.clone().filter(|_| run.event == Event::Again);
                let id = again.unwrap_or_else(|| format!("tick-{number}"));
                self.last_tick = Some(id.clone());
                json!({
                    "id": id, "detail-type": "Scheduled Event", "source": "aws.events",
                    "account": ACCOUNT, "detail": {}, "resources": [],
                })
            }
            Event::Call(connection) => call(number, connection),
            Event::Queued(connection) => {
                let body = call(number, connection).to_string();
                json!({"Records": [{"messageId": "m", "body": body, "eventSource": "aws:sqs"}]})
            }
            Event::Manual(regions) if regions.contains(&true) => {
                let named = REGIONS.iter().zip(regions).filter(|(_, asked)| *asked);
                let named: Vec<&str> = named.map(|(name, _)| *name).collect();
                json!({"regions": named})
            }
            Event::Manual(_) => json!({}),
        };
        if matches!(run.event, Event::Manual(_)) {
            if run.filtered {
                event["ProviderTypeFilter"] = "GitLab".into();
            }
            if run.accept_deletions {
                event["accept_deletions"] = true.into();
            }
        }
        event
    }

    async fn collect(&mut self) {
        for running in self.running.drain(..) {
            match running.await {
                Ok(run) => self.finished.push(run),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }

    fn ground_truth(&self) -> GroundTruth {
        GroundTruth {
            truth: self
                .stage
                .truth
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            pages: self
                .stage
                .pages
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            runs: self.finished.clone(),
        }
    }

    async fn read(&self) -> Result<Record, String> {
        let wrong = |error: &dyn std::error::Error| format!("can't be read: {error}");
        let now = self.stage.clock.now();
        let report = verify(&self.table, None, now, |_| {})
            .await
            .map_err(|e| wrong(&e))?;
        let mut runs = self
            .table
            .runs_of(&account(), 10_000)
            .await
            .map_err(|e| wrong(&e))?;
        runs.reverse();
        let state = self
            .table
            .read_account(&account())
            .await
            .map_err(|e| wrong(&e))?;
        Ok(Record {
            findings: report
                .findings
                .iter()
                .map(|finding| format!("{finding:?}"))
                .collect(),
            histories: self.read_histories().await?,
            runs,
            snapshots: state.snapshots,
        })
    }

    async fn read_histories(&self) -> Result<Vec<Vec<Change>>, String> {
        let mut histories = Vec::new();
        for connection in 0..self.connections {
            let arn = connection_arn(connection).parse().expect("an ARN");
            let changes = self.table.changes_of(&account(), &arn).await;
            histories.push(changes.map_err(|error| format!("can't be read: {error}"))?);
        }
        Ok(histories)
    }
}

fn changes_until(histories: &[Vec<Change>], until: Timestamp) -> usize {
    let changes = histories.iter().flatten();
    changes
        .filter(|change| change.observed_until <= until)
        .count()
}

fn call(number: usize, connection: usize) -> Value {
    let mut event = test_env::call_that_made(&connection_arn(connection));
    event["id"] = format!("call-{number}").into();
    event["detail"]["awsRegion"] = REGIONS[listed_by(connection)[0]].into();
    event
}

async fn run_once(
    stage: Arc<Stage>,
    log: Log,
    number: usize,
    run: Run,
    event: Value,
    event_id: Option<String>,
) -> FinishedRun {
    let network = Network::new(&stage, number, &run, &log);
    let clock = stage.clock.off_by(run.clock_off);
    let config = config(&network, clock);
    let handler = Handler {
        inventory: Inventory {
            source: CodeConnections::new(config.clone(), Some(account()), None),
            table: Table::new(client(&config), TABLE.parse().expect("a table name")),
            clock,
            options: RunOptions {
                guard: TombstoneGuard::Share(GUARD),
                concurrency: 4,
                retry_policy: RetryPolicy::default(),
                limits: Limits::default(),
            },
        },
        accounts: AllowedAccounts::Listed(vec![account()]),
        regions: REGIONS.map(region).to_vec(),
        retired_regions: Vec::new(),
        random: || NEXT.get(),
    };
    NEXT.set(number as u128);
    let began = stage.clock.now();
    let run_id = RunId::new(clock.now(), number as u128);
    let time = Duration::from_secs(run.seconds);
    // Lambda ends a process whose time is over.
    let done = tokio::select! {
        biased;
        done = tokio::time::timeout(time, handler.handle(&event, time)) => done.ok(),
        () = network.end() => None,
    };
    drop(handler);
    let summary = done.map(|done| match done {
        Ok(answer) | Err(HandlerError::RunFailed(answer)) => {
            let [summary] = answer.runs() else {
                panic!("one run: {answer:?}")
            };
            summary.clone()
        }
        Err(refused) => panic!("a good event is refused: {refused}"),
    });
    network.quiet().await;
    let ended = stage.clock.now();
    FinishedRun {
        number,
        run,
        run_id,
        event_id,
        began,
        ended,
        summary,
    }
}

#[derive(Debug)]
struct SignedAt(SimClock);

impl TimeSource for SignedAt {
    fn now(&self) -> std::time::SystemTime {
        self.0.system_time()
    }
}

/// Returns the SDK configuration of the function, for this network.
fn config(network: &Network, clock: SimClock) -> SdkConfig {
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(4))
        .operation_attempt_timeout(Duration::from_secs(20))
        .build();
    local_config("http://127.0.0.1:1")
        .into_builder()
        .timeout_config(timeouts)
        .retry_config(aws_config::retry::RetryConfig::standard())
        .time_source(SharedTimeSource::new(SignedAt(clock)))
        .http_client(network.clone())
        .build()
}

/// Returns a client with its own retry quota, as each process has. The SDK's
/// quota is per process, which here has other runs and other lives.
fn client(config: &SdkConfig) -> Client {
    let retries = RetryPartition::custom("process").build();
    Client::from_conf(Builder::from(config).retry_partition(retries).build())
}

/// Returns true if a run reports that it is complete.
pub fn is_complete(run: &FinishedRun) -> bool {
    let summary = run.summary.as_ref();
    summary.is_some_and(|s| s.outcome == Outcome::Complete && !s.already_recorded)
}
