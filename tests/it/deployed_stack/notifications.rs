//! Events and notifications: from the function's writes through the table's stream, the
//! pipes and the bus to a topic.

use std::collections::BTreeMap;
use std::path::Path;

use codeconnections_inventory::table::schema;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::story::{self, CHANGES, NAMES, NOT_COMPLETE};
use crate::support::aws::Aws;
use crate::support::dynamodb_local::DynamoDbLocal;
use crate::support::eventually;
use crate::support::pipes::Pipe;
use crate::support::python::{fine, python};
use crate::support::stack::Stack;
use crate::support::stream_records::{enable, records_of};
use crate::support::template::{list, text};
use crate::support::test_env::REGION;

/// Creates a queue that receives the raw messages of a topic.
async fn inbox(aws: &Aws, topic: &str) -> String {
    let name = topic.rsplit(':').next();
    let made = aws
        .call("sqs", "create_queue", json!({"QueueName": name}))
        .await;
    let queue = text(&made["QueueUrl"]);
    let request = json!({"QueueUrl": queue, "AttributeNames": ["QueueArn"]});
    let found = aws.call("sqs", "get_queue_attributes", request).await;
    let subscription = json!({
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": found["Attributes"]["QueueArn"],
        "Attributes": {"RawMessageDelivery": "true"},
    });
    aws.call("sns", "subscribe", subscription).await;
    queue
}

