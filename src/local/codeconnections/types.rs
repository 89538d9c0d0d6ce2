//! The service model's structures, spelled as they are on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An enumeration whose spelling on the wire is given once and serves reading,
/// writing and validating.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $wire:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $wire)] $variant,)+
        }

        impl $name {
            /// Every value, as spelled on the wire.
            pub const NAMES: &'static [&'static str] = &[$($wire),+];

            /// The spelling on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)+
                }
            }

            /// The value spelled `name`, if there is one.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($wire => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}
pub(super) use wire_enum;

wire_enum! {
    /// Who hosts the repositories a connection leads to.
    ProviderType {
        /// Bitbucket Cloud.
        Bitbucket = "Bitbucket",
        /// GitHub.
        GitHub = "GitHub",
        /// A GitHub Enterprise Server, behind a host.
        GitHubEnterpriseServer = "GitHubEnterpriseServer",
        /// GitLab.
        GitLab = "GitLab",
        /// A GitLab of one's own, behind a host.
        GitLabSelfManaged = "GitLabSelfManaged",
        /// Azure DevOps.
        AzureDevOps = "AzureDevOps",
        /// A tenant of ghe.com, named by its endpoint.
        GitHubEnterpriseCloudDataResidency = "GitHubEnterpriseCloudDataResidency",
    }
}

impl ProviderType {
    /// Whether the provider is installed somewhere, so that a host stands for it.
    #[must_use]
    pub const fn is_installed(self) -> bool {
        matches!(self, Self::GitHubEnterpriseServer | Self::GitLabSelfManaged)
    }
}

wire_enum! {
    /// How far a connection has come.
    ConnectionStatus {
        /// Made, but the handshake in the console is still to be done.
        Pending = "PENDING",
        /// Ready for use.
        Available = "AVAILABLE",
        /// Broken.
        Error = "ERROR",
    }
}

wire_enum! {
    /// How far a host has come. The model leaves the text open; these are the
    /// values its documentation names.
    HostStatus {
        /// Made, but not set up in the console.
        Pending = "PENDING",
        /// Ready for use.
        Available = "AVAILABLE",
        /// Its VPC configuration is being taken down.
        VpcConfigDeleting = "VPC_CONFIG_DELETING",
        /// Its VPC configuration is being put up.
        VpcConfigInitializing = "VPC_CONFIG_INITIALIZING",
        /// Its VPC configuration could not be put up.
        VpcConfigFailedInitialization = "VPC_CONFIG_FAILED_INITIALIZATION",
    }
}

impl HostStatus {
    /// Whether the service is at work on the host's VPC configuration, during
    /// which the host can be neither used, changed nor deleted.
    #[must_use]
    pub const fn is_busy(self) -> bool {
        matches!(self, Self::VpcConfigDeleting | Self::VpcConfigInitializing)
    }
}

/// The tags of one resource, by key.
pub type Tags = BTreeMap<String, String>;

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// How a host is reached through a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VpcConfiguration {
    /// The VPC.
    pub vpc_id: String,
    /// Its subnets.
    pub subnet_ids: Vec<String>,
    /// The security groups.
    pub security_group_ids: Vec<String>,
    /// The certificate of the server, if it is not one the world trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<String>,
}

/// A connection, as `GetConnection` and `ListConnections` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Connection {
    /// Its name.
    pub connection_name: String,
    /// Its ARN.
    pub connection_arn: String,
    /// Where it leads.
    pub provider_type: ProviderType,
    /// The AWS account that owns it.
    pub owner_account_id: String,
    /// How far it has come.
    pub connection_status: ConnectionStatus,
    /// The host it goes through, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_arn: Option<String>,
    /// The provider's tenant that it leads to, if there is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_endpoint: Option<String>,
    /// Members that no model has, as a later version of the service may show.
    #[serde(flatten)]
    pub unmodelled: Map<String, Value>,
}

impl Connection {
    /// The members that the service model has.
    pub const MEMBERS: [&str; 7] = [
        "ConnectionName",
        "ConnectionArn",
        "ProviderType",
        "OwnerAccountId",
        "ConnectionStatus",
        "HostArn",
        "ProviderEndpoint",
    ];
}

/// A host, as `ListHosts` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub host_arn: String,
    /// What is installed there.
    pub provider_type: ProviderType,
    /// Where it is installed.
    pub provider_endpoint: String,
    /// How it is reached through a VPC, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_configuration: Option<VpcConfiguration>,
    /// How far it has come.
    pub status: HostStatus,
}

