//! API calls on connections: which calls the rule matches, and how batches of calls
//! become runs.

use std::collections::BTreeSet;
use std::path::Path;

use codeconnections_inventory::domain::{Cause, Outcome};
use codeconnections_inventory::local::codeconnections::Fault;
use serde_json::{Value, json};

use super::story::{creation, sample};
use crate::support::aws::Aws;
use crate::support::eventually;
use crate::support::stack::Stack;
use crate::support::template::text;
use crate::support::test_env::REGION;

/// More calls than a batch of the emulator, fewer than a batch on AWS.
const BURST: usize = 60;
/// Maximum batch size of the emulator, regardless of the template.
const MESSAGES_AT_ONCE: usize = 10;
/// Concurrent batches, as in the template.
const BATCHES_AT_ONCE: usize = 2;

pub async fn put(aws: &Aws, queue: &str, bodies: &[String]) {
    for (number, chunk) in bodies.chunks(10).enumerate() {
        let entries: Vec<Value> = chunk
            .iter()
            .enumerate()
            .map(|(i, body)| json!({"Id": format!("m{number}-{i}"), "MessageBody": body}))
            .collect();
        let batch = json!({"QueueUrl": queue, "Entries": entries});
        let sent = aws.call("sqs", "send_message_batch", batch).await;
        assert_eq!(
            sent["Successful"].as_array().map(Vec::len),
            Some(chunk.len())
        );
    }
}

/// Returns the visible messages of a queue, and those in flight.
async fn waiting(aws: &Aws, queue: &str) -> (u64, u64) {
    let request = json!({"QueueUrl": queue, "AttributeNames": ["All"]});
    let found = aws.call("sqs", "get_queue_attributes", request).await;
    let number = |name: &str| text(&found["Attributes"][name]).parse().expect("a number");
    (
        number("ApproximateNumberOfMessages"),
        number("ApproximateNumberOfMessagesNotVisible"),
    )
}

