//! Tests which runs an SQS batch starts, and which messages it returns as
//! failed.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::time::Duration;

use crate::support::consumers::{none, operation, refusal};
use crate::support::proxy::{Act, Proxy};
use crate::support::test_env::{self, ACCOUNT, HOUR, REGION, TestEnv};
use codeconnections_inventory::domain::{
    Cause, ChangeKind, Dependency, DependencyId, DependencyType, EventSummary, Outcome, Trigger,
};
use codeconnections_inventory::lambda::response::Response;
use codeconnections_inventory::lambda::sqs_batch::Batch;
use codeconnections_inventory::local::codeconnections::{Operation, Scope};
use serde_json::{Value, json};

const CREATED: &str = include_str!("../../../events/cloudtrail-create-connection.json");
const TAGGED: &str = include_str!("../../../events/cloudtrail-tag-resource.json");
const COMPLETED: &str =
    include_str!("../../../events/cloudtrail-update-connection-installation.json");
const HOST_UPDATED: &str = include_str!("../../../events/cloudtrail-update-host.json");

/// Returns a sample of a call event about `arn`, with this ID.
fn call(sample: &str, name: &str, id: &str, arn: &str) -> Value {
    let mut event: Value = serde_json::from_str(sample).expect("JSON");
    event["id"] = id.into();
    let detail = &mut event["detail"];
    detail["eventName"] = name.into();
    match name {
        "CreateConnection" => detail["responseElements"]["connectionArn"] = arn.into(),
        "DeleteConnection" | "UpdateConnectionInstallation" => {
            detail["responseElements"] = Value::Null;
            detail["requestParameters"] = json!({"connectionArn": arn});
        }
        "UpdateHost" => detail["requestParameters"]["hostArn"] = arn.into(),
        _ => detail["requestParameters"]["resourceArn"] = arn.into(),
    }
    event
}

fn message(id: &str, body: &str) -> Value {
    json!({"messageId": id, "body": body, "eventSource": "aws:sqs"})
}

/// Returns a batch of these events, with message IDs from `m0`.
fn batch(events: &[Value]) -> Value {
    let messages = events.iter().enumerate();
    let messages: Vec<Value> = messages
        .map(|(i, event)| message(&format!("m{i}"), &event.to_string()))
        .collect();
    json!({"Records": messages})
}

/// Returns the response to an event, as Lambda receives it.
async fn answer(env: &TestEnv, event: &Value) -> Value {
    let answer = env.handler().handle(event, Duration::from_secs(60)).await;
    let answer = answer.expect("answered");
    assert!(matches!(answer, Response::Batch { .. }));
    serde_json::to_value(&answer).expect("JSON")
}

fn failed(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array().expect("a list");
    let ids = failures.iter().map(|failure| {
        let id = failure["itemIdentifier"].as_str();
        id.expect("an id")
    });
    ids.collect()
}

