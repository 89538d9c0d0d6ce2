//! The template, as tests read it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use super::tools;

/// The template, its short tags written out.
pub static TEMPLATE: LazyLock<Value> = LazyLock::new(|| {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(tools::python())
        .arg(project.join("tests/python/template_as_json.py"))
        .arg(project.join("template.yaml"))
        .output()
        .expect("python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
});

/// Every resource of a type.
pub fn resources_of(kind: &str) -> BTreeMap<&'static str, &'static Value> {
    let resources = TEMPLATE["Resources"].as_object().expect("resources");
    let of_kind = resources.iter().filter(|(_, r)| r["Type"] == kind);
    of_kind
        .map(|(name, resource)| (name.as_str(), resource))
        .collect()
}

/// The only resource of a type.
pub fn resource(kind: &str) -> &'static Value {
    let found = resources_of(kind);
    assert_eq!(found.len(), 1, "one {kind}: {:?}", found.keys());
    found.into_values().next().expect("a resource")
}

/// A text.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text, not {value}"))
        .to_owned()
}

/// A list.
pub fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("a list, not {value}"))
}

/// One value or a list of them, as policies have it.
pub fn one_or_more(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    }
}
