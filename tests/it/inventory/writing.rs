//! A run records each change exactly once, despite races, repeated events and
//! throttling.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::fakes::answers::cancelled;
use crate::support::proxy::{Act, Proxy};
use crate::support::scripted_listing::{Held, Stage};
use crate::support::scripted_service::{Reply, Script, arn, entry, last};
use crate::support::test_env::{self, ACCOUNT, HOUR, REGION, START, TestEnv, account, changes};
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::domain::{ChangeKind, Outcome, Timestamp};
use codeconnections_inventory::lambda::handler::HandlerError;
use codeconnections_inventory::lambda::response::Response;
use codeconnections_inventory::table::codec;
use codeconnections_inventory::table::read::READ_AT_ONCE;
use serde_json::{Value, json};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A delay after which a run may still record.
const DELAY: Duration = Duration::from_mins(10);

/// Returns a schedule event with this ID.
fn scheduled(id: &str) -> Value {
    json!({
        "id": id, "detail-type": "Scheduled Event", "source": "aws.events",
        "account": ACCOUNT, "region": REGION, "detail": {}, "resources": [],
    })
}

fn status(word: &str) -> Option<String> {
    Some(word.to_owned())
}

#[tokio::test]
async fn each_change_of_a_connection_is_recorded_with_its_window() {
    let env = TestEnv::new().await;
    env.run().await; // 10:00, no connection yet
    let arn = env.create("c");
    env.run().await; // 11:00
    env.set_status(&arn, "AVAILABLE");
    env.run().await; // 12:00
    env.run().await; // 13:00, unchanged
    let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/h-1a2b3c4d";
    let moved = env
        .codeconnections
        .state()
        .set_connection_host(&arn, Some(host.to_owned()));
    moved.expect("moved");
    env.run().await; // 14:00
    env.delete(&arn);
    env.run().await; // 15:00
    env.run().await; // 16:00, still deleted

    let changes = env.changes(&arn).await;
    let steps: Vec<_> = changes
        .iter()
        .map(|c| {
            let from = c
                .previously_seen_at
                .map(|t| t.to_string()[11..16].to_owned());
            (c.kind, from, c.observed_at.to_string()[11..16].to_owned())
        })
        .collect();
    let hour = |text: &str| Some(text.to_owned());
    assert_eq!(
        steps,
        [
            (ChangeKind::FirstSeen, hour("10:00"), "11:00".to_owned()),
            (ChangeKind::StatusChanged, hour("11:00"), "12:00".to_owned()),
            (
                ChangeKind::AttributesChanged,
                hour("13:00"),
                "14:00".to_owned()
            ),
            (ChangeKind::Deleted, hour("14:00"), "15:00".to_owned()),
        ]
    );
    assert_eq!(
        changes[1].before.as_ref().map(|a| a.status_word()),
        Some("PENDING")
    );
    assert_eq!(
        changes[1].after.as_ref().map(|a| a.status_word()),
        Some("AVAILABLE")
    );
    assert_eq!(changes[3].after, None);
    let row = env.connection(&arn).await;
    assert_eq!(row.deleted_at, Some(time("2026-10-01T15:00:00Z")));
    assert_eq!(row.first_seen_at, time("2026-10-01T11:00:00Z"));
    assert_eq!(
        row.status_since,
        time("2026-10-01T12:00:00Z"),
        "a new host is no new status"
    );
    assert_eq!(row.last_seen_at, Some(time("2026-10-01T14:00:00Z")));
    assert_eq!(env.runs().await.len(), 7);
}

#[tokio::test]
async fn connection_listed_again_after_deletion_reappears() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let mut states = Vec::new();
    for there in [true, false, false, true] {
        let listed = id.clone();
        let script = Script::start(move |_| {
            last(if there {
                vec![entry(&listed, "c", "AVAILABLE")]
            } else {
                vec![]
            })
        })
        .await;
        env.clock.advance(test_env::HOUR);
        let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
        states.push(changes(&test_env::run(&handler, &json!({})).await));
    }
    assert_eq!(
        states,
        [
            vec![(ChangeKind::FirstSeen, 1)],
            vec![(ChangeKind::Deleted, 1)],
            vec![],
            vec![(ChangeKind::Reappeared, 1)],
        ]
    );
    let history = env.changes(&id).await;
    assert_eq!(
        history[2].previously_seen_at,
        Some(time("2026-10-01T12:00:00Z")),
        "a complete listing did not contain it then"
    );
    let row = env.connection(&id).await;
    assert_eq!(row.deleted_at, None);
    assert_eq!(row.first_seen_at, time("2026-10-01T10:00:00Z"));
    let available = env
        .table
        .connections_by_status(&"AVAILABLE".into())
        .await
        .expect("read");
    assert_eq!(available.len(), 1, "it is in the index again");
}

