//! Resources around the function: schedule, queues, notifications, alarms and
//! dashboard.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use crate::support::template::{
    TEMPLATE, arn, deployed, list, parameter, properties_of, resources_of, text,
};
use serde_json::{Value, json};

const ORGANIZATION: (&str, &str) = ("Mode", "organization");
const TOPIC: (&str, &str) = ("Notifications", "topic");
const SLACK: [(&str, &str); 2] = [
    ("SlackWorkspaceId", "T0123ABCD"),
    ("SlackChannelId", "C0123ABCD"),
];
const EMAIL: (&str, &str) = ("NotificationEmail", "platform@example.com");
/// With [`SLACK`], every rule and alarm is deployed.
const EVERY_OPTION: [(&str, &str); 6] = [
    ORGANIZATION,
    ("AlterationEvents", "on"),
    ("Checkpoints", "on"),
    ("Lake", "on"),
    ("RulesParameter", "/rules"),
    ("Watch", "data-events"),
];
const NAMESPACE: &str = "CodeConnectionsInventory";

/// The metrics that the function publishes for every run.
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

fn names(template: &Value) -> BTreeSet<String> {
    let resources = template["Resources"].as_object().expect("resources");
    resources.keys().cloned().collect()
}

// --- Modes ------------------------------------------------------------------

#[test]
fn optional_resources_are_deployed_only_when_enabled() {
    let alone = names(&deployed(&[]));
    let more = |parameters: &[(&str, &str)]| {
        let present = names(&deployed(parameters));
        let more = present.difference(&alone).cloned().collect::<Vec<_>>();
        let less = alone.difference(&present).cloned().collect::<Vec<_>>();
        (more, less)
    };
    let (organization, removed) = more(&[ORGANIZATION]);
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
    assert_eq!(removed, ["DependenciesRuleMayInvoke", "ScheduleMayInvoke"]);
    let (_, removed) = more(&[("DependenciesSchedule", "off")]);
    assert_eq!(
        removed,
        [
            "DependenciesErrors",
            "DependenciesFunction",
            "DependenciesLog",
            "DependenciesRole",
            "DependenciesRule",
            "DependenciesRuleMayInvoke",
            "DependenciesTablePolicy",
            "DependencyEventQueue",
            "DependencyEventQueuePolicy",
            "DependencyEventQueueToFunction",
            "DependencyEvents",
            "NoCompleteDependenciesRun",
        ]
    );
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
    assert_eq!(with_email, expected, "an email address creates the topic");
    assert_eq!(
        more(&[("RulesParameter", "/rules")]).0,
        [
            "ComplianceErrors",
            "ComplianceFunction",
            "ComplianceLog",
            "ComplianceRole",
            "ComplianceStream",
            "ComplianceTablePolicy",
            "NoEvaluation",
        ]
    );
    let mut expected = topic.to_vec();
    expected.extend([
        "ChatTopic",
        "ChatTopicPolicy",
        "ErrorsAndDeletionsInChat",
        "UnsafeNamesInChat",
    ]);
    expected.sort_unstable();
    assert_eq!(more(&[("Notifications", "chat")]).0, expected);
    expected.extend(["SlackChannel", "SlackChannelRole"]);
    expected.sort_unstable();
    assert_eq!(more(&SLACK).0, expected, "a channel creates the topics");
}

#[test]
fn slack_channel_gets_notifications_and_can_run_nothing() {
    let template = deployed(&SLACK);
    let channels = properties_of(&template, "AWS::Chatbot::SlackChannelConfiguration");
    assert_eq!(channels.len(), 1);
    let channel = channels["SlackChannel"];
    assert_eq!(channel["SnsTopicArns"], json!([{"Ref": "ChatTopic"}]));
    let role = &template["Resources"]["SlackChannelRole"]["Properties"];
    for policies in [&channel["GuardrailPolicies"], &role["ManagedPolicyArns"]] {
        assert_eq!(list(policies).len(), 1, "{policies}");
        assert!(
            policies.to_string().ends_with("/AWSDenyAll\"}]"),
            "{policies}"
        );
    }
    assert_eq!(role.get("Policies"), None);
}

