//! The CloudFormation templates as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::tools;

/// The template, with short tags expanded.
pub static TEMPLATE: LazyLock<Value> = LazyLock::new(|| read("template.yaml"));

/// The template of the role in a member account.
pub static MEMBER: LazyLock<Value> = LazyLock::new(|| read("template-member.yaml"));

fn read(name: &str) -> Value {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(tools::python())
        .arg(project.join("tests/python/template_as_json.py"))
        .arg(project.join(name))
        .output()
        .expect("python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Returns every resource of a type.
pub fn resources_of(kind: &str) -> BTreeMap<&'static str, &'static Value> {
    let resources = TEMPLATE["Resources"].as_object().expect("resources");
    let of_kind = resources.iter().filter(|(_, r)| r["Type"] == kind);
    of_kind
        .map(|(name, resource)| (name.as_str(), resource))
        .collect()
}

/// Returns the only resource of a type.
pub fn resource(kind: &str) -> &'static Value {
    let found = resources_of(kind);
    assert_eq!(found.len(), 1, "one {kind}: {:?}", found.keys());
    found.into_values().next().expect("a resource")
}

/// Returns the properties of every resource of a type.
pub fn properties_of<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().expect("resources");
    let of_kind = resources.iter().filter(|(_, r)| r["Type"] == kind);
    of_kind
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect()
}

/// Returns the expression for the ARN of a resource.
pub fn arn(name: &str) -> Value {
    json!({"Fn::GetAtt": [name, "Arn"]})
}

/// Returns a parameter of the template.
pub fn parameter(name: &str) -> &'static Value {
    TEMPLATE["Parameters"]
        .get(name)
        .unwrap_or_else(|| panic!("a parameter {name}"))
}

/// Returns the string of a JSON value.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text, not {value}"))
        .to_owned()
}

/// Returns the array of a JSON value.
pub fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("a list, not {value}"))
}

/// Returns the values of a policy element, which is one value or a list.
pub fn one_or_more(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        one => vec![one.clone()],
    }
}

/// One permission: an action on a resource, on a condition.
pub type Grant = (String, String, String);

pub fn grant(action: &str, resource: &Value, condition: &Value) -> Grant {
    (
        action.to_owned(),
        resource.to_string(),
        condition.to_string(),
    )
}

/// Returns all permissions of a role's inline policies.
pub fn granted(role: &Value) -> BTreeSet<Grant> {
    let mut grants = BTreeSet::new();
    for policy in list(&role["Properties"]["Policies"]) {
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            assert_eq!(statement["Effect"], "Allow", "{statement}");
            for sweeping in ["NotAction", "NotResource"] {
                assert_eq!(statement.get(sweeping), None, "{statement}");
            }
            for action in one_or_more(&statement["Action"]) {
                for resource in one_or_more(&statement["Resource"]) {
                    let grant = grant(&text(&action), &resource, &statement["Condition"]);
                    assert!(grants.insert(grant), "granted twice: {statement}");
                }
            }
        }
    }
    grants
}

/// Returns the template with these parameters and the defaults of the others: conditions
/// are evaluated, parameters and mappings substituted. Values that only AWS knows stay.
pub fn deployed(parameters: &[(&str, &str)]) -> Value {
    deployed_in("eu-west-1", parameters)
}

/// Same as [`deployed`], in another region.
pub fn deployed_in(region: &str, parameters: &[(&str, &str)]) -> Value {
    let given: BTreeMap<&str, &str> = parameters.iter().copied().collect();
    let declared = TEMPLATE["Parameters"].as_object().expect("parameters");
    for name in given.keys() {
        assert!(declared.contains_key(*name), "a parameter {name}");
    }
    let value_of = |name: &str, parameter: &Value| match (given.get(name), &parameter["Default"]) {
        (Some(given), Value::Number(_)) => given.parse().expect("a number"),
        (Some(given), _) => json!(given),
        (None, default) => default.clone(),
    };
    let parameters = declared
        .iter()
        .map(|(name, parameter)| (name.clone(), value_of(name, parameter)));
    let stack = Stack {
        parameters: parameters.collect(),
        region: region.to_owned(),
    };
    let mut template = TEMPLATE.clone();
    for section in ["Resources", "Outputs"] {
        let entries = template[section].as_object_mut().expect("entries");
        entries.retain(|_, entry| match entry["Condition"].as_str() {
            Some(name) => stack.evaluate(&TEMPLATE["Conditions"][name]),
            None => true,
        });
        template[section] = stack.fill(&template[section]).expect("a map");
    }
    template
}

