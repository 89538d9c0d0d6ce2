//! Permissions of all roles but the function's (see `function_role.rs`), and the use of
//! wildcards.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::template::{
    Grant, MEMBER, TEMPLATE, arn, deployed, grant, granted, list, one_or_more, properties_of, text,
};
use regex_lite::Regex;
use serde_json::{Value, json};

#[test]
fn wildcard_resources_are_commented_and_only_where_required() {
    let mut commented = 0;
    for name in ["template.yaml", "template-member.yaml"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let yaml = std::fs::read_to_string(file).expect("read");
        for line in yaml
            .lines()
            .filter(|line| line.contains(": \"*\"") && !line.contains("AWS:"))
        {
            let reasons = ["# AWS has no finer one", "# the key itself"];
            assert!(reasons.iter().any(|reason| line.contains(reason)), "{line}");
            commented += 1;
        }
    }
    let mut bare = 0;
    let mut part = BTreeSet::new();
    let mut look = |resource: &Value| match resource {
        Value::String(all) if all == "*" => bare += 1,
        Value::String(text) => assert!(!text.contains('*'), "{text}"),
        other => {
            let arn = other["Fn::Sub"].as_str().unwrap_or_default();
            if arn.contains('*') {
                part.insert(arn.replace("arn:${AWS::Partition}:", ""));
            }
        }
    };
    for template in [&*TEMPLATE, &*MEMBER] {
        walk(template, &mut look);
    }
    assert_eq!(bare, commented, "each * is on a line with a comment");
    let expected = [
        // Objects whose names are numbers and digests.
        "${CheckpointBucket.Arn}/*",
        "${CheckpointBucket.Arn}/chains/*",
        "${CheckpointBucket.Arn}/checkpoints/*",
        "s3:::${CheckpointCopyBucket}/chains/*",
        "s3:::${CheckpointCopyBucket}/checkpoints/*",
        // Objects, exports of the table, and the views: they have no names of their own here.
        "${LakeBucket.Arn}/*",
        "${LakeBucket.Arn}/exports/*",
        "${LakeBucket.Arn}/results/*",
        "${Table.Arn}/export/*",
        "glue:${AWS::Region}:${AWS::AccountId}:table/${LakeDatabase}/*",
        // Files of the trail.
        "${WatchTrailBucket.Arn}/*",
        "${WatchTrailBucket.Arn}/AWSLogs/${AWS::AccountId}/*",
        // The template explains each above its statement.
        "codeconnections:*:${AWS::AccountId}:*",
        "codestar-connections:*:${AWS::AccountId}:*",
        "iam::*:role/${MemberRoleName}",
        "states:${AWS::Region}:${AWS::AccountId}:execution:${StateMachine.Name}/*:*",
        "states:${AWS::Region}:${AWS::AccountId}:express:${StateMachine.Name}/*:*:*",
    ];
    assert_eq!(part, BTreeSet::from(expected.map(str::to_owned)));
}

/// Calls `look` with every resource of every policy.
fn walk(value: &Value, look: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(map) => {
            if let (Some(_), Some(resources)) = (map.get("Effect"), map.get("Resource")) {
                one_or_more(resources).iter().for_each(&mut *look);
            }
            map.values().for_each(|inner| walk(inner, look));
        }
        Value::Array(all) => all.iter().for_each(|inner| walk(inner, look)),
        _ => {}
    }
}

