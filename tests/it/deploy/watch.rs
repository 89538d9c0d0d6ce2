//! The watch: its rules, alarms and trail. `deployed_stack::watch` tests what the rules
//! match.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use crate::support::template::{arn, deployed, granted, list, properties_of, text};
use serde_json::{Value, json};

/// Every option whose resources the watch names.
const ALL: [(&str, &str); 3] = [
    ("Watch", "data-events"),
    ("Checkpoints", "on"),
    ("RulesParameter", "/rules"),
];
/// Each alarm of the watch and the rule that it counts.
const ALARMS: [(&str, &str); 6] = [
    ("EvidenceChanged", "EvidenceChanges"),
    ("FunctionsChanged", "FunctionChanges"),
    ("RolesChanged", "RoleChanges"),
    ("StackChanged", "StackChanges"),
    ("TableChanged", "TableChanges"),
    ("TableWritten", "TableWrites"),
];
const TRAIL: [&str; 3] = ["WatchTrail", "WatchTrailBucket", "WatchTrailBucketPolicy"];
/// The quota of EventBridge, in characters.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>
const LONGEST_PATTERN: usize = 2_048;

fn names(parameters: &[(&str, &str)]) -> BTreeSet<String> {
    let template = deployed(parameters);
    let resources = template["Resources"].as_object().expect("resources");
    resources.keys().cloned().collect()
}

#[test]
fn watch_is_deployed_only_when_it_is_on() {
    let off = names(&[]);
    let more = |watch: &str| -> BTreeSet<String> {
        let on = names(&[("Watch", watch)]);
        assert!(off.is_subset(&on));
        on.difference(&off).cloned().collect()
    };
    let items = ["TableWritten", "TableWrites"];
    let parts = ALARMS.iter().flat_map(|&(alarm, rule)| [alarm, rule]);
    let mut expected: BTreeSet<String> = parts.chain(["WatchRole"]).map(str::to_owned).collect();
    let mut with_items = expected.clone();
    with_items.extend(TRAIL.map(str::to_owned));
    assert_eq!(more("data-events"), with_items);
    expected.retain(|name| !items.contains(&name.as_str()));
    assert_eq!(more("on"), expected);
    // Without the options, nothing refers to their resources.
    let text = deployed(&[("Watch", "on"), ("DependenciesSchedule", "off")]).to_string();
    for absent in [
        "DependenciesRole",
        "ComplianceFunction",
        "CheckpointKey",
        "WatchTrail",
        "TableWrites",
    ] {
        let named = format!("\"{absent}\"");
        assert!(!text.contains(&named), "{absent}");
        assert!(!text.contains(&format!("${{{absent}")), "{absent}");
    }
}

#[test]
fn rules_forward_calls_unchanged_and_alarms_count_them() {
    let template = deployed(&ALL);
    let rules = properties_of(&template, "AWS::Events::Rule");
    let alarms = properties_of(&template, "AWS::CloudWatch::Alarm");
    let target = json!({
        "Id": "bus",
        "Arn": arn("EventBus"),
        "RoleArn": arn("WatchRole"),
        "DeadLetterConfig": {"Arn": arn("FailureQueue")},
    });
    let queue = &properties_of(&template, "AWS::SQS::QueuePolicy")["FailureQueuePolicy"];
    let statement = &queue["PolicyDocument"]["Statement"][0];
    let may_send = list(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]);
    for (alarm, rule) in ALARMS {
        let [only] = list(&rules[rule]["Targets"]) else {
            panic!("one target of {rule}");
        };
        assert_eq!(*only, target, "{rule}");
        // CloudTrail sends to the default bus only.
        assert_eq!(rules[rule].get("EventBusName"), None, "{rule}");
        assert!(may_send.contains(&arn(rule)), "{rule}");
        let alarm = &alarms[alarm];
        let counted = ["Namespace", "MetricName", "Statistic"].map(|it| text(&alarm[it]));
        assert_eq!(counted, ["AWS/Events", "TriggeredRules", "Sum"]);
        // Rules of the default bus have no other dimension.
        let dimensions = json!([{"Name": "RuleName", "Value": {"Ref": rule}}]);
        assert_eq!(alarm["Dimensions"], dimensions);
        assert_eq!(alarm["Threshold"], 1);
        assert_eq!(alarm["TreatMissingData"], "notBreaching");
    }
    let role = granted(&template["Resources"]["WatchRole"]);
    let forward = ("events:PutEvents".to_owned(), arn("EventBus").to_string());
    let role: Vec<_> = role
        .into_iter()
        .map(|(action, on, _)| (action, on))
        .collect();
    assert_eq!(role, [forward]);
}