/// Declares structures that are only ever read from, or written to, the wire.
macro_rules! wire_structs {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $name {
                $($(#[$doc])* pub $field: $type,)*
            }
        )+
    };
}

wire_structs! {
    /// Input of `CreateConnection`.
    CreateConnectionInput {
        /// Its name.
        connection_name: String,
        /// Where it leads; may be left out when a host says so.
        provider_type: Option<ProviderType>,
        /// The host it goes through.
        host_arn: Option<String>,
        /// The provider's tenant that it leads to.
        provider_endpoint: Option<String>,
        /// Tags to begin with.
        tags: Option<Vec<Tag>>,
    }

    /// Input of `GetConnection` and `DeleteConnection`.
    ConnectionArnInput {
        /// The connection.
        connection_arn: String,
    }

    /// Input of `ListConnections`.
    ListConnectionsInput {
        /// Only those that lead there.
        provider_type_filter: Option<ProviderType>,
        /// Only those that go through that host.
        host_arn_filter: Option<String>,
        /// How many at most; absent or 0, as many as a page may hold.
        max_results: Option<u32>,
        /// Where the page before left off.
        next_token: Option<String>,
    }

    /// Input of `CreateHost`.
    CreateHostInput {
        /// Its name.
        name: String,
        /// What is installed there.
        provider_type: ProviderType,
        /// Where it is installed.
        provider_endpoint: String,
        /// How it is reached through a VPC.
        vpc_configuration: Option<VpcConfiguration>,
        /// Tags to begin with.
        tags: Option<Vec<Tag>>,
    }

    /// Input of `GetHost` and `DeleteHost`.
    HostArnInput {
        /// The host.
        host_arn: String,
    }

    /// Input of `ListHosts`.
    ListHostsInput {
        /// How many at most; absent or 0, as many as a page may hold.
        max_results: Option<u32>,
        /// Where the page before left off.
        next_token: Option<String>,
    }

    /// Input of `UpdateHost`.
    UpdateHostInput {
        /// The host.
        host_arn: String,
        /// Its new endpoint.
        provider_endpoint: Option<String>,
        /// Its new VPC configuration.
        vpc_configuration: Option<VpcConfiguration>,
    }

    /// Input of `TagResource`.
    TagResourceInput {
        /// The connection or host.
        resource_arn: String,
        /// Tags to add or overwrite.
        tags: Vec<Tag>,
    }

    /// Input of `UntagResource`.
    UntagResourceInput {
        /// The connection or host.
        resource_arn: String,
        /// Keys of the tags to drop.
        tag_keys: Vec<String>,
    }

    /// Input of `ListTagsForResource`.
    ResourceArnInput {
        /// The connection or host.
        resource_arn: String,
    }

    /// Output of `CreateConnection`.
    CreateConnectionOutput {
        /// The new connection.
        connection_arn: String,
        /// Its tags.
        tags: Vec<Tag>,
    }

    /// Output of `GetConnection`.
    GetConnectionOutput {
        /// The connection.
        connection: Connection,
    }

    /// Output of `CreateHost`.
    CreateHostOutput {
        /// The new host.
        host_arn: String,
        /// Its tags.
        tags: Vec<Tag>,
    }

    /// Output of `ListTagsForResource`.
    ListTagsForResourceOutput {
        /// The tags, by key.
        tags: Vec<Tag>,
    }

    /// Output of the operations that only do something.
    Done {}
}

/// Output of `ListConnections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListConnectionsOutput {
    /// One page of connections.
    pub connections: Vec<Connection>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Output of `ListHosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListHostsOutput {
    /// One page of hosts.
    pub hosts: Vec<Host>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Output of `GetHost`: a host without its ARN, which the caller has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetHostOutput {
    /// Its name.
    pub name: String,
    /// How far it has come.
    pub status: HostStatus,
    /// What is installed there.
    pub provider_type: ProviderType,
    /// Where it is installed.
    pub provider_endpoint: String,
    /// How it is reached through a VPC, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_configuration: Option<VpcConfiguration>,
}

impl From<&Host> for GetHostOutput {
    fn from(host: &Host) -> Self {
        Self {
            name: host.name.clone(),
            status: host.status,
            provider_type: host.provider_type,
            provider_endpoint: host.provider_endpoint.clone(),
            vpc_configuration: host.vpc_configuration.clone(),
        }
    }
}

/// Tags as the wire lists them.
#[must_use]
pub fn tag_list(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}
