//! Each run logs one line of metrics in CloudWatch's embedded metric format.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;

use crate::support::runtime_emulator::{Emulator, Environment};
use crate::support::scripted_listing::Stage;
use crate::support::scripted_service;
use crate::support::test_env::{ACCOUNT, REGION, TestEnv};
use serde_json::{Value, json};

const NAMESPACE: &str = "CodeConnectionsInventory";

fn environment(env: &TestEnv) -> Environment {
    Environment::of(env)
        .with("METRICS_NAMESPACE", NAMESPACE)
        .with("AWS_LAMBDA_FUNCTION_NAME", "inventory")
        .with("REGIONS", "eu-west-1,eu-south-1")
}

/// Returns the first `number` metric lines, each checked against the
/// specification.
async fn lines(emulator: &Emulator, number: usize) -> Vec<Value> {
    let lines = emulator
        .lines(number, |line| line.contains("\"_aws\""))
        .await;
    let is_json = |line: &String| serde_json::from_str::<Value>(line).is_ok();
    assert!(lines.iter().all(is_json), "{lines:?}");
    parse_and_check(&lines)
}

fn parse_and_check(lines: &[String]) -> Vec<Value> {
    let metrics = lines.iter().filter(|line| line.contains("\"_aws\""));
    let read = metrics
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("JSON: {line}")));
    let lines: Vec<Value> = read.collect();
    lines.iter().for_each(check);
    lines
}

/// Asserts that a line follows the specification.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
fn check(line: &Value) {
    let units = ["Count", "Milliseconds", "Seconds"];
    let aws = &line["_aws"];
    assert!(aws["Timestamp"].is_u64(), "{line}");
    let directives = aws["CloudWatchMetrics"].as_array().expect("a list");
    let [directive] = directives.as_slice() else {
        panic!("one directive: {line}");
    };
    assert_eq!(directive["Namespace"], NAMESPACE);
    assert_eq!(directive["Dimensions"], json!([["Function"]]));
    assert_eq!(
        line["Function"], "inventory",
        "a dimension is a text of the line"
    );
    let metrics = directive["Metrics"].as_array().expect("a list");
    assert!(metrics.len() <= 100);
    let mut names = BTreeSet::new();
    for metric in metrics {
        let name = metric["Name"].as_str().expect("a name");
        assert!(names.insert(name), "{name} is there once: {line}");
        assert!(units.contains(&metric["Unit"].as_str().expect("a unit")));
        assert!(line[name].is_u64(), "{name} has a value: {line}");
    }
    for field in ["run_id", "account", "outcome", "level", "timestamp"] {
        assert!(line[field].is_string(), "{field}: {line}");
    }
}

fn values<const N: usize>(line: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| {
        line[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {line}"))
    })
}

const CONNECTIONS: [&str; 4] = [
    "ConnectionsAvailable",
    "ConnectionsPending",
    "ConnectionsError",
    "ConnectionsOther",
];
const CHANGES: [&str; 5] = [
    "ChangesFirstSeen",
    "ChangesStatusChanged",
    "ChangesAttributesChanged",
    "ChangesDeleted",
    "ChangesReappeared",
];
const RUN: [&str; 2] = ["IncompleteListings", "CompleteRuns"];

#[tokio::test]
async fn each_run_logs_one_line_with_connection_and_change_counts() {
    let env = TestEnv::new().await;
    let entry = |id: &str, status: &str| {
        scripted_service::entry(&scripted_service::arn(REGION, id), id, status)
    };
    let stage = Stage::new(vec![
        entry("a", "AVAILABLE"),
        entry("b", "ERROR"),
        entry("c", "RETIRED"),
        entry("d", "PENDING"),
    ])
    .await;
    let environment = environment(&env).with("AWS_ENDPOINT_URL_CODECONNECTIONS", &stage.endpoint);
    let emulator = Emulator::start(environment).await;

    let first = emulator.invoke(&json!({})).await.answer();
    stage.show(vec![
        entry("a", "ERROR"),
        entry("b", "ERROR"),
        entry("c", "RETIRED"),
    ]);
    emulator.invoke(&json!({})).await.answer();

    let lines = lines(&emulator, 2).await;
    let [one, two] = lines.as_slice() else {
        panic!("two lines: {lines:#?}");
    };
    assert_eq!(one["run_id"], first["run_id"]);
    assert_eq!(one["account"], ACCOUNT);
    assert_eq!(one["outcome"], "COMPLETE");
    assert_eq!(values(one, CONNECTIONS), [1, 1, 1, 1]);
    assert_eq!(values(one, CHANGES), [4, 0, 0, 0, 0]);
    assert_eq!(values(one, RUN), [0, 1]);
    assert_eq!(values(one, ["CompleteRunAge"]), [0]);
    assert_eq!(one["RunDuration"], first["duration_ms"]);
    assert_eq!(values(two, CONNECTIONS), [0, 0, 2, 1]);
    assert_eq!(values(two, CHANGES), [0, 1, 0, 1, 0]);
}

