//! Indeterminate writes: changes that were sent and neither confirmed nor
//! refused.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::test_env::{self, TestEnv, TestHandler, changes};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ParameterizedStatement;
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::domain::{ChangeKind, Clock, Outcome, RunRecord};
use codeconnections_inventory::inventory::summary::Summary;
use serde_json::json;

/// Asserts that `verify` finds nothing.
async fn assert_verifies(env: &TestEnv) {
    let found = verify(&env.table, None, env.clock.now(), |_| {}).await;
    assert_eq!(found.expect("read").findings, []);
}

/// Runs over a table that treats each transaction, by its number, as `act`
/// says.
async fn run_with_transactions(
    env: &TestEnv,
    act: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static,
) -> Summary {
    let transactions = AtomicUsize::new(0);
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        match seen.operation.as_str() {
            "ExecuteTransaction" => act(transactions.fetch_add(1, Ordering::SeqCst) + 1, seen),
            _ => Act::Pass,
        }
    })
    .await;
    env.clock.advance(test_env::HOUR);
    test_env::run(&handler(env, &proxy), &json!({})).await
}

fn handler(env: &TestEnv, proxy: &Proxy) -> TestHandler {
    let source = env.source_at(env.service.endpoint());
    env.handler_of(source, env.table_at(&proxy.endpoint))
}

async fn last_run(env: &TestEnv) -> RunRecord {
    env.runs().await.pop().expect("a run")
}

#[tokio::test]
async fn change_with_lost_response_is_found_before_the_run_is_recorded() {
    let env = TestEnv::new().await;
    let arn = env.create("c");
    let summary = run_with_transactions(&env, |number, _| match number {
        1 => Act::fault_after(500, "InternalServerError"),
        _ => Act::fault(400, "AccessDeniedException"),
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Failed, "writing was given up");
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
    assert_eq!(summary.unwritten, 0);
    assert_eq!(summary.connections["PENDING"], 1);
    assert!(last_run(&env).await.snapshots.is_some());
    assert_verifies(&env).await;

    let next = env.run().await;
    assert_eq!(next.outcome, Outcome::Complete);
    assert_eq!(changes(&next), []);
    assert_eq!(env.story(&arn).await.len(), 1);
}

#[tokio::test]
async fn run_with_indeterminate_write_records_no_snapshots() {
    let env = TestEnv::new().await;
    env.create("before");
    assert_eq!(env.run().await.outcome, Outcome::Complete);
    let arn = env.create("c");
    let sent: Arc<Mutex<Option<_>>> = Arc::default();
    let kept = Arc::clone(&sent);
    let summary = run_with_transactions(&env, move |number, seen| match number {
        1 => {
            *kept.lock().expect("no panic") = Some(seen.body.clone());
            Act::Cut
        }
        _ => Act::fault(400, "AccessDeniedException"),
    })
    .await;
    // The touch of the other connection is not written either.
    assert_eq!((summary.unwritten, changes(&summary)), (2, vec![]));
    assert_eq!(
        summary.connections["PENDING"], 1,
        "what is known is reported"
    );
    assert_eq!(last_run(&env).await.snapshots, None);
    assert_verifies(&env).await;

    // The request was in flight all the time.
    let late = sent.lock().expect("no panic").take().expect("it was sent");
    let proxy = Proxy::start(&env.table_endpoint, move |_| Act::PassAs(late.clone())).await;
    let client = Client::new(&test_env::quick(&proxy.endpoint));
    let other = ParameterizedStatement::builder().statement("SELECT * FROM \"other\"");
    let request = client
        .execute_transaction()
        .transact_statements(other.build().expect("a statement"));
    request.send().await.expect("it arrives");
    assert_eq!(env.story(&arn).await.len(), 1);
    assert_verifies(&env).await;

    let next = env.run().await;
    assert_eq!(next.outcome, Outcome::Complete);
    assert_eq!(changes(&next), []);
    assert!(last_run(&env).await.snapshots.is_some());
    assert_verifies(&env).await;
}

#[tokio::test]
async fn change_followed_by_another_run_is_counted_by_its_own_run() {
    assert_followed_change_is_counted(Duration::from_mins(1)).await;
    // By then the observation is too old to be sent again.
    assert_followed_change_is_counted(test_env::HOUR).await;
}

async fn assert_followed_change_is_counted(after: Duration) {
    let env = TestEnv::new().await;
    let arn = env.create("c");
    let written = Arc::new(AtomicBool::new(false));
    let released = Arc::new(AtomicBool::new(false));
    let (was_written, is_released) = (Arc::clone(&written), Arc::clone(&released));
    let first = run_with_transactions(&env, move |number, _| {
        if number == 1 {
            return Act::fault_after(500, "InternalServerError");
        }
        was_written.store(true, Ordering::SeqCst);
        if is_released.load(Ordering::SeqCst) {
            Act::Pass
        } else {
            Act::fault(400, "ThrottlingException")
        }
    });
    let second = async {
        crate::support::until("the first one's change is written", || {
            written.load(Ordering::SeqCst)
        })
        .await;
        env.set_status(&arn, "AVAILABLE");
        env.clock.advance(after);
        let second = test_env::run(&env.handler(), &json!({})).await;
        released.store(true, Ordering::SeqCst);
        second
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(changes(&second), [(ChangeKind::StatusChanged, 1)]);
    assert_eq!(first.outcome, Outcome::Complete, "{:?}", first.problems);
    assert_eq!(changes(&first), [(ChangeKind::FirstSeen, 1)]);
    assert_eq!(env.story(&arn).await.len(), 2);
    assert_verifies(&env).await;
}

/// Asserts that a connection that was observed but not written is not recorded
/// as absent before.
async fn assert_first_seen_without_earlier_absence(env: &TestEnv, arn: &str) {
    let next = env.run().await;
    assert_eq!(next.outcome, Outcome::Complete);
    let [first] = env.changes(arn).await.try_into().expect("one change");
    assert_eq!(first.kind, ChangeKind::FirstSeen);
    assert_eq!(first.previously_seen_at, None);
    assert_verifies(env).await;
}

#[tokio::test]
async fn run_that_cannot_read_the_table_is_no_evidence_of_absence() {
    let env = TestEnv::new().await;
    let arn = env.create("c");
    let proxy = Proxy::start(&env.table_endpoint, |seen| match seen.operation.as_str() {
        "Query" => Act::fault(400, "AccessDeniedException"),
        _ => Act::Pass,
    })
    .await;
    let summary = test_env::run(&handler(&env, &proxy), &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Failed);
    assert_eq!(summary.sequence, Some(1), "{:?}", summary.problems);
    assert_first_seen_without_earlier_absence(&env, &arn).await;
}

#[tokio::test]
async fn run_with_refused_change_is_no_evidence_of_absence() {
    let env = TestEnv::new().await;
    let arn = env.create("c");
    let refused = |_, _: &Seen| Act::fault(400, "ValidationException");
    let summary = run_with_transactions(&env, refused).await;
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(summary.unwritten, 1);
    assert_first_seen_without_earlier_absence(&env, &arn).await;
}
