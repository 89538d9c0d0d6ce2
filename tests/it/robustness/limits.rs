//! Values that are too long or too many, and tables that are too slow, are
//! reported, and the rest is recorded.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

#[path = "../../../benches/scale/bucket.rs"]
#[allow(dead_code, reason = "this test uses only a part of it")]
mod bucket;

use std::sync::Mutex;
use std::time::Duration;

use crate::support::TestEnv;
use crate::support::proxy::{Act, Proxy};
use crate::support::raw_http_server::{Hostile, Raw};
use crate::support::raw_items::{get, put};
use crate::support::scripted_service::{Reply, Script, arn, entry, last};
use crate::support::test_env::{self, ACCOUNT, HOUR, REGION, changes};
use crate::support::virtual_time::Time;
use aws_sdk_dynamodb::types::AttributeValue;
use bucket::Bucket;
use codeconnections_inventory::aws::Deadline;
use codeconnections_inventory::domain::listing::MAX_OBSERVATION_AGE;
use codeconnections_inventory::domain::run::OTHER_STATUSES;
use codeconnections_inventory::domain::{ChangeKind, Outcome};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::lambda::handler::HandlerError;
use codeconnections_inventory::lambda::response::Response;
use codeconnections_inventory::listing::Limits;
use codeconnections_inventory::table::codec::snapshot;
use codeconnections_inventory::table::fast_path;
use serde_json::{Value, json};

/// The maximum size of an item in bytes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const ITEM: usize = 400 * 1024;

/// Returns an upper bound of the size of the largest run record: that of its
/// JSON, which has the names and values of the item.
async fn largest_run(env: &TestEnv) -> usize {
    let runs = env.runs().await;
    let sizes = runs
        .iter()
        .map(|run| serde_json::to_string(run).expect("JSON").len());
    sizes.max().expect("a run")
}

async fn scripted(env: &TestEnv, script: &Script) -> Summary {
    env.clock.advance(HOUR);
    env.run_with(&script.endpoint, &json!({})).await
}

#[tokio::test]
async fn longest_valid_values_are_recorded_and_longer_ones_reported() {
    let env = TestEnv::new().await;
    // The longest values of the service's model, in characters of four bytes.
    let longest = arn(REGION, &"x".repeat(256 - arn(REGION, "").len()));
    let name = "🦀".repeat(32);
    let (listed_arn, listed_name) = (longest.clone(), name.clone());
    let script = Script::start(move |_| {
        let mut fits = entry(&arn(REGION, "fits"), &"n".repeat(1024), &"S".repeat(1024));
        fits["HostArn"] = "h".repeat(1024).into();
        last(vec![entry(&listed_arn, &listed_name, "AVAILABLE"), fits])
    })
    .await;
    let summary = scripted(&env, &script).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 2)]);
    let row = env.connection(&longest).await;
    assert_eq!(row.attributes.connection_name.as_deref(), Some(&*name));

    for (field, code) in [
        ("ConnectionName", "AttributeTooLong"),
        ("ConnectionStatus", "AttributeTooLong"),
        ("HostArn", "AttributeTooLong"),
        ("OwnerAccountId", "AttributeTooLong"),
        ("ProviderType", "AttributeTooLong"),
        ("ConnectionArn", "UnreadableArn"),
    ] {
        let script = Script::start(move |_| {
            let mut long = entry(&arn(REGION, "long"), "long", "PENDING");
            long[field] = match field {
                "ConnectionArn" => arn(REGION, &"x".repeat(200)),
                _ => "x".repeat(1025),
            }
            .into();
            let id = format!("beside-{field}");
            last(vec![long, entry(&arn(REGION, &id), "beside", "PENDING")])
        })
        .await;
        let summary = scripted(&env, &script).await;
        assert_eq!(summary.outcome, Outcome::Partial);
        let error = summary.listings[0].error.as_ref().expect("an error");
        assert_eq!(&*error.code, code);
        let problem = &summary.problems[0];
        assert!(problem.contains("entry 1 of page 1"), "{problem}");
        assert!(problem.len() < 600, "{problem}");
        assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)], "{field}");
    }
}