#[tokio::test]
async fn incomplete_run_logs_the_age_of_the_last_complete_run() {
    let env = TestEnv::new().await;
    env.create("a");
    env.deny(REGION);
    env.deny("eu-south-1");
    let emulator = Emulator::start(environment(&env)).await;
    emulator.invoke(&json!({})).await.error();
    env.allow(REGION);
    env.allow("eu-south-1");
    emulator.invoke(&json!({})).await.answer();
    env.deny("eu-south-1");
    let partial = emulator.invoke(&json!({})).await.answer();
    assert_eq!(partial["outcome"], "PARTIAL");

    let lines = lines(&emulator, 3).await;
    let outcomes: Vec<&Value> = lines.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["FAILED", "COMPLETE", "PARTIAL"]);
    let [failed, _, partial] = lines.as_slice() else {
        panic!("three lines");
    };
    assert_eq!(values(failed, RUN), [2, 0]);
    assert_eq!(
        failed.get("CompleteRunAge"),
        None,
        "there is no complete run"
    );
    assert_eq!(values(partial, RUN), [1, 0]);
    assert!(partial["CompleteRunAge"].is_u64());
    assert_eq!(values(partial, CONNECTIONS), [0, 1, 0, 0]);
}

#[tokio::test]
async fn unreadable_table_gives_no_connection_metrics() {
    let env = TestEnv::new().await;
    env.create("a");
    let environment = environment(&env).with("TABLE_NAME", "not-there");
    let emulator = Emulator::start(environment).await;
    emulator.invoke(&json!({})).await.error();
    let lines = lines(&emulator, 1).await;
    assert_eq!(lines.len(), 1);
    for name in CONNECTIONS {
        assert_eq!(lines[0].get(name), None, "zero would be a claim");
    }
    assert_eq!(values(&lines[0], RUN), [0, 0]);
}

#[tokio::test]
async fn repeated_event_and_missing_namespace_give_no_metrics() {
    let env = TestEnv::new().await;
    env.create("a");
    let tick = include_str!("../../../events/scheduled-rule.json");
    let tick: Value = serde_json::from_str(tick).expect("JSON");
    let emulator = Emulator::start(environment(&env)).await;
    emulator.invoke(&tick).await.answer();
    let again = emulator.invoke(&tick).await.answer();
    assert_eq!(again["already_recorded"], true);
    assert_eq!(parse_and_check(&emulator.end()).len(), 1);

    let silent = Emulator::start(Environment::of(&env)).await;
    silent.invoke(&json!({})).await.answer();
    assert_eq!(parse_and_check(&silent.end()), [] as [Value; 0]);
}

#[tokio::test]
async fn only_unfiltered_runs_of_all_configured_regions_count_as_complete() {
    let env = TestEnv::new().await;
    env.create("a");
    let emulator = Emulator::start(environment(&env)).await;
    let events = [
        json!({"regions": ["eu-west-1"]}),
        json!({}),
        json!({"ProviderTypeFilter": "GitHub"}),
        json!({"regions": ["eu-west-1"]}),
        json!({"regions": ["eu-south-1", "eu-west-1", "us-east-1"]}),
    ];
    for event in &events {
        let answer = emulator.invoke(event).await.answer();
        assert_eq!(answer["outcome"], "COMPLETE", "{event}: {answer}");
    }
    let lines = lines(&emulator, 5).await;
    let counted: Vec<&Value> = lines.iter().map(|line| &line["CompleteRuns"]).collect();
    assert_eq!(counted, [0, 1, 0, 0, 1]);
    // The age is that of the last run that counts.
    let ages: Vec<Option<&Value>> = lines.iter().map(|l| l.get("CompleteRunAge")).collect();
    assert_eq!(ages[0], None, "there is no complete run");
    assert!(ages[1..].iter().all(Option::is_some), "{ages:?}");
}
