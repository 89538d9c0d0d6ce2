//! Tests the table on a second, independent implementation of DynamoDB:
//! Amazon's own DynamoDB Local.
//!
//! `.ci/second-table` runs all table tests there; `cargo test` runs these few.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::dynamodb_local::DynamoDbLocal;
use crate::support::proxy::{Act, Proxy};
use crate::support::test_env::{self, TestEnv, account, changes};
use codeconnections_inventory::domain::{ChangeKind, Outcome};
use serde_json::json;

#[tokio::test]
async fn dynamodb_local_gives_the_same_record() {
    let local = DynamoDbLocal::start().await;
    every_change(&local.env().await).await;
    concurrent_runs(&local.env().await).await;
    lost_responses(&local.env().await).await;
}

async fn every_change(env: &TestEnv) {
    let arns: Vec<String> = (0..30).map(|n| env.create(&format!("c{n}"))).collect();
    env.run().await;
    env.set_status(&arns[0], "AVAILABLE");
    env.delete(&arns[1]);
    let summary = env.run().await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(
        changes(&summary),
        [(ChangeKind::StatusChanged, 1), (ChangeKind::Deleted, 1)]
    );
    assert!(env.run().await.changes.is_empty());
    assert_eq!(env.story(&arns[1]).await.len(), 2);
    assert!(env.connection(&arns[1]).await.deleted_at.is_some());
    let pending = env
        .table
        .connections_by_status(&"PENDING".into())
        .await
        .expect("read");
    assert_eq!(
        pending.iter().filter(|c| c.account == account()).count(),
        28
    );
    assert_eq!(env.runs().await.len(), 3);
}

async fn concurrent_runs(env: &TestEnv) {
    let arns: Vec<String> = (0..10).map(|n| env.create(&format!("c{n}"))).collect();
    let handlers = [env.handler(), env.handler(), env.handler()];
    let event = json!({});
    let runs = handlers
        .iter()
        .map(|handler| test_env::run(handler, &event));
    for summary in futures_util::future::join_all(runs).await {
        assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    }
    for arn in &arns {
        assert_eq!(env.story(arn).await.len(), 1);
    }
    assert_eq!(env.runs().await.len(), 3);
}

async fn lost_responses(env: &TestEnv) {
    let arn = env.create("c");
    let count = AtomicUsize::new(0);
    let proxy = Proxy::start(&env.table_endpoint, move |_| {
        match count.fetch_add(1, Ordering::SeqCst) % 4 {
            3 => Act::Pass,
            _ => Act::fault_after(500, "InternalServerError"),
        }
    })
    .await;
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
    assert_eq!(env.story(&arn).await.len(), 1);
    assert_eq!(env.runs().await.len(), 1);
}