#[tokio::test]
async fn excess_statuses_are_counted_together_to_fit_the_record() {
    let env = TestEnv::new().await;
    let script = Script::start(|asked| {
        let from: usize = asked
            .token
            .as_deref()
            .map_or(0, |token| token.parse().expect("ours"));
        let entries = (from..from + 100).map(|number| {
            let status = match number {
                0..20 => "AVAILABLE".to_owned(),
                _ => format!("{number}{}", "S".repeat(1000)),
            };
            entry(&arn(REGION, &format!("c{number}")), "c", &status)
        });
        Reply::Page(
            entries.collect(),
            (from < 200).then(|| (from + 100).to_string()),
        )
    })
    .await;
    for _ in 0..2 {
        let summary = scripted(&env, &script).await;
        assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
        assert_eq!(summary.connections["AVAILABLE"], 20);
        assert_eq!(summary.connections[OTHER_STATUSES], 280 - 49);
        assert_eq!(summary.connections.values().sum::<u64>(), 300);
    }
    assert!(largest_run(&env).await < ITEM);
    assert_eq!(
        crate::support::raw_items::findings(&env).await,
        [] as [String; 0]
    );
}

#[tokio::test]
async fn long_service_error_is_cut_before_it_is_recorded() {
    let env = TestEnv::new().await;
    // {"__type": "x#Odd", "message": 100,000 bytes}, in CBOR.
    let mut body = b"\xa2\x66__type\x65x#Odd\x67message\x7a\x00\x01\x86\xa0".to_vec();
    body.extend([b'm'; 100_000]);
    let mut refusal = Raw::cbor(body);
    refusal.head = String::from_utf8(refusal.head)
        .expect("text")
        .replace("200 OK", "400 Bad Request")
        .into();
    let hostile = Hostile::always(refusal).await;
    let regions: Vec<String> = (1..=64).map(|number| format!("eu-west-{number}")).collect();
    env.clock.advance(HOUR);
    let summary = env
        .run_with(&hostile.endpoint, &json!({"regions": regions}))
        .await;
    assert_eq!(summary.outcome, Outcome::Failed);
    assert!(
        summary.sequence.is_some(),
        "the run is recorded: {:?}",
        summary.problems
    );
    assert!(
        summary.problems[0].ends_with("bytes left out)"),
        "{:?}",
        summary.problems
    );
    assert!(largest_run(&env).await < ITEM);
}

#[tokio::test]
async fn items_edited_to_the_maximum_size_do_not_prevent_the_run_record() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..3).map(|n| env.create(&format!("c{n}"))).collect();
    env.run().await;
    for (arn, attribute) in arns.iter().zip(["presence", "first_seen_at", "digest"]) {
        let key = (format!("ACCOUNT#{ACCOUNT}"), format!("CONNECTION#{arn}"));
        let mut item = get(&env, &key).await;
        let huge = AttributeValue::S("\"\n".repeat(190_000));
        item.insert(attribute.to_owned(), huge);
        put(&env, item).await;
    }
    let summary = env.run().await;
    assert_eq!(summary.outcome, Outcome::Partial, "{:?}", summary.problems);
    assert!(summary.sequence.is_some(), "the run is recorded");
    for attribute in ["presence", "first_seen_at", "digest"] {
        let is_named = |problem: &&String| problem.contains(&format!("attribute {attribute}: "));
        let problem = summary.problems.iter().find(is_named);
        let problem = problem.unwrap_or_else(|| panic!("{attribute}: {:?}", summary.problems));
        assert!(
            problem.len() < 1_200 && !problem.contains('\n'),
            "{problem}"
        );
    }
    assert!(largest_run(&env).await < ITEM);
}

// --- Events -----------------------------------------------------------------

#[tokio::test]
async fn event_too_large_for_a_record_is_rejected_by_field() {
    let env = TestEnv::new().await;
    let sample = include_str!("../../../events/cloudtrail-create-connection.json");
    let mut call: Value = serde_json::from_str(sample).expect("JSON");
    call["detail"]["userIdentity"]["arn"] = "a".repeat(2_049).into();
    let mut rule: Value =
        serde_json::from_str(include_str!("../../../events/scheduled-rule.json")).expect("JSON");
    rule["resources"][0] = "a".repeat(2_049).into();
    let regions: Vec<String> = (0..65).map(|n| format!("eu-west-{n}")).collect();
    for (event, expected) in [
        (
            call,
            "detail.userIdentity.arn: has 2049 bytes; at most 2048",
        ),
        (rule, "resources[0]: has 2049 bytes; at most 2048"),
        (
            json!({"regions": regions}),
            "regions: has 65 entries; at most 64",
        ),
    ] {
        let refused = env.handler().handle(&event, HOUR).await;
        let Err(HandlerError::InvalidEvent(error)) = refused else {
            panic!("refused: {refused:?}");
        };
        assert_eq!(error.to_string(), format!("invalid event: {expected}"));
    }
    assert_eq!(env.runs().await, [], "nothing was written");
}