#[tokio::test]
async fn batch_of_calls_starts_one_run_that_records_each_cause() {
    let env = TestEnv::new().await;
    let doomed = env.create("doomed");
    let steady = env.create("steady");
    let broken = env.create("broken");
    env.run().await;
    env.clock.advance(HOUR);
    let mut events = Vec::new();
    let mut made = Vec::new();
    for i in 0..30 {
        let arn = env.create(&format!("made-{i}"));
        events.push(call(CREATED, "CreateConnection", &format!("e{i}"), &arn));
        made.push(arn);
    }
    env.delete(&doomed);
    env.set_status(&broken, "ERROR");
    events.push(call(CREATED, "DeleteConnection", "deleted", &doomed));
    events.push(call(TAGGED, "TagResource", "tagged", &broken));

    let answer = answer(&env, &batch(&events)).await;

    assert_eq!(failed(&answer), [] as [&str; 0]);
    assert_eq!(answer["runs"].as_array().map(Vec::len), Some(1));
    let runs = env.runs().await;
    let [_, run] = runs.as_slice() else {
        panic!("two runs: {runs:?}");
    };
    assert_eq!(run.outcome, Outcome::Complete, "{:?}", run.problems);
    assert!(run.is_evidence(), "it listed all configured regions");
    assert_eq!(run.trigger.calls().len(), 32);
    for (i, arn) in made.iter().enumerate() {
        let changes = env.changes(arn).await;
        let Some(Cause::ApiCall(call)) = &changes[0].cause else {
            panic!("{arn} was made by a call: {changes:?}");
        };
        assert_eq!(*call.event_id, format!("e{i}"));
        assert_eq!(&*call.event_name, "CreateConnection");
        let maria = "arn:aws:sts::123456789012:assumed-role/PlatformEngineer/maria.example";
        assert_eq!(call.principal_arn.as_deref(), Some(maria));
        assert_eq!(call.source_ip.as_deref(), Some("203.0.113.24"));
    }
    let history = env.changes(&doomed).await;
    let Some(Cause::ApiCall(call)) = &history[1].cause else {
        panic!("{doomed} was deleted by a call: {history:?}");
    };
    assert_eq!(&*call.event_id, "deleted");
    // A call that tags a connection explains no status.
    let changes = env.changes(&broken).await;
    assert_eq!(changes[1].kind, ChangeKind::StatusChanged);
    assert_eq!(changes[1].cause, Some(Cause::NoCallSeen));
    assert_eq!(env.changes(&steady).await.len(), 1);
}

#[tokio::test]
async fn change_without_matching_call_reports_that_none_was_observed() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    env.run().await;
    env.set_status(&arn, "AVAILABLE");
    env.run().await;
    env.delete(&arn);
    env.run().await;
    let changes = env.changes(&arn).await;
    assert_eq!(changes.len(), 3);
    for change in changes {
        assert_eq!(change.cause, Some(Cause::NoCallSeen));
        let event_summary = EventSummary::of(&change);
        assert_eq!(event_summary.cause, "no matching AWS call observed");
        assert!(
            event_summary.summary.contains(&event_summary.cause),
            "{}",
            event_summary.summary
        );
    }
}

#[tokio::test]
async fn completing_a_pending_connection_in_the_console_explains_its_status() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    env.run().await;
    env.clock.advance(HOUR);
    env.set_status(&arn, "AVAILABLE");
    let completed = call(COMPLETED, "UpdateConnectionInstallation", "completed", &arn);
    answer(&env, &batch(&[completed])).await;
    let changes = env.changes(&arn).await;
    assert_eq!(changes[1].kind, ChangeKind::StatusChanged);
    let Some(Cause::ApiCall(call)) = &changes[1].cause else {
        panic!("explained: {changes:?}");
    };
    assert_eq!(&*call.event_name, "UpdateConnectionInstallation");
}

#[tokio::test]
async fn unknown_call_without_a_resource_starts_a_run() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    let mut event = call(CREATED, "StartFutureHandshake", "unknown", &arn);
    event["detail"]["requestParameters"] = Value::Null;
    event["detail"]["responseElements"] = Value::Null;
    let answer = answer(&env, &batch(&[event])).await;
    assert_eq!(failed(&answer), [] as [&str; 0]);
    let runs = env.runs().await;
    let [run] = runs.as_slice() else {
        panic!("one run: {runs:?}");
    };
    assert_eq!(&*run.trigger.calls()[0].event_name, "StartFutureHandshake");
    assert_eq!(run.trigger.calls()[0].resource_arn, None);
    let changes = env.changes(&arn).await;
    assert_eq!(changes[0].cause, Some(Cause::NoCallSeen));
}

