//! The function of findings: it evaluates rules after each run, and publishes findings
//! that open and close.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::support::moto::Moto;
use crate::support::proxy::{Act, Proxy, Reply};
use crate::support::python::{fine, python};
use crate::support::raw_items::get;
use crate::support::runtime_emulator::{COMPLIANCE, Emulator, Environment};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv, account, quick, region};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::aws::Meter;
use codeconnections_inventory::aws::json_client::{JsonClient, Service};
use codeconnections_inventory::domain::{Clock, Digest, Finding, RunRecord, SystemClock, Trigger};
use codeconnections_inventory::lambda::stream_batch::StreamBatch;
use codeconnections_inventory::table::Table;
use codeconnections_inventory::table::codec::Item;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const RULES: &str = "[[rule]]\nid = \"in-error\"\nkind = \"error\"\nseverity = \"high\"\n";
const PARAMETER: &str = "/codeconnections-inventory/rules";

/// Returns the record of the table's stream about a new item.
fn inserted(item: &Item) -> Value {
    fn json_of(value: &AttributeValue) -> Value {
        match value {
            AttributeValue::S(text) => json!({"S": text}),
            AttributeValue::N(number) => json!({"N": number}),
            AttributeValue::Bool(flag) => json!({"BOOL": flag}),
            AttributeValue::M(map) => {
                let members = map.iter().map(|(k, v)| (k.clone(), json_of(v)));
                json!({"M": members.collect::<serde_json::Map<_, _>>()})
            }
            AttributeValue::L(list) => json!({"L": list.iter().map(json_of).collect::<Vec<_>>()}),
            other => panic!("{other:?}"),
        }
    }
    let image = item.iter().map(|(k, v)| (k.clone(), json_of(v)));
    json!({
        "eventSource": "aws:dynamodb",
        "eventName": "INSERT",
        "dynamodb": {"NewImage": image.collect::<serde_json::Map<_, _>>()},
    })
}

async fn record(env: &TestEnv, pk: String, sk: &str) -> Value {
    inserted(&get(env, &(pk, sk.to_owned())).await)
}

#[tokio::test]
async fn function_evaluates_after_a_run_and_publishes_what_opened() {
    let env = TestEnv::new().await;
    let moto = Moto::start().await;
    // It labels answers of Security Hub as HTML.
    let moto_for_json = Proxy::start(&moto.endpoint, |_| Act::PassForJson).await;
    let arn = env.create("payments");
    env.set_status(&arn, "ERROR");
    env.run().await;
    let (config, meter) = (quick(&moto.endpoint), Meter::default());
    let put = Service::new("SSM", "ssm").aws_json("AmazonSSM", "1.1", "PutParameter");
    let client = JsonClient {
        config: &config,
        meter: &meter,
    };
    let parameter = json!({"Name": PARAMETER, "Value": RULES, "Type": "String"});
    let stored = client.call(put, &region(REGION), &parameter).await;
    stored.expect("stored");
    let sent: Arc<Mutex<Vec<Value>>> = Arc::default();
    let bus = {
        let sent = Arc::clone(&sent);
        Proxy::start("http://127.0.0.1:9", move |seen| {
            let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
            let mut sent = sent.lock().expect("no panic");
            sent.push(body);
            // The second request is refused in part.
            let failed = usize::from(sent.len() == 2);
            let answer = json!({"FailedEntryCount": failed, "Entries": []}).to_string();
            Act::Reply(Reply::new(200, "application/x-amz-json-1.1", answer))
        })
        .await
    };
    let environment = Environment::of(&env)
        .with("RULES_PARAMETER", PARAMETER)
        .with("SECURITY_HUB", "on")
        .with("EVENT_BUS_NAME", "inventory")
        .with("AWS_ENDPOINT_URL_SSM", &moto.endpoint)
        .with("AWS_ENDPOINT_URL_SECURITYHUB", &moto_for_json.endpoint)
        .with("AWS_ENDPOINT_URL_EVENTBRIDGE", &bus.endpoint);
    let function = Emulator::start_function(environment, Some(Path::new(COMPLIANCE))).await;

    let run = record(&env, format!("RUNS#{ACCOUNT}"), "RUN#000000000001").await;
    let event = json!({"Records": [run]});
    let answer = function.invoke(&event).await.answer();
    let evaluated = &answer["runs"][0];
    assert_eq!(evaluated["outcome"], "COMPLETE", "{answer}");
    assert_eq!(evaluated["changes"], json!({"FIRST_SEEN": 1}), "{answer}");
    let again = function.invoke(&event).await.answer();
    assert_eq!(again["runs"][0]["already_recorded"], true, "{again}");
    let findings: Table<Finding> = env.table.of_kind();
    let recorded = findings.runs(&account()).collect().await.expect("read");
    let [recorded]: [RunRecord<Finding>; 1] = recorded.try_into().expect("one evaluation");
    assert!(matches!(recorded.trigger, Trigger::Run { .. }));
    let rules = recorded.evaluation.expect("a basis").rules;
    assert!(rules.source.ends_with(PARAMETER), "{rules:?}");
    assert_eq!(rules.version.as_deref(), Some("1"));
    assert_eq!(rules.sha256, Digest::of_bytes(RULES.as_bytes()));
    assert!(
        sent.lock().expect("no panic").is_empty(),
        "a run is no event"
    );

    let key = format!("FINDING#{ACCOUNT}#in-error#{arn}");
    let change = record(&env, key, "CHANGE#0000000001").await;
    let event = json!({"Records": [change]});
    assert_eq!(function.invoke(&event).await.answer(), json!({"runs": []}));
    let entry = sent.lock().expect("no panic")[0]["Entries"][0].clone();
    assert_eq!(entry["EventBusName"], "inventory");
    assert_eq!(entry["Source"], "codeconnections-inventory");
    assert_eq!(entry["DetailType"], "CodeConnections Finding Changed");
    let detail = entry["Detail"].as_str().expect("a text");
    let detail: Value = serde_json::from_str(detail).expect("JSON");
    assert_published(&detail).await;
    assert_eq!(
        (&detail["state"], &detail["rule"], &detail["subject"]),
        (&json!("OPENED"), &json!("in-error"), &json!(arn))
    );
    let summary = detail["summary"].as_str().expect("a text");
    assert!(
        summary.starts_with("payments violates in-error (high): in ERROR since"),
        "{summary}"
    );
    let (error_type, _) = function.invoke(&event).await.error();
    assert_eq!(error_type, "Unpublished", "the stream delivers it again");
    // The function's clock is not the test's.
    let verified = verify(&env.table, None, SystemClock.now(), |_| {}).await;
    assert_eq!(verified.expect("read").findings, []);
}