#[tokio::test]
async fn batch_of_more_calls_than_a_record_holds_has_several_runs() {
    let env = TestEnv::new().await;
    let arn = env.create("made");
    let messages: Vec<Value> = (0..150)
        .map(|number| {
            let mut event = test_env::call_that_made(&arn);
            event["id"] = format!("{number}").into();
            event["detail"]["userIdentity"]["arn"] = "p".repeat(2_048).into();
            event["detail"]["sourceIPAddress"] = "s".repeat(2_048).into();
            let id = format!("m{number}");
            json!({"messageId": id, "body": event.to_string(), "eventSource": "aws:sqs"})
        })
        .collect();
    let answer = env
        .handler()
        .handle(&json!({"Records": messages}), Duration::from_secs(300))
        .await;
    let Ok(Response::Batch { failures, runs }) = answer else {
        panic!("an answer to a batch: {answer:?}");
    };
    assert_eq!(failures, [], "no message is returned as failed");
    assert!(runs.iter().all(|run| run.outcome == Outcome::Complete));
    let recorded = env.runs().await;
    assert_eq!(recorded.len(), runs.len());
    let mut calls: Vec<String> = recorded
        .iter()
        .flat_map(|run| run.trigger.calls())
        .map(|call| call.event_id.to_string())
        .collect();
    calls.sort_by_key(|id| id.parse::<u32>().expect("a number"));
    let all: Vec<String> = (0..150).map(|number| number.to_string()).collect();
    assert_eq!(calls, all, "each call is recorded once");
    assert!(largest_run(&env).await < ITEM / 2);
    assert_eq!(env.changes(&arn).await.len(), 1);
}

// --- Endless listings and tables --------------------------------------------

#[tokio::test]
async fn listing_stops_at_the_connection_limit() {
    let env = TestEnv::new().await;
    let script = Script::start(|asked| {
        let id = |n: usize| format!("{}-{}-{n}", asked.region, asked.number);
        let entries = (0..100).map(|n| entry(&arn(&asked.region, &id(n)), "c", "PENDING"));
        Reply::Page(entries.collect(), Some(id(0)))
    })
    .await;
    let mut handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
    handler.inventory.options.limits.connections = 350;
    let regions = ["eu-west-1", "eu-west-2", "eu-west-3"];
    let summary = test_env::run(&handler, &json!({"regions": regions})).await;
    assert_eq!(summary.outcome, Outcome::Partial);
    for listing in &summary.listings {
        let error = listing.error.as_ref().expect("an error");
        assert_eq!(&*error.code, "ConnectionLimit", "{}", error.message);
    }
    assert!(script.count() <= 3 + 3, "all regions have one limit");
}

#[test]
fn connection_limit_grows_with_memory() {
    let [least, default, most] = [128, 256, 10_240].map(|mb| Limits::within(mb).connections);
    assert!(250 < least && least < default && default < most);
    assert_eq!(Limits::within(0).connections, 0);
}

#[tokio::test]
async fn listing_of_a_thousand_pages_is_read_to_the_last() {
    const PAGES: usize = 1_000;
    // Most are empty, as the service's may be.
    let page = |number: usize| {
        let id = format!("of-page-{number}");
        let entries = if number.is_multiple_of(10) {
            vec![entry(&arn(REGION, &id), &id, "AVAILABLE")]
        } else {
            Vec::new()
        };
        let token = (number < PAGES).then(|| number.to_string());
        Reply::Page(entries, token)
    };
    let number =
        |token: Option<&str>| token.map_or(1, |token| token.parse().map_or(0, |n: usize| n + 1));
    let env = TestEnv::new().await;
    let complete = Script::start(move |asked| page(number(asked.token.as_deref()))).await;
    let summary = scripted(&env, &complete).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 100)]);
    assert_eq!(complete.count(), PAGES);
    let summary = scripted(&env, &complete).await;
    assert_eq!(
        (summary.outcome, changes(&summary)),
        (Outcome::Complete, vec![])
    );

    // The last page fails, so its connections are unknown.
    let broken = Script::start(move |asked| match number(asked.token.as_deref()) {
        PAGES => Reply::Error(403, "AccessDeniedException"),
        number => page(number),
    })
    .await;
    let summary = scripted(&env, &broken).await;
    assert_eq!(
        (summary.outcome, changes(&summary)),
        (Outcome::Partial, vec![])
    );
    let problem = &summary.problems[0];
    assert!(problem.contains("page 1000"), "{problem}");
}