#[tokio::test]
async fn host_call_explains_changes_of_its_connections_only() {
    let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/ghes-1a2b3c4d";
    let env = TestEnv::new().await;
    let of_host = |status: &str| {
        let arn = crate::support::scripted_service::arn(REGION, "behind");
        let mut entry = crate::support::scripted_service::entry(&arn, "behind", status);
        entry["HostArn"] = host.into();
        entry
    };
    let other = |status: &str| {
        let arn = crate::support::scripted_service::arn(REGION, "other");
        crate::support::scripted_service::entry(&arn, "other", status)
    };
    let stage = crate::support::scripted_listing::Stage::new(vec![
        of_host("AVAILABLE"),
        other("AVAILABLE"),
    ])
    .await;
    env.run_with(&stage.endpoint, &json!({})).await;
    env.clock.advance(HOUR);
    stage.show(vec![of_host("ERROR"), other("ERROR")]);
    let event = call(HOST_UPDATED, "UpdateHost", "updated", host);
    env.run_with(&stage.endpoint, &event).await;

    let cause = async |id: &str| {
        let changes = env
            .changes(&crate::support::scripted_service::arn(REGION, id))
            .await;
        changes[1].cause.clone().expect("a cause")
    };
    let Cause::ApiCall(call) = cause("behind").await else {
        panic!("explained");
    };
    assert_eq!(&*call.event_name, "UpdateHost");
    assert_eq!(cause("other").await, Cause::NoCallSeen);
}

#[tokio::test]
async fn failed_call_explains_no_change() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    env.run().await;
    env.clock.advance(HOUR);
    env.delete(&arn);
    let mut event = call(CREATED, "DeleteConnection", "refused", &arn);
    event["detail"]["errorCode"] = "AccessDenied".into();
    answer(&env, &batch(&[event])).await;
    let changes = env.changes(&arn).await;
    assert_eq!(changes[1].cause, Some(Cause::NoCallSeen));
}

#[tokio::test]
async fn invalid_messages_are_returned_as_failed_and_others_are_processed() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    let good = call(CREATED, "CreateConnection", "good", &arn).to_string();
    let mut foreign: Value = serde_json::from_str(&good).expect("JSON");
    foreign["account"] = "999999999999".into();
    let rule = include_str!("../../../events/scheduled-rule.json");
    let event = json!({"Records": [
        message("poison", "{"),
        message("nothing", ""),
        message("rule", rule),
        message("request", "{}"),
        message("good", &good),
        message("foreign", &foreign.to_string()),
        {"messageId": "bodiless", "eventSource": "aws:sqs"},
    ]});
    let answer = answer(&env, &event).await;
    let mut refused = failed(&answer);
    refused.sort_unstable();
    let wrong = [
        "bodiless", "foreign", "nothing", "poison", "request", "rule",
    ];
    assert_eq!(refused, wrong);
    assert_eq!(env.runs().await.len(), 1);
    assert_eq!(env.changes(&arn).await.len(), 1);
}

#[tokio::test]
async fn messages_of_a_failed_run_are_returned_as_failed() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    let event = batch(&[
        call(CREATED, "CreateConnection", "one", &arn),
        call(TAGGED, "TagResource", "two", &arn),
    ]);
    env.deny(REGION);
    assert_eq!(failed(&answer(&env, &event).await), ["m0", "m1"]);
    env.allow(REGION);
    env.clock.advance(HOUR);
    assert_eq!(failed(&answer(&env, &event).await), [] as [&str; 0]);
    let changes = env.changes(&arn).await;
    let [change] = changes.as_slice() else {
        panic!("one change: {changes:?}");
    };
    assert!(matches!(&change.cause, Some(Cause::ApiCall(_))));
}

#[tokio::test]
async fn second_delivery_of_a_single_message_writes_nothing() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    let event = batch(&[call(CREATED, "CreateConnection", "one", &arn)]);
    answer(&env, &event).await;
    let again = answer(&env, &event).await;
    assert_eq!(again["runs"][0]["already_recorded"], true);
    assert_eq!(env.runs().await.len(), 1);
}

#[tokio::test]
async fn batch_lists_the_configured_regions_and_those_of_its_calls() {
    let env = TestEnv::new().await;
    let arn = env.create_in("eu-south-1", "elsewhere");
    let mut event = call(CREATED, "CreateConnection", "one", &arn);
    event["detail"]["awsRegion"] = "eu-south-1".into();
    answer(&env, &batch(&[event])).await;
    let runs = env.runs().await;
    let regions: Vec<&str> = runs[0].listings.iter().map(|l| l.region.as_str()).collect();
    assert_eq!(regions, ["eu-south-1", REGION]);
    assert_eq!(env.changes(&arn).await.len(), 1);
}