#[test]
fn alarms_notify_each_topic_that_exists() {
    let topics = |parameters: &[(&str, &str)]| {
        let template = deployed(&[&EVERY_OPTION, parameters].concat());
        let alarms = properties_of(&template, "AWS::CloudWatch::Alarm");
        let actions: BTreeSet<String> = alarms
            .values()
            .map(|alarm| alarm["AlarmActions"].to_string())
            .collect();
        Vec::from_iter(actions)
    };
    assert_eq!(topics(&[]), ["[]"]);
    assert_eq!(topics(&[TOPIC]), [r#"[{"Ref":"Topic"}]"#]);
    assert_eq!(topics(&SLACK), [r#"[{"Ref":"Topic"},{"Ref":"ChatTopic"}]"#]);
}

#[test]
fn schedules_start_the_functions_or_the_state_machine() {
    let target = |rule: &str, parameters: &[(&str, &str)]| {
        let template = deployed(parameters);
        let targets = template["Resources"][rule]["Properties"]["Targets"].clone();
        assert_eq!(list(&targets).len(), 1, "{targets}");
        ["Arn", "RoleArn", "Input"].map(|member| targets[0][member].clone())
    };
    let [machine, role] = [json!({"Ref": "StateMachine"}), arn("ScheduleRole")];
    let none = Value::Null;
    assert_eq!(
        target("Schedule", &[]),
        [arn("Function"), none.clone(), none.clone()]
    );
    assert_eq!(
        target("Schedule", &[ORGANIZATION]),
        [machine.clone(), role.clone(), none.clone()]
    );
    let rule = "DependenciesRule";
    assert_eq!(
        target(rule, &[]),
        [arn("DependenciesFunction"), none.clone(), none]
    );
    let input = json!("{ \"inventory\": \"dependencies\" }");
    assert_eq!(target(rule, &[ORGANIZATION]), [machine, role, input]);
}

// --- API calls --------------------------------------------------------------

#[test]
fn queue_visibility_timeout_is_six_timeouts_plus_batch_window() {
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
        let template = deployed(&[("Mode", mode)]);
        let resources = &template["Resources"];
        let of = |name: &str, property: &str| resources[name]["Properties"][property].as_u64();
        let timeout = of("DependenciesFunction", "Timeout").expect("a number");
        let window = of(
            "DependencyEventQueueToFunction",
            "MaximumBatchingWindowInSeconds",
        );
        assert_eq!(
            of("DependencyEventQueue", "VisibilityTimeout"),
            window.map(|window| 6 * timeout + window)
        );
    }
}

#[test]
fn event_queue_invokes_the_function_with_partial_batch_failures() {
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
    // Without a window Lambda refuses batches of more than ten messages.
    assert_eq!(parameter("EventBatchWindow")["MinValue"], 1);
    let rule = &template["Resources"]["ConnectionEvents"]["Properties"];
    assert_eq!(
        rule["EventPattern"],
        json!({
            "source": ["aws.codeconnections", "aws.codestar-connections"],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventSource": [
                    "codeconnections.amazonaws.com", "codestar-connections.amazonaws.com",
                ],
                "readOnly": [false],
                "eventName": [{"anything-but": [
                    "GetConnectionToken", "GetIndividualAccessToken", "GetInstallationUrl",
                    "ListInstallationTargets", "PassConnection", "PassRepository",
                    "TagResource", "UntagResource", "UseConnection",
                ]}],
                "errorCode": [{"exists": false}],
            },
        })
    );
}

#[test]
fn undelivered_messages_go_to_the_failure_queue() {
    let template = deployed(&[&EVERY_OPTION[..], &SLACK].concat());
    let failures = arn("FailureQueue");
    let policy = &properties_of(&template, "AWS::SQS::QueuePolicy")["FailureQueuePolicy"];
    let [statement] = list(&policy["PolicyDocument"]["Statement"]) else {
        panic!("one statement: {policy}");
    };
    let may_send = list(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]);
    let rules = properties_of(&template, "AWS::Events::Rule");
    assert_eq!(rules.len(), resources_of("AWS::Events::Rule").len());
    // `RecordAltered` only counts matching events.
    let delivers = rules
        .into_iter()
        .filter(|(name, _)| *name != "RecordAltered");
    for (name, rule) in delivers {
        assert!(may_send.contains(&arn(name)), "{name}");
        for target in list(&rule["Targets"]) {
            assert_eq!(target["DeadLetterConfig"]["Arn"], failures, "{name}");
        }
    }
    for (name, pipe) in properties_of(&template, "AWS::Pipes::Pipe") {
        let source = &pipe["SourceParameters"]["DynamoDBStreamParameters"];
        assert_eq!(source["DeadLetterConfig"]["Arn"], failures, "{name}");
    }
    let queues = properties_of(&template, "AWS::SQS::Queue");
    for (name, queue) in &queues {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name}");
    }
    for name in ["EventQueue", "DependencyEventQueue"] {
        let expected = json!({"deadLetterTargetArn": failures, "maxReceiveCount": 5});
        assert_eq!(queues[name]["RedrivePolicy"], expected, "{name}");
    }
    // The table's stream invokes it.
    let mappings = properties_of(&template, "AWS::Lambda::EventSourceMapping");
    let stream = &mappings["ComplianceStream"]["DestinationConfig"];
    assert_eq!(stream["OnFailure"]["Destination"], failures);
    let invoked = properties_of(&template, "AWS::Serverless::Function")
        .into_iter()
        .filter(|(name, _)| *name != "ComplianceFunction");
    for (name, function) in invoked {
        let failed = &function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"];
        assert_eq!(failed["Destination"], failures, "{name}");
    }
}

