//! Members of a connection that this version does not model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Digest;
use super::digest::canonical_json;

/// Members that are kept of one connection.
const MAX_MEMBERS: usize = 16;
/// Bytes of a member's name.
const MAX_NAME_BYTES: usize = 128;
/// Bytes of a value's canonical JSON.
const MAX_VALUE_BYTES: usize = 512;
/// Levels of arrays and objects within a value. `DynamoDB` allows 32 in an item.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const MAX_DEPTH: usize = 16;
/// The member that stands for those beyond [`MAX_MEMBERS`].
const REST: &str = "…";

/// The members of a connection that this version does not know, by the name that
/// the API gives them, with their values verbatim.
///
/// They are bounded, because a change holds what was before and what is after
/// and has to fit an item: at most 16 members, with names of at most 128 bytes
/// and values of at most 512 bytes of canonical JSON. A longer value is
/// `{"bytes": …, "sha256": …}`, its length and its digest. Members beyond the
/// bounds are one member named `…`: `{"members": …, "sha256": …}`. So every change
/// of a value is a change of these, whatever its size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnknownMembers(BTreeMap<Box<str>, Value>);

impl UnknownMembers {
    /// Members that are kept.
    pub const MAX: usize = MAX_MEMBERS;

    /// Returns the members of `map`, bounded. Members that are bounded already
    /// stay as they are.
    pub fn new(map: BTreeMap<Box<str>, Value>) -> Self {
        // An attribute's name in DynamoDB is not empty.
        let fits = |name: &str| !name.is_empty() && name.len() <= MAX_NAME_BYTES;
        let all = map.len();
        let (mut kept, mut rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
            map.into_iter().partition(|(name, _)| fits(name));
        if all > MAX_MEMBERS || !rest.is_empty() {
            let mut names = kept.keys().filter(|name| &***name != REST);
            if let Some(first_left_out) = names.nth(MAX_MEMBERS - 1).cloned() {
                rest.extend(kept.split_off(&first_left_out));
            }
            rest.extend(kept.remove_entry(REST));
        }
        let mut members: BTreeMap<_, _> = kept
            .into_iter()
            .map(|(name, value)| (name, bounded(value)))
            .collect();
        if !rest.is_empty() {
            let rest = json!({"members": rest.len(), "sha256": Digest::of(&rest)});
            members.insert(REST.into(), rest);
        }
        Self(members)
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value of a member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Returns all of them as canonical JSON; `None` if there are none.
    pub fn to_json(&self) -> Option<String> {
        (!self.is_empty()).then(|| canonical_json(&self.0))
    }
}

fn bounded(value: Value) -> Value {
    let text = canonical_json(&value);
    if text.len() > MAX_VALUE_BYTES || !is_storable(&value, MAX_DEPTH) {
        return json!({"bytes": text.len(), "sha256": Digest::of(&value)});
    }
    with_exact_numbers(value)
}

/// Returns true if an item of `DynamoDB` can hold the value.
fn is_storable(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => {
            levels > 0 && items.iter().all(|value| is_storable(value, levels - 1))
        }
        Value::Object(map) => {
            let mut fields = map.iter();
            levels > 0
                && fields.all(|(name, value)| !name.is_empty() && is_storable(value, levels - 1))
        }
        _ => true,
    }
}

/// Writes numbers with a fraction as texts: `DynamoDB` gives 1.0 back as 1, and
/// the digest would no longer fit.
fn with_exact_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if !(number.is_i64() || number.is_u64()) => {
            Value::String(number.to_string())
        }
        Value::Array(items) => items.into_iter().map(with_exact_numbers).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| (name, with_exact_numbers(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: Value) -> UnknownMembers {
        UnknownMembers::new(serde_json::from_value(value).unwrap())
    }

    fn as_json(members: &UnknownMembers) -> Value {
        serde_json::to_value(members).unwrap()
    }

    fn numbered(number: usize) -> Value {
        (0..number)
            .map(|i| (format!("M{i:02}"), json!(i)))
            .collect()
    }

    #[test]
    fn members_within_the_bounds_are_kept_verbatim() {
        let value = json!({"A": {"z": [1, null, true, {"y": ""}]}, "b": "é", "…": "text"});
        assert_eq!(as_json(&members(value.clone())), value);
        assert_eq!(as_json(&members(numbered(16))), numbered(16));
        let longest = json!({"a".repeat(128): "x".repeat(510)});
        assert_eq!(as_json(&members(longest.clone())), longest);
    }

    #[test]
    fn values_beyond_the_bounds_are_their_length_and_digest() {
        let long = json!("x".repeat(511));
        let nested = (0..17).fold(json!(1), |value, _| json!([value]));
        for value in [long, nested, json!({"": 1})] {
            let bytes = canonical_json(&value).len();
            let sha256 = Digest::of(&value);
            assert_eq!(
                as_json(&members(json!({"M": value}))),
                json!({"M": {"bytes": bytes, "sha256": sha256}})
            );
        }
    }

    #[test]
    fn members_beyond_the_bounds_are_one() {
        let rest = json!({"M15": 15, "M16": 16});
        let mut expected = numbered(15);
        expected["…"] = json!({"members": 2, "sha256": Digest::of(&rest)});
        assert_eq!(as_json(&members(numbered(17))), expected);

        let names = json!({"": 1, "a".repeat(129): 2, "…": 3});
        let mut with_names = names.clone();
        with_names["M"] = json!(1);
        let expected = json!({"M": 1, "…": {"members": 3, "sha256": Digest::of(&names)}});
        assert_eq!(as_json(&members(with_names)), expected);
    }

    #[test]
    fn what_is_bounded_stays_as_it_is() {
        for value in [
            numbered(17),
            json!({"M": "x".repeat(600), "": 1}),
            json!({"M": 1.5}),
        ] {
            let once = members(value);
            assert_eq!(members(as_json(&once)), once);
        }
    }

    #[test]
    fn numbers_with_a_fraction_are_texts() {
        let value = json!({"M": [1.0, {"n": 1e300}, -1, u64::MAX]});
        let kept = json!({"M": ["1.0", {"n": "1e+300"}, -1, u64::MAX]});
        assert_eq!(as_json(&members(value)), kept);
    }
}
