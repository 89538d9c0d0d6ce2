//! What the stack tells: the published samples and their schemas.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::path::{Path, PathBuf};

use crate::support::python::{fine, python};
use crate::support::template::{TEMPLATE, list, text};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const PUBLISHED: [(&str, &str); 3] = [
    ("connection-status-changed", "ChangesPipe"),
    ("run-not-complete", "RunsPipe"),
    ("record-altered", "AlterationsPipe"),
];

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/out");
    folder.join(name)
}

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(file(name)).expect("read");
    serde_json::from_str(&text).expect("JSON")
}

async fn evaluate(name: &str, event: &Value) -> Result<String, String> {
    let events = NamedTempFile::new().expect("a file");
    std::fs::write(&events, event.to_string()).expect("written");
    let schema = file(&format!("{name}.schema.json"));
    let [schema, events] = [&schema, events.path()].map(|path| path.to_str().expect("a path"));
    python("against_schema.py", &[schema, events]).await
}

#[tokio::test]
async fn every_sample_holds_against_its_schema() {
    for (name, _) in PUBLISHED {
        fine(evaluate(name, &read(&format!("{name}.json"))).await);
    }
    let there = std::fs::read_dir(file("")).expect("events/out").count();
    assert_eq!(there, 2 * PUBLISHED.len(), "a sample and a schema of each");
}

#[tokio::test]
async fn a_field_more_is_still_version_1_but_none_may_be_missing_or_another_thing() {
    for (name, _) in PUBLISHED {
        let sample = read(&format!("{name}.json"));
        let mut more = sample.clone();
        more["detail"]["added"] = json!({"later": 1});
        fine(evaluate(name, &more).await);

        let fields = sample["detail"].as_object().expect("a map");
        for field in fields.keys() {
            let mut less = sample.clone();
            less["detail"].as_object_mut().expect("a map").remove(field);
            let fault = evaluate(name, &less).await.expect_err(field);
            assert!(
                fault.contains(&format!("'{field}' is a required")),
                "{fault}"
            );
        }
        for wrong in [json!("2"), json!(1)] {
            let mut other = sample.clone();
            other["detail"]["version"] = wrong;
            evaluate(name, &other).await.expect_err("another version");
        }
    }
}

#[test]
fn a_pipe_fills_in_every_field_of_the_published_event_as_a_text() {
    for (name, pipe) in PUBLISHED {
        let sample = read(&format!("{name}.json"));
        let schema = read(&format!("{name}.schema.json"));
        let target = &TEMPLATE["Resources"][pipe]["Properties"]["TargetParameters"];
        let bus = &target["EventBridgeEventBusParameters"];
        assert_eq!(bus["DetailType"], sample["detail-type"]);
        assert_eq!(bus["Source"], sample["source"]);
        // One that stands by itself takes its quotes along.
        let template = text(&target["InputTemplate"]);
        let template = template.replace(": <", ": \"<").replace(">,\n", ">\",\n");
        let template = template.replace(">\n", ">\"\n");
        let template: Value = serde_json::from_str(&template).expect("JSON");
        let fields = template.as_object().expect("a map").keys();
        let fields: Vec<String> = fields.cloned().collect();
        let mut required: Vec<String> = list(&schema["properties"]["detail"]["required"])
            .iter()
            .map(text)
            .collect();
        required.sort();
        assert_eq!(fields, required, "{name}");
        let sampled = sample["detail"].as_object().expect("a map").keys();
        assert_eq!(fields, sampled.cloned().collect::<Vec<_>>(), "{name}");
    }
}
