//! What is deployed around the function: what starts it, where calls wait, who
//! is told, what watches it, and what each part may do.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex_lite::Regex;
use serde_json::{Value, json};
use support::template::{MEMBER, TEMPLATE, deployed, grant, granted, list, parameter, text};

const ORGANIZATION: (&str, &str) = ("Mode", "organization");
const TOPIC: (&str, &str) = ("Notifications", "topic");
const EMAIL: (&str, &str) = ("NotificationEmail", "platform@example.com");
const NAMESPACE: &str = "CodeConnectionsInventory";

/// What the function writes once for every run.
const METRICS: [&str; 13] = [
    "ConnectionsAvailable",
    "ConnectionsPending",
    "ConnectionsError",
    "ConnectionsOther",
    "ChangesFirstSeen",
    "ChangesStatusChanged",
    "ChangesAttributesChanged",
    "ChangesDeleted",
    "ChangesReappeared",
    "IncompleteListings",
    "CompleteRuns",
    "RunDuration",
    "CompleteRunAge",
];

fn of_kind<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().expect("resources");
    let of_kind = resources.iter().filter(|(_, r)| r["Type"] == kind);
    of_kind
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect()
}

fn names(template: &Value) -> BTreeSet<String> {
    let resources = template["Resources"].as_object().expect("resources");
    resources.keys().cloned().collect()
}

fn arn(name: &str) -> Value {
    json!({"Fn::GetAtt": [name, "Arn"]})
}

// --- Modes ------------------------------------------------------------------

#[test]
fn what_is_not_asked_for_is_not_there() {
    let alone = names(&deployed(&[]));
    let more = |parameters: &[(&str, &str)]| {
        let there = names(&deployed(parameters));
        let more = there.difference(&alone).cloned().collect::<Vec<_>>();
        let less = alone.difference(&there).cloned().collect::<Vec<_>>();
        (more, less)
    };
    let (organization, gone) = more(&[ORGANIZATION]);
    assert_eq!(
        organization,
        [
            "ExecutionLog",
            "ExecutionsFailed",
            "ScheduleRole",
            "StateMachine",
            "StateMachinePolicy",
            "StateMachineRole",
        ]
    );
    assert_eq!(gone, ["ScheduleMayInvoke"]);
    let topic = [
        "ErrorsAndDeletions",
        "RunsNotComplete",
        "Topic",
        "TopicPolicy",
    ];
    assert_eq!(more(&[TOPIC]), (topic.map(str::to_owned).to_vec(), vec![]));
    let (with_email, _) = more(&[EMAIL]);
    let mut expected = topic.to_vec();
    expected.insert(3, "TopicByEmail");
    assert_eq!(with_email, expected, "an address makes the topic");
}

#[test]
fn the_schedule_starts_the_function_or_the_state_machine() {
    let target = |parameters: &[(&str, &str)]| {
        let template = deployed(parameters);
        let targets = template["Resources"]["Schedule"]["Properties"]["Targets"].clone();
        assert_eq!(list(&targets).len(), 1, "{targets}");
        (targets[0]["Arn"].clone(), targets[0]["RoleArn"].clone())
    };
    assert_eq!(target(&[]), (arn("Function"), Value::Null));
    assert_eq!(
        target(&[ORGANIZATION]),
        (json!({"Ref": "StateMachine"}), arn("ScheduleRole"))
    );
}

// --- Calls ------------------------------------------------------------------

#[test]
fn calls_are_hidden_for_six_times_as_long_as_a_run_may_take_and_are_gathered() {
    let longest_window = parameter("EventBatchWindow")["MaxValue"].as_u64();
    let longest_window = longest_window.expect("a number");
    let timeouts = list(&parameter("Timeout")["AllowedValues"]);
    assert_eq!(timeouts.len(), 5);
    for mode in ["account", "organization"] {
        for timeout in timeouts {
            let timeout = timeout.to_string();
            let template = deployed(&[("Mode", mode), ("Timeout", &timeout)]);
            let resources = &template["Resources"];
            let timeout = resources["Function"]["Properties"]["Timeout"].as_u64();
            let timeout = timeout.expect("a number");
            assert!(mode == "account" || timeout == 60);
            let hidden = &resources["EventQueue"]["Properties"]["VisibilityTimeout"];
            assert_eq!(hidden.as_u64(), Some(6 * timeout + longest_window));
        }
    }
}

