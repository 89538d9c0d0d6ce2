//! Queries as of a past time: answers come from the recorded changes, state their
//! basis, and are never an empty list without evidence.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::support::cases::cases;
use crate::support::ccinv::{Ccinv, Done};
use crate::support::recorded_accounts;
use crate::support::scripted_service::{Reply, Script, arn, entry};
use crate::support::test_env::{HOUR, REGION, TestEnv, account, call_that_made, region, run};
use codeconnections_inventory::audit::{ChangeFilter, ConnectionFilter, DifferenceKind};
use codeconnections_inventory::domain::{
    AccountId, Attributes, ChangeKind, Clock, Connection, Outcome, Timestamp,
};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

const OPT_IN: &str = "eu-south-1";

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A test environment, and the command line that reads its table.
struct Fixture {
    env: TestEnv,
    ccinv: Ccinv,
}

impl Fixture {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let ccinv = Ccinv::at(&env);
        Self { env, ccinv }
    }

    /// Runs both regions, an hour after the last run.
    async fn run(&self) -> Outcome {
        self.env.clock.advance(HOUR);
        let event = json!({"regions": [REGION, OPT_IN]});
        run(&self.env.handler(), &event).await.outcome
    }

    async fn ask(&self, arguments: &[&str]) -> Done {
        let table = self.env.table.name().as_str();
        self.ccinv
            .run(&[arguments, &["--table", table]].concat())
            .await
    }

    /// Returns ARN and status of the connections that `list` prints as of `at`.
    async fn listed(&self, at: Timestamp) -> BTreeMap<String, String> {
        let at = at.to_string();
        let done = self.ask(&["list", "--as-of", &at, "--json"]).await;
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
        statuses(&done.stdout)
    }
}

fn statuses(document: &str) -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(document).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let rows = document["connections"].as_array().expect("a list").iter();
    rows.map(|row| {
        (
            text(&row["connection_arn"]),
            text(&row["connection_status"]),
        )
    })
    .collect()
}

#[tokio::test]
async fn as_of_state_ignores_later_changes() {
    let fixture = Fixture::new().await;
    let (api, ui) = (fixture.env.create("api"), fixture.env.create("ui"));
    fixture.run().await; // 10:00
    fixture.env.set_status(&api, "AVAILABLE");
    fixture.run().await; // 11:00
    fixture.env.delete(&ui);
    fixture.run().await; // 12:00
    let expected = [
        (
            "2026-10-01T10:00:00Z",
            vec![(&api, "PENDING"), (&ui, "PENDING")],
        ),
        (
            "2026-10-01T10:59:59.999Z",
            vec![(&api, "PENDING"), (&ui, "PENDING")],
        ),
        (
            "2026-10-01T11:00:00Z",
            vec![(&api, "AVAILABLE"), (&ui, "PENDING")],
        ),
        ("2026-10-01T12:00:00Z", vec![(&api, "AVAILABLE")]),
        ("2026-10-31", vec![(&api, "AVAILABLE")]),
    ];
    for (at, expected) in expected {
        let done = fixture.ask(&["list", "--as-of", at, "--json"]).await;
        let expected = expected
            .into_iter()
            .map(|(arn, status)| (arn.clone(), status.to_owned()))
            .collect();
        assert_eq!(statuses(&done.stdout), expected, "{at}");
    }
    let with_deleted = [
        "list",
        "--as-of",
        "2026-10-31",
        "--include-deleted",
        "--format",
        "csv",
    ];
    let csv = fixture.ask(&with_deleted).await.stdout;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let deleted = csv
        .lines()
        .find(|line| line.contains(&ui))
        .expect("it is listed");
    assert!(deleted.contains("2026-10-01T12:00:00.000Z"), "{deleted}");
    let pending = [
        "list",
        "--as-of",
        "2026-10-01T11:30:00Z",
        "--status",
        "pending",
        "--json",
    ];
    let pending = statuses(&fixture.ask(&pending).await.stdout);
    assert_eq!(pending.into_keys().collect::<Vec<_>>(), [ui]);
}