/// Receives and deletes all messages of a queue.
async fn received(aws: &Aws, queue: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let request = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
        let answer = aws.call("sqs", "receive_message", request).await;
        let Some(messages) = answer["Messages"].as_array().filter(|m| !m.is_empty()) else {
            return bodies;
        };
        for message in messages {
            bodies.push(text(&message["Body"]));
            let done = json!({"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]});
            aws.call("sqs", "delete_message", done).await;
        }
    }
}

/// A stack whose function writes to DynamoDB Local.
///
/// The streams of the emulator's tables lack PartiQL writes, and the function writes only
/// with PartiQL. Streams of DynamoDB Local have them, so the function's table, of the same
/// name, is there.
struct Streaming {
    stack: Stack,
    _local: DynamoDbLocal,
    aws: Aws,
}

impl Streaming {
    async fn deployed_with(parameters: &[(&str, &str)], overlay: impl FnOnce(&mut Value)) -> Self {
        let local = DynamoDbLocal::start().await;
        let mut stack = Stack::prepared().await;
        stack
            .deploy(parameters, |template| {
                let function = &mut template["Resources"]["Function"]["Properties"];
                let variables = &mut function["Environment"]["Variables"];
                variables["AWS_ENDPOINT_URL_DYNAMODB"] = json!(local.endpoint);
                overlay(template);
            })
            .await;
        let table = stack.table_at(&local.endpoint);
        let made = schema::create(table.client(), table.name()).await;
        made.expect("a table");
        let aws = Aws::new(&local.endpoint, REGION, stack.account()).await;
        enable(&aws, table.name().as_str()).await;
        Self {
            stack,
            _local: local,
            aws,
        }
    }

    /// Returns the records of the stream, once it has those of `runs` runs.
    async fn records(&self, runs: usize) -> Vec<Value> {
        eventually("the stream has all runs", async || {
            let records = records_of(&self.aws, self.stack.output("TableName")).await;
            let ended = records.iter().filter(|record| {
                record["dynamodb"]["Keys"]["pk"]["S"]
                    .as_str()
                    .is_some_and(|key| key.starts_with("RUNS#"))
            });
            (ended.count() >= runs).then_some(records)
        })
        .await
    }
}

/// Tests the path only: the emulator's pipes deliver complete records to topics, and the
/// test below covers filters and templates. The records are written into the emulator's
/// table once more, so that its stream has them.
#[tokio::test]
async fn status_change_reaches_a_topic_through_stream_and_pipe() {
    let streaming = Streaming::deployed_with(&[], |template| {
        let resources = &mut template["Resources"];
        resources["Copies"] = json!({"Type": "AWS::SNS::Topic"});
        let pipe = &mut resources["ChangesPipe"]["Properties"];
        pipe["Target"] = json!({"Ref": "Copies"});
        pipe["TargetParameters"] = json!({});
    })
    .await;
    let stack = &streaming.stack;
    let queue = inbox(&stack.aws, &stack.resource("Copies").await).await;
    let arn = stack.connect("payments-api");
    stack.invoke(&json!({})).await;

    let set = stack.codeconnections.state().set_status(&arn, "ERROR");
    set.expect("set");
    stack.invoke(&json!({})).await;

    for record in streaming.records(2).await {
        let item = record["dynamodb"]["NewImage"].clone();
        if item.get("notice").is_none() {
            continue; // no change
        }
        let again = json!({"TableName": stack.output("TableName"), "Item": item});
        stack.aws.call("dynamodb", "put_item", again).await;
    }
    let mut changes = Vec::new();
    eventually("both changes arrive", async || {
        for body in received(&stack.aws, &queue).await {
            let record: Value = serde_json::from_str(&body).expect("JSON");
            let image = record["dynamodb"]["NewImage"].clone();
            if text(&image["pk"]["S"]).starts_with("CONNECTION#") {
                changes.push(image);
            }
        }
        (changes.len() >= 2).then_some(())
    })
    .await;
    let kinds: Vec<&str> = changes
        .iter()
        .filter_map(|c| c["kind"]["S"].as_str())
        .collect();
    assert_eq!(kinds, ["FIRST_SEEN", "STATUS_CHANGED"]);
    let notice = &changes[1]["notice"]["M"];
    assert_eq!(notice["status_before"]["S"], "PENDING");
    assert_eq!(notice["status_after"]["S"], "ERROR");
    assert_eq!(changes[1]["arn"]["S"], json!(arn));
}

/// Returns the events that the template's pipes make of the records of a stream, by
/// detail-type.
async fn events_of(records: &[Value], events: &Aws) -> BTreeMap<String, Vec<Value>> {
    let mut made = BTreeMap::new();
    for name in ["ChangesPipe", "RunsPipe"] {
        let pipe = Pipe::of_the_template(name);
        let mut details = Vec::new();
        for record in records {
            if pipe.matches(events, record).await {
                details.push(pipe.detail(record));
            }
        }
        assert_eq!(pipe.source, "codeconnections-inventory");
        made.insert(pipe.detail_type, details);
    }
    made
}

const CHANGED: &str = "CodeConnections Connection Changed";
const NOT_COMPLETED: &str = "CodeConnections Inventory Run Not Complete";

fn count(details: &[Value], field: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for detail in details {
        *counts.entry(text(&detail[field])).or_default() += 1;
    }
    counts
}

/// Asserts that the events are those of the scenario, and valid by their schemas.
async fn assert_events(events: &BTreeMap<String, Vec<Value>>) {
    let changes = &events[CHANGED];
    let expected = CHANGES.map(|(kind, times)| (kind.to_owned(), times));
    assert_eq!(count(changes, "kind"), BTreeMap::from(expected));
    let runs = &events[NOT_COMPLETED];
    let expected = NOT_COMPLETE.map(|outcome| (outcome.to_owned(), 1));
    assert_eq!(count(runs, "outcome"), BTreeMap::from(expected));
    for run in runs {
        assert_harmless(&run["problem"]);
    }

    let named = count(changes, "connectionName");
    for name in NAMES {
        assert!(named.contains_key(name), "{name:?} is unchanged: {named:?}");
    }
    let errors: Vec<&Value> = changes
        .iter()
        .filter(|c| c["statusAfter"] == "ERROR" && c["kind"] == "STATUS_CHANGED")
        .collect();
    let [error] = errors.as_slice() else {
        panic!("one went to ERROR: {errors:?}");
    };
    assert_eq!(error["connectionName"], NAMES[1]);
    assert_eq!(error["statusBefore"], "PENDING");
    for change in changes {
        assert_harmless(&change["summary"]);
        let name = text(&change["connectionName"]);
        let cause = text(&change["cause"]);
        let has_caller = change["kind"] == "FIRST_SEEN" && name == NAMES[0];
        assert_eq!(cause.contains("CreateConnection"), has_caller, "{change}");
    }

    for (detail_type, details) in events {
        let (sample, schema) = published(detail_type);
        let fields = |detail: &Value| {
            let map = detail.as_object().expect("a map");
            map.keys().cloned().collect::<Vec<String>>()
        };
        let file = NamedTempFile::new().expect("a file");
        let mut lines = String::new();
        for detail in details {
            assert_eq!(fields(detail), fields(&sample["detail"]));
            let mut event = sample.clone();
            event["detail"] = detail.clone();
            lines.push_str(&format!("{event}\n"));
        }
        std::fs::write(&file, lines).expect("written");
        let file = file.path().to_str().expect("a path");
        fine(python("against_schema.py", &[&schema, file]).await);
    }
}

/// Asserts that the pipe of alterations ignores the function's own writes, and matches
/// altered or removed changes and runs and removed account records.
async fn assert_alterations_match(records: &[Value], events: &Aws) {
    let pipe = Pipe::of_the_template("AlterationsPipe");
    let (sample, _) = published(&pipe.detail_type);
    for record in records {
        assert!(!pipe.matches(events, record).await, "{record}");
    }
    let one_of = |prefix: &str| {
        let pk = |record: &&Value| {
            let pk = record["dynamodb"]["Keys"]["pk"]["S"].as_str();
            pk.is_some_and(|pk| pk.starts_with(prefix))
        };
        records.iter().find(pk).expect("a record").clone()
    };
    for (prefix, name, expected) in [
        ("CONNECTION#", "MODIFY", true),
        ("CONNECTION#", "REMOVE", true),
        ("RUNS#", "MODIFY", true),
        ("RUNS#", "REMOVE", true),
        ("ACCOUNT#", "MODIFY", false),
        ("ACCOUNT#", "REMOVE", true),
    ] {
        let mut record = one_of(prefix);
        record["eventName"] = json!(name);
        assert_eq!(
            pipe.matches(events, &record).await,
            expected,
            "{prefix} {name}"
        );
        let detail = pipe.detail(&record);
        assert_eq!(detail["eventName"], name);
        assert_eq!(detail["pk"], record["dynamodb"]["Keys"]["pk"]["S"]);
        let fields = |detail: &Value| {
            let map = detail.as_object().expect("a map");
            map.keys().cloned().collect::<Vec<String>>()
        };
        assert_eq!(fields(&detail), fields(&sample["detail"]));
    }
}

/// Asserts that a text needs no escaping in JSON, because EventBridge rules insert it
/// into a message unescaped.
fn assert_harmless(value: &Value) {
    assert_eq!(value.to_string(), format!("\"{}\"", text(value)));
}

/// Returns the sample of an event of `events/out`, and the path of its schema.
fn published(detail_type: &str) -> (Value, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/out");
    for entry in std::fs::read_dir(folder).expect("events/out") {
        let path = entry.expect("an entry").path();
        let name = path.to_str().expect("a path").to_owned();
        if name.ends_with(".schema.json") || !name.ends_with(".json") {
            continue;
        }
        let sample: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).expect("read")).expect("JSON");
        if sample["detail-type"] == detail_type {
            return (sample, name.replace(".json", ".schema.json"));
        }
    }
    panic!("events/out has no {detail_type}");
}