#[test]
fn the_queue_of_calls_feeds_the_function_which_says_what_failed() {
    let template = deployed(&[("EventBatchWindow", "45")]);
    let mapping = &template["Resources"]["EventQueueToFunction"]["Properties"];
    assert_eq!(
        *mapping,
        json!({
            "EventSourceArn": arn("EventQueue"),
            "FunctionName": {"Ref": "Function"},
            "BatchSize": 100,
            "MaximumBatchingWindowInSeconds": 45,
            "ScalingConfig": {"MaximumConcurrency": 2},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        })
    );
    // Lambda refuses more than ten at a time without a window.
    assert_eq!(parameter("EventBatchWindow")["MinValue"], 1);
    let rule = &template["Resources"]["ConnectionEvents"]["Properties"];
    assert_eq!(
        rule["EventPattern"],
        json!({
            "source": ["aws.codeconnections", "aws.codestar-connections"],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventName": [
                    "CreateConnection", "DeleteConnection", "TagResource", "UntagResource",
                    "CreateHost", "UpdateHost", "DeleteHost",
                ],
                "errorCode": [{"exists": false}],
            },
        })
    );
}

#[test]
fn whatever_cannot_be_delivered_ends_where_somebody_is_told() {
    let template = deployed(&[ORGANIZATION, TOPIC]);
    let failures = arn("FailureQueue");
    let policy = &of_kind(&template, "AWS::SQS::QueuePolicy")["FailureQueuePolicy"];
    let [statement] = list(&policy["PolicyDocument"]["Statement"]) else {
        panic!("one statement: {policy}");
    };
    let may_send = list(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]);
    let rules = of_kind(&template, "AWS::Events::Rule");
    assert_eq!(rules.len(), 4);
    for (name, rule) in rules {
        assert!(may_send.contains(&arn(name)), "{name}");
        for target in list(&rule["Targets"]) {
            assert_eq!(target["DeadLetterConfig"]["Arn"], failures, "{name}");
        }
    }
    for (name, pipe) in of_kind(&template, "AWS::Pipes::Pipe") {
        let source = &pipe["SourceParameters"]["DynamoDBStreamParameters"];
        assert_eq!(source["DeadLetterConfig"]["Arn"], failures, "{name}");
    }
    let queues = of_kind(&template, "AWS::SQS::Queue");
    for (name, queue) in &queues {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name}");
    }
    let redrive = &queues["EventQueue"]["RedrivePolicy"];
    assert_eq!(
        *redrive,
        json!({"deadLetterTargetArn": failures, "maxReceiveCount": 5})
    );
    let function = &template["Resources"]["Function"]["Properties"]["EventInvokeConfig"];
    assert_eq!(
        function["DestinationConfig"]["OnFailure"]["Destination"],
        failures
    );
}

// --- What is watched --------------------------------------------------------

