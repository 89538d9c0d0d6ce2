//! Tests the published events: the samples, their schemas and the pipes that
//! create them.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::path::{Path, PathBuf};

use crate::support::python::{fine, python};
use crate::support::template::{TEMPLATE, list, text};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const BY_PIPES: [(&str, &str); 3] = [
    ("connection-status-changed", "ChangesPipe"),
    ("run-not-complete", "RunsPipe"),
    ("record-altered", "AlterationsPipe"),
];

/// All published events. `lambda::evaluation` compares the last one with what the
/// function of findings sends.
const PUBLISHED: [&str; 4] = [
    BY_PIPES[0].0,
    BY_PIPES[1].0,
    BY_PIPES[2].0,
    "finding-changed",
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
async fn every_sample_matches_its_schema() {
    for name in PUBLISHED {
        fine(evaluate(name, &read(&format!("{name}.json"))).await);
    }
    let files = std::fs::read_dir(file("")).expect("events/out").count();
    assert_eq!(files, 2 * PUBLISHED.len(), "a sample and a schema of each");
}

#[tokio::test]
async fn schema_allows_more_fields_but_none_missing_and_no_other_version() {
    for name in PUBLISHED {
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
fn pipe_fills_every_field_of_the_published_event_as_text() {
    for (name, pipe) in BY_PIPES {
        let sample = read(&format!("{name}.json"));
        let schema = read(&format!("{name}.schema.json"));
        let target = &TEMPLATE["Resources"][pipe]["Properties"]["TargetParameters"];
        let bus = &target["EventBridgeEventBusParameters"];
        assert_eq!(bus["DetailType"], sample["detail-type"]);
        assert_eq!(bus["Source"], sample["source"]);
        // A placeholder that is a whole value includes its quotes.
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