// --- Alarms and metrics -----------------------------------------------------

#[test]
fn each_alarm_watches_the_metric_it_is_named_after() {
    let template = deployed(&[ORGANIZATION, TOPIC, ("HoursWithoutCompleteRun", "5")]);
    let alarms = properties_of(&template, "AWS::CloudWatch::Alarm");
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
            "DependenciesErrors",
            "AWS/Lambda/Errors".to_owned(),
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
        (
            "NoCompleteDependenciesRun",
            own("CompleteRuns"),
            "breaching",
        ),
        ("NoCompleteRun", own("CompleteRuns"), "breaching"),
        (
            "RecordsAltered",
            "AWS/Events/TriggeredRules".to_owned(),
            "notBreaching",
        ),
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
    // It alarms if every one of these hours had no complete run.
    let without = &alarms["NoCompleteRun"];
    assert_eq!(without["ComparisonOperator"], "LessThanThreshold");
    assert_eq!(without["Period"], 3600);
    assert_eq!(without["EvaluationPeriods"], 5);
    assert_eq!(without.get("DatapointsToAlarm"), None);
    let without = &alarms["NoCompleteDependenciesRun"];
    assert_eq!(without["Period"], 86_400);
    assert_eq!(without["EvaluationPeriods"], 2);
    assert_eq!(without.get("DatapointsToAlarm"), None);
    let own_metrics = alarms.iter().filter(|(_, a)| a["Namespace"] == NAMESPACE);
    for (name, alarm) in own_metrics {
        let function = match *name {
            "NoCompleteDependenciesRun" => "DependenciesFunction",
            _ => "Function",
        };
        let dimensions = json!([{"Name": "Function", "Value": {"Ref": function}}]);
        assert_eq!(alarm["Dimensions"], dimensions, "{name}");
    }
    for (name, alarm) in properties_of(&deployed(&[]), "AWS::CloudWatch::Alarm") {
        assert_eq!(alarm["AlarmActions"], json!([]), "{name} has no action");
    }
}

#[test]
fn alarm_of_missing_evaluations_counts_those_that_are_not_complete_too() {
    let parameters = [
        ("RulesParameter", "/rules"),
        ("HoursWithoutCompleteRun", "5"),
    ];
    let template = deployed(&parameters);
    let alarms = properties_of(&template, "AWS::CloudWatch::Alarm");
    let missing = alarms["NoEvaluation"];
    assert_eq!(
        missing["Statistic"], "SampleCount",
        "not the sum: one may be PARTIAL"
    );
    let of_runs = alarms["NoCompleteRun"];
    for same in [
        "ComparisonOperator",
        "EvaluationPeriods",
        "MetricName",
        "Namespace",
        "Period",
        "Threshold",
        "TreatMissingData",
    ] {
        assert_eq!(missing[same], of_runs[same], "{same}");
    }
    let function = json!([{"Name": "Function", "Value": {"Ref": "ComplianceFunction"}}]);
    assert_eq!(missing["Dimensions"], function);
}

#[test]
fn dashboard_shows_exactly_the_published_metrics() {
    for (mode, widgets) in [("account", 6), ("organization", 7)] {
        let template = deployed(&[("Mode", mode)]);
        let board = &properties_of(&template, "AWS::CloudWatch::Dashboard")["Dashboard"];
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
fn concurrency_is_reserved_unless_zero() {
    let reserved = |number: &str| {
        let template = deployed(&[("ReservedConcurrency", number)]);
        let function = &template["Resources"]["Function"]["Properties"];
        function.get("ReservedConcurrentExecutions").cloned()
    };
    assert_eq!(reserved("50"), Some(json!(50)));
    assert_eq!(reserved("0"), None, "0 would block every run");
}
