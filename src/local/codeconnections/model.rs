//! The service model: operations and the shapes of their inputs.
//!
//! The shapes follow the published model (API version 2023-12-01). Violations are
//! worded as the service framework of AWS words them, for clients that show or
//! parse the message.

use serde_json::Value;

use super::errors::{ErrorKind, ServiceError};
use super::pattern::Pattern;
use super::types::wire_enum;

wire_enum! {
    /// The operations of the emulator.
    Operation {
        /// Creates a connection.
        CreateConnection = "CreateConnection",
        /// Returns a connection.
        GetConnection = "GetConnection",
        /// Lists connections.
        ListConnections = "ListConnections",
        /// Deletes a connection.
        DeleteConnection = "DeleteConnection",
        /// Creates a host.
        CreateHost = "CreateHost",
        /// Returns a host.
        GetHost = "GetHost",
        /// Lists hosts.
        ListHosts = "ListHosts",
        /// Changes a host.
        UpdateHost = "UpdateHost",
        /// Deletes a host.
        DeleteHost = "DeleteHost",
        /// Tags a connection or host.
        TagResource = "TagResource",
        /// Removes tags of a connection or host.
        UntagResource = "UntagResource",
        /// Lists the tags of a connection or host.
        ListTagsForResource = "ListTagsForResource",
        /// Creates a repository link.
        CreateRepositoryLink = "CreateRepositoryLink",
        /// Lists repository links.
        ListRepositoryLinks = "ListRepositoryLinks",
        /// Creates a sync configuration.
        CreateSyncConfiguration = "CreateSyncConfiguration",
        /// Lists the sync configurations of a repository link.
        ListSyncConfigurations = "ListSyncConfigurations",
    }
}

/// Operations of the service that the emulator does not implement: all that change
/// repository links or report on their synchronization, which an inventory never
/// calls.
pub const ABSENT_OPERATIONS: &[&str] = &[
    "DeleteRepositoryLink",
    "DeleteSyncConfiguration",
    "GetRepositoryLink",
    "GetRepositorySyncStatus",
    "GetResourceSyncStatus",
    "GetSyncBlockerSummary",
    "GetSyncConfiguration",
    "ListRepositorySyncDefinitions",
    "UpdateRepositoryLink",
    "UpdateSyncBlocker",
    "UpdateSyncConfiguration",
];

impl Operation {
    /// Returns the operation of this name.
    ///
    /// # Errors
    ///
    /// `UnknownOperation`. The message says whether the service or only the
    /// emulator lacks it.
    pub fn find(name: &str) -> Result<Self, ServiceError> {
        Self::from_name(name).ok_or_else(|| {
            let message = if ABSENT_OPERATIONS.contains(&name) {
                format!("This emulator of CodeConnections does not have the operation {name}")
            } else {
                format!("CodeConnections has no operation {name}")
            };
            ServiceError::new(ErrorKind::UnknownOperation, message)
        })
    }
}

/// A shape of the service model.
pub(super) enum Shape {
    /// A string of `min..=max` characters that matches a pattern.
    Text {
        min: usize,
        max: usize,
        pattern: Pattern,
    },
    /// A string out of a set.
    Enumeration(&'static [&'static str]),
    /// An integer in `min..=max`.
    Integer { min: i64, max: i64 },
    /// A list of `min..=max` members.
    List {
        min: usize,
        max: usize,
        member: &'static Shape,
    },
    /// Named members.
    Structure(&'static [Member]),
}

/// A member of a structure.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) shape: &'static Shape,
}

/// The constraints that an input violates, in the order found.
#[derive(Default)]
pub(super) struct Breaches(Vec<String>);

impl Breaches {
    fn add(&mut self, value: &Value, path: &str, constraint: impl std::fmt::Display) {
        let value = match value {
            Value::Null => "null".to_owned(),
            Value::String(text) => format!("'{text}'"),
            other => format!("'{other}'"),
        };
        self.0.push(format!(
            "Value {value} at '{path}' failed to satisfy constraint: Member must {constraint}"
        ));
    }

    /// Adds a violation if `size` is outside `min..=max` of `what`.
    fn check_size<T>(&mut self, value: &Value, path: &str, what: &str, size: T, range: (T, T))
    where
        T: PartialOrd + std::fmt::Display,
    {
        let (min, max) = range;
        if size < min {
            self.add(
                value,
                path,
                format_args!("have {what} greater than or equal to {min}"),
            );
        }
        if size > max {
            self.add(
                value,
                path,
                format_args!("have {what} less than or equal to {max}"),
            );
        }
    }

    pub(super) fn into_result(self) -> Result<(), ServiceError> {
        let count = self.0.len();
        if count == 0 {
            return Ok(());
        }
        let plural = if count == 1 { "" } else { "s" };
        Err(ServiceError::validation(format!(
            "{count} validation error{plural} detected: {}",
            self.0.join("; ")
        )))
    }
}