#[tokio::test]
async fn answer_states_its_basis_and_unobserved_regions() {
    let fixture = Fixture::new().await;
    fixture.env.create("api");
    let kept = fixture.env.create_in(OPT_IN, "kept");
    assert_eq!(fixture.run().await, Outcome::Complete); // 10:00
    fixture.env.deny(OPT_IN);
    fixture.env.delete(&kept);
    assert_eq!(fixture.run().await, Outcome::Partial); // 11:00

    let at = ["list", "--as-of", "2026-10-01T11:30:00Z"];
    let done = fixture.ask(&at).await;
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
    assert!(done.stdout.contains(&kept), "its deletion was not observed");
    for says in [
        "2 connections as of 2026-10-01T11:30:00Z",
        "based on run 1 (COMPLETE, 2 regions) of 2026-10-01T10:00:00Z, 1 h 30 min before, \
         and on run 2 (PARTIAL, 2 regions) of 2026-10-01T11:00:00Z, 30 min before",
        "not observed: eu-south-1: page 1: AccessDeniedException",
        "last listed at 2026-10-01T10:00:00Z",
    ] {
        assert!(done.stdout.contains(says), "{says:?} in {}", done.stdout);
    }
    let document = fixture.ask(&[&at[..], &["--json"]].concat()).await.stdout;
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let basis = &document["rests_on"][0];
    assert_eq!(basis["last_run"]["sequence"], 2);
    assert_eq!(basis["last_complete_run"]["sequence"], 1);
    assert_eq!(basis["last_complete_run"]["age_ms"], 5_400_000);
    assert_eq!(basis["not_observed"][0]["region"], OPT_IN);
    assert_eq!(basis["not_observed"][0]["code"], "AccessDeniedException");
    // JSON Lines and CSV print only rows to standard output.
    let lines = fixture
        .ask(&[&at[..], &["--format", "jsonl"]].concat())
        .await;
    assert_eq!(lines.stdout.lines().count(), 2);
    assert!(
        lines.stderr.contains("not observed: eu-south-1"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn retired_region_is_reported() {
    let fixture = Fixture::new().await;
    fixture.env.create_in(OPT_IN, "kept");
    fixture.run().await; // 10:00, both
    fixture.env.run().await; // 11:00, one
    let basis = fixture
        .env
        .audit()
        .basis(&account(), time("2026-10-01T11:30:00Z"))
        .await;
    let [missing] = basis
        .expect("read")
        .not_observed
        .try_into()
        .expect("one region");
    assert_eq!(missing.region.as_str(), OPT_IN);
    assert_eq!(&*missing.code, "NotAsked");
    assert_eq!(missing.last_listed_at, Some(time("2026-10-01T10:00:00Z")));
}

#[tokio::test]
async fn as_of_without_complete_run_is_insufficient_evidence() {
    let fixture = Fixture::new().await;
    fixture.env.create("api");
    let before = fixture.ask(&["list", "--as-of", "2026-09-01"]).await;
    assert_eq!(before.code, 4, "no account at all: {before:?}");
    fixture.env.deny(OPT_IN);
    assert_eq!(fixture.run().await, Outcome::Partial); // 10:00

    for format in ["table", "json", "jsonl", "csv"] {
        let before = [
            "list",
            "--as-of",
            "2026-10-01T09:59:59Z",
            "--format",
            format,
        ];
        let before = fixture.ask(&before).await;
        assert_eq!(before.code, 4, "{before:?}");
        let complaint = before.complaint();
        assert!(
            complaint.contains("no run had ended by 2026-10-01T09:59:59Z"),
            "{complaint}"
        );
        // Observed connections are listed, with a note that the list is incomplete.
        let partial = [
            "list",
            "--as-of",
            "2026-10-01T10:30:00Z",
            "--format",
            format,
        ];
        let partial = fixture.ask(&partial).await;
        assert_eq!(partial.code, 4, "{partial:?}");
        assert!(partial.stdout.contains("api"), "{partial:?}");
        assert!(
            partial.stderr.contains("no complete run of account"),
            "{partial:?}"
        );
        // An empty list would read as "there was nothing".
        let nothing = [
            "list",
            "--as-of",
            "2026-10-01T10:30:00Z",
            "--status",
            "ERROR",
            "--format",
            format,
        ];
        let nothing = fixture.ask(&nothing).await;
        assert_eq!(
            (nothing.code, nothing.stdout.as_str()),
            (4, ""),
            "{nothing:?}"
        );
    }
    let future = fixture.ask(&["list", "--as-of", "2999-01-01"]).await;
    assert_eq!(future.code, 2);
    assert!(
        future.complaint().contains("is in the future"),
        "{future:?}"
    );
}

#[tokio::test]
async fn observations_count_from_the_end_of_their_listing() {
    let env = TestEnv::new().await;
    let (first, second) = (arn(REGION, "first"), arn(REGION, "second"));
    // Each page takes five minutes.
    let clock = Arc::clone(&env.clock);
    let slow = Script::start(move |asked| {
        clock.advance(Duration::from_secs(300));
        match &asked.token {
            None => Reply::Page(vec![entry(&first, "c1", "AVAILABLE")], Some("2".to_owned())),
            Some(_) => Reply::Page(vec![entry(&second, "c2", "AVAILABLE")], None),
        }
    })
    .await;
    run(
        &env.handler_of(env.source_at(&slow.endpoint), env.table.clone()),
        &json!({}),
    )
    .await;
    let began = env.runs().await[0].listings[0].began_at;
    let ended = env.runs().await[0].listings[0].ended_at;
    assert_eq!(ended.millis_since(began), 600_000);
    let there = async |at: Timestamp| {
        let found = env
            .audit()
            .connections_as_of(&ConnectionFilter::default(), at)
            .await;
        let basis = env.audit().basis(&account(), at).await.expect("read");
        (found.expect("read").len(), basis.is_evidence())
    };
    let almost = Timestamp::from_millis(ended.millis() - 1);
    assert_eq!(there(almost).await, (0, false));
    assert_eq!(there(ended).await, (2, true));
}

#[tokio::test]
async fn time_range_without_complete_run_is_insufficient_evidence() {
    let fixture = Fixture::new().await;
    let api = fixture.env.create("api");
    fixture.run().await; // 10:00
    fixture.env.deny(OPT_IN);
    fixture.env.set_status(&api, "ERROR");
    fixture.run().await; // 11:00, PARTIAL
    let changes = async |since: &str, until: &str| {
        let range = [
            "changes", "--since", since, "--until", until, "--format", "jsonl",
        ];
        fixture.ask(&range).await
    };
    let quiet = changes("2026-10-01T10:00:00Z", "2026-10-01T10:30:00Z").await;
    assert_eq!(
        (quiet.code, quiet.stdout.lines().count()),
        (0, 1),
        "{quiet:?}"
    );
    let unseen = changes("2026-10-01T10:10:00Z", "2026-10-01T10:30:00Z").await;
    assert_eq!(unseen.code, 4);
    let complaint = unseen.complaint();
    assert!(
        complaint.contains("started from 2026-10-01T10:10:00Z to"),
        "{complaint}"
    );
    // Observed changes are still listed.
    let partly = changes("2026-10-01T10:10:00Z", "2026-10-01T12:00:00Z").await;
    assert_eq!(
        (partly.code, partly.stdout.lines().count()),
        (4, 1),
        "{partly:?}"
    );
}

#[tokio::test]
async fn diff_compares_both_ends_and_lists_changes_between() {
    let fixture = Fixture::new().await;
    let names = ["stays", "breaks", "goes", "flaps"];
    let [_, breaks, goes, flaps] = names.map(|name| fixture.env.create(name));
    fixture.run().await; // 10:00
    fixture.env.set_status(&breaks, "ERROR");
    fixture.env.set_status(&flaps, "AVAILABLE");
    fixture.env.delete(&goes);
    fixture.run().await; // 11:00
    fixture.env.set_status(&flaps, "PENDING");
    let comes = fixture.env.create("comes");
    fixture.run().await; // 12:00
    let (ten, noon) = (time("2026-10-01T10:00:00Z"), time("2026-10-01T12:00:00Z"));
    let found = fixture
        .env
        .audit()
        .diff(&[account()], &ConnectionFilter::default(), (ten, noon))
        .await;
    let found = found.expect("read");
    let kinds: BTreeMap<&str, DifferenceKind> = found
        .iter()
        .map(|difference| (difference.connection_arn.as_str(), difference.kind))
        .collect();
    let expected = BTreeMap::from([
        (breaks.as_str(), DifferenceKind::Changed),
        (goes.as_str(), DifferenceKind::Removed),
        (flaps.as_str(), DifferenceKind::SameAgain),
        (comes.as_str(), DifferenceKind::Added),
    ]);
    assert_eq!(kinds, expected);
    let flapped = found.iter().find(|d| d.connection_arn.as_str() == flaps);
    let steps: Vec<ChangeKind> = flapped
        .expect("there")
        .changes
        .iter()
        .map(|c| c.change.kind)
        .collect();
    assert_eq!(
        steps,
        [ChangeKind::StatusChanged, ChangeKind::StatusChanged]
    );

    let range = ["diff", "2026-10-01T10:00:00Z", "2026-10-01T12:00:00Z"];
    let text = fixture.ask(&range).await;
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.stdout.contains("PENDING → ERROR"), "{}", text.stdout);
    assert!(
        text.stdout
            .contains("4 differences from 2026-10-01T10:00:00Z"),
        "{}",
        text.stdout
    );
    let errors = fixture
        .ask(&[&range[..], &["--status", "ERROR", "--format", "csv"]].concat())
        .await;
    assert_eq!(errors.stdout.lines().count(), 2, "{errors:?}");
    let early = fixture
        .ask(&["diff", "2026-10-01T09:00:00Z", "2026-10-01T12:00:00Z"])
        .await;
    assert_eq!(early.code, 4, "{early:?}");
    let backwards = fixture.ask(&["diff", "2026-10-02", "2026-10-01"]).await;
    assert_eq!(backwards.code, 2, "{backwards:?}");
}

#[tokio::test]
async fn diff_filters_by_every_state_from_the_first_time_to_the_second() {
    let fixture = Fixture::new().await;
    fixture.env.create("stays");
    let flaps = fixture.env.create("flaps");
    fixture.run().await; // 10:00
    let passes = fixture.env.create_in(OPT_IN, "passes");
    fixture.env.set_status(&passes, "ERROR");
    fixture.env.set_status(&flaps, "AVAILABLE");
    fixture.run().await; // 11:00
    fixture.env.delete(&passes);
    fixture.env.set_status(&flaps, "PENDING");
    fixture.run().await; // 12:00
    let both = [flaps.as_str(), passes.as_str()];
    let [only_flaps, only_passes] = both.map(|arn| [arn]);
    let cases: [(&[&str], &[&str]); 8] = [
        (&[], &both),
        (&["--in-region", OPT_IN], &only_passes),
        (&["--in-region", REGION], &only_flaps),
        (&["--status", "ERROR"], &only_passes),
        (&["--status", "AVAILABLE"], &only_flaps),
        (&["--status", "PENDING"], &only_flaps),
        (&["--provider", "GitHub"], &both),
        (&["--provider", "GitLab"], &[]),
    ];
    for (filter, expected) in cases {
        let diff = [
            "diff",
            "2026-10-01T10:00:00Z",
            "2026-10-01T12:00:00Z",
            "--json",
        ];
        let done = fixture.ask(&[&diff[..], filter].concat()).await;
        let document: Value = serde_json::from_str(&done.stdout).expect("JSON");
        let differences = document["differences"].as_array().expect("a list");
        let found: BTreeSet<&str> = differences
            .iter()
            .filter_map(|difference| difference["connection_arn"].as_str())
            .collect();
        assert_eq!(
            found,
            BTreeSet::from_iter(expected.iter().copied()),
            "{filter:?}"
        );
    }
}

#[tokio::test]
async fn diff_leaves_out_accounts_without_a_complete_run_by_both_times() {
    let fixture = Fixture::new().await;
    let breaks = fixture.env.create("breaks");
    let [partial, joined] =
        ["222222222222", "333333333333"].map(|id| id.parse::<AccountId>().expect("an account"));
    fixture.run().await; // 10:00
    let denied = vec![(region(REGION), None)];
    let outcome = recorded_accounts::run::<Connection>(&fixture.env, &partial, denied).await;
    assert_eq!(outcome, Outcome::Partial);
    fixture.env.set_status(&breaks, "ERROR");
    fixture.run().await; // 11:00
    let theirs = arn(REGION, "theirs");
    for account in [&partial, &joined] {
        let listed = HashMap::from([(theirs.parse().expect("an ARN"), Attributes::default())]);
        let listings = vec![(region(REGION), Some(listed))];
        recorded_accounts::run::<Connection>(&fixture.env, account, listings).await;
    }
    let diff = ["diff", "2026-10-01T10:00:00Z", "2026-10-01T11:30:00Z"];
    let (refused, note) = (
        "no complete run of account 222222222222, 333333333333 had ended by 2026-10-01T10:00:00Z",
        "not compared, without a complete run by both times: account 222222222222, 333333333333",
    );
    for format in ["table", "json", "jsonl", "csv"] {
        let done = fixture
            .ask(&[&diff[..], &["--format", format]].concat())
            .await;
        assert_eq!(done.code, 4, "{done:?}");
        assert!(done.stdout.contains(&breaks), "{done:?}");
        assert!(!done.stdout.contains(&theirs), "{done:?}");
        assert!(done.stderr.contains(refused), "{done:?}");
        if format == "json" {
            let document: Value = serde_json::from_str(&done.stdout).expect("JSON");
            assert_eq!(document["not_compared"], json!([partial, joined]));
            continue;
        }
        assert!(
            [done.stdout, done.stderr].concat().contains(note),
            "{format}"
        );
    }
    // Of an account that is not compared there is no answer, not an empty one.
    let alone = ["--account", "222222222222"];
    let alone = fixture.ask(&[&diff[..], &alone].concat()).await;
    assert_eq!(alone.code, 4, "{alone:?}");
    let refused = "no complete run of account 222222222222 had ended by";
    assert!(alone.complaint().starts_with(refused), "{alone:?}");
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Op {
    Create(bool),
    Status(usize, usize),
    Delete(usize),
    /// Grants or denies access to the opt-in region.
    Access(bool),
    Run,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        2 => any::<bool>().prop_map(Op::Create),
        3 => (0..8usize, 0..3usize).prop_map(|(which, status)| Op::Status(which, status)),
        1 => (0..8usize).prop_map(Op::Delete),
        1 => any::<bool>().prop_map(Op::Access),
        4 => Just(Op::Run),
    ];
    prop::collection::vec(op, 4..24)
}

/// The expected state after every run.
#[derive(Default)]
struct Reference {
    /// The connections of the service: ARN, whether in the opt-in region, status.
    world: BTreeMap<String, (bool, &'static str)>,
    denied: bool,
    /// The recorded connections: ARN, whether in the opt-in region, status.
    recorded: BTreeMap<String, (bool, &'static str)>,
    complete: bool,
    states: Vec<(Timestamp, bool, BTreeMap<String, String>)>,
}

impl Reference {
    fn observe(&mut self, at: Timestamp) {
        let denied = self.denied;
        let deleted = |arn: &String| !self.world.contains_key(arn);
        // A deletion is recorded only if its region was listed.
        self.recorded
            .retain(|arn, (opt_in, _)| !deleted(arn) || (*opt_in && denied));
        for (arn, (opt_in, status)) in &self.world {
            if *opt_in && denied {
                continue;
            }
            self.recorded.insert(arn.clone(), (*opt_in, status));
        }
        self.complete |= !denied;
        let state = self.recorded.iter();
        let state = state.map(|(arn, (_, status))| (arn.clone(), (*status).to_owned()));
        self.states.push((at, self.complete, state.collect()));
    }
}

async fn check_history(ops: Vec<Op>) {
    const STATUSES: [&str; 3] = ["PENDING", "AVAILABLE", "ERROR"];
    let fixture = Fixture::new().await;
    let mut reference = Reference::default();
    for op in ops {
        let nth = |which: usize| {
            let arns: Vec<String> = reference.world.keys().cloned().collect();
            (!arns.is_empty()).then(|| arns[which % arns.len()].clone())
        };
        match op {
            Op::Create(opt_in) => {
                let region = if opt_in { OPT_IN } else { REGION };
                let arn = fixture.env.create_in(region, "c");
                reference.world.insert(arn, (opt_in, "PENDING"));
            }
            Op::Status(which, status) => {
                if let Some(arn) = nth(which) {
                    fixture.env.set_status(&arn, STATUSES[status]);
                    reference
                        .world
                        .entry(arn)
                        .and_modify(|entry| entry.1 = STATUSES[status]);
                }
            }
            Op::Delete(which) => {
                if let Some(arn) = nth(which) {
                    fixture.env.delete(&arn);
                    reference.world.remove(&arn);
                }
            }
            Op::Access(allowed) => {
                reference.denied = !allowed;
                if allowed {
                    fixture.env.allow(OPT_IN);
                } else {
                    fixture.env.deny(OPT_IN);
                }
            }
            Op::Run => {
                fixture.run().await;
                reference.observe(fixture.env.clock.now());
            }
        }
    }
    for (at, complete, state) in &reference.states {
        // At the run, and shortly before the next.
        for later in [0, 3_599_999] {
            let at = Timestamp::from_millis(at.millis() + later);
            if *complete {
                assert_eq!(fixture.listed(at).await, *state, "as of {at}");
            } else {
                let done = fixture
                    .ask(&["list", "--as-of", &at.to_string(), "--json"])
                    .await;
                assert_eq!(done.code, 4, "as of {at}: {done:?}");
                if !done.stdout.is_empty() {
                    assert_eq!(statuses(&done.stdout), *state, "as of {at}");
                }
            }
        }
    }
    // The state replayed from the changes equals the snapshots.
    let now = fixture.env.connections().await;
    let end = fixture.env.clock.now();
    let all = ConnectionFilter {
        include_deleted: true,
        ..ConnectionFilter::default()
    };
    let replayed = fixture
        .env
        .audit()
        .connections_as_of(&all, end)
        .await
        .expect("read");
    let now: Vec<_> = now
        .into_iter()
        .map(|mut row| {
            row.last_seen_at = None;
            row
        })
        .collect();
    assert_eq!(replayed, now);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(5),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"), "/tests/it/audit/as_of.proptest-regressions"
        )))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_histories_match_the_reference_states(ops in ops()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(check_history(ops));
    }
}

#[tokio::test]
async fn change_reports_the_api_call_that_caused_it() {
    let fixture = Fixture::new().await;
    fixture.run().await;
    fixture.env.clock.advance(HOUR);
    let made = fixture.env.create("made");
    run(&fixture.env.handler(), &call_that_made(&made)).await;
    let all = ChangeFilter {
        since: time("2026-10-01T00:00:00Z"),
        until: time("2026-10-02T00:00:00Z"),
        kind: None,
        status: None,
        provider: None,
        account: None,
    };
    let [change] = fixture
        .env
        .audit()
        .changes(&all)
        .await
        .expect("read")
        .try_into()
        .expect("one");
    let seen_by = change.run.expect("recorded");
    assert_eq!(seen_by.sequence, 2);
    let cause = serde_json::to_value(&change.change.cause).expect("JSON");
    assert_eq!(cause["event_name"], "CreateConnection");
    let caller = cause["principal_arn"].as_str().expect("a principal");
    let history = fixture.ask(&["history", &made]).await.stdout;
    assert!(
        history.contains(&format!("after CreateConnection by {caller}")),
        "{history}"
    );
    let range = [
        "changes",
        "--since",
        "2026-10-01",
        "--until",
        "2026-10-02",
        "--format",
        "csv",
    ];
    let csv = fixture.ask(&range).await.stdout;
    assert!(csv.contains(caller), "{csv}");
    // The run listed all configured regions, not only that of the call.
    let basis = fixture
        .env
        .audit()
        .basis(&account(), fixture.env.clock.now())
        .await
        .expect("read");
    assert_eq!(basis.last_run.map(|run| run.sequence), Some(2));
    assert_eq!(basis.last_complete_run.map(|run| run.sequence), Some(2));
}