/// Replaces references by names as long as AWS makes them, in its longest region.
fn filled(value: &Value) -> Value {
    let name = |length: usize| json!("n".repeat(length));
    // CloudFormation shortens the names of functions, roles, rules and buckets to 64
    // characters. It appends its own part to the name of the stack, at most 128.
    let resource = |resource: &str| match resource {
        "AWS::StackName" => name(128),
        "AWS::StackId" => name(
            "arn:aws-us-gov:cloudformation:us-gov-west-1:123456789012:stack//".len() + 128 + 36,
        ),
        "WatchTrail" => name(128),
        "Table" | "LogGroup" => name(128 + "-LogGroup-123456789012".len()),
        _ => name(64),
    };
    let long = |called: &str| text(&resource(called));
    let arn_of = |called: &str| {
        // No shorter than that of any other of these resources.
        let before = "arn:aws-us-gov:cloudtrail:us-gov-west-1:123456789012:function:";
        format!("{before}{}", long(called))
    };
    let Some((function, argument)) = value.as_object().and_then(|map| map.iter().next()) else {
        return match value {
            Value::Array(all) => all.iter().map(filled).collect(),
            other => other.clone(),
        };
    };
    match function.as_str() {
        "Ref" => resource(&text(argument)),
        "Fn::GetAtt" => json!(arn_of(&text(&argument[0]))),
        "Fn::Sub" => {
            let mut result = text(argument);
            for (short, instead) in [
                ("${AWS::Partition}", "aws-us-gov".to_owned()),
                ("${AWS::Region}", "us-gov-west-1".to_owned()),
                ("${AWS::AccountId}", "123456789012".to_owned()),
            ] {
                result = result.replace(short, &instead);
            }
            while let Some((before, rest)) = result.split_once("${") {
                let (called, after) = rest.split_once('}').expect("closed");
                let instead = match called.strip_suffix(".Arn") {
                    Some(called) => arn_of(called),
                    None => long(called),
                };
                result = format!("{before}{instead}{after}");
            }
            json!(result)
        }
        _ => {
            let map = value.as_object().expect("a map");
            let filled = map.iter().map(|(key, inner)| (key.clone(), filled(inner)));
            Value::Object(filled.collect())
        }
    }
}

#[test]
fn patterns_fit_the_quota_with_the_longest_names() {
    let template = deployed(&ALL);
    let rules = properties_of(&template, "AWS::Events::Rule");
    let lengths: BTreeMap<&str, usize> = ALARMS
        .iter()
        .map(|&(_, rule)| (rule, filled(&rules[rule]["EventPattern"]).to_string().len()))
        .collect();
    assert!(lengths.values().all(|it| *it > 300), "{lengths:?}");
    let fits = lengths.values().all(|it| *it <= LONGEST_PATTERN);
    assert!(fits, "{lengths:?}");
}

#[test]
fn trail_records_writes_to_the_table_by_others_only() {
    let template = deployed(&ALL);
    let trail = &template["Resources"]["WatchTrail"]["Properties"];
    assert_eq!(trail["IsLogging"], true);
    assert_eq!(trail["EnableLogFileValidation"], true);
    assert_eq!(trail.get("EventSelectors"), None);
    let [selector] = list(&trail["AdvancedEventSelectors"]) else {
        panic!("one selector: {trail}");
    };
    let session = |role: &str| {
        let sub = "arn:${AWS::Partition}:sts::${AWS::AccountId}:assumed-role/${ROLE}/";
        json!({"Fn::Sub": sub.replace("ROLE", role)})
    };
    // The roles that the table's resource policy lets write.
    let policy = &template["Resources"]["Table"]["Properties"]["ResourcePolicy"];
    let writers = &policy["PolicyDocument"]["Statement"][0]["Condition"]["ArnNotEquals"];
    let writers = list(&writers["aws:PrincipalArn"]);
    let roles = ["FunctionRole", "DependenciesRole", "ComplianceRole"];
    assert_eq!(writers, roles.map(arn));
    assert_eq!(
        selector["FieldSelectors"],
        json!([
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::DynamoDB::Table"]},
            {"Field": "resources.ARN", "Equals": [arn("Table")]},
            {"Field": "readOnly", "Equals": ["false"]},
            {"Field": "userIdentity.arn", "NotStartsWith": roles.map(session)},
        ])
    );
    let rule = &template["Resources"]["TableWrites"]["Properties"]["EventPattern"];
    let issuer = &rule["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"];
    let others = json!([{"anything-but": roles.map(arn)}, {"exists": false}]);
    assert_eq!(*issuer, others);
}

#[test]
fn files_of_the_trail_are_kept_and_written_by_it_only() {
    let template = deployed(&ALL);
    let bucket = &template["Resources"]["WatchTrailBucket"];
    assert_eq!(bucket["DeletionPolicy"], "Retain");
    assert_eq!(bucket["UpdateReplacePolicy"], "Retain");
    let bucket = &bucket["Properties"];
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    let private = bucket["PublicAccessBlockConfiguration"].as_object();
    assert!(private.expect("a block").values().all(|it| it == true));

    let resources = &template["Resources"];
    assert_eq!(
        resources["WatchTrail"]["DependsOn"],
        "WatchTrailBucketPolicy"
    );
    let name = &resources["WatchTrail"]["Properties"]["TrailName"]["Fn::Sub"];
    let policy = &resources["WatchTrailBucketPolicy"]["Properties"]["PolicyDocument"];
    let mut allowed = BTreeSet::new();
    for statement in list(&policy["Statement"]) {
        if statement["Effect"] == "Deny" {
            continue;
        }
        let service = json!({"Service": "cloudtrail.amazonaws.com"});
        assert_eq!(statement["Principal"], service);
        let from = &statement["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"];
        let suffix = format!(":trail/{}", text(name));
        assert!(text(from).ends_with(&suffix), "{from}");
        allowed.insert(text(&statement["Action"]));
    }
    assert_eq!(Vec::from_iter(allowed), ["s3:GetBucketAcl", "s3:PutObject"]);
}