#[test]
fn each_account_of_a_batch_has_its_own_request() {
    let mut events = Vec::new();
    for (account, id) in [("111111111111", "a"), (ACCOUNT, "b"), ("111111111111", "c")] {
        let mut event = call(CREATED, "CreateConnection", id, "arn");
        event["account"] = account.into();
        events.push(event);
    }
    let read = Batch::from_event(&batch(&events)).expect("a batch");
    let requests: Vec<_> = read
        .expect("a batch")
        .requests
        .into_iter()
        .map(|(request, ids)| {
            let Trigger::ApiCalls { calls } = request.trigger else {
                panic!("calls");
            };
            let calls: Vec<String> = calls.iter().map(|c| c.event_id.to_string()).collect();
            let ids: Vec<String> = ids.into_iter().map(|id| id.id).collect();
            (request.account.expect("an account").to_string(), calls, ids)
        })
        .collect();
    let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        requests,
        [
            (
                "111111111111".to_owned(),
                texts(&["a", "c"]),
                texts(&["m0", "m2"])
            ),
            (ACCOUNT.to_owned(), texts(&["b"]), texts(&["m1"])),
        ]
    );
}

#[test]
fn batch_with_unidentifiable_message_is_rejected_as_a_whole() {
    for (record, field) in [
        (
            json!({"eventSource": "aws:kinesis", "messageId": "m"}),
            "eventSource",
        ),
        (json!({"messageId": "m"}), "eventSource"),
        (json!({"eventSource": "aws:sqs"}), "messageId"),
        (
            json!({"eventSource": "aws:sqs", "messageId": ""}),
            "messageId",
        ),
        (json!(7), "eventSource"),
    ] {
        let event = json!({"Records": [message("m", "{}"), record]});
        let refusal = Batch::from_event(&event).expect_err("refused");
        assert_eq!(refusal.field, format!("Records[1].{field}"));
    }
    assert_eq!(Batch::from_event(&json!({"Records": {}})), Ok(None));
}

#[tokio::test]
async fn empty_batch_has_an_empty_response() {
    let env = TestEnv::new().await;
    let answer = answer(&env, &json!({"Records": []})).await;
    assert_eq!(answer, json!({"batchItemFailures": [], "runs": []}));
    assert_eq!(env.codeconnections.requests(), 0);
}

/// The services that name connections. Nothing uses one, and tags are listed one by one.
async fn services_without_consumers(env: &TestEnv) -> Proxy {
    Proxy::start(env.service.endpoint(), |seen| match operation(seen) {
        "GetResources" => refusal(400, "AccessDeniedException"),
        _ if seen.service() == "codeconnections" => Act::Pass,
        _ => none(seen).unwrap_or(Act::Pass),
    })
    .await
}

/// Handles an event an hour later, as the function of dependencies does.
async fn run_of_dependencies(env: &TestEnv, services: &Proxy, event: &Value) -> Value {
    env.clock.advance(HOUR);
    let source = env.source_at(&services.endpoint);
    let connections = env.handler_of(source, env.table.clone());
    let handler = connections.of_dependencies();
    let answer = handler.handle(event, Duration::from_secs(60)).await;
    serde_json::to_value(answer.expect("answered")).expect("JSON")
}

