//! The function of findings: it evaluates rules after each run, and publishes findings
//! that open and close.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::aws::Aws;
use crate::support::consumers::refusal;
use crate::support::moto::Moto;
use crate::support::proxy::{Act, Proxy, Reply, Seen};
use crate::support::python::{fine, python};
use crate::support::raw_items::get;
use crate::support::recorded_accounts;
use crate::support::runtime_emulator::{COMPLIANCE, Emulator, Environment, Invoked};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv, account, quick, region};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::aws::Meter;
use codeconnections_inventory::aws::json_client::{JsonClient, Service};
use codeconnections_inventory::domain::{
    AccountId, Attributes, Clock, Connection, Digest, Finding, Outcome, RunRecord, SystemClock,
    Trigger,
};
use codeconnections_inventory::lambda::stream_batch::StreamBatch;
use codeconnections_inventory::table::Table;
use codeconnections_inventory::table::codec::Item;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

pub(super) const RULES: &str =
    "[[rule]]\nid = \"in-error\"\nkind = \"error\"\nseverity = \"high\"\n";
const PARAMETER: &str = "/codeconnections-inventory/rules";
const BUCKET: &str = "rule-files";
const KEY: &str = "inventory/rules 1.toml";

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

/// The function of findings, and what it calls.
pub(super) struct Function {
    pub(super) env: TestEnv,
    moto: Moto,
    _parameters: Proxy,
    _hub: Proxy,
    _bus: Proxy,
    /// What the next request of an operation is refused with.
    refused: Arc<Mutex<HashMap<String, Act>>>,
    /// The requests that the bus received.
    sent: Arc<Mutex<Vec<Value>>>,
    /// Whether the bus refuses entries.
    is_refusing: Arc<AtomicBool>,
    pub(super) emulator: Emulator,
}

impl Function {
    /// Starts it. The parameter of its rules does not exist.
    pub(super) async fn of(env: TestEnv) -> Self {
        Self::with_rules_at(env, ("RULES_PARAMETER", PARAMETER)).await
    }

