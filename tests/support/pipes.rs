//! EventBridge Pipes: filters and input templates, as AWS documents them:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html>.
//!
//! An input template is JSON with paths in angle brackets. A path outside a string becomes
//! its value as JSON; a path within a string becomes a part of that string. "EventBridge
//! replaces input transformers at runtime to ensure a valid JSON output", so a value in a
//! string is escaped. AWS does not document paths without a value: here they fail.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};
use serde_json::{Value, json};

use super::aws::Aws;
use super::template::{TEMPLATE, list, text};

/// Matches a JSON string, or a path outside of one.
static TEXT_OR_PATH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#""(?:\\.|[^"\\])*"|<[^<>]*>"#).expect("an expression"));
static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new("<([^<>]*)>").expect("an expression"));

/// A pipe of the template.
pub struct Pipe {
    pub filter: Filter,
    pub input_template: String,
    pub source: String,
    pub detail_type: String,
}

impl Pipe {
    pub fn of_the_template(name: &str) -> Self {
        let pipe = &TEMPLATE["Resources"][name];
        assert_eq!(pipe["Type"], "AWS::Pipes::Pipe", "{name}");
        let filters = &pipe["Properties"]["SourceParameters"]["FilterCriteria"]["Filters"];
        let target = &pipe["Properties"]["TargetParameters"];
        let bus = &target["EventBridgeEventBusParameters"];
        Self {
            filter: Filter::of(filters),
            input_template: text(&target["InputTemplate"]),
            source: text(&bus["Source"]),
            detail_type: text(&bus["DetailType"]),
        }
    }

    /// Returns true if the pipe's filter matches a record.
    pub async fn matches(&self, events: &Aws, record: &Value) -> bool {
        self.filter.matches(events, record).await
    }

    /// Returns the detail of the event that a record becomes.
    pub fn detail(&self, record: &Value) -> Value {
        let made = TEXT_OR_PATH.replace_all(&self.input_template, |part: &Captures<'_>| {
            let part = &part[0];
            match part.strip_prefix('<') {
                Some(path) => value_at(record, path.trim_end_matches('>')).to_string(),
                None => within_text(part, record),
            }
        });
        serde_json::from_str(&made).unwrap_or_else(|error| panic!("{error}: {made}"))
    }
}

/// A filter of pipes and event source mappings: event patterns, of which one must match.
pub struct Filter(Vec<String>);

impl Filter {
    /// Returns the filter of the template's `Filters`.
    pub fn of(filters: &Value) -> Self {
        let filters = list(filters).iter();
        Self(filters.map(|filter| text(&filter["Pattern"])).collect())
    }

    /// Returns true if a pattern matches a record. They are event patterns, so the record
    /// is tested as the detail of an event.
    pub async fn matches(&self, events: &Aws, record: &Value) -> bool {
        let event = json!({
            "id": "1", "source": "a stream", "detail-type": "a record", "account": "1",
            "time": "2026-10-08T16:21:07Z", "region": "eu-west-1", "resources": [],
            "detail": record,
        });
        for filter in &self.0 {
            let filter: Value = serde_json::from_str(filter).expect("JSON");
            let request = json!({
                "EventPattern": json!({"detail": filter}).to_string(),
                "Event": event.to_string(),
            });
            let answer = events.call("events", "test_event_pattern", request).await;
            if answer["Result"] == true {
                return true;
            }
        }
        false
    }
}

fn within_text(quoted: &str, record: &Value) -> String {
    let replaced = PATH.replace_all(quoted, |path: &Captures<'_>| {
        let value = text(value_at(record, &path[1]));
        let escaped = Value::String(value).to_string();
        escaped[1..escaped.len() - 1].to_owned()
    });
    replaced.into_owned()
}

/// Returns the value at a path such as `$.dynamodb.NewImage.problems.L[0].S`.
fn value_at<'a>(record: &'a Value, path: &str) -> &'a Value {
    let steps = path.strip_prefix("$.").expect("a path from the record");
    let mut value = record;
    for step in steps.split('.') {
        let (name, index) = match step.split_once('[') {
            Some((name, index)) => (name, Some(index.trim_end_matches(']'))),
            None => (step, None),
        };
        let found = value.get(name).and_then(|value| match index {
            Some(index) => value.get(index.parse::<usize>().expect("a number")),
            None => Some(value),
        });
        value = found.unwrap_or_else(|| panic!("no {path}: {step} is missing in {record:#}"));
    }
    value
}
