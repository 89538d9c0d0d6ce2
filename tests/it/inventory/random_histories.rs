//! Random lives of an account, with faults, crashes, repeated, overlapping
//! and late runs, against a few lines that say what the history must be.
//!
//! `TEST_CASES=100 cargo test --test it random_histories` runs a hundred times as many.

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
use codeconnections_inventory::domain::listing::MAX_OBSERVATION_AGE;
use codeconnections_inventory::domain::plan::TombstoneGuard;
use codeconnections_inventory::domain::{ChangeKind, Clock, Outcome, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

const REGIONS: [&str; 3] = ["eu-south-1", "eu-west-1", "us-east-1"];
/// Keeps its connections to itself.
const OPT_IN: &str = "eu-south-1";
const STATUSES: [&str; 3] = ["PENDING", "AVAILABLE", "ERROR"];
const CONNECTIONS: usize = 5;

/// One step of a random life.
#[derive(Debug, Clone)]
enum Op {
    /// The connection is there, with this status.
    Show(usize, usize),
    /// It has another host.
    Rehost(usize, u8),
    /// It is gone.
    Hide(usize),
    /// A run of some regions, some of which fail, over a table that throttles
    /// some requests.
    Run {
        regions: Vec<bool>,
        failing: Vec<bool>,
        filtered: bool,
        throttled: usize,
    },
    /// The last schedule event once more.
    Repeat,
    /// A run that ends at this request, then a whole one.
    Crash { at: usize, after: bool },
    /// Runs at the same time.
    Overlap(usize),
    /// A run that is held up before it writes, while this happens and a newer
    /// one is made; for so long that it may record nothing any more, or not.
    Late {
        meanwhile: Vec<(usize, Option<usize>)>,
        too_late: bool,
    },
}

/// What is true of one connection.
#[derive(Debug, Clone)]
struct Truth {
    shown: Option<(usize, u8)>,
    changed_at: Timestamp,
}

/// What is really there, and when it came to be so.
type World = Vec<Truth>;

/// Which regions list which connection. It never changes: one is global, one
/// is kept by an opt-in region, …
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

/// The reference: what is known of one connection, and what must have been
/// recorded of it.
#[derive(Debug, Clone, Default)]
struct Reference {
    known: Option<(usize, u8)>,
    listed_in: BTreeSet<usize>,
    history: Vec<(ChangeKind, Option<String>)>,
}

impl Reference {
    fn is_gone(&self, connection: usize, evidence: &[usize]) -> bool {
        let is_global = |region: &&usize| REGIONS[**region] != OPT_IN;
        let shows = |region: &usize| evidence.contains(region);
        self.listed_in.iter().all(shows)
            || is_global(&&listed_by(connection)[0])
                && self.listed_in.iter().filter(is_global).any(shows)
    }

    /// Whether it is known to be there, and was neither seen nor shown to be
    /// gone.
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
            let was_known = self.known.is_some();
            let gone = was_known && self.is_gone(connection, evidence);
            if gone {
                self.known = None;
                self.history.push((ChangeKind::Deleted, None));
            }
            return was_known && !gone;
        };
        let kind = match self.known {
            None if self.history.is_empty() => Some(ChangeKind::FirstSeen),
            None => Some(ChangeKind::Reappeared),
            Some(known) if known.0 != shown.0 => Some(ChangeKind::StatusChanged),
            Some(known) if known.1 != shown.1 => Some(ChangeKind::AttributesChanged),
            Some(_) => None,
        };
        let status = Some(STATUSES[shown.0].to_owned());
        self.history.extend(kind.map(|kind| (kind, status)));
        self.known = Some(shown);
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
        let never = Truth {
            shown: None,
            changed_at: env.clock.now(),
        };
        let world = Arc::new(Mutex::new(vec![never; CONNECTIONS]));
        let failing = Arc::new(Mutex::new(vec![false; REGIONS.len()]));
        let (shown, fails) = (Arc::clone(&world), Arc::clone(&failing));
        let script = Script::start(move |asked| {
            let region = REGIONS
                .iter()
                .position(|r| *r == asked.region)
                .expect("known");
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

    /// How many connections could not be confirmed.
    fn observed(
        &mut self,
        world: &World,
        asked: &[usize],
        evidence: &[usize],
        filtered: bool,
    ) -> u64 {
        let mut unconfirmed = 0;
        for (connection, truth) in world.iter().enumerate() {
            // The filter asks for a provider that only even ones have.
            if filtered && connection % 2 == 1 {
                continue;
            }
            let reference = &mut self.references[connection];
            let known = reference.observe(truth, connection, asked, evidence);
            unconfirmed += u64::from(known && !filtered);
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
                self.observed(&self.world(), &all, &all, false);
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
                self.observed(&self.world(), &all, &all, false);
            }
            Op::Late {
                meanwhile,
                too_late,
            } => self.late(meanwhile, *too_late).await,
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
        let unconfirmed = self.observed(&self.world(), &answering, evidence, filtered);
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
        self.observed(&self.world(), &all, &all, false);
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
                // It ended before that request.
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
        // How many runs there are now depends on where the first one ended.
        self.runs = summary.sequence.expect("recorded");
    }

    async fn late(&mut self, meanwhile: &[(usize, Option<usize>)], too_late: bool) {
        self.tick();
        let all: Vec<usize> = (0..REGIONS.len()).collect();
        let reached = Arc::new(AtomicBool::new(false));
        let released = Arc::new(AtomicBool::new(false));
        let (was_reached, is_released) = (Arc::clone(&reached), Arc::clone(&released));
        // Requests that were held against the clock before it went on, and
        // had not come here by then: more than are ever under way at once.
        let under_way = AtomicUsize::new(if too_late { 8 } else { 0 });
        let proxy = Proxy::start(&self.env.table_endpoint, move |seen| {
            if seen.operation == "Query" {
                return Act::Pass;
            }
            let passes = is_released.load(Ordering::SeqCst)
                && under_way
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
            if too_late {
                self.env.clock.advance(MAX_OBSERVATION_AGE);
            }
            released.store(true, Ordering::SeqCst);
            summary
        };
        let (older, newer) = tokio::join!(test_env::run(&older_handler, &event), newer);
        assert_eq!(newer.outcome, Outcome::Complete, "{:?}", newer.problems);
        // What it would have changed, and it alone, it has not written.
        let expected = match older.unwritten {
            0 => Outcome::Complete,
            _ => Outcome::Partial,
        };
        assert_eq!(older.outcome, expected, "{:?}", older.problems);
        assert!(too_late || older.unwritten == 0, "{:?}", older.problems);
        assert!(!too_late || older.changes.is_empty(), "{:?}", older.changes);
        self.runs += 2;
        let before: Vec<usize> = self.references.iter().map(|r| r.history.len()).collect();
        self.observed(&self.world(), &all, &all, false);
        if too_late {
            return;
        }
        // All that the older one can add is what was not known to be there,
        // and about which the newer one wrote nothing: it was there when the
        // older one looked, and is gone again.
        for (connection, truth) in old_world.iter().enumerate() {
            let reference = &mut self.references[connection];
            if reference.known.is_none() && reference.history.len() == before[connection] {
                reference.observe(truth, connection, &all, &[]);
            }
        }
    }

    /// Everything that must hold after every step.
    async fn check(&self) {
        let world = self.world();
        for (connection, reference) in self.references.iter().enumerate() {
            let arn = connection_arn(connection);
            let changes = self.env.changes(&arn).await;
            assert_eq!(test_env::story(&changes), reference.history, "{arn}");
            let Some(last) = changes.last() else { continue };
            // The truth last changed within the last change's window, unless
            // it has changed since.
            let truth = &world[connection];
            if truth.shown == reference.known {
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
            let expected = (!reference.history.is_empty()).then_some(reference.known.is_some());
            assert_eq!(present.get(&connection_arn(connection)).copied(), expected);
        }
    }
}

/// Whether the truth went elsewhere and came back between two looks.
fn changed_back(changes: &[codeconnections_inventory::domain::Change], at: Timestamp) -> bool {
    changes.iter().all(|change| change.observed_until < at)
}

/// One region's page of the world: two entries a page, an empty one first.
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
            .prop_map(|(meanwhile, too_late)| Op::Late { meanwhile, too_late }),
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
    fn the_history_is_what_the_reference_says(ops in prop::collection::vec(op(), 1..25)) {
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
fn the_reference_itself_tells_a_whole_life() {
    // What the random test compares with must not be empty.
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