#[tokio::test]
async fn change_window_ends_with_the_listing_that_observed_it() {
    // The connection changes between two pages of one listing, after the
    // listing began. So the beginning alone would be a wrong time.
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let (clock, listed) = (Arc::clone(&env.clock), id.clone());
    let script = Script::start(move |asked| {
        clock.advance(Duration::from_secs(30));
        match asked.token {
            None => Reply::Page(vec![], Some("2".into())),
            Some(_) => last(vec![entry(&listed, "c", "PENDING")]),
        }
    })
    .await;
    let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
    test_env::run(&handler, &json!({})).await;
    let change = &env.changes(&id).await[0];
    assert_eq!(change.observed_at, time(START));
    assert_eq!(change.observed_until, time("2026-10-01T09:01:00Z"));
}

#[tokio::test]
async fn unchanged_run_writes_one_unit_per_connection_in_batches_of_25() {
    const N: u64 = 1_000;
    let env = TestEnv::new().await;
    for number in 0..N {
        env.create(&format!("c{number}"));
    }
    let run = async || {
        env.clock.advance(HOUR);
        test_env::long_run(&env.handler(), &json!({})).await
    };
    run().await;
    let summary = run().await;
    assert!(summary.changes.is_empty());
    let (requests, capacity) = (summary.requests, summary.capacity);
    assert!(requests.listing <= N.div_ceil(100), "{requests:?}");
    assert!(requests.write <= N.div_ceil(25) + 2, "{requests:?}");
    // One query of the account record and its snapshots, in short pages, and
    // the last run.
    let pages = (N + 1).div_ceil(READ_AT_ONCE.into());
    assert_eq!(requests.read, pages + 1, "{requests:?}");
    if env.reports_written_units() {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let most = N as f64 + 3.0;
        assert!(capacity.write_units <= most, "{capacity:?}");
        assert!(capacity.write_units >= 1.0, "{capacity:?}");
        assert_eq!(capacity.index_write_units.to_string(), "0");
    }
    let seen = env.connections().await;
    assert!(
        seen.iter()
            .all(|row| row.last_seen_at == Some(time("2026-10-01T11:00:00Z")))
    );
}

#[tokio::test]
async fn the_second_delivery_of_an_event_writes_nothing() {
    let env = TestEnv::new().await;
    let arn = env.create("c");
    let first = test_env::run(&env.handler(), &scheduled("e1")).await;
    env.set_status(&arn, "ERROR");
    env.clock.advance(Duration::from_secs(5));
    let second = test_env::run(&env.handler(), &scheduled("e1")).await;
    assert!(second.already_recorded);
    assert_eq!(second.run_id, first.run_id);
    assert_eq!(second.digest, first.digest);
    assert_eq!(second.requests.write, 0);
    assert_eq!(env.runs().await.len(), 1);
    assert_eq!(env.connection(&arn).await.last_seen_at, Some(time(START)));
    // Another event is another run.
    test_env::run(&env.handler(), &scheduled("e2")).await;
    assert_eq!(env.story(&arn).await.len(), 2);
}

#[tokio::test]
async fn event_of_an_incomplete_run_is_processed_again() {
    let env = TestEnv::new().await;
    env.create("c");
    env.deny(REGION);
    let failed = test_env::run(&env.handler(), &scheduled("e1")).await;
    assert_eq!(failed.outcome, Outcome::Failed);
    env.allow(REGION);
    let retried = test_env::run(&env.handler(), &scheduled("e1")).await;
    assert_eq!(retried.outcome, Outcome::Complete);
    assert!(!retried.already_recorded);
    assert_eq!(env.runs().await.len(), 2);
}

