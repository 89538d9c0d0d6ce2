//! The function of dependencies: what sets it apart from the function of
//! connections, and the permissions of its role.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;

use crate::support::template::{Grant, arn, deployed, grant, granted, list};
use serde_json::{Value, json};

const ORGANIZATION: (&str, &str) = ("Mode", "organization");
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1a2b";

#[test]
fn both_functions_have_the_same_settings() {
    for parameters in [&[][..], &[ORGANIZATION]] {
        let template = deployed(parameters);
        let function = |name: &str| {
            let mut function = template["Resources"][name]["Properties"].clone();
            let own = ["Description", "Role", "Timeout"];
            for member in own {
                let taken = function[member].take();
                assert_ne!(taken, Value::Null, "{name} has {member}");
            }
            function["LoggingConfig"]["LogGroup"].take();
            function
                .as_object_mut()
                .expect("properties")
                .retain(|_, v| !v.is_null());
            function
        };
        assert_eq!(function("DependenciesFunction"), function("Function"));
    }
}

/// Returns the permissions of the role that do not read other services.
fn own_grants(parameters: &[(&str, &str)]) -> BTreeSet<Grant> {
    let resources = &deployed(parameters)["Resources"];
    let of_the_table = json!({
        "Properties": {"Policies": [resources["DependenciesTablePolicy"]["Properties"]]}
    });
    let services = list(
        &resources["DependenciesRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"],
    );
    assert_eq!(services[0]["Sid"], "ListDependencies");
    let reads = list(&services[0]["Action"]);
    let role = granted(&resources["DependenciesRole"]).into_iter();
    let own = role.filter(|(action, ..)| !reads.contains(&json!(action)));
    &own.collect::<BTreeSet<_>>() | &granted(&of_the_table)
}

#[test]
fn role_reads_and_writes_dependencies_only() {
    let on = |action: &str, resource: &Value| grant(action, resource, &Value::Null);
    let only = |keys: Value| {
        json!({
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys},
            // Without this, a request without keys would pass.
            "Null": {"dynamodb:LeadingKeys": "false"},
        })
    };
    let all = only(json!([
        "DEPENDENCIES#*",
        "DEPENDENCY#*",
        "DEPENDENCY_RUNS#*"
    ]));
    let current = only(json!("DEPENDENCIES#*"));
    let [table, log] = [arn("Table"), arn("DependenciesLog")];
    let everything = json!("*");
    let always = BTreeSet::from([
        grant("dynamodb:Query", &table, &all),
        grant("dynamodb:PartiQLInsert", &table, &all),
        grant("dynamodb:PartiQLUpdate", &table, &current),
        on("logs:CreateLogStream", &log),
        on("logs:PutLogEvents", &log),
        on("sqs:SendMessage", &arn("FailureQueue")),
        on("xray:PutTraceSegments", &everything),
        on("xray:PutTelemetryRecords", &everything),
    ]);
    assert_eq!(own_grants(&[]), always);

    let added = |parameters: &[(&str, &str)]| &own_grants(parameters) - &always;
    let assume = grant(
        "sts:AssumeRole",
        &json!({"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/codeconnections-inventory-read"}),
        &json!({"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}),
    );
    assert_eq!(added(&[ORGANIZATION]), BTreeSet::from([assume]));
    let through = json!({"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"});
    let decrypt = grant(
        "kms:Decrypt",
        &json!(KEY),
        &json!({"StringEquals": {"kms:ViaService": through}}),
    );
    assert_eq!(added(&[("KeyArn", KEY)]), BTreeSet::from([decrypt]));
}
