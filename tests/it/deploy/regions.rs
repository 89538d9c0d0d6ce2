//! The template in every region, with the resource types that cfn-lint knows for each.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::support::template::{deployed_in, properties_of, text};
use crate::support::tools;
use serde_json::Value;

/// Of an option that some regions lack.
const SLACK: &str = "AWS::Chatbot::SlackChannelConfiguration";

/// Returns the resource types of the template that each region lacks.
fn lacking() -> BTreeMap<String, BTreeSet<String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/regions.py");
    let types = types(&crate::support::template::TEMPLATE);
    let output = Command::new(tools::python())
        .arg(script)
        .args(&types)
        .output();
    let output = output.expect("python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Returns the types of all resources except those of SAM.
fn types(template: &Value) -> BTreeSet<String> {
    let resources = template["Resources"].as_object().expect("resources");
    let types = resources.values().map(|resource| text(&resource["Type"]));
    types
        .filter(|kind| !kind.starts_with("AWS::Serverless::"))
        .collect()
}

#[test]
fn defaults_use_only_resource_types_of_each_region() {
    let lacking = lacking();
    assert!(lacking.len() > 30, "{lacking:?}");
    for (region, lacking) in &lacking {
        for mode in ["account", "organization"] {
            let template = deployed_in(region, &[("Mode", mode), ("Notifications", "topic")]);
            let used = types(&template);
            let missing: Vec<&String> = used.intersection(lacking).collect();
            assert!(missing.is_empty(), "{region}: {missing:?}");
            let pipes = properties_of(&template, "AWS::Pipes::Pipe").len();
            let has_pipes = !lacking.contains("AWS::Pipes::Pipe");
            assert_eq!(pipes, if has_pipes { 3 } else { 0 }, "{region}");
        }
    }
    let without = |kind: &str| {
        let regions = lacking.iter().filter(|(_, types)| types.contains(kind));
        regions
            .map(|(region, _)| region.as_str())
            .collect::<Vec<_>>()
    };
    let by_default = lacking.values().flatten().filter(|kind| *kind != SLACK);
    let by_default: BTreeSet<&str> = by_default.map(String::as_str).collect();
    assert_eq!(by_default, BTreeSet::from(["AWS::Pipes::Pipe"]));
    // The description of the parameter names them.
    let description = text(&crate::support::template::parameter("Pipes")["Description"]);
    for region in without("AWS::Pipes::Pipe") {
        let (group, number) = region.rsplit_once('-').expect("a region");
        let named = description.contains(region)
            || (description.contains(group) && description.contains(&format!("-{number}")));
        assert!(named, "{region}: {description}");
    }
    let description = text(&crate::support::template::parameter("SlackWorkspaceId")["Description"]);
    assert!(
        description.contains("China and AWS GovCloud"),
        "{description}"
    );
    for region in without(SLACK) {
        assert!(
            region.starts_with("cn-") || region.starts_with("us-gov-"),
            "{region}"
        );
    }
}

#[test]
fn without_pipes_no_resource_refers_to_them() {
    for (region, pipes) in [("us-gov-west-1", "auto"), ("eu-west-1", "never")] {
        let parameters = [("Pipes", pipes), ("NotificationEmail", "a@example.com")];
        let template = deployed_in(region, &parameters);
        let resources = template["Resources"].as_object().expect("resources");
        let text = template["Resources"].to_string();
        for absent in [
            "ChangesPipe",
            "AlterationsPipe",
            "RecordAltered",
            "RecordsAltered",
            "RunsPipe",
            "PipeRole",
            "ErrorsAndDeletions",
            "RunsNotComplete",
        ] {
            assert!(!resources.contains_key(absent), "{absent}");
            assert!(!text.contains(absent), "{absent}: {text}");
        }
        for present in ["Table", "Function", "Schedule", "NoCompleteRun", "Topic"] {
            assert!(resources.contains_key(present), "{present}");
        }
    }
    let forced = deployed_in("us-gov-west-1", &[("Pipes", "always")]);
    assert_eq!(properties_of(&forced, "AWS::Pipes::Pipe").len(), 3);
}