#[test]
fn every_alarm_watches_what_it_is_named_for() {
    let template = deployed(&[ORGANIZATION, TOPIC, ("HoursWithoutCompleteRun", "5")]);
    let alarms = of_kind(&template, "AWS::CloudWatch::Alarm");
    let watched = alarms.iter().map(|(name, alarm)| {
        assert_eq!(alarm["AlarmActions"], json!([{"Ref": "Topic"}]), "{name}");
        assert!(text(&alarm["AlarmDescription"]).len() > 20, "{name}");
        assert_eq!(alarm["Threshold"], 1, "{name}");
        let metric = match alarm["MetricName"].as_str() {
            Some(metric) => format!("{}/{metric}", text(&alarm["Namespace"])),
            None => text(&alarm["Metrics"][0]["Expression"]),
        };
        let missing = text(&alarm["TreatMissingData"]);
        (*name, (metric, missing))
    });
    let own = |metric: &str| format!("{NAMESPACE}/{metric}");
    let expected = [
        ("ConnectionsInError", own("ConnectionsError"), "ignore"),
        (
            "DeadLetters",
            "AWS/SQS/ApproximateNumberOfMessagesVisible".to_owned(),
            "notBreaching",
        ),
        (
            "ExecutionsFailed",
            "FILL(failed, 0) + FILL(late, 0) + FILL(aborted, 0)".to_owned(),
            "notBreaching",
        ),
        (
            "FunctionErrors",
            "AWS/Lambda/Errors".to_owned(),
            "notBreaching",
        ),
        (
            "FunctionThrottles",
            "AWS/Lambda/Throttles".to_owned(),
            "notBreaching",
        ),
        ("NoCompleteRun", own("CompleteRuns"), "breaching"),
    ];
    let expected = expected.map(|(name, metric, missing)| (name, (metric, missing.to_owned())));
    assert_eq!(
        watched.collect::<BTreeMap<_, _>>(),
        BTreeMap::from(expected)
    );

    let ended = list(&alarms["ExecutionsFailed"]["Metrics"])[1..]
        .iter()
        .map(|part| {
            let metric = &part["MetricStat"]["Metric"];
            (text(&part["Id"]), text(&metric["MetricName"]))
        });
    let expected = [
        ("failed", "ExecutionsFailed"),
        ("late", "ExecutionsTimedOut"),
        ("aborted", "ExecutionsAborted"),
    ];
    assert_eq!(
        ended.collect::<Vec<_>>(),
        expected.map(|(id, metric)| (id.to_owned(), metric.to_owned()))
    );
    // Every one of so many hours was without.
    let without = &alarms["NoCompleteRun"];
    assert_eq!(without["ComparisonOperator"], "LessThanThreshold");
    assert_eq!(without["Period"], 3600);
    assert_eq!(without["EvaluationPeriods"], 5);
    assert_eq!(without.get("DatapointsToAlarm"), None);
    let own_metrics = alarms.values().filter(|a| a["Namespace"] == NAMESPACE);
    for alarm in own_metrics {
        let dimensions = json!([{"Name": "Function", "Value": {"Ref": "Function"}}]);
        assert_eq!(alarm["Dimensions"], dimensions);
    }
    for (name, alarm) in of_kind(&deployed(&[]), "AWS::CloudWatch::Alarm") {
        assert_eq!(alarm["AlarmActions"], json!([]), "{name} tells nobody");
    }
}

#[test]
fn the_dashboard_shows_every_metric_that_is_written_and_no_other() {
    for (mode, widgets) in [("account", 6), ("organization", 7)] {
        let template = deployed(&[("Mode", mode)]);
        let board = &of_kind(&template, "AWS::CloudWatch::Dashboard")["Dashboard"];
        let body = text(&board["DashboardBody"]["Fn::Sub"]);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(list(&body["widgets"]).len(), widgets, "{mode}");
        let mut shown = Vec::new();
        for widget in list(&body["widgets"]) {
            let metrics = list(&widget["properties"]["metrics"]);
            if metrics[0][0] != NAMESPACE {
                continue;
            }
            assert_eq!(metrics[0][2], "Function");
            assert_eq!(metrics[0][3], "${Function}");
            shown.extend(metrics.iter().map(|metric| text(&metric[1])));
        }
        let set: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
        assert_eq!(set, BTreeSet::from(METRICS), "{mode}");
        assert_eq!(shown.len(), METRICS.len(), "each once");
    }
    let variables = &TEMPLATE["Resources"]["Function"]["Properties"]["Environment"]["Variables"];
    assert_eq!(variables["METRICS_NAMESPACE"], NAMESPACE);
}

#[test]
fn runs_and_executions_are_traced() {
    let template = deployed(&[ORGANIZATION]);
    let function = &template["Resources"]["Function"]["Properties"];
    assert_eq!(function["Tracing"], "Active");
    assert_eq!(function["LoggingConfig"]["LogFormat"], "JSON");
    let machine = &template["Resources"]["StateMachine"]["Properties"];
    assert_eq!(machine["TracingConfiguration"]["Enabled"], true);
}

