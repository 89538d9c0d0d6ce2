//! Kills the function's process at every request of a run, before and after the
//! server has carried it out. The same event is then delivered again, as by
//! Lambda, and the record is as without the kill.
//!
//! There are 292 points, 12 to 96 in each of seven scenarios; each number is
//! asserted. The process is the function's own binary under AWS's runtime
//! emulator, and SIGKILL prevents any clean-up.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::runtime_emulator::{Emulator, Environment, Invoked};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv, assert_chained, story};
use codeconnections_inventory::audit::ConnectionFilter;
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::domain::{AccountId, ChangeKind, Clock, SystemClock};
use codeconnections_inventory::local::codeconnections::{
    CreateConnectionInput, ProviderType, Scope,
};
use codeconnections_inventory::table::write::CHANGES;
use serde_json::{Value, json};

const MEMBER: &str = "210987654321";
const OPT_IN: &str = "eu-south-1";

/// The history before the run that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// None: there are connections, and an empty table.
    FirstRun,
    /// A change of each kind, and enough unchanged connections for two
    /// batches.
    EachKind,
    /// One of two regions denies access; connections of the other have changed.
    RegionDenied,
    /// The account is a member account, listed through its role.
    Member,
    /// Calls that changed connections arrive as an SQS batch.
    Batch,
    /// Changes, of which an earlier run had recorded some when it was killed.
    AfterCrashDuringChanges,
    /// Changes, which an earlier run had recorded, with its own record but not
    /// the account record, when it was killed.
    AfterCrashDuringRecords,
}

use Scenario::{
    AfterCrashDuringChanges, AfterCrashDuringRecords, Batch, EachKind, FirstRun, Member,
    RegionDenied,
};

/// A request of a run: its operation and the number of such requests before it.
type Place = (String, usize);

#[derive(Default)]
struct Watch {
    /// The requests since the last event.
    asked: Vec<Place>,
    trap: Option<(Place, Act)>,
}

impl Watch {
    fn act(&mut self, seen: &Seen) -> Act {
        let before = self
            .asked
            .iter()
            .filter(|(name, _)| *name == seen.operation);
        let place = (seen.operation.clone(), before.count());
        self.asked.push(place.clone());
        match self.trap.take_if(|(at, _)| *at == place) {
            Some((_, act)) => act,
            None => Act::Pass,
        }
    }
}

/// What the table has recorded: each connection's changes, and whether it is
/// present.
type RecordedState = BTreeMap<String, (Vec<(ChangeKind, Option<String>)>, bool)>;

/// One emulator, with a new account and table behind its proxies for each
/// point.
struct KillTest {
    scenario: Scenario,
    env: TestEnv,
    emulator: Emulator,
    watch: Arc<Mutex<Watch>>,
    service: Proxy,
    table: Proxy,
    events: usize,
}