#[tokio::test]
async fn run_of_dependencies_after_a_call_elsewhere_lists_the_configured_regions() {
    let env = TestEnv::new().await;
    let scope = Scope::new(ACCOUNT, "us-east-1");
    let host = json!({"Name": "ghes", "ProviderType": "GitLabSelfManaged",
        "ProviderEndpoint": "https://git.example.com"});
    let created = {
        let mut state = env.codeconnections.state();
        state.perform(&scope, Operation::CreateHost, host)
    };
    let host = created.expect("created")["HostArn"].clone();
    let services = services_without_consumers(&env).await;
    let mut event = call(
        HOST_UPDATED,
        "UpdateHost",
        "e1",
        host.as_str().expect("an ARN"),
    );
    event["detail"]["awsRegion"] = "us-east-1".into();
    let after_call = run_of_dependencies(&env, &services, &batch(&[event])).await;
    let scheduled = run_of_dependencies(&env, &services, &json!({})).await;
    for run in [&after_call["runs"][0], &scheduled] {
        assert_eq!(run["outcome"], "COMPLETE", "{run}");
        let listings = run["listings"].as_array().expect("a list").iter();
        let mut scopes = listings.map(|listing| listing["region"].as_str().expect("a scope"));
        assert!(scopes.all(|scope| scope.ends_with(REGION)), "{run}");
    }
    // Its sources list different things, and no region those of another.
    let runs = env.table.of_kind::<Dependency>();
    let recorded = runs.read_run(&test_env::account(), 1).await.expect("read");
    assert_eq!(recorded.expect("a run").agreement, None);
}

#[tokio::test]
async fn run_of_dependencies_names_the_call_on_tags_host_or_link() {
    let env = TestEnv::new().await;
    let connection = env.create("payments");
    let scope = Scope::new(ACCOUNT, REGION);
    let perform = |operation: Operation, input: Value| {
        let done = env
            .codeconnections
            .state()
            .perform(&scope, operation, input);
        done.expect("performed")
    };
    let host = json!({"Name": "ghes", "ProviderType": "GitLabSelfManaged",
        "ProviderEndpoint": "https://git.example.com"});
    let host = perform(Operation::CreateHost, host)["HostArn"].clone();
    let host = host.as_str().expect("an ARN");
    let services = services_without_consumers(&env).await;
    let run = async |event: &Value| {
        let answer = run_of_dependencies(&env, &services, event).await;
        assert_eq!(answer["runs"][0]["outcome"], "COMPLETE", "{answer}");
        assert_eq!(answer["batchItemFailures"], json!([]), "{answer}");
    };
    let created = call(CREATED, "CreateConnection", "e1", &connection);
    run(&batch(&[created])).await;

    let tags = json!({"ResourceArn": connection, "Tags": [{"Key": "owner", "Value": "payments"}]});
    perform(Operation::TagResource, tags);
    let elsewhere = json!({"HostArn": host, "ProviderEndpoint": "https://elsewhere.example.com"});
    perform(Operation::UpdateHost, elsewhere);
    let tagged = call(TAGGED, "TagResource", "e2", &connection);
    let updated = call(HOST_UPDATED, "UpdateHost", "e3", host);
    let link = json!({"ConnectionArn": connection, "OwnerId": "acme", "RepositoryName": "infra"});
    let link = perform(Operation::CreateRepositoryLink, link)["RepositoryLinkInfo"].clone();
    let link = link["RepositoryLinkArn"].as_str().expect("an ARN");
    // It is the last call, and its request names the connection.
    let mut linked = call(COMPLETED, "CreateRepositoryLink", "e4", "");
    linked["detail"]["requestParameters"] = json!({"connectionArn": connection});
    linked["detail"]["responseElements"] =
        json!({"repositoryLinkInfo": {"repositoryLinkArn": link}});
    run(&batch(&[tagged, updated, linked])).await;

    let tables = env.table.of_kind::<Dependency>();
    for (dependency_type, arn, kind, caller) in [
        (
            DependencyType::Tags,
            &*connection,
            ChangeKind::FirstSeen,
            "TagResource",
        ),
        (
            DependencyType::Host,
            host,
            ChangeKind::AttributesChanged,
            "UpdateHost",
        ),
        (
            DependencyType::RepositoryLink,
            link,
            ChangeKind::FirstSeen,
            "CreateRepositoryLink",
        ),
    ] {
        let id = DependencyId::of(dependency_type, arn, None).expect("an id");
        let changes = tables.changes_of(&test_env::account(), &id).await;
        let changes = changes.expect("changes");
        let last = changes.last().expect("a change");
        assert_eq!(last.kind, kind);
        let cause = last.cause.as_ref().expect("a cause").in_words();
        assert!(
            cause.contains(caller) && cause.contains("maria.example"),
            "{cause}"
        );
    }
}