/// Asserts that the detail of an event is as published.
async fn assert_published(detail: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/out");
    let sample = std::fs::read_to_string(folder.join("finding-changed.json"));
    let mut event: Value = serde_json::from_str(&sample.expect("read")).expect("JSON");
    event["detail"] = detail.clone();
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(&file, event.to_string()).expect("written");
    let schema = folder.join("finding-changed.schema.json");
    let paths = [schema.as_path(), file.path()].map(|path| path.to_str().expect("a path"));
    fine(python("against_schema.py", &paths).await);
}

#[test]
fn batch_takes_the_last_run_of_each_account_and_skips_other_records() {
    let insert = |pk: &str, account: &str, run_id: &str| {
        json!({"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"NewImage": {
            "pk": {"S": pk}, "account": {"S": account}, "run_id": {"S": run_id}}}})
    };
    let (first, last) = ("01JEXAMP0E0000000000000000", "01JEXAMP0E0000000000000001");
    let other = "222222222222";
    let mut touch = insert(&format!("RUNS#{other}"), other, first);
    touch["eventName"] = json!("MODIFY");
    let records = json!([
        insert(&format!("RUNS#{ACCOUNT}"), ACCOUNT, first),
        insert(&format!("DEPENDENCY_RUNS#{ACCOUNT}"), ACCOUNT, last),
        // Its own runs would never end.
        insert(&format!("FINDING_RUNS#{other}"), other, first),
        insert(&format!("CONNECTION#{other}#arn"), other, first),
        touch,
    ]);
    let batch = StreamBatch::from_event(&json!({"Records": records}));
    let batch = batch.expect("readable").expect("a batch");
    let runs: Vec<(&str, &str)> = batch
        .runs
        .iter()
        .map(|(account, run)| (account.as_str(), run.as_str()))
        .collect();
    assert_eq!(runs, [(ACCOUNT, last)]);
    assert!(batch.findings.is_empty());

    assert_eq!(StreamBatch::from_event(&json!({})).expect("readable"), None);
    let foreign = json!({"Records": [{"eventSource": "aws:sqs"}]});
    let refused = StreamBatch::from_event(&foreign).expect_err("refused");
    assert_eq!(refused.field, "Records[0].eventSource");
}
