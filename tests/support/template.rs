//! The templates, as tests read them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::tools;

/// The template, its short tags written out.
pub static TEMPLATE: LazyLock<Value> = LazyLock::new(|| read("template.yaml"));

/// The template of the role in another account.
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

/// The properties of every resource of a type.
pub fn properties_of<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().expect("resources");
    let of_kind = resources.iter().filter(|(_, r)| r["Type"] == kind);
    of_kind
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect()
}

/// The ARN of a resource of the template.
pub fn arn(name: &str) -> Value {
    json!({"Fn::GetAtt": [name, "Arn"]})
}

/// A parameter of the template.
pub fn parameter(name: &str) -> &'static Value {
    TEMPLATE["Parameters"]
        .get(name)
        .unwrap_or_else(|| panic!("a parameter {name}"))
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

/// One permission: an action on a resource, on a condition.
pub type Grant = (String, String, String);

pub fn grant(action: &str, resource: &Value, condition: &Value) -> Grant {
    (
        action.to_owned(),
        resource.to_string(),
        condition.to_string(),
    )
}

/// Everything that a role's own policies grant.
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

/// What the template deploys with these parameters, the others at their
/// defaults: its conditions decided, its parameters and mappings filled in.
/// What only AWS knows is left as it stands.
pub fn deployed(parameters: &[(&str, &str)]) -> Value {
    deployed_in("eu-west-1", parameters)
}

/// The same in another region.
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
            Some(name) => stack.decide(&TEMPLATE["Conditions"][name]),
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
    fn decide(&self, condition: &Value) -> bool {
        let (function, argument) = only_entry(condition).expect("a condition");
        let of = |name: &str| self.decide(&TEMPLATE["Conditions"][name]);
        match function {
            "Condition" => of(&text(argument)),
            "Fn::Not" => !self.decide(&list(argument)[0]),
            "Fn::Or" => list(argument).iter().any(|one| self.decide(one)),
            "Fn::And" => list(argument).iter().all(|one| self.decide(one)),
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
        // Only what is decided needs it; elsewhere AWS fills it in.
        if *value == json!({"Ref": "AWS::Region"}) {
            return self.region.clone();
        }
        match self.fill(value).expect("a value") {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// The value, or none where the template says that there is none.
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
                let decided = self.decide(&TEMPLATE["Conditions"][text(condition)]);
                self.fill(if decided { yes } else { no })
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

    /// What `Fn::Sub` says: a text, or the function still if AWS has to fill in
    /// the rest.
    fn substituted(&self, argument: &Value) -> Value {
        let (mut said, own) = match argument {
            Value::Array(both) => (text(&both[0]), both[1].as_object()),
            one => (text(one), None),
        };
        for (name, value) in own.into_iter().flatten() {
            let value = self.fill(value).expect("a value");
            let value = value.get("Fn::Sub").unwrap_or(&value);
            said = said.replace(&format!("${{{name}}}"), &text(value));
        }
        for name in self.parameters.keys() {
            let value = self.as_text(&json!({"Ref": name}));
            said = said.replace(&format!("${{{name}}}"), &value);
        }
        if said.contains("${") {
            json!({"Fn::Sub": said})
        } else {
            json!(said)
        }
    }
}

/// The key and the value of a map that has only one, as functions are written.
fn only_entry(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.iter().next().map(|(key, value)| (key.as_str(), value))
}