#[tokio::test]
async fn late_older_observation_changes_nothing() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await;

    // The older run lists AVAILABLE, and is then suspended before it writes.
    stage.show(vec![entry(&id, "c", "AVAILABLE")]);
    let held = Held::before(&env, "ExecuteTransaction").await;
    env.clock.advance(test_env::HOUR);
    let older_handler = env.handler_of(env.source_at(&stage.endpoint), held.table(&env));
    let newer_handler = env.handler_of(env.source_at(&stage.endpoint), env.table.clone());
    let event = json!({});
    let older = test_env::run(&older_handler, &event);
    let newer = async {
        held.reached().await;
        stage.show(vec![entry(&id, "c", "ERROR")]);
        env.clock.advance(DELAY);
        let newer = test_env::run(&newer_handler, &event).await;
        held.release();
        newer
    };
    let (older, newer) = tokio::join!(older, newer);
    assert_eq!(changes(&newer), [(ChangeKind::StatusChanged, 1)]);
    assert_eq!(changes(&older), []);
    assert_eq!(older.outcome, Outcome::Complete);
    assert_eq!(
        env.story(&id).await,
        [
            (ChangeKind::FirstSeen, status("PENDING")),
            (ChangeKind::StatusChanged, status("ERROR")),
        ]
    );
    let row = env.connection(&id).await;
    assert_eq!(
        row.last_seen_at,
        Some(time("2026-10-01T10:10:00Z")),
        "never backwards"
    );
    assert_eq!(env.runs().await.len(), 3);
}

#[tokio::test]
async fn connection_of_older_observation_only_is_recorded_then_deleted() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    let event = json!({});
    env.run_with(&stage.endpoint, &event).await; // 09:00
    stage.show(vec![]);
    env.clock.advance(test_env::HOUR);
    env.run_with(&stage.endpoint, &event).await; // 10:00, deleted

    // It exists when the older run lists. It is deleted when the newer run
    // lists, which writes nothing about it.
    stage.show(vec![entry(&id, "c", "PENDING")]);
    let held = Held::before(&env, "ExecuteTransaction").await;
    env.clock.advance(test_env::HOUR);
    let older_handler = env.handler_of(env.source_at(&stage.endpoint), held.table(&env));
    let older = test_env::run(&older_handler, &event);
    let newer = async {
        held.reached().await;
        stage.show(vec![]);
        env.clock.advance(DELAY);
        let newer = env.run_with(&stage.endpoint, &event).await;
        held.release();
        newer
    };
    let (older, newer) = tokio::join!(older, newer);
    assert_eq!(changes(&newer), []);
    assert_eq!(changes(&older), [(ChangeKind::Reappeared, 1)]);
    env.clock.advance(test_env::HOUR);
    let next = env.run_with(&stage.endpoint, &event).await;
    assert_eq!(changes(&next), [(ChangeKind::Deleted, 1)]);
    let last = &env.changes(&id).await[3];
    assert_eq!(last.previously_seen_at, Some(time("2026-10-01T11:00:00Z")));
    assert_eq!(last.observed_at, time("2026-10-01T12:10:00Z"));
}

#[tokio::test]
async fn late_older_touch_does_not_move_last_seen_back() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await;
    let held = Held::before(&env, "BatchExecuteStatement").await;
    env.clock.advance(test_env::HOUR);
    let event = json!({});
    let older_handler = env.handler_of(env.source_at(&stage.endpoint), held.table(&env));
    let older = test_env::run(&older_handler, &event);
    let newer = async {
        held.reached().await;
        env.clock.advance(test_env::HOUR);
        let newer = env.run_with(&stage.endpoint, &event).await;
        held.release();
        newer
    };
    let (older, newer) = tokio::join!(older, newer);
    assert_eq!(
        (older.outcome, newer.outcome),
        (Outcome::Complete, Outcome::Complete)
    );
    let row = env.connection(&id).await;
    assert_eq!(row.last_seen_at, Some(time("2026-10-01T11:00:00Z")));
}

#[tokio::test]
async fn concurrent_runs_record_each_change_once_and_every_run() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..30).map(|n| env.create(&format!("c{n}"))).collect();
    env.run().await;
    for (n, arn) in arns.iter().enumerate() {
        match n % 3 {
            0 => env.set_status(arn, "AVAILABLE"),
            1 => env.set_status(arn, "ERROR"),
            _ => {}
        }
    }
    env.create("new");
    env.clock.advance(test_env::HOUR);
    let handlers = [env.handler(), env.handler(), env.handler()];
    let event = json!({});
    let runs = handlers
        .iter()
        .map(|handler| test_env::run(handler, &event));
    let summaries = futures_util::future::join_all(runs).await;
    let recorded: u64 = summaries.iter().flat_map(|s| s.changes.values()).sum();
    assert_eq!(
        recorded, 21,
        "20 changes of status and a new one, each by one run"
    );
    for (n, arn) in arns.iter().enumerate() {
        assert_eq!(env.story(arn).await.len(), if n % 3 == 2 { 1 } else { 2 });
    }
    assert!(
        summaries.iter().all(|s| s.outcome == Outcome::Complete),
        "{summaries:?}"
    );
    assert_eq!(
        env.runs().await.len(),
        4,
        "the chain has no fork and no gap"
    );
}

