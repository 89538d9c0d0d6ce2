//! Tests every fault × every operation of a run × how long the fault lasts: the
//! run has the expected outcome, and the next run completes the record.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::faults::{ATTEMPT, FAULTS, Fault, Means};
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::test_env::{self, TestEnv, TestHandler, account};
use crate::support::virtual_time::Time;
use aws_config::timeout::TimeoutConfig;
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::domain::{Change, ChangeKind, Clock, Outcome};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::lambda::handler::HandlerError;
use codeconnections_inventory::lambda::response::Response;
use codeconnections_inventory::listing::{CodeConnections, MemberRole};
use codeconnections_inventory::table::codec;
use codeconnections_inventory::table::codec::Item;
use codeconnections_inventory::table::{Table, keys};
use serde_json::json;

/// The requests of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    AssumeRole,
    ListConnections,
    Query,
    ExecuteTransaction,
    BatchExecuteStatement,
    RunRecord,
    AccountRecord,
}

use Place::{
    AccountRecord, AssumeRole, BatchExecuteStatement, ExecuteTransaction, ListConnections, Query,
    RunRecord,
};

impl Place {
    fn operation(self) -> &'static str {
        match self {
            AssumeRole => "AssumeRole",
            ListConnections => "ListConnections",
            Query => "Query",
            ExecuteTransaction => "ExecuteTransaction",
            BatchExecuteStatement => "BatchExecuteStatement",
            RunRecord | AccountRecord => "ExecuteStatement",
        }
    }

    fn is(self, seen: &Seen) -> bool {
        let of_run = || seen.body.windows(5).any(|part| part == b"RUNS#");
        seen.operation == self.operation()
            && match self {
                RunRecord => of_run(),
                AccountRecord => !of_run(),
                _ => true,
            }
    }
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasts {
    Once,
    /// More attempts than the SDK makes by itself.
    BeyondSdkRetries,
    /// The whole run.
    WholeRun,
}

use Lasts::{BeyondSdkRetries, Once, WholeRun};

impl Lasts {
    fn requests(self) -> usize {
        match self {
            Once => 1,
            BeyondSdkRetries => 5,
            WholeRun => usize::MAX,
        }
    }
}

/// The expected result of a run.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    outcome: Outcome,
    /// A part of one of the problems; empty if there is none.
    problem: &'static str,
}

fn expected(place: Place, means: Means, lasts: Lasts) -> Expected {
    let succeeds = match means {
        Means::Delays => true,
        Means::Passes => lasts != WholeRun,
        // A refused transaction of several changes is sent again in halves.
        Means::Refuses => place == ExecuteTransaction && lasts == Once,
        Means::Stops => false,
    };
    let is = |outcome, problem| Expected { outcome, problem };
    if succeeds {
        return is(Outcome::Complete, "");
    }
    match (place, means) {
        // No page of the only region.
        (AssumeRole | ListConnections, _) => is(Outcome::Failed, "listing eu-west-1: page 1: "),
        (Query, _) => is(Outcome::Failed, "read account 123456789012"),
        (ExecuteTransaction | BatchExecuteStatement, Means::Stops) => {
            is(Outcome::Failed, "write codeconnections-inventory")
        }
        (ExecuteTransaction | BatchExecuteStatement, Means::Refuses) => {
            is(Outcome::Partial, "write arn:aws:codeconnections:")
        }
        (ExecuteTransaction | BatchExecuteStatement, _) => {
            is(Outcome::Partial, "the next run takes them up")
        }
        (RunRecord, _) => is(Outcome::Failed, "record run 123456789012"),
        // The account record only repeats the runs; the next run updates it.
        (AccountRecord, _) => is(Outcome::Complete, ""),
    }
}

/// What a trap does with such requests, and how many are left.
struct Trap {
    place: Place,
    act: Act,
    left: usize,
    /// The time that passes for the run with each of them.
    takes: Duration,
}

type History = Vec<(ChangeKind, Option<String>)>;

