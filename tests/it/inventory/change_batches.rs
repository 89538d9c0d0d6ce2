//! Changes are written several to a transaction, and each is recorded exactly once
//! whatever becomes of the others.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::raw_items::findings;
use crate::support::scripted_listing::{Held, Stage};
use crate::support::scripted_service::{arn, entry};
use crate::support::test_env::{self, HOUR, REGION, TestEnv, changes};
use codeconnections_inventory::domain::{ChangeKind, Outcome};
use codeconnections_inventory::inventory::Summary;
use codeconnections_inventory::table::write::CHANGES;
use serde_json::json;

/// Creates connections for two full transactions and a part of one.
fn create(env: &TestEnv) -> Vec<String> {
    let number = 2 * CHANGES + 5;
    (0..number).map(|n| env.create(&format!("c{n}"))).collect()
}

/// Runs with this policy in front of the table's transactions, by their number. Returns
/// how many were sent.
async fn run_behind(
    env: &TestEnv,
    act: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static,
) -> (Summary, usize) {
    let transactions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&transactions);
    let policy = move |seen: &Seen| match seen.operation.as_str() {
        "ExecuteTransaction" => act(counted.fetch_add(1, Ordering::SeqCst) + 1, seen),
        _ => Act::Pass,
    };
    let proxy = Proxy::start(&env.table_endpoint, policy).await;
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    env.clock.advance(HOUR);
    let summary = test_env::run_for(&handler, &json!({}), Duration::from_mins(15)).await;
    (summary, transactions.load(Ordering::SeqCst))
}

/// Asserts that each connection has one change, and that the record verifies.
async fn assert_recorded_once(env: &TestEnv, arns: &[String]) {
    for arn in arns {
        assert_eq!(env.story(arn).await.len(), 1, "{arn}");
    }
    assert_eq!(findings(env).await, [] as [String; 0]);
}

#[tokio::test]
async fn changes_are_written_25_to_a_transaction() {
    let env = TestEnv::new().await;
    let arns = create(&env);
    let (summary, transactions) = run_behind(&env, |_, _| Act::Pass).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(transactions, 3);
    assert_eq!(CHANGES, 25);
    assert_recorded_once(&env, &arns).await;
}

#[tokio::test]
async fn transactions_with_lost_responses_are_recorded_once_and_counted() {
    let env = TestEnv::new().await;
    let arns = create(&env);
    // Longer than the SDK retries, which it does with the same token.
    let (summary, _) = run_behind(&env, |number, _| match number {
        ..15 => Act::fault_after(500, "InternalServerError"),
        _ => Act::Pass,
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(
        changes(&summary),
        [(ChangeKind::FirstSeen, arns.len() as u64)]
    );
    assert_recorded_once(&env, &arns).await;
}

#[tokio::test]
async fn refused_change_holds_up_no_other_of_its_transaction() {
    let env = TestEnv::new().await;
    let mut arns = create(&env);
    let refused = arns.remove(7);
    let name = refused.clone();
    let (summary, _) = run_behind(&env, move |_, seen| {
        if String::from_utf8_lossy(&seen.body).contains(&name) {
            Act::fault(400, "ValidationException")
        } else {
            Act::Pass
        }
    })
    .await;
    assert_eq!((summary.outcome, summary.unwritten), (Outcome::Partial, 1));
    let problem = format!("write {refused}: ");
    assert!(summary.problems[0].starts_with(&problem), "{summary:?}");
    assert_recorded_once(&env, &arns).await;
    assert_eq!(env.story(&refused).await, []);
}

#[tokio::test]
async fn superseded_change_leaves_the_others_of_its_transaction() {
    let env = TestEnv::new().await;
    let ids = ["a", "b", "c"].map(|name| arn(REGION, name));
    let listed = |statuses: [&str; 3]| {
        let entries = ids.iter().zip(["a", "b", "c"]).zip(statuses);
        entries
            .map(|((id, name), status)| entry(id, name, status))
            .collect()
    };
    let stage = Stage::new(listed(["PENDING"; 3])).await;
    env.run_with(&stage.endpoint, &json!({})).await;

    // The older run sees all of them change, and is suspended before it writes. A
    // newer one records another state of the second.
    stage.show(listed(["AVAILABLE"; 3]));
    let held = Held::before(&env, "ExecuteTransaction").await;
    env.clock.advance(HOUR);
    let older_handler = env.handler_of(env.source_at(&stage.endpoint), held.table(&env));
    let event = json!({});
    let older = test_env::run(&older_handler, &event);
    let newer = async {
        held.reached().await;
        stage.show(vec![entry(&ids[1], "b", "ERROR")]);
        env.clock.advance(Duration::from_mins(1));
        // A filter leaves the others out, which does not show that they are deleted.
        let filter = json!({"ProviderTypeFilter": "GitHub"});
        let newer = env.run_with(&stage.endpoint, &filter).await;
        held.release();
        newer
    };
    let (older, newer) = tokio::join!(older, newer);
    assert_eq!(changes(&newer), [(ChangeKind::StatusChanged, 1)]);
    assert_eq!(older.outcome, Outcome::Complete, "{:?}", older.problems);
    assert_eq!(changes(&older), [(ChangeKind::StatusChanged, 2)]);
    assert_eq!(findings(&env).await, [] as [String; 0]);
}
