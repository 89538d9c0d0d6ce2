//! The schedules of a single account.

use codeconnections_inventory::domain::{ChangeKind, Outcome};

use crate::support::eventually;
use crate::support::stack::Stack;
use crate::support::test_env::REGION;

#[tokio::test]
async fn schedule_runs_the_function_and_records_the_run() {
    let stack = Stack::deployed().await;
    let arn = stack.connect("payments-api");
    let rule = stack.rule("Schedule").await;
    assert_eq!(rule["ScheduleExpression"], "rate(1 hour)");
    assert_eq!(rule["State"], "ENABLED");
    assert!(stack.runs().await.is_empty());

    stack.hurry("Schedule").await;
    let run = eventually("the schedule fires", async || {
        stack.runs().await.into_iter().next()
    })
    .await;
    stack.pause("Schedule").await;

    assert_eq!(run.outcome, Outcome::Complete);
    let trigger = serde_json::to_value(&run.trigger).expect("JSON");
    assert_eq!(trigger["kind"], "SCHEDULE");
    assert_eq!(trigger["source_arn"], rule["Arn"]);
    let regions: Vec<&str> = run.listings.iter().map(|l| l.region.as_str()).collect();
    assert_eq!(regions, [REGION], "the function's own region");
    let changes = stack.changes_of(stack.account(), &arn).await;
    assert_eq!(changes[0].kind, ChangeKind::FirstSeen);
    assert_eq!(changes[0].run_id, run.run_id);
    assert_eq!(stack.connections().await.len(), 1);
}

#[tokio::test]
async fn schedule_of_dependencies_runs_their_function_and_records_the_run() {
    let stack = Stack::deployed().await;
    let rule = stack.rule("DependenciesRule").await;
    assert_eq!(rule["ScheduleExpression"], "rate(1 day)");

    stack.hurry("DependenciesRule").await;
    let run = eventually("the schedule fires", async || {
        let runs = stack.dependency_runs_of(stack.account()).await;
        runs.into_iter().next()
    })
    .await;
    stack.pause("DependenciesRule").await;

    assert_eq!(run.outcome, Outcome::Complete, "{:?}", run.problems);
    let trigger = serde_json::to_value(&run.trigger).expect("JSON");
    assert_eq!(trigger["source_arn"], rule["Arn"]);
    let mut scopes = run.listings.iter().map(|listing| listing.region.as_str());
    assert!(scopes.any(|scope| scope == format!("codepipeline/{REGION}")));
    assert!(stack.runs().await.is_empty(), "no run of connections");
}