#[tokio::test]
async fn contradicting_overlapping_observation_is_left_to_the_next_run() {
    // A began first and observed AVAILABLE at its end. B ran within A and
    // observed PENDING. By the times at which they began, B is newer: PENDING
    // would be recorded after AVAILABLE, a change that never happened.
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await;
    env.clock.advance(test_env::HOUR);
    let inner_done = Arc::new(AtomicBool::new(false));
    let (done, clock, listed) = (Arc::clone(&inner_done), Arc::clone(&env.clock), id.clone());
    let outer = Script::start(move |_| {
        if done.load(Ordering::SeqCst) {
            clock.advance(Duration::from_secs(10));
            last(vec![entry(&listed, "c", "AVAILABLE")])
        } else {
            Reply::Error(400, "ThrottlingException")
        }
    })
    .await;
    let event = json!({});
    let outer_handler = env.handler_of(env.source_at(&outer.endpoint), env.table.clone());
    let outer_run = test_env::run(&outer_handler, &event);
    let inner_run = async {
        // The outer listing has begun.
        while outer.count() == 0 {
            tokio::task::yield_now().await;
        }
        env.clock.advance(Duration::from_secs(1));
        let inner = env.run_with(&stage.endpoint, &event).await;
        inner_done.store(true, Ordering::SeqCst);
        inner
    };
    let (outer_summary, inner_summary) = tokio::join!(outer_run, inner_run);
    assert_eq!(changes(&inner_summary), []);
    assert_eq!(changes(&outer_summary), []);
    assert_eq!(env.story(&id).await.len(), 1);
    stage.show(vec![entry(&id, "c", "AVAILABLE")]);
    env.clock.advance(test_env::HOUR);
    let next = env.run_with(&stage.endpoint, &event).await;
    assert_eq!(changes(&next), [(ChangeKind::StatusChanged, 1)]);
}

#[tokio::test]
async fn change_with_lost_response_is_recorded_once_and_counted() {
    let env = TestEnv::new().await;
    env.create("c");
    // The first responses are lost. The SDK's own retries have the same token.
    // When the SDK gives up, the inventory's retry finds its own write.
    let lost = AtomicUsize::new(0);
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        if seen.operation == "ExecuteTransaction" && lost.fetch_add(1, Ordering::SeqCst) < 4 {
            Act::fault_after(500, "InternalServerError")
        } else {
            Act::Pass
        }
    })
    .await;
    let handler = env.handler_of(
        env.source_at(env.service.endpoint()),
        env.table_at(&proxy.endpoint),
    );
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
}

#[tokio::test]
async fn run_record_with_lost_response_is_recorded_once() {
    let env = TestEnv::new().await;
    env.create("c");
    let lost = AtomicUsize::new(0);
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        if seen.operation == "ExecuteStatement" && lost.fetch_add(1, Ordering::SeqCst) < 7 {
            Act::fault_after(500, "InternalServerError")
        } else {
            Act::Pass
        }
    })
    .await;
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    let runs = env.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!(Some(runs[0].digest()), summary.digest);
    let next = env.run().await;
    assert_eq!(next.sequence, Some(2));
    env.runs().await;
}

#[tokio::test]
async fn throttled_requests_are_retried_until_they_succeed() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..60).map(|n| env.create(&format!("c{n}"))).collect();
    env.run().await;
    env.set_status(&arns[7], "ERROR");
    let proxy = Proxy::start(&env.table_endpoint, |seen| match seen.number % 10 {
        0 | 3 => Act::fault(400, "ProvisionedThroughputExceededException"),
        5 => Act::fault(400, "ThrottlingException"),
        7 => Act::fault(500, "InternalServerError"),
        _ => Act::Pass,
    })
    .await;
    env.clock.advance(test_env::HOUR);
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::StatusChanged, 1)]);
    let seen = env.connections().await;
    assert!(
        seen.iter()
            .all(|row| row.last_seen_at == Some(time("2026-10-01T11:00:00Z")))
    );
}