impl KillTest {
    async fn new(scenario: Scenario) -> Self {
        let env = TestEnv::new().await;
        let watch: Arc<Mutex<Watch>> = Arc::default();
        let policy = || {
            let watch = Arc::clone(&watch);
            move |seen: &Seen| watch.lock().expect("no panic").act(seen)
        };
        let service = Proxy::start(env.service.endpoint(), policy()).await;
        let table = Proxy::start(&env.table_endpoint, policy()).await;
        let environment = Environment::of(&env)
            .with("MAX_CONCURRENCY", "1")
            .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint)
            .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
            .with("AWS_ENDPOINT_URL_STS", &service.endpoint);
        let environment = match scenario {
            RegionDenied => environment.with("REGIONS", &format!("{REGION},{OPT_IN}")),
            Member => environment
                .with("ACCOUNTS", "any")
                .with("MEMBER_ROLE_NAME", "inventory"),
            _ => environment,
        };
        Self {
            scenario,
            emulator: Emulator::start(environment).await,
            env,
            watch,
            service,
            table,
            events: 0,
        }
    }

    fn account(&self) -> &'static str {
        match self.scenario {
            Member => MEMBER,
            _ => ACCOUNT,
        }
    }

    /// Returns an event with its own ID.
    fn next_event(&mut self) -> Value {
        self.events += 1;
        let id = format!("event-{}", self.events);
        match self.scenario {
            Member => json!({"account": MEMBER, "execution_id": id}),
            _ => json!({
                "id": id, "detail-type": "Scheduled Event", "source": "aws.events",
                "account": ACCOUNT, "region": REGION, "detail": {}, "resources": [],
            }),
        }
    }

    fn create(&self, name: &str) -> String {
        let scope = Scope::new(self.account(), REGION);
        let input = CreateConnectionInput::new(name, ProviderType::GitHub);
        let made = self
            .env
            .codeconnections
            .state()
            .create_connection(&scope, input);
        made.expect("created").connection_arn
    }

    /// Puts an empty table and an empty account behind the same addresses, and
    /// plays the history of the scenario. Returns the event of the run to be
    /// killed.
    async fn set_up(&mut self) -> Value {
        self.env = TestEnv::new().await;
        self.service.set_upstream(self.env.service.endpoint());
        self.table.set_upstream(&self.env.table_endpoint);
        let unchanged = match self.scenario {
            EachKind => 26,
            _ => 3,
        };
        for n in 0..unchanged {
            self.create(&format!("steady-{n}"));
        }
        let broken = self.create("broken");
        if self.scenario == FirstRun {
            return self.next_event();
        }
        let moved = self.create("moved");
        let doomed = self.create("doomed");
        // Another account shares a connection, stops sharing it, and shares it
        // again.
        let scope = Scope::new("999999999999", REGION);
        let input = CreateConnectionInput::new("shared", ProviderType::GitHub);
        let shared = self
            .env
            .codeconnections
            .state()
            .create_connection(&scope, input);
        let shared = shared.expect("created").connection_arn;
        let account = self.account();
        let share = |env: &TestEnv, shares: bool| {
            let mut state = env.codeconnections.state();
            let shared = match shares {
                true => state.share(&shared, account),
                false => state.unshare(&shared, account),
            };
            shared.expect("shared, or not");
        };
        share(&self.env, true);
        self.complete().await;
        share(&self.env, false);
        self.complete().await;

        self.env.set_status(&broken, "ERROR");
        let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/h-1a2b3c4d";
        let to = Some(host.to_owned());
        let is_moved = self
            .env
            .codeconnections
            .state()
            .set_connection_host(&moved, to);
        is_moved.expect("moved");
        self.env.delete(&doomed);
        share(&self.env, true);
        let new = self.create("new");
        let crash = match self.scenario {
            FirstRun | EachKind | Member => None,
            RegionDenied => {
                self.env.deny(OPT_IN);
                None
            }
            Batch => return batch(&[("CreateConnection", &new), ("DeleteConnection", &doomed)]),
            // The others are in another transaction.
            AfterCrashDuringChanges => {
                (0..CHANGES).for_each(|n| drop(self.create(&format!("new-{n}"))));
                Some(("ExecuteTransaction", 0, Act::PassThenHang))
            }
            AfterCrashDuringRecords => Some(("ExecuteStatement", 1, Act::Hang)),
        };
        let event = self.next_event();
        if let Some((operation, before, act)) = crash {
            let place = (operation.to_owned(), before);
            self.kill_at(place, act, &event).await;
        }
        event
    }

    /// Runs without a kill. Returns the response.
    async fn invoke(&self, event: &Value) -> Value {
        self.watch.lock().expect("no panic").asked.clear();
        let answer = self.emulator.invoke(event).await.answer();
        match answer["runs"].as_array() {
            Some(runs) => runs[0].clone(),
            None => answer,
        }
    }

    async fn complete(&mut self) {
        let event = self.next_event();
        let answer = self.invoke(&event).await;
        assert_eq!(answer["outcome"], "COMPLETE", "{answer}");
    }

    /// Kills the function's process when it has sent the request at `place`.
    async fn kill_at(&self, place: Place, act: Act, event: &Value) {
        {
            let mut watch = self.watch.lock().expect("no panic");
            watch.asked.clear();
            watch.trap = Some((place, act));
        }
        let invocation = tokio::spawn(self.emulator.invocation(event));
        let caught = async {
            tokio::select! {
                () = self.table.hangs() => {}
                () = self.service.hangs() => {}
            }
        };
        let caught = tokio::time::timeout(Duration::from_secs(60), caught).await;
        caught.expect("the trap catches a request");
        self.emulator.function().expect("it runs").kill();
        assert_eq!(invocation.await.expect("no panic"), Invoked::Crashed);
    }

    /// Returns what the table has recorded, after verifying it.
    async fn recorded(&self) -> RecordedState {
        let account: AccountId = self.account().parse().expect("an account");
        let table = &self.env.table;
        let found = verify(table, None, SystemClock.now(), |_| {}).await;
        assert_eq!(found.expect("read").findings, []);
        let all = ConnectionFilter {
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let mut recorded = RecordedState::new();
        for row in self.env.audit().connections(&all).await.expect("read") {
            let changes = table.changes_of(&account, &row.connection_arn).await;
            let changes = changes.expect("read");
            assert_chained(&changes);
            let is_present = row.deleted_at.is_none();
            recorded.insert(
                row.connection_arn.to_string(),
                (story(&changes), is_present),
            );
        }
        recorded
    }

    /// Kills a run of the scenario at each of its points. Returns their number.
    async fn kill_at_each_point(&mut self) -> usize {
        let event = self.set_up().await;
        let undisturbed = self.invoke(&event).await;
        let places = self.watch.lock().expect("no panic").asked.clone();
        let expected = self.recorded().await;
        let complete = self.scenario != RegionDenied;
        let outcome = if complete { "COMPLETE" } else { "PARTIAL" };
        assert_eq!(undisturbed["outcome"], outcome, "{undisturbed}");
        let mut points = 0;
        for place in places {
            for act in [Act::Hang, Act::PassThenHang] {
                points += 1;
                let point = format!("{:?}, {place:?}, {act:?}", self.scenario);
                let event = self.set_up().await;
                self.kill_at(place.clone(), act, &event).await;

                let answer = self.invoke(&event).await;
                assert_eq!(answer["outcome"], outcome, "{point}: {answer}");
                assert_eq!(answer["connections"], undisturbed["connections"], "{point}");
                assert_eq!(self.recorded().await, expected, "{point}");
                // The next run has nothing left to write.
                let another = self.next_event();
                let answer = self.invoke(&another).await;
                assert_eq!(answer["outcome"], outcome, "{point}: {answer}");
                assert_eq!(answer["changes"], json!({}), "{point}: {answer}");
                assert_eq!(self.recorded().await, expected, "{point}");
            }
        }
        println!("{:?}: killed at {points} points", self.scenario);
        points
    }
}