/// Asserts that a message about an event is in the format of custom notifications, and
/// shows no name that would be markup.
/// <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>
fn assert_custom_notification(message: &Value, detail: &Value) {
    assert_eq!(message["version"], "1.0", "{message}");
    assert_eq!(message["source"], "custom", "{message}");
    let description = text(&message["content"]["description"]);
    let [title, thread] = [
        &message["content"]["title"],
        &message["metadata"]["threadId"],
    ];
    for (shown, field) in [
        (title, "outcome"),
        (title, "kind"),
        (thread, "connectionArn"),
    ] {
        if let Some(value) = detail[field].as_str() {
            assert!(text(shown).contains(value), "{field}: {message}");
        }
    }
    assert!(description.contains(&text(&detail["account"])), "{message}");
    let name = detail["connectionName"].as_str().unwrap_or_default();
    let is_markup = name.contains(['<', '[', '`']);
    if let Some(summary) = detail["summary"].as_str() {
        assert_eq!(description == summary, !is_markup, "{message}");
    }
    assert!(
        !is_markup || !message.to_string().contains(name),
        "{message}"
    );
    for step in list(&message["content"]["nextSteps"]) {
        assert!(text(step).starts_with("ccinv "), "{message}");
    }
}

#[tokio::test]
async fn recorded_changes_become_published_events_and_messages() {
    let topics = [("Notifications", "chat")];
    let streaming = Streaming::deployed_with(&topics, |_| {}).await;
    let stack = &streaming.stack;
    let mut runs = 0;
    story::play(&stack.codeconnections, stack.account(), async |event| {
        stack.invoke(&event).await;
        runs += 1;
    })
    .await;

    let records = streaming.records(runs).await;
    let events = events_of(&records, &stack.aws).await;

    assert_events(&events).await;
    assert_alterations_match(&records, &stack.aws).await;

    // Some of the events on the stack's bus are sent to the topics.
    let queue = inbox(&stack.aws, stack.output("TopicArn")).await;
    let chat = inbox(&stack.aws, stack.output("ChatTopicArn")).await;
    let mut unsafe_names = 0;
    for (detail_type, details) in &events {
        for detail in details {
            let entry = json!({
                "EventBusName": stack.output("EventBusName"),
                "Source": "codeconnections-inventory",
                "DetailType": detail_type,
                "Detail": detail.to_string(),
            });
            let put = json!({"Entries": [entry]});
            let put = stack.aws.call("events", "put_events", put).await;
            assert_eq!(put["FailedEntryCount"], 0, "{put}");

            let messages = received(&stack.aws, &queue).await;
            let broke = detail["statusAfter"] == "ERROR" && detail["kind"] == "STATUS_CHANGED";
            let notified = detail_type == NOT_COMPLETED || broke || detail["kind"] == "DELETED";
            assert_eq!(
                messages.len(),
                usize::from(notified),
                "{detail}: {messages:?}"
            );
            for message in messages {
                let fields = if detail_type == NOT_COMPLETED {
                    ["account", "runId", "outcome", "problem"]
                } else {
                    ["account", "runId", "summary", "connectionArn"]
                };
                for field in fields {
                    let value = text(&detail[field]);
                    assert!(message.contains(&value), "no {field} in {message}");
                }
                let read = serde_json::from_str::<String>(&message);
                assert!(read.is_ok(), "one JSON string: {message}");
            }
            let in_chat = received(&stack.aws, &chat).await;
            assert_eq!(
                in_chat.len(),
                usize::from(notified),
                "{detail}: {in_chat:?}"
            );
            for message in in_chat {
                let message: Value = serde_json::from_str(&message).expect("JSON");
                assert_custom_notification(&message, detail);
                let summary = &detail["summary"];
                unsafe_names += usize::from(
                    summary.is_string() && message["content"]["description"] != *summary,
                );
            }
        }
    }

    assert_eq!(unsafe_names, 1, "of the deleted connection");

    // Events of another bus, source or type are not sent.
    let detail = &events[NOT_COMPLETED][0];
    for (bus, source, detail_type) in [
        ("default", "codeconnections-inventory", NOT_COMPLETED),
        (stack.output("EventBusName"), "somebody", NOT_COMPLETED),
        (
            stack.output("EventBusName"),
            "codeconnections-inventory",
            "Something Else",
        ),
    ] {
        let entry = json!({
            "EventBusName": bus, "Source": source, "DetailType": detail_type,
            "Detail": detail.to_string(),
        });
        let put = json!({"Entries": [entry]});
        stack.aws.call("events", "put_events", put).await;
    }
    assert_eq!(received(&stack.aws, &queue).await, Vec::<String>::new());
    assert_eq!(received(&stack.aws, &chat).await, Vec::<String>::new());
}
