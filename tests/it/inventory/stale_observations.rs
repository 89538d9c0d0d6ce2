//! A change that was observed long ago is not recorded any more: a span of
//! time that is over gives the same answer for ever.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::time::Duration;

use crate::support::proxy::{Act, Proxy};
use crate::support::scripted_listing::{Held, Stage};
use crate::support::scripted_service::{arn, entry};
use crate::support::test_env::{self, REGION, TestEnv, changes};
use codeconnections_inventory::audit::{ChangeFilter, ChangeWithRun};
use codeconnections_inventory::domain::listing::MAX_OBSERVATION_AGE;
use codeconnections_inventory::domain::{ChangeKind, Outcome, Timestamp};
use codeconnections_inventory::inventory::summary::Summary;
use serde_json::json;

const MILLISECOND: Duration = Duration::from_millis(1);

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// What an auditor is told of the changes of a past span.
async fn told(env: &TestEnv, since: &str, until: &str) -> Vec<ChangeWithRun> {
    let filter = ChangeFilter {
        since: time(since),
        until: time(until),
        kind: None,
        status: None,
        provider: None,
        account: None,
    };
    env.audit().changes(&filter).await.expect("read")
}

/// A run that is held up before its first change, for so long.
async fn held_up(env: &TestEnv, stage: &Stage, by: Duration) -> Summary {
    let held = Held::before(env, "ExecuteTransaction").await;
    let mut handler = env.handler_of(env.source_at(&stage.endpoint), held.table(env));
    handler.inventory.options.concurrency = 1;
    let event = json!({});
    let run = test_env::run(&handler, &event);
    let meanwhile = async {
        held.reached().await;
        env.clock.advance(by);
        held.sent_before_has_come().await;
        held.release();
    };
    tokio::join!(run, meanwhile).0
}

#[tokio::test]
async fn what_was_answered_about_the_past_stays_the_answer_when_a_held_up_run_wakes() {
    let env = TestEnv::new().await;
    let (id, new) = (arn(REGION, "c"), arn(REGION, "new"));
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await; // 09:00

    // A change of status and a new connection, seen at 10:00 by a run that is
    // then held up: a laptop sleeps, its timers with it.
    env.clock.advance(test_env::HOUR);
    stage.show(vec![
        entry(&id, "c", "ERROR"),
        entry(&new, "new", "PENDING"),
    ]);
    let held = Held::before(&env, "ExecuteTransaction").await;
    let mut handler = env.handler_of(env.source_at(&stage.endpoint), held.table(&env));
    handler.inventory.options.concurrency = 1;
    let event = json!({});
    let auditor = async {
        held.reached().await;
        env.clock.advance(MAX_OBSERVATION_AGE + MILLISECOND);
        held.sent_before_has_come().await;
        let before = told(&env, "2026-10-01T09:00:00Z", "2026-10-01T10:15:00Z").await;
        held.release();
        before
    };
    let (late, before) = tokio::join!(test_env::run(&handler, &event), auditor);
    let after = told(&env, "2026-10-01T09:00:00Z", "2026-10-01T10:15:00Z").await;
    assert_eq!(after, before);
    assert_eq!(before.len(), 1, "the first sighting at 09:00");

    assert_eq!(changes(&late), []);
    assert_eq!(late.outcome, Outcome::Partial);
    assert_eq!(late.unwritten, 2);
    assert_eq!(
        late.problems,
        [
            "2 changes observed more than 15 minutes ago: too late to be recorded; \
             the next run takes them up"
        ]
    );

    // The next run takes them up, in its own time. The new connection was
    // there when the late one listed, so that is no time when it was not.
    env.clock.advance(test_env::HOUR);
    let next = env.run_with(&stage.endpoint, &json!({})).await;
    assert_eq!(next.outcome, Outcome::Complete);
    let kinds = [(ChangeKind::FirstSeen, 1), (ChangeKind::StatusChanged, 1)];
    assert_eq!(changes(&next), kinds);
    let first = &env.changes(&new).await[0];
    assert_eq!(first.observed_at, time("2026-10-01T11:15:00.001Z"));
    assert_eq!(first.previously_seen_at, Some(time("2026-10-01T09:00:00Z")));
    let still = told(&env, "2026-10-01T09:00:00Z", "2026-10-01T10:15:00Z").await;
    assert_eq!(still, before);
}

#[tokio::test]
async fn a_run_that_is_held_up_within_the_limit_records() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    let summary = held_up(&env, &stage, MAX_OBSERVATION_AGE).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
}

#[tokio::test]
async fn a_tombstone_that_comes_too_late_is_left_to_the_next_run() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await;
    stage.show(vec![]);
    env.clock.advance(test_env::HOUR);
    let summary = held_up(&env, &stage, MAX_OBSERVATION_AGE + MILLISECOND).await;
    assert_eq!((summary.outcome, summary.unwritten), (Outcome::Partial, 1));
    assert_eq!(env.story(&id).await.len(), 1);
    let next = env.run_with(&stage.endpoint, &json!({})).await;
    assert_eq!(changes(&next), [(ChangeKind::Deleted, 1)]);
}

#[tokio::test]
async fn when_a_connection_was_seen_is_noted_however_late() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await;
    env.clock.advance(test_env::HOUR);
    let held = Held::before(&env, "BatchExecuteStatement").await;
    let handler = env.handler_of(env.source_at(&stage.endpoint), held.table(&env));
    let event = json!({});
    let meanwhile = async {
        held.reached().await;
        env.clock.advance(test_env::HOUR);
        held.release();
    };
    let (summary, ()) = tokio::join!(test_env::run(&handler, &event), meanwhile);
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    let row = env.connection(&id).await;
    assert_eq!(row.last_seen_at, Some(time("2026-10-01T10:00:00Z")));
}

#[tokio::test]
async fn a_change_that_is_sent_again_is_held_against_the_clock_each_time() {
    // Each answer to a change takes five minutes, and says that the table is
    // too busy: sent at 0, 5, 10 and 15 minutes, and then no more, whoever
    // sends it again, the SDK or this.
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    let clock = std::sync::Arc::clone(&env.clock);
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        if seen.operation != "ExecuteTransaction" {
            return Act::Pass;
        }
        clock.advance(Duration::from_mins(5));
        Act::fault(400, "ThrottlingException")
    })
    .await;
    let source = env.source_at(&stage.endpoint);
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!((summary.outcome, summary.unwritten), (Outcome::Partial, 1));
    // Four changes, and the run's record and the account's.
    assert_eq!(summary.requests.write, 6);
}

#[tokio::test]
async fn a_change_that_was_recorded_before_its_answer_was_lost_is_counted_as_recorded() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    let clock = std::sync::Arc::clone(&env.clock);
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        if seen.operation != "ExecuteTransaction" {
            return Act::Pass;
        }
        clock.advance(test_env::HOUR);
        Act::fault_after(500, "InternalServerError")
    })
    .await;
    let source = env.source_at(&stage.endpoint);
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
    assert_eq!(env.story(&id).await.len(), 1);
}