#[tokio::test]
async fn failed_statements_of_a_batch_are_retried() {
    let env = TestEnv::new().await;
    for n in 0..30 {
        env.create(&format!("c{n}"));
    }
    env.run().await;
    // The first batch is not carried out. Its response has an error for each
    // statement: throttling or a conflict with a transaction.
    let batches = AtomicUsize::new(0);
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        if seen.operation != "BatchExecuteStatement" || batches.fetch_add(1, Ordering::SeqCst) > 0 {
            return Act::Pass;
        }
        let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
        let statements = body["Statements"].as_array().expect("statements");
        let codes = [
            "ThrottlingError",
            "TransactionConflict",
            "ProvisionedThroughputExceeded",
        ];
        let responses: Vec<Value> = (0..statements.len())
            .map(|i| json!({"Error": {"Code": codes[i % codes.len()], "Message": "injected"}}))
            .collect();
        Act::Answer(200, json!({"Responses": responses}).to_string())
    })
    .await;
    env.clock.advance(test_env::HOUR);
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    let seen = env.connections().await;
    assert!(
        seen.iter()
            .all(|row| row.last_seen_at == Some(time("2026-10-01T11:00:00Z")))
    );
}

#[tokio::test]
async fn conflicting_transaction_is_retried() {
    let env = TestEnv::new().await;
    env.create("c");
    let conflicts = AtomicUsize::new(0);
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        if seen.operation != "ExecuteTransaction" || conflicts.fetch_add(1, Ordering::SeqCst) > 5 {
            return Act::Pass;
        }
        Act::Answer(400, cancelled(&["TransactionConflict", "None"]))
    })
    .await;
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
}

#[tokio::test]
async fn run_out_of_time_is_partial_and_the_next_run_writes_the_rest() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..80).map(|n| env.create(&format!("c{n}"))).collect();
    // Two transactions pass; then the table throttles all changes.
    let transactions = AtomicUsize::new(0);
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        if seen.operation == "ExecuteTransaction"
            && transactions.fetch_add(1, Ordering::SeqCst) >= 2
        {
            Act::fault(400, "ThrottlingException")
        } else {
            Act::Pass
        }
    })
    .await;
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let answer = handler.handle(&json!({}), Duration::from_secs(5)).await;
    let Ok(Response::One(summary)) = answer else {
        panic!("PARTIAL answers normally: {answer:?}");
    };
    assert_eq!(summary.outcome, Outcome::Partial);
    assert!(
        summary.problems[0].contains("ThrottlingException"),
        "{:?}",
        summary.problems
    );
    let recorded = summary.changes[&ChangeKind::FirstSeen];
    assert!(0 < recorded && recorded < 80, "{recorded}");
    assert_eq!(summary.unwritten, 80 - recorded);
    let runs = env.runs().await;
    assert_eq!(runs[0].unwritten, summary.unwritten);
    let next = env.run().await;
    assert_eq!(next.outcome, Outcome::Complete);
    assert_eq!(changes(&next), [(ChangeKind::FirstSeen, summary.unwritten)]);
    for arn in &arns {
        assert_eq!(env.story(arn).await.len(), 1);
    }
}

#[tokio::test]
async fn denying_or_missing_table_fails_the_run_at_once() {
    for (code, expected) in [
        ("AccessDeniedException", "AccessDeniedException"),
        ("ResourceNotFoundException", "ResourceNotFoundException"),
    ] {
        let env = TestEnv::new().await;
        for n in 0..40 {
            env.create(&format!("c{n}"));
        }
        let proxy = Proxy::start(&env.table_endpoint, move |_| Act::fault(400, code)).await;
        let source = env.source_at(env.service.endpoint());
        let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
        let answer = handler.handle(&json!({}), Duration::from_secs(60)).await;
        let Err(error @ HandlerError::RunFailed(_)) = answer else {
            panic!("FAILED is the function's error: {answer:?}");
        };
        assert!(error.to_string().contains(expected), "{error}");
        assert!(proxy.count() < 10, "{} requests", proxy.count());
    }
}