/// An account that changes before each run, behind proxies with a trap.
struct World {
    env: TestEnv,
    trap: Arc<Mutex<Option<Trap>>>,
    _proxies: [Proxy; 2],
    handler: TestHandler,
    histories: BTreeMap<String, History>,
    turning: String,
    mortal: String,
    rounds: usize,
}

impl World {
    async fn new(time: Time, assumes_a_role: bool) -> Self {
        let env = TestEnv::new().await;
        let trap: Arc<Mutex<Option<Trap>>> = Arc::default();
        let policy = || {
            let (trap, time) = (Arc::clone(&trap), time.clone());
            move |seen: &Seen| match trap.lock().expect("no panic").as_mut() {
                Some(trap) if trap.place.is(seen) && trap.left > 0 => {
                    trap.left -= 1;
                    time.advance(trap.takes);
                    trap.act.clone()
                }
                _ => Act::Pass,
            }
        };
        let service = Proxy::start(env.service.endpoint(), policy()).await;
        let table = Proxy::start(&env.table_endpoint, policy()).await;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .build();
        let config_with_timeout = |endpoint: &str| {
            let config = test_env::quick(endpoint).into_builder();
            config.timeout_config(timeouts.clone()).build()
        };
        let role = assumes_a_role.then(|| MemberRole {
            name: "inventory".into(),
            external_id: None,
        });
        let own = if assumes_a_role {
            "999999999999".parse().expect("an account")
        } else {
            account()
        };
        let source = CodeConnections::new(config_with_timeout(&service.endpoint), Some(own), role);
        let client = aws_sdk_dynamodb::Client::new(&config_with_timeout(&table.endpoint));
        let table_there = Table::new(client, env.table.name().clone());
        let turning = env.create("turning");
        let mortal = env.create("mortal-0");
        let mut histories = BTreeMap::new();
        let first = vec![(ChangeKind::FirstSeen, Some("PENDING".to_owned()))];
        for n in 0..3 {
            histories.insert(env.create(&format!("steady-{n}")), first.clone());
        }
        for arn in [&turning, &mortal] {
            histories.insert(arn.clone(), first.clone());
        }
        assert_eq!(env.run().await.outcome, Outcome::Complete);
        let mut handler = env.handler_of(source, table_there);
        // Unlimited, as for any other fault: the test sets how long a fault
        // lasts.
        handler.inventory.options.retry_policy.unreachable_tries = u32::MAX;
        Self {
            handler,
            env,
            trap,
            _proxies: [service, table],
            histories,
            turning,
            mortal,
            rounds: 0,
        }
    }

    /// Makes a change of each kind but one, and adds it to the expected
    /// histories.
    fn change(&mut self) {
        self.rounds += 1;
        let status = ["AVAILABLE", "ERROR"][self.rounds % 2];
        self.env.set_status(&self.turning, status);
        let changed = (ChangeKind::StatusChanged, Some(status.to_owned()));
        self.env.delete(&self.mortal);
        let deleted = (ChangeKind::Deleted, None);
        for (arn, step) in [(&self.turning, changed), (&self.mortal, deleted)] {
            self.histories.get_mut(arn).expect("a history").push(step);
        }
        self.mortal = self.env.create(&format!("mortal-{}", self.rounds));
        let first = (ChangeKind::FirstSeen, Some("PENDING".to_owned()));
        self.histories.insert(self.mortal.clone(), vec![first]);
    }

