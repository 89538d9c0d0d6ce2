//! The function's process is ended at every request of a run, before and
//! after the server has carried it out. Then the same event comes again, as
//! Lambda delivers it, and everything is as if nothing had been.
//!
//! The points are 244, 18 to 50 in each of seven runs; each number is asserted.
//! It is the function's own binary, under AWS's own runtime emulator, and it
//! is ended by SIGKILL: nothing of it can clean up.

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
use serde_json::{Value, json};

const MEMBER: &str = "210987654321";
const OPT_IN: &str = "eu-south-1";

/// What has happened before the run that is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// Nothing: there are connections, and an empty table.
    FirstRun,
    /// A change of each kind, and enough unchanged connections for two
    /// batches.
    EachKind,
    /// One of two regions denies, something has changed in the other.
    RegionDenied,
    /// The account is another one's, and is listed through its role.
    Member,
    /// Calls that changed something come as a batch of a queue.
    Batch,
    /// Changes, of which a run had recorded some when it was ended.
    AfterACrashAmongTheChanges,
    /// Changes, which a run had recorded, and itself, but not in the
    /// account's record, when it was ended.
    AfterACrashAmongTheRecords,
}

use Scenario::{
    AfterACrashAmongTheChanges, AfterACrashAmongTheRecords, Batch, EachKind, FirstRun, Member,
    RegionDenied,
};

/// A request of a run, by its operation and how many of these came before.
type Place = (String, usize);

#[derive(Default)]
struct Watch {
    /// What was asked for since the last event.
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

/// What the table tells in the end: each connection's changes, and whether it
/// is there.
type Told = BTreeMap<String, (Vec<(ChangeKind, Option<String>)>, bool)>;

/// One emulator, and one world after another behind its proxies.
struct Theatre {
    scenario: Scenario,
    env: TestEnv,
    emulator: Emulator,
    watch: Arc<Mutex<Watch>>,
    service: Proxy,
    table: Proxy,
    events: usize,
}

impl Theatre {
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

    /// An event with an id of its own.
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

    /// An empty table and an empty account behind the same addresses, and
    /// then all that has happened before. Gives the event of the run that is
    /// to be ended.
    async fn set(&mut self) -> Value {
        self.env = TestEnv::new().await;
        self.service.lead_to(self.env.service.endpoint());
        self.table.lead_to(&self.env.table_endpoint);
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
        // Shared by another account, no longer, and again.
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
            let mut world = env.codeconnections.state();
            let shared = match shares {
                true => world.share(&shared, account),
                false => world.unshare(&shared, account),
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
            AfterACrashAmongTheChanges => Some(("ExecuteTransaction", 2, Act::PassThenHang)),
            AfterACrashAmongTheRecords => Some(("ExecuteStatement", 1, Act::Hang)),
        };
        let event = self.next_event();
        if let Some((operation, before, act)) = crash {
            let place = (operation.to_owned(), before);
            self.end_at(place, act, &event).await;
        }
        event
    }

    /// A run that is not ended. Gives its answer.
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

    /// Ends the function's process when it has asked for that.
    async fn end_at(&self, place: Place, act: Act, event: &Value) {
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

    /// What the table tells, all of it checked.
    async fn told(&self) -> Told {
        let account: AccountId = self.account().parse().expect("an account");
        let table = &self.env.table;
        let found = verify(table, None, SystemClock.now(), |_| {}).await;
        assert_eq!(found.expect("read").findings, []);
        let all = ConnectionFilter {
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let mut told = Told::new();
        for row in self.env.audit().connections(&all).await.expect("read") {
            let changes = table.changes_of(&account, &row.connection_arn).await;
            let changes = changes.expect("read");
            assert_chained(&changes);
            let is_there = row.deleted_at.is_none();
            told.insert(row.connection_arn.to_string(), (story(&changes), is_there));
        }
        told
    }

    /// Plays the scenario at each of its points. Gives their number.
    async fn play(&mut self) -> usize {
        let event = self.set().await;
        let whole = self.invoke(&event).await;
        let places = self.watch.lock().expect("no panic").asked.clone();
        let expected = self.told().await;
        let complete = self.scenario != RegionDenied;
        let outcome = if complete { "COMPLETE" } else { "PARTIAL" };
        assert_eq!(whole["outcome"], outcome, "{whole}");
        let mut points = 0;
        for place in places {
            for act in [Act::Hang, Act::PassThenHang] {
                points += 1;
                let point = format!("{:?}, {place:?}, {act:?}", self.scenario);
                let event = self.set().await;
                self.end_at(place.clone(), act, &event).await;

                let answer = self.invoke(&event).await;
                assert_eq!(answer["outcome"], outcome, "{point}: {answer}");
                assert_eq!(answer["connections"], whole["connections"], "{point}");
                assert_eq!(self.told().await, expected, "{point}");
                // And once more: nothing is left to do.
                let another = self.next_event();
                let answer = self.invoke(&another).await;
                assert_eq!(answer["outcome"], outcome, "{point}: {answer}");
                assert_eq!(answer["changes"], json!({}), "{point}: {answer}");
                assert_eq!(self.told().await, expected, "{point}");
            }
        }
        println!("{:?}: ended at {points} points", self.scenario);
        points
    }
}

/// A queue's batch of these calls about these connections.
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

macro_rules! ended {
    ($($name:ident: $scenario:ident at $points:literal,)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                let points = Theatre::new($scenario).await.play().await;
                assert_eq!(points, $points, "docs/reliability.md has the number");
            }
        )+
    };
}

ended! {
    a_first_run_can_end_anywhere: FirstRun at 18,
    a_run_with_changes_of_each_kind_can_end_anywhere: EachKind at 32,
    a_run_with_a_region_that_denies_can_end_anywhere: RegionDenied at 32,
    a_run_of_a_member_account_can_end_anywhere: Member at 32,
    a_run_for_a_queues_batch_can_end_anywhere: Batch at 30,
    a_run_after_one_that_ended_among_its_changes_can_end_anywhere: AfterACrashAmongTheChanges at 50,
    a_run_after_one_that_ended_among_its_records_can_end_anywhere: AfterACrashAmongTheRecords at 50,
}
