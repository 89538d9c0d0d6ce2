//! The attributes of a connection, as ListConnections reports them.
//!
//! This is the one place that lists them. The item codec, the checksum, the
//! reader of listings and the descriptions of differences iterate
//! [`AttributeName::ALL`] or [`Attributes::fields`].

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::UnknownMembers;

/// An enumeration that AWS may extend: a value not known here is kept as it
/// was given, and never fails anything.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A value that this version does not know, verbatim.
            Other(Box<str>),
        }

        impl $name {
            /// The values that this version knows.
            pub const KNOWN: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// The value as the service writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from(String::deserialize(deserializer)?.as_str()))
            }
        }
    };
}

open_enum!(
    /// The state of a connection: `ConnectionStatus` of the API.
    ConnectionStatus {
        /// Made by CloudFormation, CLI or SDK, and not yet completed in the console.
        Pending = "PENDING",
        /// Completed and usable.
        Available = "AVAILABLE",
        /// It does not work, for example because the app at the provider was
        /// removed. AWS's guides differ on whether it can recover: "cannot be
        /// recovered" in one, "retried automatically" in another.
        Error = "ERROR",
    }
);

open_enum!(
    /// The provider of the source code: `ProviderType` of the API.
    ProviderType {
        /// bitbucket.org.
        Bitbucket = "Bitbucket",
        /// github.com.
        GitHub = "GitHub",
        /// GitHub Enterprise Cloud with data residency: a tenant of ghe.com.
        GitHubEnterpriseCloudDataResidency = "GitHubEnterpriseCloudDataResidency",
        /// A GitHub Enterprise Server, reached through a host.
        GitHubEnterpriseServer = "GitHubEnterpriseServer",
        /// gitlab.com.
        GitLab = "GitLab",
        /// A self-managed GitLab, reached through a host.
        GitLabSelfManaged = "GitLabSelfManaged",
        /// Azure DevOps.
        AzureDevOps = "AzureDevOps",
    }
);