#[tokio::test]
async fn read_only_table_fails_the_run_with_few_requests() {
    let env = TestEnv::new().await;
    for n in 0..200 {
        env.create(&format!("c{n}"));
    }
    let proxy = Proxy::start(&env.table_endpoint, |seen| match seen.operation.as_str() {
        "Query" => Act::Pass,
        _ => Act::fault(400, "AccessDeniedException"),
    })
    .await;
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Failed);
    assert_eq!(summary.digest, None, "it could not be recorded");
    assert!(proxy.count() < 20, "{} requests", proxy.count());
}

#[tokio::test]
async fn deletion_requires_absence_in_every_region_that_listed_it() {
    let env = TestEnv::new().await;
    let both = ["eu-west-1", "us-east-1"];
    // It is in an opt-in region, whose connections other regions need not list.
    let id = arn("eu-south-1", "c");
    let show = |regions: &'static [&'static str]| {
        let shown = id.clone();
        move |asked: &crate::support::scripted_service::Asked| {
            let listed = regions.contains(&asked.region.as_str());
            last(if listed {
                vec![entry(&shown, "c", "PENDING")]
            } else {
                vec![]
            })
        }
    };
    let run = async |lines: Box<
        dyn Fn(&crate::support::scripted_service::Asked) -> Reply + Send + Sync,
    >,
                     regions: &[&str]| {
        env.clock.advance(test_env::HOUR);
        let script = Script::start(lines).await;
        let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
        changes(&test_env::run(&handler, &json!({"regions": regions})).await)
    };
    let everywhere: &'static [&'static str] = &["eu-west-1", "us-east-1"];
    assert_eq!(run(Box::new(show(everywhere)), &both).await.len(), 1);
    // Only one of the two regions is listed, and no longer has it.
    assert_eq!(run(Box::new(show(&[])), &both[..1]).await, []);
    // One region still lists it; the other no longer does.
    assert_eq!(run(Box::new(show(&["us-east-1"])), &both).await, []);
    // Now only that region is evidence.
    assert_eq!(run(Box::new(show(&[])), &both[..1]).await, []);
    assert_eq!(
        run(Box::new(show(&[])), &both[1..]).await,
        [(ChangeKind::Deleted, 1)]
    );
}

#[tokio::test]
async fn mass_deletion_is_held_back_until_accepted() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..30).map(|n| env.create(&format!("c{n}"))).collect();
    env.run().await;
    for arn in &arns[..20] {
        env.delete(arn);
    }
    env.set_status(&arns[25], "ERROR");
    let held = env.run().await;
    assert_eq!(held.outcome, Outcome::Partial);
    assert_eq!(held.tombstones_held_back, 20);
    assert!(
        held.problems[0].contains("20 deletions held back"),
        "{:?}",
        held.problems
    );
    assert_eq!(
        changes(&held),
        [(ChangeKind::StatusChanged, 1)],
        "the rest is recorded"
    );
    assert_eq!(env.runs().await[1].tombstones_held_back, 20);
    // The next run holds it back again.
    assert_eq!(env.run().await.tombstones_held_back, 20);
    env.clock.advance(test_env::HOUR);
    let accepted = test_env::run(&env.handler(), &json!({"accept_deletions": true})).await;
    assert_eq!(accepted.outcome, Outcome::Complete);
    assert_eq!(changes(&accepted), [(ChangeKind::Deleted, 20)]);
    let deleted = &env.changes(&arns[0]).await[1];
    assert_eq!(
        deleted.previously_seen_at,
        Some(time("2026-10-01T10:00:00Z"))
    );
}

#[tokio::test]
async fn tombstone_guard_passes_few_deletions_and_is_configurable() {
    for (guard, existing, deleted, held_back) in [
        (TombstoneGuard::Share(0.5), 10, 10, 0),
        (TombstoneGuard::Share(0.5), 11, 11, 11),
        (TombstoneGuard::Share(0.5), 22, 11, 0),
        (TombstoneGuard::Share(0.1), 40, 11, 11),
        (TombstoneGuard::Share(1.0), 20, 20, 0),
        (TombstoneGuard::Off, 20, 20, 0),
    ] {
        let env = TestEnv::new().await;
        let arns: Vec<String> = (0..existing)
            .map(|n| env.create(&format!("c{n}")))
            .collect();
        let mut handler = env.handler();
        handler.inventory.options.guard = guard;
        test_env::run(&handler, &json!({})).await;
        arns[..deleted].iter().for_each(|arn| env.delete(arn));
        env.clock.advance(test_env::HOUR);
        let summary = test_env::run(&handler, &json!({})).await;
        assert_eq!(
            summary.tombstones_held_back, held_back,
            "{guard:?} {existing} {deleted}"
        );
    }
}