    async fn with_rules_at(env: TestEnv, rules: (&'static str, &str)) -> Self {
        let moto = Moto::start().await;
        let refused: Arc<Mutex<HashMap<String, Act>>> = Arc::default();
        let policy_of = || {
            let refused = Arc::clone(&refused);
            move |seen: &Seen| refused.lock().expect("no panic").remove(&seen.operation)
        };
        let parameters = {
            let refusal = policy_of();
            Proxy::start(&moto.endpoint, move |seen| {
                refusal(seen).unwrap_or(Act::Pass)
            })
            .await
        };
        // Moto labels answers of Security Hub as HTML.
        let hub = {
            let refusal = policy_of();
            let policy = move |seen: &Seen| refusal(seen).unwrap_or(Act::PassForJson);
            Proxy::start(&moto.endpoint, policy).await
        };
        let sent: Arc<Mutex<Vec<Value>>> = Arc::default();
        let is_refusing: Arc<AtomicBool> = Arc::default();
        let bus = {
            let (sent, is_refusing) = (Arc::clone(&sent), Arc::clone(&is_refusing));
            let refusal = policy_of();
            Proxy::start("http://127.0.0.1:9", move |seen| {
                if let Some(refused) = refusal(seen) {
                    return refused;
                }
                let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
                sent.lock().expect("no panic").push(body);
                let failed = usize::from(is_refusing.load(Ordering::SeqCst));
                let answer = json!({"FailedEntryCount": failed, "Entries": []}).to_string();
                Act::Reply(Reply::new(200, "application/x-amz-json-1.1", answer))
            })
            .await
        };
        let environment = Environment::of(&env)
            .with(rules.0, rules.1)
            .with("SECURITY_HUB", "on")
            .with("EVENT_BUS_NAME", "inventory")
            .with("AWS_ENDPOINT_URL_S3", &moto.endpoint)
            .with("AWS_ENDPOINT_URL_SSM", &parameters.endpoint)
            .with("AWS_ENDPOINT_URL_SECURITYHUB", &hub.endpoint)
            .with("AWS_ENDPOINT_URL_EVENTBRIDGE", &bus.endpoint);
        let emulator = Emulator::start_function(environment, Some(Path::new(COMPLIANCE))).await;
        Self {
            env,
            moto,
            _parameters: parameters,
            refused: Arc::clone(&refused),
            _hub: hub,
            _bus: bus,
            sent,
            is_refusing,
            emulator,
        }
    }

    pub(super) async fn put_rules(&self, rules: &str) {
        let (config, meter) = (quick(&self.moto.endpoint), Meter::default());
        let put = Service::new("SSM", "ssm").aws_json("AmazonSSM", "1.1", "PutParameter");
        let client = JsonClient {
            config: &config,
            meter: &meter,
        };
        let parameter =
            json!({"Name": PARAMETER, "Value": rules, "Type": "String", "Overwrite": true});
        let stored = client.call(put, &region(REGION), &parameter).await;
        stored.expect("stored");
    }

    /// Returns the batch of a stream with the item of this key.
    async fn batch_of(&self, pk: String, sk: &str) -> Value {
        let item = get(&self.env, &(pk, sk.to_owned())).await;
        json!({"Records": [inserted(&item)]})
    }

    /// Returns the batch with a run of connections.
    async fn run(&self, number: u64) -> Value {
        let sk = format!("RUN#{number:012}");
        self.batch_of(format!("RUNS#{ACCOUNT}"), &sk).await
    }

    /// Returns the batch with a change of the finding about a connection.
    async fn change(&self, arn: &str, number: u32) -> Value {
        let pk = format!("FINDING#{ACCOUNT}#in-error#{arn}");
        self.batch_of(pk, &format!("CHANGE#{number:010}")).await
    }

    /// Returns the recorded evaluations, oldest first.
    pub(super) async fn evaluations(&self) -> Vec<RunRecord<Finding>> {
        self.evaluations_of(&account()).await
    }

    async fn evaluations_of(&self, account: &AccountId) -> Vec<RunRecord<Finding>> {
        let findings: Table<Finding> = self.env.table.of_kind();
        let runs = findings.runs(account).collect().await;
        let mut runs = runs.expect("read");
        runs.sort_by_key(|run| run.sequence);
        runs
    }

    /// Returns the entries that the bus received.
    pub(super) fn published(&self) -> Vec<Value> {
        let sent = self.sent.lock().expect("no panic");
        let entries = sent.iter().map(|request| request["Entries"].clone());
        entries
            .flat_map(|entries| entries.as_array().expect("a list").clone())
            .collect()
    }

    pub(super) async fn assert_verified(&self) {
        // The function's clock is not the test's.
        let verified = verify(&self.env.table, None, SystemClock.now(), |_| {}).await;
        assert_eq!(verified.expect("read").findings, []);
    }
}

/// Returns the detail of an entry on the bus.
pub(super) fn detail(entry: &Value) -> Value {
    let detail = entry["Detail"].as_str().expect("a text");
    serde_json::from_str(detail).expect("JSON")
}

#[tokio::test]
async fn function_evaluates_after_a_run_and_publishes_what_opened() {
    let function = Function::of(TestEnv::new().await).await;
    let env = &function.env;
    let arn = env.create("payments");
    env.set_status(&arn, "ERROR");
    env.run().await;
    function.put_rules(RULES).await;

    let event = function.run(1).await;
    let answer = function.emulator.invoke(&event).await.answer();
    let evaluated = &answer["runs"][0];
    assert_eq!(evaluated["outcome"], "COMPLETE", "{answer}");
    assert_eq!(evaluated["changes"], json!({"FIRST_SEEN": 1}), "{answer}");
    let again = function.emulator.invoke(&event).await.answer();
    assert_eq!(again["runs"][0]["already_recorded"], true, "{again}");
    let recorded = function.evaluations().await;
    let [recorded]: [RunRecord<Finding>; 1] = recorded.try_into().expect("one evaluation");
    assert!(matches!(recorded.trigger, Trigger::Run { .. }));
    let rules = recorded.evaluation.expect("a basis").rules;
    assert!(rules.source.ends_with(PARAMETER), "{rules:?}");
    assert_eq!(rules.version.as_deref(), Some("1"));
    assert_eq!(rules.sha256, Digest::of_bytes(RULES.as_bytes()));
    assert_eq!(function.published(), [] as [Value; 0], "a run is no event");

    let event = function.change(&arn, 1).await;
    let answer = function.emulator.invoke(&event).await.answer();
    assert_eq!(answer, json!({"runs": []}));
    let [entry]: [Value; 1] = function.published().try_into().expect("one event");
    assert_eq!(entry["EventBusName"], "inventory");
    assert_eq!(entry["Source"], "codeconnections-inventory");
    assert_eq!(entry["DetailType"], "CodeConnections Finding Changed");
    let detail = detail(&entry);
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
    function.is_refusing.store(true, Ordering::SeqCst);
    let (error_type, _) = function.emulator.invoke(&event).await.error();
    assert_eq!(error_type, "Unpublished", "the stream delivers it again");
    function.assert_verified().await;
}

#[tokio::test]
async fn throttled_calls_are_made_again() {
    let function = Function::of(TestEnv::new().await).await;
    let arn = function.env.create("payments");
    function.env.set_status(&arn, "ERROR");
    function.env.run().await;
    function.put_rules(RULES).await;
    let throttle = |operation: &str, status, code| {
        let mut refused = function.refused.lock().expect("no panic");
        refused.insert(operation.to_owned(), refusal(status, code));
    };
    throttle("GetParameter", 400, "ThrottlingException");
    throttle("import", 429, "LimitExceededException");
    let event = function.run(1).await;
    let answer = function.emulator.invoke(&event).await.answer();
    assert_eq!(answer["runs"][0]["outcome"], "COMPLETE", "{answer}");
    throttle("PutEvents", 400, "ThrottlingException");
    let event = function.change(&arn, 1).await;
    function.emulator.invoke(&event).await.answer();
    assert_eq!(function.published().len(), 1);
    assert!(function.refused.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn rule_file_in_s3_is_read_and_its_version_recorded() {
    let at = format!("s3://{BUCKET}/{KEY}");
    let env = TestEnv::new().await;
    let function = Function::with_rules_at(env, ("RULES_OBJECT", &at)).await;
    let arn = function.env.create("payments");
    function.env.set_status(&arn, "ERROR");
    let aws = Aws::new(&function.moto.endpoint, REGION, ACCOUNT).await;
    let call = async |operation: &str, more: Value| {
        let mut input = json!({"Bucket": BUCKET});
        let members = more.as_object().expect("an object").clone();
        input.as_object_mut().expect("an object").extend(members);
        aws.call("s3", operation, input).await
    };
    let here = json!({"CreateBucketConfiguration": {"LocationConstraint": REGION}});
    call("create_bucket", here).await;
    let enabled = json!({"VersioningConfiguration": {"Status": "Enabled"}});
    call("put_bucket_versioning", enabled).await;

    function.env.run().await;
    let event = function.run(1).await;
    let (error_type, message) = function.emulator.invoke(&event).await.error();
    assert_eq!(error_type, "RunFailed");
    assert!(
        message.contains(&format!("GetObject of {at}: NoSuchKey")),
        "{message}"
    );
    let mut expected = Vec::new();
    for (number, rules) in [(1, RULES.to_owned()), (2, format!("{RULES}\n"))] {
        let put = call("put_object", json!({"Key": KEY, "Body": rules})).await;
        let version = put["VersionId"].as_str().expect("an id").to_owned();
        expected.push((Some(version), Digest::of_bytes(rules.as_bytes())));
        let event = function.run(number).await;
        let answer = function.emulator.invoke(&event).await.answer();
        assert_eq!(answer["runs"][0]["outcome"], "COMPLETE", "{answer}");
        function.env.run().await;
    }
    let complete = function.evaluations().await.into_iter();
    let rules = complete.filter_map(|run| Some(run.evaluation?.rules));
    let recorded = rules.map(|rules| {
        assert_eq!(&*rules.source, at);
        (rules.version.map(String::from), rules.sha256)
    });
    assert_eq!(recorded.collect::<Vec<_>>(), expected);
    function.assert_verified().await;
}

#[tokio::test]
async fn settings_of_rules_that_are_wrong_are_named_at_once() {
    for (parameter, object, problem) in [
        (
            "",
            "",
            "RULES_PARAMETER: not set; name the parameter that holds the rule file",
        ),
        (
            "",
            "rules.toml",
            r#"RULES_OBJECT: "rules.toml" is not s3://BUCKET/KEY"#,
        ),
        (
            "",
            "s3://rules/",
            r#"RULES_OBJECT: "s3://rules/" is not s3://BUCKET/KEY"#,
        ),
        (
            PARAMETER,
            "s3://rules/a",
            "RULES_PARAMETER: RULES_OBJECT is set, too",
        ),
    ] {
        let env = TestEnv::new().await;
        let environment = Environment::of(&env)
            .with("RULES_PARAMETER", parameter)
            .with("RULES_OBJECT", object);
        let function = Emulator::start_function(environment, Some(Path::new(COMPLIANCE))).await;
        assert_eq!(function.invoke(&json!({})).await, Invoked::Crashed);
        let log = function.end().join("\n");
        assert!(
            log.contains(&problem.replace('"', "\\\"")),
            "{problem}: {log}"
        );
    }
}

#[tokio::test]
async fn event_of_a_waived_finding_says_why_it_closed() {
    let function = Function::of(TestEnv::new().await).await;
    let arn = function.env.create("payments");
    function.env.set_status(&arn, "ERROR");
    let waiver = "except = [{ connection = \"payments\", reason = \"moves in \\\"May\\\"\" }]\n";
    for (number, rules) in [(1, RULES.to_owned()), (2, format!("{RULES}{waiver}"))] {
        function.env.run().await;
        function.put_rules(&rules).await;
        let event = function.run(number).await;
        let answer = function.emulator.invoke(&event).await.answer();
        assert_eq!(answer["runs"][0]["outcome"], "COMPLETE", "{answer}");
    }
    let event = function.change(&arn, 2).await;
    function.emulator.invoke(&event).await.answer();
    let [entry]: [Value; 1] = function.published().try_into().expect("one event");
    let detail = detail(&entry);
    assert_published(&detail).await;
    assert_eq!(
        (
            &detail["state"],
            &detail["closedBecause"],
            &detail["waiver"]
        ),
        (
            &json!("CLOSED"),
            &json!("WAIVED"),
            &json!("moves in \"May\"")
        )
    );
    let summary = detail["summary"].as_str().expect("a text");
    assert!(
        summary.contains("in-error (high): waived: moves in"),
        "{summary}"
    );
    function.assert_verified().await;
}

#[tokio::test]
async fn failed_evaluation_is_recorded_once_for_each_run_and_reason() {
    let function = Function::of(TestEnv::new().await).await;
    let arn = function.env.create("payments");
    function.env.set_status(&arn, "ERROR");
    function.env.run().await;
    let first = function.run(1).await;
    // The stream delivers a batch again until it is handled.
    let fail = async |event: &Value| {
        for _ in 0..3 {
            let (error_type, _) = function.emulator.invoke(event).await.error();
            assert_eq!(error_type, "RunFailed");
        }
        let evaluations = function.evaluations().await;
        let codes = evaluations.iter().map(|run| {
            assert_eq!(run.outcome, Outcome::Failed);
            let error = run.listings[0].error.as_ref().expect("a reason");
            error.code.to_string()
        });
        codes.collect::<Vec<_>>()
    };
    assert_eq!(fail(&first).await, ["ParameterNotFound"]);
    function.put_rules("[[rule]]\n").await;
    let codes = ["ParameterNotFound", "InvalidRuleFile"];
    assert_eq!(fail(&first).await, codes, "another reason");
    function.env.run().await;
    let second = function.run(2).await;
    let codes = ["ParameterNotFound", "InvalidRuleFile", "InvalidRuleFile"];
    assert_eq!(fail(&second).await, codes, "another run");
    assert_eq!(fail(&first).await, codes, "the first one again");

    function.put_rules(RULES).await;
    let answer = function.emulator.invoke(&second).await.answer();
    assert_eq!(answer["runs"][0]["outcome"], "COMPLETE", "{answer}");
    assert_eq!(answer["runs"][0]["already_recorded"], false, "{answer}");
    assert_eq!(function.evaluations().await.len(), 4);
    function.assert_verified().await;
}

#[tokio::test]
async fn batch_evaluates_the_accounts_of_its_runs_and_no_other() {
    let function = Function::of(TestEnv::new().await).await;
    function.put_rules(RULES).await;
    let accounts = ["111111111111", "222222222222", "333333333333"];
    let accounts = accounts.map(|id| id.parse::<AccountId>().expect("an account"));
    let mut records = Vec::new();
    for account in &accounts {
        let arn = format!(
            "arn:aws:codeconnections:{REGION}:{account}:connection/1a2b3c4d-1a2b-4c3d-8e4f-1a2b3c4d5e6f"
        );
        let attributes = Attributes {
            connection_status: Some("ERROR".into()),
            ..Attributes::default()
        };
        let listed = HashMap::from([(arn.parse().expect("an ARN"), attributes)]);
        recorded_accounts::run::<Connection>(
            &function.env,
            account,
            vec![(region(REGION), Some(listed))],
        )
        .await;
        let batch = function
            .batch_of(format!("RUNS#{account}"), "RUN#000000000001")
            .await;
        records.push(batch["Records"][0].clone());
    }
    for (batch, evaluated) in [(&records[..2], [1, 1, 0]), (&records[2..], [1, 1, 1])] {
        let event = json!({"Records": batch});
        let answer = function.emulator.invoke(&event).await.answer();
        let runs = answer["runs"].as_array().expect("a list");
        assert_eq!(runs.len(), batch.len(), "{answer}");
        for run in runs {
            assert_eq!(run["outcome"], "COMPLETE", "{answer}");
            assert_eq!(run["changes"], json!({"FIRST_SEEN": 1}), "{answer}");
        }
        for (account, number) in accounts.iter().zip(evaluated) {
            let evaluations = function.evaluations_of(account).await;
            assert_eq!(evaluations.len(), number, "{account}");
        }
    }
    function.assert_verified().await;
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
