//! The same on a second implementation of DynamoDB that we did not write:
//! Amazon's own DynamoDB Local.
//!
//! `.ci/second-table` runs all table tests there; these few run there every time.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support;

use std::sync::atomic::{AtomicUsize, Ordering};

use codeconnections_inventory::domain::{ChangeKind, Outcome};
use serde_json::json;
use support::dynamodb_local::DynamoDbLocal;
use support::lab::{self, Lab, account, changes};
use support::proxy::{Act, Proxy};

#[tokio::test]
async fn amazons_own_dynamodb_local_gives_the_same_record() {
    let local = DynamoDbLocal::start().await;
    a_whole_life(&local.lab().await).await;
    runs_at_the_same_time(&local.lab().await).await;
    lost_answers(&local.lab().await).await;
}

async fn a_whole_life(lab: &Lab) {
    let arns: Vec<String> = (0..30).map(|n| lab.create(&format!("c{n}"))).collect();
    lab.run().await;
    lab.set_status(&arns[0], "AVAILABLE");
    lab.delete(&arns[1]);
    let summary = lab.run().await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(
        changes(&summary),
        [(ChangeKind::StatusChanged, 1), (ChangeKind::Deleted, 1)]
    );
    assert!(lab.run().await.changes.is_empty());
    assert_eq!(lab.story(&arns[1]).await.len(), 2);
    assert!(lab.connection(&arns[1]).await.deleted_at.is_some());
    let pending = lab.table.in_status(&"PENDING".into()).await.expect("read");
    assert_eq!(
        pending.iter().filter(|c| c.account == account()).count(),
        28
    );
    assert_eq!(lab.runs().await.len(), 3);
}

async fn runs_at_the_same_time(lab: &Lab) {
    let arns: Vec<String> = (0..10).map(|n| lab.create(&format!("c{n}"))).collect();
    let handlers = [lab.handler(), lab.handler(), lab.handler()];
    let event = json!({});
    let runs = handlers.iter().map(|handler| lab::run(handler, &event));
    for summary in futures_util::future::join_all(runs).await {
        assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    }
    for arn in &arns {
        assert_eq!(lab.story(arn).await.len(), 1);
    }
    assert_eq!(lab.runs().await.len(), 3);
}

async fn lost_answers(lab: &Lab) {
    let arn = lab.create("c");
    let count = AtomicUsize::new(0);
    let proxy = Proxy::start(&lab.table_endpoint, move |_| {
        match count.fetch_add(1, Ordering::SeqCst) % 4 {
            3 => Act::Pass,
            _ => Act::fault_after(500, "InternalServerError"),
        }
    })
    .await;
    let source = lab.source_at(lab.service.endpoint());
    let handler = lab.handler_of(source, lab.table_at(&proxy.endpoint));
    let summary = lab::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
    assert_eq!(lab.story(&arn).await.len(), 1);
    assert_eq!(lab.runs().await.len(), 1);
}
