//! Compares random histories of an account, with faults, crashes and repeated,
//! overlapping or late runs, with a reference model.
//!
//! `TEST_CASES=100 cargo test --test it random_histories` runs 100 times as many cases.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::cases::cases;
use crate::support::proxy::{Act, Proxy};
use crate::support::scripted_service::{Reply, Script, arn, entry};
use crate::support::test_env::{self, TestEnv, TestHandler};
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::domain::listing::MAX_OBSERVATION_AGE;
use codeconnections_inventory::domain::{ChangeKind, Clock, Outcome, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

const REGIONS: [&str; 3] = ["eu-south-1", "eu-west-1", "us-east-1"];
/// An opt-in region, whose connections other regions need not list.
const OPT_IN: &str = "eu-south-1";
const STATUSES: [&str; 3] = ["PENDING", "AVAILABLE", "ERROR"];
const CONNECTIONS: usize = 5;

/// One step of a random history.
#[derive(Debug, Clone)]
enum Op {
    /// The connection exists, with this status.
    Show(usize, usize),
    /// Its host changes.
    Rehost(usize, u8),
    /// It is deleted.
    Hide(usize),
    /// A run of some regions, of which some fail, over a table that throttles
    /// some requests.
    Run {
        regions: Vec<bool>,
        failing: Vec<bool>,
        filtered: bool,
        throttled: usize,
    },
    /// A second delivery of the last schedule event.
    Repeat,
    /// A run that crashes at this request, then a complete one.
    Crash { at: usize, after: bool },
    /// Concurrent runs.
    Overlap(usize),
    /// A run that is suspended before it writes, during these changes and a
    /// newer run. If `stale`, its observations are then too old to be recorded.
    Late {
        meanwhile: Vec<(usize, Option<usize>)>,
        stale: bool,
    },
}

/// The true state of one connection.
#[derive(Debug, Clone)]
struct Truth {
    shown: Option<(usize, u8)>,
    changed_at: Timestamp,
}

/// The true state of each connection, and when it last changed.
type World = Vec<Truth>;

/// Returns the regions that list a connection. It never changes: one connection
/// is global, one is listed by an opt-in region only, …
fn listed_by(connection: usize) -> &'static [usize] {
    match connection {
        0 => &[0],
        1 => &[1, 2],
        2 => &[1],
        3 => &[0, 1, 2],
        _ => &[2],
    }
}

fn connection_arn(connection: usize) -> String {
    arn(REGIONS[listed_by(connection)[0]], &format!("c{connection}"))
}

/// The reference model of one connection: its last observed state and the
/// history that must be recorded.
#[derive(Debug, Clone, Default)]
struct Reference {
    last_observed: Option<(usize, u8)>,
    listed_in: BTreeSet<usize>,
    history: Vec<(ChangeKind, Option<String>)>,
}

impl Reference {
    fn is_deleted(&self, connection: usize, evidence: &[usize]) -> bool {
        let is_global = |region: &&usize| REGIONS[**region] != OPT_IN;
        let shows = |region: &usize| evidence.contains(region);
        self.listed_in.iter().all(shows)
            || is_global(&&listed_by(connection)[0])
                && self.listed_in.iter().filter(is_global).any(shows)
    }

    /// Applies an observation. Returns true if the connection was recorded as
    /// present and was neither observed nor shown to be deleted.
    fn observe(
        &mut self,
        now: &Truth,
        connection: usize,
        asked: &[usize],
        evidence: &[usize],
    ) -> bool {
        let seen_in: BTreeSet<usize> = match now.shown {
            Some(_) => asked
                .iter()
                .copied()
                .filter(|r| listed_by(connection).contains(r))
                .collect(),
            None => BTreeSet::new(),
        };
        let Some(shown) = now.shown.filter(|_| !seen_in.is_empty()) else {
            let existed = self.last_observed.is_some();
            let deleted = existed && self.is_deleted(connection, evidence);
            if deleted {
                self.last_observed = None;
                self.history.push((ChangeKind::Deleted, None));
            }
            return existed && !deleted;
        };
        let kind = match self.last_observed {
            None if self.history.is_empty() => Some(ChangeKind::FirstSeen),
            None => Some(ChangeKind::Reappeared),
            Some(last) if last.0 != shown.0 => Some(ChangeKind::StatusChanged),
            Some(last) if last.1 != shown.1 => Some(ChangeKind::AttributesChanged),
            Some(_) => None,
        };
        let status = Some(STATUSES[shown.0].to_owned());
        self.history.extend(kind.map(|kind| (kind, status)));
        self.last_observed = Some(shown);
        self.listed_in.retain(|r| !evidence.contains(r));
        self.listed_in.extend(seen_in);
        false
    }
}