#[test]
fn each_other_role_trusts_one_service_in_this_account() {
    let template = deployed(&[("Mode", "organization"), ("Lake", "on"), ("Watch", "on")]);
    let here = json!({"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}});
    for (role, service) in [
        ("ScheduleRole", "events"),
        ("LakeScheduleRole", "events"),
        ("LakeExportRole", "states"),
        ("StateMachineRole", "states"),
        ("PipeRole", "pipes"),
        ("WatchRole", "events"),
    ] {
        let trust = &template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"];
        let [statement] = list(&trust["Statement"]) else {
            panic!("one statement: {trust}");
        };
        let principal = json!({"Service": format!("{service}.amazonaws.com")});
        assert_eq!(statement["Principal"], principal, "{role}");
        assert_eq!(statement["Condition"], here, "{role}");
    }
}

#[test]
fn pipes_may_only_read_the_stream_and_put_events() {
    let template = deployed(&[]);
    let stream = json!({"Fn::GetAtt": ["Table", "StreamArn"]});
    let on = |action: &str, resource: &Value| grant(action, resource, &Value::Null);
    let expected = BTreeSet::from([
        on("dynamodb:DescribeStream", &stream),
        on("dynamodb:GetRecords", &stream),
        on("dynamodb:GetShardIterator", &stream),
        on("dynamodb:ListStreams", &json!("*")),
        on("events:PutEvents", &arn("EventBus")),
        on("sqs:SendMessage", &arn("FailureQueue")),
    ]);
    assert_eq!(granted(&template["Resources"]["PipeRole"]), expected);
    let pipes = properties_of(&template, "AWS::Pipes::Pipe");
    assert_eq!(pipes.len(), 3);
    let two = deployed(&[("AlterationEvents", "off")]);
    let two = properties_of(&two, "AWS::Pipes::Pipe");
    assert_eq!(two.len(), 2, "more than two readers may slow a stream down");
    // AWS does not document what a path without a value becomes.
    let path = r"<\$\.(dynamodb\.(NewImage\.\w+|Keys\.[ps]k\.S|SequenceNumber)|eventName)";
    let path = Regex::new(path).expect("a pattern");
    for (name, pipe) in pipes {
        assert_eq!(pipe["Source"], stream, "{name}");
        assert_eq!(pipe["Target"], arn("EventBus"), "{name}");
        let input = text(&pipe["TargetParameters"]["InputTemplate"]);
        assert_eq!(path.find_iter(&input).count(), input.matches('<').count());
        assert!(!input.contains("OldImage"), "{name}: a change has both");
    }
}

/// Returns the permissions of the member role without and with dependencies.
fn member_grants() -> (BTreeSet<Grant>, BTreeSet<Grant>) {
    let mut role = MEMBER["Resources"]["MemberRole"].clone();
    let statements = &mut role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let statements = statements.as_array_mut().expect("statements");
    let optional = statements.pop().expect("a statement");
    assert_eq!(optional["Fn::If"][0], "ReadsDependencies");
    let always = granted(&role);
    let statements = &mut role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let statements = statements.as_array_mut().expect("statements");
    statements.push(optional["Fn::If"][1].clone());
    (always, granted(&role))
}

#[test]
fn member_role_allows_only_the_functions_to_list() {
    let role = &MEMBER["Resources"]["MemberRole"];
    let resources = MEMBER["Resources"].as_object().expect("resources");
    let always: Vec<&String> = resources
        .iter()
        .filter(|(_, resource)| resource["Condition"] == "MakesRoles")
        .map(|(name, _)| name)
        .collect();
    assert_eq!(always, ["MemberRole"], "the others are optional");
    let expected = ["codeconnections", "codestar-connections"].map(|service| {
        let all = format!("arn:${{AWS::Partition}}:{service}:*:${{AWS::AccountId}}:*");
        let action = format!("{service}:ListConnections");
        grant(&action, &json!({"Fn::Sub": all}), &Value::Null)
    });
    let (always, with_dependencies) = member_grants();
    assert_eq!(always, BTreeSet::from(expected));
    // What it may read besides is what the function of dependencies may read here.
    let all = json!("*").to_string();
    let of_function: BTreeSet<_> = granted(&deployed(&[])["Resources"]["DependenciesRole"])
        .into_iter()
        .filter(|(action, resource, _)| *resource == all && !action.starts_with("xray:"))
        .collect();
    assert!(of_function.len() > 5, "{of_function:?}");
    assert_eq!(&with_dependencies - &always, of_function);
    assert_eq!(role["Properties"].get("ManagedPolicyArns"), None);
    let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(
        *trust,
        json!([{
            "Effect": "Allow",
            "Principal": {"AWS": {"Fn::Sub": [
                "arn:${AWS::Partition}:iam::${Account}:root",
                {"Account": {"Fn::Select": [4, {"Fn::Split": [":", {"Ref": "FunctionRoleArn"}]}]}},
            ]}},
            "Action": "sts:AssumeRole",
            "Condition": {
                "ArnEquals": {"aws:PrincipalArn": [
                    {"Ref": "FunctionRoleArn"},
                    {"Fn::If": [
                        "ReadsDependencies",
                        {"Ref": "DependenciesRoleArn"},
                        {"Ref": "AWS::NoValue"},
                    ]},
                ]},
                "StringEquals": {"Fn::If": [
                    "HasExternalId",
                    {"sts:ExternalId": {"Ref": "ExternalId"}},
                    {"Ref": "AWS::NoValue"},
                ]},
            },
        }])
    );
}

#[test]
fn member_events_match_the_bus_policy_and_the_rule() {
    const ORGANIZATION: [(&str, &str); 2] =
        [("Mode", "organization"), ("OrganizationId", "o-abcde12345")];
    let template = deployed(&ORGANIZATION);
    let resources = &template["Resources"];
    // Sender: a role of this name in any account of the organization.
    let role = &MEMBER["Resources"]["ForwardRole"];
    assert_eq!(
        role["Properties"]["RoleName"],
        json!({"Fn::Sub": "${MemberRoleName}-forward"})
    );
    let name = text(&template["Parameters"]["MemberRoleName"]["Default"]);
    assert_eq!(
        MEMBER["Parameters"]["MemberRoleName"]["Default"],
        name.as_str()
    );
    let bus = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default";
    let policy = &resources["MemberEvents"]["Properties"];
    assert_eq!(policy["EventBusName"], "default");
    assert_eq!(
        policy["Statement"],
        json!({
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "events:PutEvents",
            "Resource": {"Fn::Sub": bus},
            "Condition": {
                "StringEquals": {"aws:PrincipalOrgID": "o-abcde12345"},
                "ArnLike": {"aws:PrincipalArn": {
                    "Fn::Sub": format!("arn:${{AWS::Partition}}:iam::*:role/{name}-forward")
                }},
            },
        })
    );
    // Destination: the bus with this policy.
    assert_eq!(
        template["Outputs"]["MemberEventBusArn"]["Value"],
        json!({"Fn::Sub": bus})
    );
    let forward = &MEMBER["Resources"]["ForwardCalls"]["Properties"];
    let [target] = list(&forward["Targets"]) else {
        panic!("one target: {forward}");
    };
    assert_eq!(target["Arn"], json!({"Ref": "EventBusArn"}));
    // EventBridge refuses another account's bus without a role.
    let role_arn = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${MemberRoleName}-forward";
    assert_eq!(target["RoleArn"], json!({"Fn::Sub": role_arn}));
    let sends = grant(
        "events:PutEvents",
        &json!({"Ref": "EventBusArn"}),
        &Value::Null,
    );
    assert_eq!(granted(role), BTreeSet::from([sends]));
    let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(
        trust[0]["Principal"],
        json!({"Service": "events.amazonaws.com"})
    );
    // Events: the calls of both rules on that bus. One starts no run of connections after
    // a tag, the other one of dependencies.
    let [rule, of_dependencies] =
        ["ConnectionEvents", "DependencyEvents"].map(|name| &resources[name]["Properties"]);
    let mut pattern = rule["EventPattern"].clone();
    let left_out = &mut pattern["detail"]["eventName"][0]["anything-but"];
    let left_out = left_out.as_array_mut().expect("a list");
    left_out.retain(|name| name != "TagResource" && name != "UntagResource");
    let names = list(&of_dependencies["EventPattern"]["detail"]["eventName"]);
    assert!(names.iter().all(|name| !left_out.contains(name)));
    assert_eq!(forward["EventPattern"], pattern);
    for rule in [rule, of_dependencies] {
        assert_eq!(rule.get("EventBusName"), None, "it is on the default bus");
    }

    // None of it is deployed unless enabled.
    for parameters in [&[][..], &ORGANIZATION[..1], &ORGANIZATION[1..]] {
        let template = deployed(parameters);
        assert_eq!(template["Resources"].get("MemberEvents"), None);
        assert_eq!(template["Outputs"].get("MemberEventBusArn"), None);
    }
    assert_eq!(MEMBER["Parameters"]["EventBusArn"]["Default"], "");
}