impl Shape {
    pub(super) fn check(
        &self,
        value: &Value,
        path: &str,
        breaches: &mut Breaches,
    ) -> Result<(), ServiceError> {
        match self {
            Self::Text { min, max, pattern } => {
                let text = value.as_str().ok_or_else(|| mistyped(path, "a String"))?;
                let length = text.chars().count();
                breaches.check_size(value, path, "length", length, (*min, *max));
                if !pattern.matches(text) {
                    breaches.add(
                        value,
                        path,
                        format_args!("satisfy regular expression pattern: {}", pattern.source()),
                    );
                }
            }
            Self::Enumeration(names) => {
                let text = value.as_str().ok_or_else(|| mistyped(path, "a String"))?;
                if !names.contains(&text) {
                    breaches.add(
                        value,
                        path,
                        format_args!("satisfy enum value set: [{}]", names.join(", ")),
                    );
                }
            }
            Self::Integer { min, max } => {
                let number = value.as_i64().ok_or_else(|| mistyped(path, "an Integer"))?;
                breaches.check_size(value, path, "value", number, (*min, *max));
            }
            Self::List { min, max, member } => {
                let list = value.as_array().ok_or_else(|| mistyped(path, "a List"))?;
                breaches.check_size(value, path, "length", list.len(), (*min, *max));
                for (index, item) in list.iter().enumerate() {
                    let path = format!("{path}.{}.member", index + 1);
                    if item.is_null() {
                        breaches.add(item, &path, "not be null");
                    } else {
                        member.check(item, &path, breaches)?;
                    }
                }
            }
            Self::Structure(members) => {
                let map = value
                    .as_object()
                    .ok_or_else(|| mistyped(path, "a Structure"))?;
                for member in *members {
                    let path = join(path, member.name);
                    match map.get(member.name) {
                        None | Some(Value::Null) if member.required => {
                            breaches.add(&Value::Null, &path, "not be null");
                        }
                        None | Some(Value::Null) => {}
                        Some(value) => member.shape.check(value, &path, breaches)?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the path of a member: the framework starts names in lower case.
fn join(path: &str, name: &str) -> String {
    let mut joined = String::with_capacity(path.len() + name.len() + 1);
    if !path.is_empty() {
        joined.push_str(path);
        joined.push('.');
    }
    let mut letters = name.chars();
    joined.extend(letters.next().map(|first| first.to_ascii_lowercase()));
    joined.push_str(letters.as_str());
    joined
}

fn mistyped(path: &str, wanted: &str) -> ServiceError {
    let place = if path.is_empty() { "the input" } else { path };
    ServiceError::new(
        ErrorKind::Serialization,
        format!("The value of {place} can not be converted to {wanted}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_contain_all_27_operations_of_the_service() {
        assert_eq!(Operation::NAMES.len() + ABSENT_OPERATIONS.len(), 27);
        let absent = Operation::find("GetRepositoryLink").expect_err("absent");
        assert!(absent.message.contains("emulator"));
        let unknown = Operation::find("Nonsense").expect_err("unknown");
        assert_eq!(unknown.kind, ErrorKind::UnknownOperation);
    }

    #[test]
    fn violation_is_worded_as_by_the_service() {
        let input = json!({"ConnectionName": "a-name-that-is-longer-than-32-char"});
        let error = Operation::CreateConnection
            .validate(&input)
            .expect_err("too long");
        assert_eq!(
            error.message,
            "1 validation error detected: Value 'a-name-that-is-longer-than-32-char' at \
             'connectionName' failed to satisfy constraint: Member must have length less than or \
             equal to 32"
        );
    }

    #[test]
    fn every_violation_is_reported_with_its_path() {
        let input = json!({
            "ProviderType": "Gopher",
            "Tags": [{"Key": "", "Value": "v"}, {"Key": "k"}],
        });
        let message = Operation::CreateConnection
            .validate(&input)
            .expect_err("wrong")
            .message;
        for part in [
            "4 validation errors",
            "Value null at 'connectionName'",
            "'Gopher' at 'providerType'",
            "'' at 'tags.1.member.key'",
            "null at 'tags.2.member.value'",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }

    #[test]
    fn types_ranges_and_patterns_are_checked() {
        let kind = |operation: Operation, input: Value| {
            operation.validate(&input).expect_err("wrong").kind
        };
        let list = Operation::ListConnections;
        assert_eq!(
            kind(list, json!({"MaxResults": "1"})),
            ErrorKind::Serialization
        );
        assert_eq!(kind(list, json!([])), ErrorKind::Serialization);
        assert_eq!(
            kind(list, json!({"MaxResults": 101})),
            ErrorKind::Validation
        );
        assert_eq!(kind(list, json!({"MaxResults": -1})), ErrorKind::Validation);
        let filter =
            json!({"HostArnFilter": "arn:aws:codeconnections:r:111122223333:connection/x"});
        assert_eq!(kind(list, filter), ErrorKind::Validation);
        assert_eq!(list.validate(&json!({"MaxResults": 0, "Novel": 1})), Ok(()));
        assert_eq!(list.validate(&json!({"NextToken": null})), Ok(()));
    }
}