#[tokio::test]
async fn removed_snapshot_is_reported_and_other_changes_are_recorded() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..3).map(|n| env.create(&format!("c{n}"))).collect();
    env.run().await;
    let client = env.table.client();
    client
        .delete_item()
        .table_name(env.table.name().as_str())
        .key("pk", codec::s(format!("ACCOUNT#{ACCOUNT}")))
        .key("sk", codec::s(format!("CONNECTION#{}", arns[1])))
        .send()
        .await
        .expect("removed");
    env.set_status(&arns[2], "ERROR");
    let summary = env.run().await;
    assert_eq!(summary.outcome, Outcome::Partial);
    assert!(
        summary.problems[0].contains(&arns[1]) && summary.problems[0].contains("altered"),
        "{:?}",
        summary.problems
    );
    assert_eq!(changes(&summary), [(ChangeKind::StatusChanged, 1)]);
    assert_eq!(
        env.story(&arns[1]).await.len(),
        1,
        "nothing is written over it"
    );
}

#[tokio::test]
async fn inserted_change_is_reported_and_other_changes_are_recorded() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..3).map(|n| env.create(&format!("c{n}"))).collect();
    env.run().await;
    let mut forged = codec::change_item(&env.changes(&arns[1]).await[0]);
    forged.insert("sk".to_owned(), codec::s("CHANGE#0000000002"));
    let client = env.table.client();
    let put = client
        .put_item()
        .table_name(env.table.name().as_str())
        .set_item(Some(forged));
    put.send().await.expect("put in");
    for arn in &arns {
        env.set_status(arn, "ERROR");
    }
    let summary = env.run().await;
    assert_eq!(summary.outcome, Outcome::Partial);
    assert!(
        summary.problems[0].contains(&arns[1]) && summary.problems[0].contains("a change 2"),
        "{:?}",
        summary.problems
    );
    assert_eq!(changes(&summary), [(ChangeKind::StatusChanged, 2)]);
}

#[tokio::test]
async fn run_has_its_listings_and_account_record_has_its_last_runs() {
    let env = TestEnv::new().await;
    env.create("c");
    let first = env.run().await;
    env.deny(REGION);
    env.clock.advance(test_env::HOUR);
    let event = json!({"regions": [REGION, "us-east-1"]});
    let second = test_env::run(&env.handler(), &event).await;
    let runs = env.runs().await;
    assert_eq!(runs[1].listings, second.listings);
    assert_eq!(runs[1].outcome, Outcome::Partial);
    let record = env
        .table
        .read_record(&account())
        .await
        .expect("read")
        .expect("there");
    assert_eq!(record.sequence, 2);
    assert_eq!(Some(record.head), second.digest);
    assert_eq!(record.last_attempt.run_id, second.run_id);
    let complete = record.last_complete.expect("one was complete");
    assert_eq!(complete.run_id, first.run_id);
    assert_eq!(env.table.accounts().await.expect("read"), [account()]);
    let state = env.table.read_account(&account()).await.expect("read");
    let snapshots = codeconnections_inventory::domain::run::SnapshotsRecord::of(&state.snapshots);
    assert_eq!(runs[1].snapshots, Some(snapshots));
}

#[tokio::test]
async fn first_run_that_can_read_nothing_is_recorded_with_its_account_by_one_request() {
    let env = TestEnv::new().await;
    env.create("api");
    let sent: Arc<Mutex<Vec<String>>> = Arc::default();
    let proxy = {
        let sent = Arc::clone(&sent);
        Proxy::start(&env.table_endpoint, move |seen| {
            sent.lock().expect("no panic").push(seen.operation.clone());
            match seen.operation.as_str() {
                "Query" | "GetItem" => Act::fault(400, "AccessDeniedException"),
                _ => Act::Pass,
            }
        })
        .await
    };
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(
        (summary.outcome, summary.sequence),
        (Outcome::Failed, Some(1))
    );
    let record = env.table.read_record(&account()).await.expect("read");
    assert_eq!(record.expect("a record").sequence, 1);
    let sent = sent.lock().expect("no panic");
    let writes: Vec<&String> = sent.iter().filter(|it| *it != "Query").collect();
    assert_eq!(writes, ["ExecuteTransaction"]);
}
