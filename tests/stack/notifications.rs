//! What the stack tells: from the function's writes through the table's stream
//! and the pipes to the bus, and from there to people.

use std::collections::BTreeMap;
use std::path::Path;

use codeconnections_inventory::table::schema;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::story::{self, CHANGES, NAMES, NOT_COMPLETE};
use crate::support::aws::Aws;
use crate::support::dynamodb_local::DynamoDbLocal;
use crate::support::eventually;
use crate::support::pipes::Pipe;
use crate::support::python::{fine, python};
use crate::support::stack::Stack;
use crate::support::stream_records::records_of;
use crate::support::template::{resource, text};
use crate::support::test_env::REGION;

/// A queue that gets what a topic is sent, as it was sent.
async fn inbox(aws: &Aws, topic: &str) -> String {
    let made = aws
        .call("sqs", "create_queue", json!({"QueueName": "inbox"}))
        .await;
    let queue = text(&made["QueueUrl"]);
    let asked = json!({"QueueUrl": queue, "AttributeNames": ["QueueArn"]});
    let found = aws.call("sqs", "get_queue_attributes", asked).await;
    let subscription = json!({
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": found["Attributes"]["QueueArn"],
        "Attributes": {"RawMessageDelivery": "true"},
    });
    aws.call("sns", "subscribe", subscription).await;
    queue
}

/// What a queue holds; it is empty afterwards.
async fn received(aws: &Aws, queue: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let asked = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
        let answer = aws.call("sqs", "receive_message", asked).await;
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

/// A stack whose function writes into DynamoDB Local.
///
/// The streams of the emulator's tables tell nothing of what PartiQL writes, as
/// all that the function writes is. Those of DynamoDB Local do. So the function
/// finds its table there, under the name that it was given.
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
        let stream = resource("AWS::DynamoDB::Table")["Properties"]["StreamSpecification"].clone();
        let stream = json!({"StreamEnabled": true, "StreamViewType": stream["StreamViewType"]});
        let wanted = json!({"TableName": table.name().as_str(), "StreamSpecification": stream});
        aws.call("dynamodb", "update_table", wanted).await;
        Self {
            stack,
            _local: local,
            aws,
        }
    }

    /// The records of the stream, once `runs` runs are in it.
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

/// The emulator's pipes deliver whole records, and to topics, not to a bus: so
/// this shows the way, and the test below what a filter and a template make of
/// what comes along it. Into the emulator's stream the records come by being
/// written into its table once more.
#[tokio::test]
async fn a_status_change_goes_from_the_service_through_stream_and_pipe_to_a_notification() {
    let streaming = Streaming::deployed_with(&[], |template| {
        let resources = &mut template["Resources"];
        resources["Overheard"] = json!({"Type": "AWS::SNS::Topic"});
        let pipe = &mut resources["ChangesPipe"]["Properties"];
        pipe["Target"] = json!({"Ref": "Overheard"});
        pipe["TargetParameters"] = json!({});
    })
    .await;
    let stack = &streaming.stack;
    let queue = inbox(&stack.aws, &stack.resource("Overheard").await).await;
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

/// What the pipes of the template make of a stream's records: the events, by
/// their detail-type.
async fn events_of(records: &[Value], events: &Aws) -> BTreeMap<String, Vec<Value>> {
    let mut made = BTreeMap::new();
    for name in ["ChangesPipe", "RunsPipe"] {
        let pipe = Pipe::of_the_template(name);
        let mut details = Vec::new();
        for record in records {
            if pipe.takes(events, record).await {
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

/// The story's events are these and no others, as the samples and their schemas
/// have them.
async fn check(events: &BTreeMap<String, Vec<Value>>) {
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
        assert!(
            named.contains_key(name),
            "{name:?} is told as it is: {named:?}"
        );
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
        let made_by_somebody = change["kind"] == "FIRST_SEEN" && name == NAMES[0];
        assert_eq!(
            cause.contains("CreateConnection"),
            made_by_somebody,
            "{change}"
        );
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

/// The function alters no change and no run, and removes nothing: of its own
/// records none is told, of the same ones altered or removed each is.
async fn alterations_are_told(records: &[Value], events: &Aws) {
    let pipe = Pipe::of_the_template("AlterationsPipe");
    let (sample, _) = published(&pipe.detail_type);
    for record in records {
        assert!(!pipe.takes(events, record).await, "{record}");
    }
    let one_of = |prefix: &str| {
        let pk = |record: &&Value| {
            let pk = record["dynamodb"]["Keys"]["pk"]["S"].as_str();
            pk.is_some_and(|pk| pk.starts_with(prefix))
        };
        records.iter().find(pk).expect("a record").clone()
    };
    for (prefix, name, told) in [
        ("CONNECTION#", "MODIFY", true),
        ("CONNECTION#", "REMOVE", true),
        ("RUNS#", "MODIFY", true),
        ("RUNS#", "REMOVE", true),
        ("ACCOUNT#", "MODIFY", false),
        ("ACCOUNT#", "REMOVE", true),
    ] {
        let mut record = one_of(prefix);
        record["eventName"] = json!(name);
        assert_eq!(pipe.takes(events, &record).await, told, "{prefix} {name}");
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

/// The rules put it into a message between quotes, and EventBridge escapes
/// nothing: so it must hold nothing that would have to be.
fn assert_harmless(value: &Value) {
    assert_eq!(value.to_string(), format!("\"{}\"", text(value)));
}

/// The sample of an event of `events/out`, and the path of its schema.
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

#[tokio::test]
async fn what_the_deployed_function_records_becomes_the_published_events_and_readable_messages() {
    let topic = [("Notifications", "topic")];
    let streaming = Streaming::deployed_with(&topic, |_| {}).await;
    let stack = &streaming.stack;
    let mut runs = 0;
    story::tell(&stack.codeconnections, stack.account(), async |event| {
        stack.invoke(&event).await;
        runs += 1;
    })
    .await;

    let records = streaming.records(runs).await;
    let events = events_of(&records, &stack.aws).await;

    check(&events).await;
    alterations_are_told(&records, &stack.aws).await;

    // Told on the stack's bus as a pipe tells them, a few go on to people.
    let queue = inbox(&stack.aws, stack.output("TopicArn")).await;
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

            let told = received(&stack.aws, &queue).await;
            let broke = detail["statusAfter"] == "ERROR" && detail["kind"] == "STATUS_CHANGED";
            let for_people = detail_type == NOT_COMPLETED || broke || detail["kind"] == "DELETED";
            assert_eq!(told.len(), usize::from(for_people), "{detail}: {told:?}");
            for message in told {
                let said = if detail_type == NOT_COMPLETED {
                    ["account", "runId", "outcome", "problem"]
                } else {
                    ["account", "runId", "summary", "connectionArn"]
                };
                for field in said {
                    let value = text(&detail[field]);
                    assert!(message.contains(&value), "no {field} in {message}");
                }
                let read = serde_json::from_str::<String>(&message);
                assert!(read.is_ok(), "one text: {message}");
            }
        }
    }

    // On another source, another bus, and as another event, nobody is told.
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
}