#[test]
fn concurrency_is_reserved_unless_that_is_none() {
    let reserved = |number: &str| {
        let template = deployed(&[("ReservedConcurrency", number)]);
        let function = &template["Resources"]["Function"]["Properties"];
        function.get("ReservedConcurrentExecutions").cloned()
    };
    assert_eq!(reserved("50"), Some(json!(50)));
    assert_eq!(reserved("0"), None, "0 would let nothing run");
}

// --- Who may do what --------------------------------------------------------

#[test]
fn a_wildcard_stands_only_where_aws_has_nothing_finer_and_says_so() {
    let mut said = 0;
    for name in ["template.yaml", "template-member.yaml"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let yaml = std::fs::read_to_string(file).expect("read");
        for line in yaml.lines().filter(|line| line.contains("\"*\"")) {
            assert!(line.contains("# AWS has no finer one"), "{line}");
            said += 1;
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
    assert_eq!(bare, said, "each is the * of a line with a comment");
    let expected = [
        // Why, stands above the statements in the template.
        "codeconnections:*:${AWS::AccountId}:*",
        "codestar-connections:*:${AWS::AccountId}:*",
        "iam::*:role/${MemberRoleName}",
        "states:${AWS::Region}:${AWS::AccountId}:execution:${StateMachine.Name}/*:*",
        "states:${AWS::Region}:${AWS::AccountId}:express:${StateMachine.Name}/*:*:*",
    ];
    assert_eq!(part, BTreeSet::from(expected.map(str::to_owned)));
}

/// Shows `look` every resource of every policy.
fn walk(value: &Value, look: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(map) => {
            if map.contains_key("Effect") {
                for resource in support::template::one_or_more(&map["Resource"]) {
                    look(&resource);
                }
            }
            map.values().for_each(|inner| walk(inner, look));
        }
        Value::Array(all) => all.iter().for_each(|inner| walk(inner, look)),
        _ => {}
    }
}

#[test]
fn each_other_role_is_one_services_in_this_account() {
    let template = deployed(&[ORGANIZATION]);
    let here = json!({"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}});
    for (role, service) in [
        ("ScheduleRole", "events"),
        ("StateMachineRole", "states"),
        ("PipeRole", "pipes"),
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
fn the_pipes_read_the_stream_and_tell_the_bus_and_nothing_else() {
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
    let pipes = of_kind(&template, "AWS::Pipes::Pipe");
    assert_eq!(pipes.len(), 2, "more than two readers slow a stream down");
    // What a template leaves empty for want of a path is not documented.
    let path = Regex::new(r"<\$\.dynamodb\.NewImage\.(\w+)").expect("a pattern");
    for (name, pipe) in pipes {
        assert_eq!(pipe["Source"], stream, "{name}");
        assert_eq!(pipe["Target"], arn("EventBus"), "{name}");
        let said = text(&pipe["TargetParameters"]["InputTemplate"]);
        assert_eq!(path.find_iter(&said).count(), said.matches('<').count());
        assert!(!said.contains("OldImage"), "{name}: a change has both");
    }
}

#[test]
fn the_members_role_lets_the_function_list_and_nobody_do_anything_else() {
    let role = &MEMBER["Resources"]["MemberRole"];
    assert_eq!(
        MEMBER["Resources"].as_object().map(|all| all.len()),
        Some(1)
    );
    let expected = ["codeconnections", "codestar-connections"].map(|service| {
        let all = format!("arn:${{AWS::Partition}}:{service}:*:${{AWS::AccountId}}:*");
        let action = format!("{service}:ListConnections");
        grant(&action, &json!({"Fn::Sub": all}), &Value::Null)
    });
    assert_eq!(granted(role), BTreeSet::from(expected));
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
                "ArnEquals": {"aws:PrincipalArn": {"Ref": "FunctionRoleArn"}},
                "StringEquals": {"Fn::If": [
                    "HasExternalId",
                    {"sts:ExternalId": {"Ref": "ExternalId"}},
                    {"Ref": "AWS::NoValue"},
                ]},
            },
        }])
    );
}