struct Life {
    env: TestEnv,
    script: Script,
    world: Arc<Mutex<World>>,
    failing: Arc<Mutex<Vec<bool>>>,
    references: Vec<Reference>,
    runs: u64,
    last_event: Option<Value>,
}

impl Life {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let absent = Truth {
            shown: None,
            changed_at: env.clock.now(),
        };
        let world = Arc::new(Mutex::new(vec![absent; CONNECTIONS]));
        let failing = Arc::new(Mutex::new(vec![false; REGIONS.len()]));
        let (shown, fails) = (Arc::clone(&world), Arc::clone(&failing));
        let script = Script::start(move |asked| {
            let region = REGIONS
                .iter()
                .position(|r| *r == asked.region)
                .expect("a region");
            if fails.lock().expect("fails")[region] {
                return Reply::Error(403, "AccessDeniedException");
            }
            page(
                &shown.lock().expect("shown"),
                region,
                asked.input["ProviderTypeFilter"].is_string(),
                asked.token.as_deref(),
            )
        })
        .await;
        Self {
            env,
            script,
            world,
            failing,
            references: vec![Reference::default(); CONNECTIONS],
            runs: 0,
            last_event: None,
        }
    }

    fn set(&self, connection: usize, change: impl FnOnce(&mut Option<(usize, u8)>)) {
        self.tick();
        let mut world = self.world.lock().expect("shown");
        let truth = &mut world[connection];
        let before = truth.shown;
        change(&mut truth.shown);
        if truth.shown != before {
            truth.changed_at = self.env.clock.now();
        }
    }

    fn show(&self, connection: usize, status: Option<usize>) {
        self.set(connection, |shown| {
            *shown = status.map(|status| (status, shown.map_or(0, |(_, host)| host)));
        });
    }

    fn tick(&self) {
        self.env.clock.advance(Duration::from_secs(60));
    }

    async fn handler(&self, table: &str) -> TestHandler {
        let source = self.env.source_at(&self.script.endpoint);
        let mut handler = self.env.handler_of(source, self.env.table_at(table));
        handler.inventory.options.guard = TombstoneGuard::Off;
        handler.regions = REGIONS.map(test_env::region).to_vec();
        handler
    }

    /// Applies an observation to the references. Returns the number of
    /// unconfirmed connections.
    fn apply_observation(
        &mut self,
        world: &World,
        asked: &[usize],
        evidence: &[usize],
        filtered: bool,
    ) -> u64 {
        let mut unconfirmed = 0;
        for (connection, truth) in world.iter().enumerate() {
            // Only connections with even numbers match the filter.
            if filtered && connection % 2 == 1 {
                continue;
            }
            let reference = &mut self.references[connection];
            let is_unconfirmed = reference.observe(truth, connection, asked, evidence);
            unconfirmed += u64::from(is_unconfirmed && !filtered);
        }
        unconfirmed
    }

    fn world(&self) -> World {
        self.world.lock().expect("shown").clone()
    }

    async fn apply(&mut self, op: &Op) {
        let all: Vec<usize> = (0..REGIONS.len()).collect();
        match op {
            Op::Show(connection, status) => self.show(*connection, Some(*status)),
            Op::Rehost(connection, host) => self.set(*connection, |shown| {
                *shown = shown.map(|(status, _)| (status, *host));
            }),
            Op::Hide(connection) => self.show(*connection, None),
            Op::Run {
                regions,
                failing,
                filtered,
                throttled,
            } => self.run(regions, failing, *filtered, *throttled).await,
            Op::Repeat => self.repeat().await,
            Op::Crash { at, after } => {
                self.crash(*at, *after).await;
                self.apply_observation(&self.world(), &all, &all, false);
            }
            Op::Overlap(number) => {
                self.tick();
                let handler = self.handler(&self.env.table_endpoint).await;
                let event = json!({});
                let runs = (0..*number).map(|_| test_env::run(&handler, &event));
                for summary in futures_util::future::join_all(runs).await {
                    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
                    self.runs += 1;
                }
                self.apply_observation(&self.world(), &all, &all, false);
            }
            Op::Late { meanwhile, stale } => self.late(meanwhile, *stale).await,
        }
    }

    async fn run(&mut self, regions: &[bool], failing: &[bool], filtered: bool, throttled: usize) {
        let asked: Vec<usize> = (0..REGIONS.len()).filter(|r| regions[*r]).collect();
        if asked.is_empty() {
            return;
        }
        self.tick();
        *self.failing.lock().expect("fails") = failing.to_vec();
        let answering: Vec<usize> = asked.iter().copied().filter(|r| !failing[*r]).collect();
        let proxy = Proxy::start(&self.env.table_endpoint, move |seen| {
            if throttled > 0 && seen.number.is_multiple_of(throttled + 1) {
                Act::fault(400, "ThrottlingException")
            } else {
                Act::Pass
            }
        })
        .await;
        let names: Vec<&str> = asked.iter().map(|r| REGIONS[*r]).collect();
        let mut event = json!({"regions": names});
        if filtered {
            event["ProviderTypeFilter"] = "GitLab".into();
        }
        let summary = test_env::run(&self.handler(&proxy.endpoint).await, &event).await;
        *self.failing.lock().expect("fails") = vec![false; REGIONS.len()];
        let evidence = if filtered { &[][..] } else { &answering };
        let unconfirmed = self.apply_observation(&self.world(), &answering, evidence, filtered);
        let expected = match answering.len() {
            0 => Outcome::Failed,
            n if n == asked.len() && unconfirmed == 0 => Outcome::Complete,
            _ => Outcome::Partial,
        };
        assert_eq!(summary.outcome, expected, "{:?}", summary.problems);
        assert_eq!(summary.unconfirmed, unconfirmed, "{:?}", summary.problems);
        self.runs += 1;
    }

    async fn repeat(&mut self) {
        self.tick();
        let handler = self.handler(&self.env.table_endpoint).await;
        let repeated = self.last_event.is_some();
        let id = format!("event-{}", self.runs);
        let event = self.last_event.take().unwrap_or_else(|| {
            json!({
                "id": id, "detail-type": "Scheduled Event", "source": "aws.events",
                "account": test_env::ACCOUNT, "detail": {}, "resources": [],
            })
        });
        let summary = test_env::run(&handler, &event).await;
        assert_eq!(summary.already_recorded, repeated);
        if repeated {
            assert_eq!(summary.requests.write, 0);
            return;
        }
        self.last_event = Some(event);
        self.runs += 1;
        let all: Vec<usize> = (0..REGIONS.len()).collect();
        self.apply_observation(&self.world(), &all, &all, false);
    }

    async fn crash(&mut self, at: usize, after: bool) {
        self.tick();
        let proxy = Proxy::start(&self.env.table_endpoint, move |seen| match after {
            _ if seen.number != at => Act::Pass,
            false => Act::Hang,
            true => Act::PassThenHang,
        })
        .await;
        let handler = self.handler(&proxy.endpoint).await;
        let event = json!({});
        tokio::select! {
            done = test_env::run(&handler, &event) => {
                // The run finished before that request.
                assert_eq!(done.outcome, Outcome::Complete);
            }
            () = proxy.hangs() => {}
        }
        drop(handler);
        proxy.shut().await;
        self.tick();
        let handler = self.handler(&self.env.table_endpoint).await;
        let summary = test_env::run(&handler, &event).await;
        assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
        // The number of runs depends on where the first one crashed.
        self.runs = summary.sequence.expect("recorded");
    }

    async fn late(&mut self, meanwhile: &[(usize, Option<usize>)], stale: bool) {
        self.tick();
        let all: Vec<usize> = (0..REGIONS.len()).collect();
        let reached = Arc::new(AtomicBool::new(false));
        let released = Arc::new(AtomicBool::new(false));
        let (was_reached, is_released) = (Arc::clone(&reached), Arc::clone(&released));
        // Requests whose age was checked before the clock advanced, and that
        // had not arrived by then: more than are ever in flight at once.
        let in_flight = AtomicUsize::new(if stale { 8 } else { 0 });
        let proxy = Proxy::start(&self.env.table_endpoint, move |seen| {
            if seen.operation == "Query" {
                return Act::Pass;
            }
            let passes = is_released.load(Ordering::SeqCst)
                && in_flight
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_err();
            if passes {
                return Act::Pass;
            }
            was_reached.store(true, Ordering::SeqCst);
            Act::fault(400, "ThrottlingException")
        })
        .await;
        let old_world = self.world();
        let older_handler = self.handler(&proxy.endpoint).await;
        let newer_handler = self.handler(&self.env.table_endpoint).await;
        let event = json!({});
        let newer = async {
            while !reached.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            for (connection, status) in meanwhile {
                self.show(*connection, *status);
            }
            self.tick();
            let summary = test_env::run(&newer_handler, &event).await;
            if stale {
                self.env.clock.advance(MAX_OBSERVATION_AGE);
            }
            released.store(true, Ordering::SeqCst);
            summary
        };
        let (older, newer) = tokio::join!(test_env::run(&older_handler, &event), newer);
        assert_eq!(newer.outcome, Outcome::Complete, "{:?}", newer.problems);
        // It is partial only if it left changes unwritten.
        let expected = match older.unwritten {
            0 => Outcome::Complete,
            _ => Outcome::Partial,
        };
        assert_eq!(older.outcome, expected, "{:?}", older.problems);
        assert!(stale || older.unwritten == 0, "{:?}", older.problems);
        assert!(!stale || older.changes.is_empty(), "{:?}", older.changes);
        self.runs += 2;
        let before: Vec<usize> = self.references.iter().map(|r| r.history.len()).collect();
        self.apply_observation(&self.world(), &all, &all, false);
        if stale {
            return;
        }
        // The older run can only add a connection that was not recorded as
        // present and about which the newer run wrote nothing: it existed when
        // the older run listed, and is deleted again.
        for (connection, truth) in old_world.iter().enumerate() {
            let reference = &mut self.references[connection];
            if reference.last_observed.is_none() && reference.history.len() == before[connection] {
                reference.observe(truth, connection, &all, &[]);
            }
        }
    }

    /// Asserts what must hold after every step.
    async fn check(&self) {
        let world = self.world();
        for (connection, reference) in self.references.iter().enumerate() {
            let arn = connection_arn(connection);
            let changes = self.env.changes(&arn).await;
            assert_eq!(test_env::story(&changes), reference.history, "{arn}");
            let Some(last) = changes.last() else { continue };
            // The true state last changed within the window of the last change,
            // unless it has changed since.
            let truth = &world[connection];
            if truth.shown == reference.last_observed {
                let from = last.previously_seen_at;
                let at = truth.changed_at;
                assert!(
                    at <= last.observed_until || changed_back(&changes, at),
                    "{arn}: changed at {at}, recorded until {last:?}"
                );
                assert!(
                    from.is_none_or(|from| from <= at || at <= last.observed_until),
                    "{arn}: {last:?}"
                );
            }
        }
        assert_eq!(self.env.runs().await.len() as u64, self.runs);
        let rows = self.env.connections().await;
        let present: BTreeMap<String, bool> = rows
            .iter()
            .map(|row| (row.connection_arn.to_string(), row.deleted_at.is_none()))
            .collect();
        for (connection, reference) in self.references.iter().enumerate() {
            let expected =
                (!reference.history.is_empty()).then_some(reference.last_observed.is_some());
            assert_eq!(present.get(&connection_arn(connection)).copied(), expected);
        }
    }
}