/// Names the text attributes once: as stored, as in the API, and in a word.
macro_rules! attribute_names {
    ($($(#[$doc:meta])* $name:ident = $stored:literal, $api:literal, $label:literal;)+) => {
        /// The name of a text attribute of a connection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum AttributeName { $($(#[$doc])* $name,)+ }

        impl AttributeName {
            /// All of them, sorted by stored name.
            pub const ALL: [Self; [$($stored),+].len()] = [$(Self::$name),+];

            /// The name in the table, in JSON and in CSV.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $stored,)+ }
            }

            /// The name in the API.
            pub const fn api_name(self) -> &'static str {
                match self { $(Self::$name => $api,)+ }
            }

            /// A short word for it, for people.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }

            /// Returns the attribute with this stored name.
            pub fn from_stored(name: &str) -> Option<Self> {
                match name {
                    $($stored => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Returns the attribute with this name in the API.
            pub fn from_api(name: &str) -> Option<Self> {
                match name {
                    $($api => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

attribute_names! {
    /// The name that its creator gave it.
    ConnectionName = "connection_name", "ConnectionName", "name";
    /// Its status.
    ConnectionStatus = "connection_status", "ConnectionStatus", "status";
    /// The host of a self-managed provider.
    HostArn = "host_arn", "HostArn", "host";
    /// The owner of the code at the provider.
    OwnerAccountId = "owner_account_id", "OwnerAccountId", "owner";
    /// The address of the provider's tenant.
    ProviderEndpoint = "provider_endpoint", "ProviderEndpoint", "endpoint";
    /// Its provider.
    ProviderType = "provider_type", "ProviderType", "provider";
}

/// The attributes of a connection besides its ARN.
///
/// Each is optional on the wire. A missing attribute is `None`, which is a
/// different observation from any value. The field names are those of the API
/// in snake case, and those of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The name that its creator gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_name: Option<Box<str>>,
    /// Its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_status: Option<ConnectionStatus>,
    /// The host of a self-managed provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_arn: Option<Box<str>>,
    /// The provider's account that owns the code, as the API calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_account_id: Option<Box<str>>,
    /// The address of the provider's tenant, where it has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_endpoint: Option<Box<str>>,
    /// Its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_type: Option<ProviderType>,
    /// The members that this version does not know.
    #[serde(default, skip_serializing_if = "UnknownMembers::is_empty")]
    pub unknown_members: UnknownMembers,
}

/// The stored name of [`Attributes::unknown_members`].
pub const UNKNOWN_MEMBERS: &str = "unknown_members";

/// The status word of a connection whose status is absent or empty.
pub const NOT_REPORTED: &str = "NOT_REPORTED";

impl Attributes {
    /// Returns the text attributes, in the order of [`AttributeName::ALL`].
    pub fn fields(&self) -> [(AttributeName, Option<&str>); AttributeName::ALL.len()] {
        let Self {
            connection_name,
            connection_status,
            host_arn,
            owner_account_id,
            provider_endpoint,
            provider_type,
            // Not a text: see `unknown_members`.
            unknown_members: _,
        } = self;
        let status = connection_status.as_ref().map(ConnectionStatus::as_str);
        let provider = provider_type.as_ref().map(ProviderType::as_str);
        [
            (AttributeName::ConnectionName, connection_name.as_deref()),
            (AttributeName::ConnectionStatus, status),
            (AttributeName::HostArn, host_arn.as_deref()),
            (AttributeName::OwnerAccountId, owner_account_id.as_deref()),
            (
                AttributeName::ProviderEndpoint,
                provider_endpoint.as_deref(),
            ),
            (AttributeName::ProviderType, provider),
        ]
    }

    /// Returns a text attribute.
    pub fn get(&self, name: AttributeName) -> Option<&str> {
        self.fields()[name as usize].1
    }

    /// Builds attributes from the text that `text` returns for each name.
    ///
    /// # Errors
    /// The first error of `text`.
    pub fn from_fields<'a, E>(
        mut text: impl FnMut(AttributeName) -> Result<Option<Cow<'a, str>>, E>,
        unknown_members: UnknownMembers,
    ) -> Result<Self, E> {
        let mut boxed = |name| Ok(text(name)?.map(|text| text.into_owned().into_boxed_str()));
        Ok(Self {
            connection_name: boxed(AttributeName::ConnectionName)?,
            host_arn: boxed(AttributeName::HostArn)?,
            owner_account_id: boxed(AttributeName::OwnerAccountId)?,
            provider_endpoint: boxed(AttributeName::ProviderEndpoint)?,
            connection_status: text(AttributeName::ConnectionStatus)?.map(|text| (&*text).into()),
            provider_type: text(AttributeName::ProviderType)?.map(|text| (&*text).into()),
            unknown_members,
        })
    }

    /// Returns the status as a word that is never empty: DynamoDB refuses an
    /// empty key of a map.
    pub fn status_word(&self) -> &str {
        let status = self.connection_status.as_ref();
        let word = status.map_or("", ConnectionStatus::as_str);
        if word.is_empty() { NOT_REPORTED } else { word }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn fields_are_the_serialized_members_sorted_by_name() {
        let text = |name: AttributeName| Ok::<_, ()>(Some(Cow::Borrowed(name.api_name())));
        let attributes = Attributes::from_fields(text, UnknownMembers::default()).unwrap();
        let fields = attributes.fields();
        let as_json: Value = fields
            .iter()
            .map(|(name, text)| (name.as_str().to_owned(), json!(text)))
            .collect();
        assert_eq!(json!(attributes), as_json);
        assert!(fields.is_sorted_by_key(|(name, _)| name.as_str()));
        for (position, (name, text)) in fields.into_iter().enumerate() {
            assert_eq!(name as usize, position);
            assert_eq!(text, Some(name.api_name()));
            assert_eq!(attributes.get(name), text);
            assert_eq!(AttributeName::from_stored(name.as_str()), Some(name));
            assert_eq!(AttributeName::from_api(name.api_name()), Some(name));
        }
    }
}
