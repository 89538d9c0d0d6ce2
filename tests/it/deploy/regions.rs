//! The template in every region: cfn-lint knows which types of resources each
//! of them has.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::support::template::{deployed_in, properties_of, text};
use crate::support::tools;
use serde_json::Value;

/// The resource types that each region lacks, of those that the template has.
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

/// The types of all resources but SAM's own.
fn types(template: &Value) -> BTreeSet<String> {
    let resources = template["Resources"].as_object().expect("resources");
    let types = resources.values().map(|resource| text(&resource["Type"]));
    types
        .filter(|kind| !kind.starts_with("AWS::Serverless::"))
        .collect()
}

#[test]
fn defaults_use_only_what_each_region_has() {
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
    let without = lacking.iter().filter(|(_, types)| !types.is_empty());
    let without: Vec<&str> = without.map(|(region, _)| region.as_str()).collect();
    // The parameter names them.
    let description = text(&crate::support::template::parameter("Pipes")["Description"]);
    for region in without {
        let (group, number) = region.rsplit_once('-').expect("a region");
        let named = description.contains(region)
            || (description.contains(group) && description.contains(&format!("-{number}")));
        assert!(named, "{region}: {description}");
    }
}

#[test]
fn without_pipes_nothing_refers_to_them() {
    for (region, pipes) in [("us-gov-west-1", "auto"), ("eu-west-1", "never")] {
        let parameters = [("Pipes", pipes), ("NotificationEmail", "a@example.com")];
        let template = deployed_in(region, &parameters);
        let resources = template["Resources"].as_object().expect("resources");
        let said = template["Resources"].to_string();
        for gone in [
            "ChangesPipe",
            "AlterationsPipe",
            "RecordAltered",
            "RecordsAltered",
            "RunsPipe",
            "PipeRole",
            "ErrorsAndDeletions",
            "RunsNotComplete",
        ] {
            assert!(!resources.contains_key(gone), "{gone}");
            assert!(!said.contains(gone), "{gone}: {said}");
        }
        for there in ["Table", "Function", "Schedule", "NoCompleteRun", "Topic"] {
            assert!(resources.contains_key(there), "{there}");
        }
    }
    let forced = deployed_in("us-gov-west-1", &[("Pipes", "always")]);
    assert_eq!(properties_of(&forced, "AWS::Pipes::Pipe").len(), 3);
}