/// Returns whether the true state changed and changed back between two
/// observations.
fn changed_back(changes: &[codeconnections_inventory::domain::Change], at: Timestamp) -> bool {
    changes.iter().all(|change| change.observed_until < at)
}

/// Returns a page of a region's listing: an empty one first, then two entries a
/// page.
fn page(world: &World, region: usize, filtered: bool, token: Option<&str>) -> Reply {
    let entries: Vec<Value> = world
        .iter()
        .enumerate()
        .filter(|(connection, _)| listed_by(*connection).contains(&region))
        .filter(|(connection, _)| !filtered || connection % 2 == 0)
        .filter_map(|(connection, truth)| {
            let (status, host) = truth.shown?;
            let name = format!("c{connection}");
            let mut entry = entry(&connection_arn(connection), &name, STATUSES[status]);
            if connection % 2 == 0 {
                entry["ProviderType"] = "GitLab".into();
            }
            if host > 0 {
                entry["HostArn"] =
                    format!("arn:aws:codeconnections:eu-west-1:123456789012:host/h-{host}").into();
            }
            Some(entry)
        })
        .collect();
    match token {
        None => Reply::Page(vec![], Some("0".to_owned())),
        Some(token) => {
            let from: usize = token.parse().expect("a token of ours");
            let to = (from + 2).min(entries.len());
            let next = (to < entries.len()).then(|| to.to_string());
            Reply::Page(entries[from..to].to_vec(), next)
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let connection = 0..CONNECTIONS;
    let status = 0..STATUSES.len();
    let some = |odds| prop::collection::vec(prop::bool::weighted(odds), REGIONS.len());
    prop_oneof![
        5 => (connection.clone(), status.clone()).prop_map(|(c, s)| Op::Show(c, s)),
        1 => (connection.clone(), 1..3u8).prop_map(|(c, h)| Op::Rehost(c, h)),
        2 => connection.clone().prop_map(Op::Hide),
        5 => (some(0.8), some(0.2), prop::bool::weighted(0.2), 0..4usize).prop_map(
            |(regions, failing, filtered, throttled)| Op::Run {
                regions,
                failing,
                filtered,
                throttled,
            }
        ),
        1 => Just(Op::Repeat),
        2 => (1..12usize, any::<bool>()).prop_map(|(at, after)| Op::Crash { at, after }),
        1 => (2..4usize).prop_map(Op::Overlap),
        2 => (
            prop::collection::vec((connection, prop::option::of(status)), 0..4),
            any::<bool>(),
        )
            .prop_map(|(meanwhile, stale)| Op::Late { meanwhile, stale }),
    ]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(10),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/it/inventory/random_histories.proptest-regressions",
        ))),
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn history_matches_the_reference_model(ops in prop::collection::vec(op(), 1..25)) {
        runtime().block_on(async {
            let mut life = Life::new().await;
            for op in &ops {
                life.apply(op).await;
                life.check().await;
            }
            let found = verify(&life.env.table, None, life.env.clock.now(), |_| {}).await.expect("read");
            assert_eq!(found.findings, []);
        });
    }
}

#[test]
fn reference_model_has_every_change_kind() {
    // The reference of the random test must not be empty.
    let mut reference = Reference::default();
    let at = |shown| Truth {
        shown,
        changed_at: Timestamp::from_millis(0),
    };
    for shown in [Some((0, 0)), Some((1, 0)), Some((1, 1)), None, Some((2, 0))] {
        reference.observe(&at(shown), 0, &[0, 1, 2], &[0, 1, 2]);
    }
    let kinds: Vec<ChangeKind> = reference.history.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [
            ChangeKind::FirstSeen,
            ChangeKind::StatusChanged,
            ChangeKind::AttributesChanged,
            ChangeKind::Deleted,
            ChangeKind::Reappeared,
        ]
    );
}