    /// Runs with the fault and then without it, and checks both runs.
    async fn check(&mut self, fault: &Fault, place: Place, lasts: Lasts) {
        let cell = format!("{}, {place:?}, {lasts:?}", fault.name);
        self.change();
        *self.trap.lock().expect("no panic") = Some(Trap {
            place,
            act: fault.act(place.operation()),
            left: lasts.requests(),
            // A fault that does not pass is retried to the end of the run's
            // time.
            takes: match (lasts, fault.means) {
                (WholeRun, Means::Passes) => Duration::from_secs(3),
                _ => Duration::ZERO,
            },
        });
        self.env.clock.advance(test_env::HOUR);
        let summary = self.run().await;

        let expected = expected(place, fault.means, lasts);
        let problems = &summary.problems;
        assert_eq!(summary.outcome, expected.outcome, "{cell}: {problems:?}");
        if expected.outcome == Outcome::Complete {
            assert_eq!(problems, &[] as &[String], "{cell}");
            self.assert_histories(&cell).await;
        }
        let named = problems.iter().any(|p| p.contains(expected.problem));
        assert!(named || expected.problem.is_empty(), "{cell}: {problems:?}");
        let trap = self.trap.lock().expect("no panic").take();
        let left = trap.expect("it is set").left;
        assert!(left < lasts.requests(), "{cell}: the fault did not occur");

        self.env.clock.advance(test_env::HOUR);
        let next = self.run().await;
        assert_eq!(
            next.outcome,
            Outcome::Complete,
            "{cell}: {:?}",
            next.problems
        );
        assert_eq!(next.connections.values().sum::<u64>(), 5, "{cell}");
        self.assert_histories(&cell).await;
        assert_eq!(
            self.env.runs().await.len() as u64,
            next.sequence.expect("recorded")
        );
        let now = self.env.clock.now();
        let verified = verify(&self.env.table, None, now, |_| {}).await;
        assert_eq!(verified.expect("read").findings, [], "{cell}");
    }

    async fn run(&self) -> Summary {
        match self
            .handler
            .handle(&json!({}), Duration::from_secs(60))
            .await
        {
            Ok(Response::One(run)) | Err(HandlerError::RunFailed(Response::One(run))) => *run,
            other => panic!("one run, not {other:?}"),
        }
    }

    /// Asserts that every connection's history has each of its changes once.
    async fn assert_histories(&self, cell: &str) {
        let mut recorded: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        let mut pages = self.env.table.pages();
        while let Some(page) = pages.next().await.expect("read") {
            for item in page.into_iter().filter(is_change) {
                let change: Change = codec::read_record(item).expect("a change");
                let of = recorded.entry(change.arn.to_string()).or_default();
                of.push(change);
            }
        }
        let stories = recorded.into_iter().map(|(arn, mut changes)| {
            changes.sort_by_key(|change| change.version);
            test_env::assert_chained(&changes);
            (arn, test_env::story(&changes))
        });
        let stories: BTreeMap<String, History> = stories.collect();
        assert_eq!(stories, self.histories, "{cell}");
    }
}

fn is_change(item: &Item) -> bool {
    let pk = item.get(keys::PK).and_then(|pk| pk.as_s().ok());
    pk.is_some_and(|pk| pk.starts_with("CONNECTION#"))
}

/// Returns the faults that are possible for a request, with each duration.
fn cells(place: Place) -> impl Iterator<Item = (&'static Fault, Lasts)> {
    let is_possible = move |fault: &&Fault| fault.happens_to(place.operation());
    let faults = FAULTS.iter().filter(is_possible);
    faults.flat_map(|fault| [Once, BeyondSdkRetries, WholeRun].map(|lasts| (fault, lasts)))
}

/// The number of cells that share a world: the record to verify grows.
const CELLS: usize = 12;

fn check_cells(place: Place) {
    let cells: Vec<_> = cells(place).collect();
    println!("{place:?}: {} cells", cells.len());
    for cells in cells.chunks(CELLS) {
        Time::run(async |time| {
            let mut world = World::new(time, place == AssumeRole).await;
            for (fault, lasts) in cells {
                world.check(fault, place, *lasts).await;
            }
        });
    }
}

macro_rules! fault_tests {
    ($($name:ident: $place:ident,)+) => {
        $(
            #[test]
            fn $name() {
                check_cells($place);
            }
        )+
    };
}

// Each request has its own test, so that they share the machine's processors.
fault_tests! {
    faults_of_assume_role: AssumeRole,
    faults_of_list_connections: ListConnections,
    faults_of_query: Query,
    faults_of_execute_transaction: ExecuteTransaction,
    faults_of_batch_execute_statement: BatchExecuteStatement,
    faults_of_run_record: RunRecord,
    faults_of_account_record: AccountRecord,
}
