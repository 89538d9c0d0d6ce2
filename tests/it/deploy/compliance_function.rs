//! The function of findings: when it is deployed, what invokes it, and the permissions of
//! its role.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;

use crate::support::template::{Grant, arn, deployed, grant, granted, list, text};
use crate::support::test_env::ACCOUNT;
use codeconnections_inventory::lambda::stream_batch::StreamBatch;
use serde_json::{Value, json};

const RULES: (&str, &str) = ("RulesParameter", "/codeconnections/rules");
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1a2b";

fn grants(parameters: &[(&str, &str)]) -> BTreeSet<Grant> {
    let resources = &deployed(parameters)["Resources"];
    let of_the_table = json!({
        "Properties": {"Policies": [resources["ComplianceTablePolicy"]["Properties"]]}
    });
    &granted(&resources["ComplianceRole"]) | &granted(&of_the_table)
}

#[test]
fn role_reads_the_table_and_writes_findings_only() {
    let on = |action: &str, resource: &Value| grant(action, resource, &Value::Null);
    let only = |keys: Value| {
        json!({
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys},
            // Without this, a request without keys would pass.
            "Null": {"dynamodb:LeadingKeys": "false"},
        })
    };
    let sub = |text: &str| json!({"Fn::Sub": text});
    let stream = json!({"Fn::GetAtt": ["Table", "StreamArn"]});
    let [table, log] = ["Table", "ComplianceLog"].map(arn);
    let everything = json!("*");
    let partitions = only(json!(["FINDINGS#*", "FINDING#*", "FINDING_RUNS#*"]));
    let parameter =
        "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${RulesParameter}";
    let always = BTreeSet::from([
        on("dynamodb:Query", &table),
        on("dynamodb:Query", &sub("${Table.Arn}/index/by_status")),
        on("dynamodb:Query", &sub("${Table.Arn}/index/by_time")),
        grant("dynamodb:PartiQLInsert", &table, &partitions),
        grant("dynamodb:PartiQLUpdate", &table, &only(json!("FINDINGS#*"))),
        on("dynamodb:DescribeStream", &stream),
        on("dynamodb:GetRecords", &stream),
        on("dynamodb:GetShardIterator", &stream),
        on("dynamodb:ListStreams", &everything),
        on(
            "ssm:GetParameter",
            &sub(&parameter.replace("${RulesParameter}", RULES.1)),
        ),
        on("events:PutEvents", &arn("EventBus")),
        on("logs:CreateLogStream", &log),
        on("logs:PutLogEvents", &log),
        on("sqs:SendMessage", &arn("FailureQueue")),
        on("xray:PutTraceSegments", &everything),
        on("xray:PutTelemetryRecords", &everything),
    ]);
    assert_eq!(grants(&[RULES]), always);

    let added = |option| &grants(&[RULES, option]) - &always;
    let product = sub(
        "arn:${AWS::Partition}:securityhub:${AWS::Region}:${AWS::AccountId}:product/${AWS::AccountId}/default",
    );
    assert_eq!(
        added(("SecurityHub", "on")),
        BTreeSet::from([on("securityhub:BatchImportFindings", &product)])
    );
    let through = sub("dynamodb.${AWS::Region}.${AWS::URLSuffix}");
    let decrypt = grant(
        "kms:Decrypt",
        &json!(KEY),
        &json!({"StringEquals": {"kms:ViaService": through}}),
    );
    assert_eq!(added(("KeyArn", KEY)), BTreeSet::from([decrypt]));

    let in_s3 = grants(&[("RulesObject", "s3://rule-files/inventory/rules.toml")]);
    let object = sub("arn:${AWS::Partition}:s3:::s3://rule-files/inventory/rules.toml");
    let object = json!({"Fn::Join": ["", {"Fn::Split": ["s3://", object]}]});
    assert_eq!(
        &in_s3 - &always,
        BTreeSet::from([on("s3:GetObject", &object)])
    );
    let parameter = sub(&parameter.replace("${RulesParameter}", RULES.1));
    assert_eq!(
        &always - &in_s3,
        BTreeSet::from([on("ssm:GetParameter", &parameter)])
    );
}

#[test]
fn security_hub_alone_deploys_nothing() {
    assert_eq!(deployed(&[("SecurityHub", "on")]), deployed(&[]));
}

/// Returns whether the mapping passes a new item with this partition key.
fn passes(pattern: &Value, pk: &str) -> bool {
    assert_eq!(pattern["eventName"], json!(["INSERT"]));
    list(&pattern["dynamodb"]["Keys"]["pk"]["S"])
        .iter()
        .any(|prefix| pk.starts_with(&text(&prefix["prefix"])))
}

#[test]
fn stream_invokes_it_for_what_it_handles_and_not_for_its_own_runs() {
    let template = deployed(&[RULES]);
    let mapping = &template["Resources"]["ComplianceStream"]["Properties"];
    assert_eq!(
        mapping["FunctionName"],
        json!({"Ref": "ComplianceFunction"})
    );
    let stream = json!({"Fn::GetAtt": ["Table", "StreamArn"]});
    assert_eq!(mapping["EventSourceArn"], stream);
    assert_eq!(
        mapping["DestinationConfig"]["OnFailure"]["Destination"],
        arn("FailureQueue")
    );
    let [filter] = list(&mapping["FilterCriteria"]["Filters"]) else {
        panic!("one filter: {mapping}");
    };
    let pattern: Value = serde_json::from_str(&text(&filter["Pattern"])).expect("JSON");
    for (name, has_run) in [
        ("RUNS", true),
        ("DEPENDENCY_RUNS", true),
        ("FINDING", false),
        ("FINDING_RUNS", false),
        ("FINDINGS", false),
        ("CONNECTION", false),
        ("ACCOUNT", false),
        ("DEPENDENCY", false),
    ] {
        let pk = format!("{name}#{ACCOUNT}");
        let record = json!({
            "eventSource": "aws:dynamodb",
            "eventName": "INSERT",
            "dynamodb": {"NewImage": {
                "pk": {"S": pk},
                "account": {"S": ACCOUNT},
                "run_id": {"S": "01JEXAMP0E0000000000000000"},
            }},
        });
        let event = json!({"Records": [record]});
        let batch = StreamBatch::from_event(&event)
            .expect("valid")
            .expect("a batch");
        assert_eq!(batch.runs.len(), usize::from(has_run), "{pk}");
        assert_eq!(passes(&pattern, &pk), has_run || name == "FINDING", "{pk}");
    }
}

#[test]
fn function_gets_the_rules_the_bus_and_its_own_log() {
    let template = deployed(&[RULES, ("SecurityHub", "on")]);
    let function = &template["Resources"]["ComplianceFunction"]["Properties"];
    let variables = &function["Environment"]["Variables"];
    assert_eq!(variables["RULES_PARAMETER"], RULES.1);
    assert_eq!(variables["SECURITY_HUB"], "on");
    assert_eq!(variables["EVENT_BUS_NAME"], json!({"Ref": "EventBus"}));
    assert_eq!(variables["TABLE_NAME"], json!({"Ref": "Table"}));
    assert_eq!(
        function["LoggingConfig"]["LogGroup"],
        json!({"Ref": "ComplianceLog"})
    );
}