struct Stack {
    parameters: Map<String, Value>,
    region: String,
}

impl Stack {
    fn evaluate(&self, condition: &Value) -> bool {
        let (function, argument) = only_entry(condition).expect("a condition");
        let of = |name: &str| self.evaluate(&TEMPLATE["Conditions"][name]);
        match function {
            "Condition" => of(&text(argument)),
            "Fn::Not" => !self.evaluate(&list(argument)[0]),
            "Fn::Or" => list(argument).iter().any(|one| self.evaluate(one)),
            "Fn::And" => list(argument).iter().all(|one| self.evaluate(one)),
            "Fn::Equals" => {
                let [a, b] = list(argument) else {
                    panic!("two values: {argument}");
                };
                self.as_text(a) == self.as_text(b)
            }
            other => panic!("a condition {other}"),
        }
    }

    fn as_text(&self, value: &Value) -> String {
        // Only conditions and mappings need it; elsewhere AWS substitutes it.
        if *value == json!({"Ref": "AWS::Region"}) {
            return self.region.clone();
        }
        match self.fill(value).expect("a value") {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// Returns the value with substitutions, or none for `AWS::NoValue`.
    fn fill(&self, value: &Value) -> Option<Value> {
        match only_entry(value) {
            Some(("Ref", name)) => {
                let name = text(name);
                if name == "AWS::NoValue" {
                    return None;
                }
                Some(self.parameters.get(&name).unwrap_or(value).clone())
            }
            Some(("Fn::If", choice)) => {
                let [condition, yes, no] = list(choice) else {
                    panic!("a choice of two: {choice}");
                };
                let holds = self.evaluate(&TEMPLATE["Conditions"][text(condition)]);
                self.fill(if holds { yes } else { no })
            }
            Some(("Fn::FindInMap", path)) => {
                let mut found = &TEMPLATE["Mappings"];
                for step in list(path) {
                    let step = self.as_text(step);
                    found = found.get(&step).unwrap_or_else(|| panic!("{step}: {path}"));
                }
                Some(found.clone())
            }
            Some(("Fn::Sub", argument)) => Some(self.substituted(argument)),
            _ => Some(match value {
                Value::Object(map) => {
                    let filled = map.iter();
                    let filled = filled.filter_map(|(key, v)| Some((key.clone(), self.fill(v)?)));
                    Value::Object(filled.collect())
                }
                Value::Array(all) => all.iter().filter_map(|one| self.fill(one)).collect(),
                other => other.clone(),
            }),
        }
    }

    /// Returns the result of `Fn::Sub`: a string, or still `Fn::Sub` if AWS has to
    /// substitute the rest.
    fn substituted(&self, argument: &Value) -> Value {
        let (mut result, own) = match argument {
            Value::Array(both) => (text(&both[0]), both[1].as_object()),
            one => (text(one), None),
        };
        for (name, value) in own.into_iter().flatten() {
            let value = self.fill(value).expect("a value");
            let value = value.get("Fn::Sub").unwrap_or(&value);
            // Other functions, such as Fn::Base64, are left to AWS.
            if let Some(value) = value.as_str() {
                result = result.replace(&format!("${{{name}}}"), value);
            }
        }
        for name in self.parameters.keys() {
            let value = self.as_text(&json!({"Ref": name}));
            result = result.replace(&format!("${{{name}}}"), &value);
        }
        if result.contains("${") {
            json!({"Fn::Sub": result})
        } else {
            json!(result)
        }
    }
}

/// Returns the key and value of a map with one entry, which is the form of functions.
fn only_entry(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.iter().next().map(|(key, value)| (key.as_str(), value))
}