/// Returns an SQS batch of these calls about these connections.
fn batch(calls: &[(&str, &String)]) -> Value {
    let message = |(i, (name, arn)): (usize, &(&str, &String))| {
        let sample = include_str!("../../../events/cloudtrail-create-connection.json");
        let mut event: Value = serde_json::from_str(sample).expect("JSON");
        event["id"] = format!("call-{i}").into();
        event["detail"]["eventName"] = (*name).into();
        event["detail"]["requestParameters"]["connectionArn"] = arn.as_str().into();
        event["detail"]["responseElements"]["connectionArn"] = arn.as_str().into();
        let id = format!("m{i}");
        json!({"messageId": id, "body": event.to_string(), "eventSource": "aws:sqs"})
    };
    json!({"Records": calls.iter().enumerate().map(message).collect::<Vec<_>>()})
}

macro_rules! kill_tests {
    ($($name:ident: $scenario:ident at $points:literal,)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                let points = KillTest::new($scenario).await.kill_at_each_point().await;
                assert_eq!(points, $points, "docs/reliability.md has the number");
            }
        )+
    };
}

kill_tests! {
    first_run_recovers_from_a_kill_at_any_request: FirstRun at 12,
    run_with_each_change_kind_recovers_from_a_kill_at_any_request: EachKind at 34,
    run_with_denying_region_recovers_from_a_kill_at_any_request: RegionDenied at 34,
    run_of_member_account_recovers_from_a_kill_at_any_request: Member at 34,
    run_for_an_sqs_batch_recovers_from_a_kill_at_any_request: Batch at 32,
    run_after_crash_during_changes_recovers_from_a_kill_at_any_request: AfterCrashDuringChanges at 96,
    run_after_crash_during_records_recovers_from_a_kill_at_any_request: AfterCrashDuringRecords at 50,
}
