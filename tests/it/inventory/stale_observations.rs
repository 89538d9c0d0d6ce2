//! A stale observation is not recorded, so that the changes of a past time
//! range never vary.

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

/// Returns the changes of a past time range.
async fn changes_between(env: &TestEnv, since: &str, until: &str) -> Vec<ChangeWithRun> {
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

/// Runs, suspended for `by` before the first change.
async fn run_suspended(env: &TestEnv, stage: &Stage, by: Duration) -> Summary {
    let held = Held::before(env, "ExecuteTransaction").await;
    let mut handler = env.handler_of(env.source_at(&stage.endpoint), held.table(env));
    handler.inventory.options.concurrency = 1;
    let event = json!({});
    let run = test_env::run(&handler, &event);
    let meanwhile = async {
        held.reached().await;
        env.clock.advance(by);
        held.earlier_requests_arrived().await;
        held.release();
    };
    tokio::join!(run, meanwhile).0
}

#[tokio::test]
async fn past_changes_do_not_vary_when_a_suspended_run_resumes() {
    let env = TestEnv::new().await;
    let (id, new) = (arn(REGION, "c"), arn(REGION, "new"));
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await; // 09:00

    // A change of status and a new connection, observed at 10:00 by a run that
    // is then suspended, as on a sleeping laptop.
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
        held.earlier_requests_arrived().await;
        let before = changes_between(&env, "2026-10-01T09:00:00Z", "2026-10-01T10:15:00Z").await;
        held.release();
        before
    };
    let (late, before) = tokio::join!(test_env::run(&handler, &event), auditor);
    let after = changes_between(&env, "2026-10-01T09:00:00Z", "2026-10-01T10:15:00Z").await;
    assert_eq!(after, before);
    assert_eq!(before.len(), 1, "the first observation at 09:00");

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

    // The next run records them with its own times. The new connection existed
    // when the late run listed, so that listing is no evidence of absence.
    env.clock.advance(test_env::HOUR);
    let next = env.run_with(&stage.endpoint, &json!({})).await;
    assert_eq!(next.outcome, Outcome::Complete);
    let kinds = [(ChangeKind::FirstSeen, 1), (ChangeKind::StatusChanged, 1)];
    assert_eq!(changes(&next), kinds);
    let first = &env.changes(&new).await[0];
    assert_eq!(first.observed_at, time("2026-10-01T11:15:00.001Z"));
    assert_eq!(first.previously_seen_at, Some(time("2026-10-01T09:00:00Z")));
    let still = changes_between(&env, "2026-10-01T09:00:00Z", "2026-10-01T10:15:00Z").await;
    assert_eq!(still, before);
}

#[tokio::test]
async fn run_suspended_within_the_age_limit_records_its_changes() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    let summary = run_suspended(&env, &stage, MAX_OBSERVATION_AGE).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
}

#[tokio::test]
async fn stale_deletion_is_left_to_the_next_run() {
    let env = TestEnv::new().await;
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await;
    stage.show(vec![]);
    env.clock.advance(test_env::HOUR);
    let summary = run_suspended(&env, &stage, MAX_OBSERVATION_AGE + MILLISECOND).await;
    assert_eq!((summary.outcome, summary.unwritten), (Outcome::Partial, 1));
    assert_eq!(env.story(&id).await.len(), 1);
    let next = env.run_with(&stage.endpoint, &json!({})).await;
    assert_eq!(changes(&next), [(ChangeKind::Deleted, 1)]);
}

#[tokio::test]
async fn last_seen_time_is_recorded_however_old() {
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
async fn age_of_observation_is_checked_before_each_attempt() {
    // Each response to a change takes five minutes and is a throttling error.
    // The change is sent at 0, 5, 10 and 15 minutes, by the SDK or by the
    // inventory, and then no more.
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
    // Four attempts of the change, the run record and the account record.
    assert_eq!(summary.requests.write, 6);
}

#[tokio::test]
async fn change_with_lost_response_is_counted_as_recorded() {
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
