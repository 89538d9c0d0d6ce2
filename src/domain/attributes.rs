//! What the service tells of a connection, besides its ARN.

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
    /// Whether a connection works: `ConnectionStatus` of the API.
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
    /// Where the source code lives: `ProviderType` of the API.
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

/// What the service tells of a connection besides its ARN.
///
/// All fields are optional on the wire; a field that was not there is `None`,
/// which is a different observation from any value. Field names are those of the
/// API, in snake case: they are also the table's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// The name that its maker gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_name: Option<Box<str>>,
    /// Whether it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_status: Option<ConnectionStatus>,
    /// The host of a self-managed provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_arn: Option<Box<str>>,
    /// The provider's account that owns the code, as the API calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_account_id: Option<Box<str>>,
    /// The address of the provider's tenant, where it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_endpoint: Option<Box<str>>,
    /// Where the code lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_type: Option<ProviderType>,
    /// The members that this version does not know.
    #[serde(default, skip_serializing_if = "UnknownMembers::is_empty")]
    pub unknown_members: UnknownMembers,
}

/// How an absent or empty status is written where a word is needed (counts, tables).
pub const NOT_REPORTED: &str = "NOT_REPORTED";

impl Attributes {
    /// The status in a word, for counts and people. It is never empty: an
    /// empty word can't be the key of a count in DynamoDB.
    pub fn status_word(&self) -> &str {
        let status = self.connection_status.as_ref();
        let word = status.map_or("", ConnectionStatus::as_str);
        if word.is_empty() { NOT_REPORTED } else { word }
    }
}