pub async fn emptied(aws: &Aws, queue: &str) {
    eventually("the queue is empty", async || {
        (waiting(aws, queue).await == (0, 0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn rule_matches_only_calls_that_change_connections() {
    let stack = Stack::deployed().await;
    let rule = stack.rule("ConnectionEvents").await;
    let matches = async |event: &Value| stack.matches(&rule, event).await;

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let mut matched = BTreeSet::new();
    let mut ignored = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("events/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
        let mut event = sample(name);
        // EventBridge requires the complete envelope.
        if event.get("detail-type").is_none() {
            event = json!({
                "id": "1", "source": "none", "detail-type": "none", "account": "123456789012",
                "time": "2026-10-08T16:21:07Z", "region": REGION, "resources": [], "detail": event,
            });
        }
        let side = match matches(&event).await {
            true => &mut matched,
            false => &mut ignored,
        };
        side.insert(name.to_owned());
    }
    for name in &matched {
        assert!(name.starts_with("cloudtrail-"), "{name}");
    }
    for name in &ignored {
        let is_tag = name == "cloudtrail-tag-resource.json";
        assert!(is_tag || !name.starts_with("cloudtrail-"), "{name}");
    }
    assert!(
        matched.len() >= 2 && ignored.len() >= 2,
        "{matched:?} {ignored:?}"
    );

    let call = sample("cloudtrail-create-connection.json");
    for name in [
        "CreateConnection",
        "DeleteConnection",
        "UpdateConnectionInstallation",
        "StartOAuthHandshake",
        "CreateHost",
        "UpdateHost",
        "DeleteHost",
        "RegisterAppCode",
        "StartAppRegistrationHandshake",
        "CallOfLaterYears",
    ] {
        for source in ["codeconnections", "codestar-connections"] {
            let mut event = call.clone();
            event["source"] = json!(format!("aws.{source}"));
            event["detail"]["eventSource"] = json!(format!("{source}.amazonaws.com"));
            event["detail"]["eventName"] = json!(name);
            assert!(matches(&event).await, "{name} of {source}");
            event["detail"]["errorCode"] = json!("AccessDenied");
            assert!(!matches(&event).await, "{name} of {source}, refused");
            event["detail"] = call["detail"].clone();
            event["detail"]["eventName"] = json!(name);
            event["detail"]["eventSource"] = json!(format!("{source}.amazonaws.com"));
            event["detail"]["readOnly"] = json!(true);
            assert!(
                !matches(&event).await,
                "{name} of {source}, which only reads"
            );
        }
    }
    // They may not be marked as read-only, but change nothing that is listed.
    for name in [
        "TagResource",
        "UntagResource",
        "UseConnection",
        "PassConnection",
        "PassRepository",
        "GetConnectionToken",
        "GetIndividualAccessToken",
        "GetInstallationUrl",
        "ListInstallationTargets",
    ] {
        let mut event = call.clone();
        event["detail"]["eventName"] = json!(name);
        assert!(!matches(&event).await, "{name}");
    }
    for (name, source, kind) in [
        (
            "ListConnections",
            "aws.codeconnections",
            "AWS API Call via CloudTrail",
        ),
        (
            "GetConnection",
            "aws.codeconnections",
            "AWS API Call via CloudTrail",
        ),
        (
            "CreateConnection",
            "aws.codepipeline",
            "AWS API Call via CloudTrail",
        ),
        (
            "CreateConnection",
            "aws.codeconnections",
            "AWS Console Sign In via CloudTrail",
        ),
    ] {
        let mut event = call.clone();
        event["source"] = json!(source);
        event["detail-type"] = json!(kind);
        event["detail"]["eventName"] = json!(name);
        let reads = name.starts_with("List") || name.starts_with("Get");
        event["detail"]["readOnly"] = json!(reads);
        assert!(!matches(&event).await, "{name} of {source}, {kind}");
    }

    let queue = stack.resource("EventQueue").await;
    let target = stack.target_queue(&rule).await;
    assert!(queue.ends_with(&format!("/{target}")), "{target}: {queue}");
}

#[tokio::test]
async fn burst_of_calls_causes_few_runs_and_loses_none() {
    let stack = Stack::deployed().await;
    let queue = stack.resource("EventQueue").await;
    let call = |number: usize| {
        let arn = stack.connect(&format!("connection-{number}"));
        creation(stack.account(), &arn, number).to_string()
    };
    // The first runs are throttled while the other calls arrive.
    stack.codeconnections.set_faults(|_| Some(Fault::Throttle));
    let calls: Vec<String> = (1..BURST).map(call).collect();
    put(&stack.aws, &queue, &calls).await;
    eventually("runs are under way", async || {
        (waiting(&stack.aws, &queue).await.1 > 0).then_some(())
    })
    .await;
    stack.codeconnections.clear_faults();
    // The last call arrives after a run has listed all earlier connections.
    eventually("a run ends", async || stack.runs().await.pop()).await;
    put(&stack.aws, &queue, &[call(BURST)]).await;

    emptied(&stack.aws, &queue).await;

    let runs = stack.runs().await;
    assert!(
        runs.len() <= BURST / MESSAGES_AT_ONCE + BATCHES_AT_ONCE + 1,
        "{} runs after {BURST} calls",
        runs.len()
    );
    assert!(runs.iter().all(|run| run.outcome == Outcome::Complete));
    let recorded = stack.connections().await;
    let names: BTreeSet<_> = recorded
        .into_iter()
        .filter_map(|c| c.attributes.connection_name)
        .collect();
    assert_eq!(names.len(), BURST, "{names:?}");
    let failures = stack.output("FailureQueueUrl");
    assert_eq!(waiting(&stack.aws, failures).await, (0, 0));
}

/// Invokes the deployed function directly, because the emulator has no batches as large
/// as those of AWS.
#[tokio::test]
async fn batch_of_calls_is_one_run_and_each_change_has_its_cause() {
    let stack = Stack::deployed().await;
    let mut records = Vec::new();
    let mut arns = Vec::new();
    for number in 1..=BURST {
        let arn = stack.connect(&format!("connection-{number}"));
        let call = creation(stack.account(), &arn, number);
        let body = call.to_string();
        let id = format!("message-{number}");
        records.push(json!({"messageId": id, "eventSource": "aws:sqs", "body": body}));
        arns.push((arn, call));
    }

    let answer = stack.invoke(&json!({"Records": records})).await;

    assert_eq!(answer["batchItemFailures"], json!([]), "{answer:#}");
    assert_eq!(stack.runs().await.len(), 1);
    for (arn, event) in arns {
        let changes = stack.changes_of(stack.account(), &arn).await;
        let [change] = changes.as_slice() else {
            panic!("one change: {changes:?}");
        };
        let Some(Cause::ApiCall(call)) = &change.cause else {
            panic!("a call: {change:?}");
        };
        assert_eq!(*call.event_id, text(&event["id"]));
        assert_eq!(&*call.event_name, "CreateConnection");
        let detail = &event["detail"];
        let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        assert_eq!(owned(&call.cloudtrail_id), Some(text(&detail["eventID"])));
        let who = text(&detail["userIdentity"]["arn"]);
        assert_eq!(owned(&call.principal_arn), Some(who));
        let from = text(&detail["sourceIPAddress"]);
        assert_eq!(owned(&call.source_ip), Some(from));
    }
}

/// Shortens the visibility timeout, so that returned messages are received again soon.
async fn set_visibility_timeout(stack: &Stack, queue: &str, seconds: &str) {
    let attributes = json!({"QueueUrl": queue, "Attributes": {"VisibilityTimeout": seconds}});
    let aws = &stack.aws;
    aws.call("sqs", "set_queue_attributes", attributes).await;
}

#[tokio::test]
async fn unprocessable_messages_go_to_failure_queue_without_blocking() {
    let stack = Stack::deployed().await;
    let queue = stack.resource("EventQueue").await;
    set_visibility_timeout(&stack, &queue, "1").await;
    let arn = stack.connect("payments-api");
    let foreign = creation("999999999999", &arn, 2).to_string();
    let mut nameless = creation(stack.account(), &arn, 3);
    nameless["detail"]
        .as_object_mut()
        .expect("a map")
        .remove("eventName");
    let invalid = BTreeSet::from(["no JSON".to_owned(), foreign, nameless.to_string()]);
    let mut bodies = Vec::from_iter(invalid.clone());
    bodies.insert(1, creation(stack.account(), &arn, 1).to_string());

    put(&stack.aws, &queue, &bodies).await;

    let failures = stack.output("FailureQueueUrl");
    eventually("all invalid messages are there", async || {
        (waiting(&stack.aws, failures).await.0 == 3).then_some(())
    })
    .await;
    assert_eq!(waiting(&stack.aws, &queue).await, (0, 0));
    let request = json!({"QueueUrl": failures, "MaxNumberOfMessages": 10});
    let received = stack.aws.call("sqs", "receive_message", request).await;
    let messages = received["Messages"].as_array().expect("messages");
    let found: BTreeSet<String> = messages.iter().map(|m| text(&m["Body"])).collect();
    assert_eq!(found, invalid, "unchanged");
    // The valid message caused one run only: it was not redelivered.
    let runs = stack.runs().await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0].outcome, Outcome::Complete);
    assert_eq!(stack.connections().await.len(), 1);
}

#[tokio::test]
async fn call_is_redelivered_until_its_run_completes() {
    let stack = Stack::deployed().await;
    let queue = stack.resource("EventQueue").await;
    set_visibility_timeout(&stack, &queue, "5").await;
    let arn = stack.connect("payments-api");
    stack.codeconnections.set_faults(|_| Some(Fault::Deny));

    let call = creation(stack.account(), &arn, 1).to_string();
    put(&stack.aws, &queue, &[call]).await;

    let run = eventually("a run fails", async || stack.runs().await.pop()).await;
    assert_eq!(run.outcome, Outcome::Failed);
    assert!(stack.connections().await.is_empty());
    stack.codeconnections.clear_faults();
    emptied(&stack.aws, &queue).await;
    let runs = stack.runs().await;
    let (last, before) = runs.split_last().expect("runs");
    assert_eq!(last.outcome, Outcome::Complete);
    assert!(before.iter().all(|run| run.outcome == Outcome::Failed));
    assert_eq!(stack.connections().await.len(), 1);
    let failures = stack.output("FailureQueueUrl");
    assert_eq!(waiting(&stack.aws, failures).await, (0, 0));
}