#[tokio::test]
async fn repeated_key_of_table_pages_is_an_error() {
    let env = TestEnv::new().await;
    let page = json!({
        "Items": [],
        "LastEvaluatedKey": {"pk": {"S": format!("ACCOUNT#{ACCOUNT}")}, "sk": {"S": "CONNECTION#x"}},
    });
    let hostile = Hostile::always(Raw::json(page.to_string())).await;
    let table = env.table_at(&hostile.endpoint);
    let error = table
        .read_account(&test_env::account())
        .await
        .expect_err("refused");
    let call_error = error.call_error().expect("a call error");
    assert_eq!(&*call_error.code, "KeyRepeated");
    assert_eq!(hostile.count(), 2);
    let mut pages = table.pages();
    assert!(pages.next().await.expect("a page").is_some());
    let error = pages.next().await.expect_err("refused");
    assert_eq!(
        &*error.call_error().expect("a call error").code,
        "KeyRepeated"
    );
}

// --- Time -------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn longest_lambda_run_ends_before_its_observations_are_stale() {
    let now = tokio::time::Instant::now();
    let longest = Duration::from_secs(900);
    let deadline = Deadline::after(longest);
    assert!(deadline.writing - now < MAX_OBSERVATION_AGE);
    assert!(deadline.end - now < longest);
    assert!(
        deadline.end - deadline.writing >= Duration::from_secs(5),
        "for two records"
    );
}

/// Returns about the write units of a request: a transaction takes two for each
/// item, plus the index entries of a snapshot and a change.
fn units(operation: &str, body: &[u8]) -> f64 {
    let statement = b"\"Statement\":";
    let statements = body.windows(statement.len());
    let statements = statements.filter(|part| part == statement).count();
    let statements = f64::from(u32::try_from(statements).expect("few"));
    match operation {
        "ExecuteTransaction" => 4.0 * statements,
        "ExecuteStatement" | "BatchExecuteStatement" => statements,
        _ => 0.0,
    }
}

#[test]
fn table_of_50_write_units_a_second_is_filled_by_several_runs() {
    Time::run(fill_table_of_50_write_units_a_second);
}

async fn fill_table_of_50_write_units_a_second(time: Time) {
    const CONNECTIONS: usize = 800;
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..CONNECTIONS)
        .map(|n| env.create(&format!("c{n}")))
        .collect();
    let bucket = Mutex::new(Bucket::new(50.0));
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        let cost = units(&seen.operation, &seen.body);
        if cost == 0.0 || bucket.lock().expect("whole").take(cost) {
            Act::Pass
        } else {
            time.advance(Duration::from_millis(100));
            Act::fault(400, "ProvisionedThroughputExceededException")
        }
    })
    .await;
    let table = env.table_at(&proxy.endpoint);
    let handler = env.handler_of(env.source_at(env.service.endpoint()), table);
    let mut partial = 0;
    loop {
        env.clock.advance(HOUR);
        let summary = test_env::run_for(&handler, &json!({}), Duration::from_secs(60)).await;
        assert!(
            summary.sequence.is_some(),
            "it is recorded: {:?}",
            summary.problems
        );
        if summary.outcome == Outcome::Complete {
            break;
        }
        assert_eq!(summary.outcome, Outcome::Partial, "{:?}", summary.problems);
        assert!(summary.unwritten > 0, "{:?}", summary.problems);
        partial += 1;
        assert!(partial < 20, "{:?}", summary.problems);
    }
    assert!(partial > 0, "it was too slow for one run");
    for arn in &arns {
        let story = env.story(arn).await;
        assert_eq!(story, [(ChangeKind::FirstSeen, Some("PENDING".to_owned()))]);
    }
    assert_eq!(
        crate::support::raw_items::findings(&env).await,
        [] as [String; 0]
    );
    // The written items match the format.
    let read = env
        .table
        .read_account(&test_env::account())
        .await
        .expect("read");
    for snapshot in read.snapshots.values() {
        let format = codeconnections_inventory::domain::SchemaVersion::CURRENT;
        let item = snapshot::snapshot_item(&test_env::account(), snapshot, format);
        assert_eq!(
            fast_path::snapshot::read_snapshot(&item).as_ref(),
            Ok(snapshot)
        );
    }
}
