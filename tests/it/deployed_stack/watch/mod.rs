//! The watch: which calls its rules match, and where they go.
//!
//! Events have the fields of CloudTrail's examples:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/understanding-ddb-log-entries.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/ct-put-key-policy.html>.

mod changes;
mod writes;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::story::sample;
use crate::support::stack::Stack;
use crate::support::template::text;
use crate::support::test_env::REGION;

const RULES: [&str; 6] = [
    "EvidenceChanges",
    "FunctionChanges",
    "RoleChanges",
    "StackChanges",
    "TableChanges",
    "TableWrites",
];

/// A stack with the watch, and the patterns of its rules as deployed.
struct Watched {
    stack: Stack,
    patterns: BTreeMap<&'static str, String>,
}

impl Watched {
    async fn deployed(watch: &str, parameters: &[(&str, &str)]) -> Self {
        let mut stack = Stack::prepared().await;
        let parameters = [&[("Watch", watch)], parameters].concat();
        // The emulator has no trails in a stack: something else with a name and an ARN.
        let no_trail = |template: &mut Value| {
            let trail = &mut template["Resources"]["WatchTrail"];
            trail["Type"] = json!("AWS::Logs::LogGroup");
            let name = trail["Properties"]["TrailName"].take();
            trail["Properties"] = json!({"LogGroupName": name});
        };
        stack.deploy(&parameters, no_trail).await;
        let mut patterns = BTreeMap::new();
        for rule in RULES {
            if rule == "TableWrites" && watch != "data-events" {
                continue;
            }
            let name = json!({"Name": stack.resource(rule).await});
            let deployed = stack.aws.call("events", "describe_rule", name).await;
            assert_eq!(deployed["State"], "ENABLED", "{rule}");
            patterns.insert(rule, text(&deployed["EventPattern"]));
        }
        Self { stack, patterns }
    }

    async fn name(&self, resource: &str) -> String {
        self.stack.resource(resource).await
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        let account = self.stack.account();
        format!("arn:aws:{service}:{REGION}:{account}:{resource}")
    }

    /// Returns the rules that match an event.
    async fn matching(&self, event: &Value) -> Vec<&'static str> {
        let mut matching = Vec::new();
        for (rule, pattern) in &self.patterns {
            let request = json!({"EventPattern": pattern, "Event": event.to_string()});
            let aws = &self.stack.aws;
            let answer = aws.call("events", "test_event_pattern", request).await;
            if answer["Result"].as_bool().expect("yes or no") {
                matching.push(*rule);
            }
        }
        matching
    }

    /// Asserts that only this rule matches the call, and none if it failed or only reads.
    async fn only(&self, rule: &str, call: &Value) {
        assert_eq!(self.matching(call).await, [rule], "{call:#}");
        let mut other = call.clone();
        other["detail"]["errorCode"] = json!("AccessDenied");
        assert_eq!(self.matching(&other).await, [""; 0], "refused: {call:#}");
        let mut other = call.clone();
        other["detail"]["readOnly"] = json!(true);
        assert_eq!(self.matching(&other).await, [""; 0], "reads: {call:#}");
        // CloudTrail omits these from some events.
        let mut other = call.clone();
        let detail = other["detail"].as_object_mut().expect("a map");
        detail.remove("readOnly");
        detail.remove("managementEvent");
        assert_eq!(self.matching(&other).await, [rule], "{other:#}");
    }

    async fn none(&self, call: &Value) {
        assert_eq!(self.matching(call).await, [""; 0], "{call:#}");
    }
}

/// Returns a call as CloudTrail sends it.
fn call(service: &str, name: &str, parameters: Value) -> Value {
    let mut event = sample("cloudtrail-create-connection.json");
    event["source"] = json!(format!("aws.{service}"));
    let detail = &mut event["detail"];
    detail["eventSource"] = json!(format!("{service}.amazonaws.com"));
    detail["eventName"] = json!(name);
    detail["requestParameters"] = parameters;
    detail["responseElements"] = Value::Null;
    event
}

/// Returns a call on items of a table.
fn write(table: &str, name: &str, parameters: Value) -> Value {
    let mut event = call("dynamodb", name, parameters);
    let detail = &mut event["detail"];
    detail["managementEvent"] = json!(false);
    detail["eventCategory"] = json!("Data");
    detail["resources"] = json!([
        {"accountId": "123456789012", "type": "AWS::DynamoDB::Table", "ARN": table},
    ]);
    event
}
