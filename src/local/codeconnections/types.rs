//! The structures of the service model, with their wire names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Declares an enumeration whose wire names are given once, for parsing, writing
/// and validation.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $wire:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $wire)] $variant,)+
        }

        impl $name {
            /// All wire names.
            pub const NAMES: &'static [&'static str] = &[$($wire),+];

            /// Returns the wire name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)+
                }
            }

            /// Returns the value with this wire name.
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
    /// The provider of the repositories of a connection.
    ProviderType {
        /// Bitbucket Cloud.
        Bitbucket = "Bitbucket",
        /// GitHub.
        GitHub = "GitHub",
        /// GitHub Enterprise Server, through a host.
        GitHubEnterpriseServer = "GitHubEnterpriseServer",
        /// GitLab.
        GitLab = "GitLab",
        /// GitLab self-managed, through a host.
        GitLabSelfManaged = "GitLabSelfManaged",
        /// Azure DevOps.
        AzureDevOps = "AzureDevOps",
        /// GitHub Enterprise Cloud with data residency, named by its endpoint.
        GitHubEnterpriseCloudDataResidency = "GitHubEnterpriseCloudDataResidency",
    }
}

impl ProviderType {
    /// Returns true if the provider is self-hosted and needs a host.
    pub const fn is_installed(self) -> bool {
        matches!(self, Self::GitHubEnterpriseServer | Self::GitLabSelfManaged)
    }
}

wire_enum! {
    /// The status of a connection.
    ConnectionStatus {
        /// Created; the handshake in the console is pending.
        Pending = "PENDING",
        /// Ready for use.
        Available = "AVAILABLE",
        /// In error.
        Error = "ERROR",
    }
}

wire_enum! {
    /// The status of a host. The model allows any text; these are the documented
    /// values.
    HostStatus {
        /// Created, not set up in the console.
        Pending = "PENDING",
        /// Ready for use.
        Available = "AVAILABLE",
        /// Its VPC configuration is being deleted.
        VpcConfigDeleting = "VPC_CONFIG_DELETING",
        /// Its VPC configuration is being created.
        VpcConfigInitializing = "VPC_CONFIG_INITIALIZING",
        /// Its VPC configuration could not be created.
        VpcConfigFailedInitialization = "VPC_CONFIG_FAILED_INITIALIZATION",
    }
}

impl HostStatus {
    /// Returns true while the VPC configuration is being created or deleted: the
    /// host can't be used, changed or deleted.
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

/// The VPC configuration of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VpcConfiguration {
    /// The VPC.
    pub vpc_id: String,
    /// Its subnets.
    pub subnet_ids: Vec<String>,
    /// The security groups.
    pub security_group_ids: Vec<String>,
    /// The certificate of the server, if it is not publicly trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<String>,
}

/// A connection, as `GetConnection` and `ListConnections` return it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Connection {
    /// The name.
    pub connection_name: String,
    /// The ARN.
    pub connection_arn: String,
    /// The provider type.
    pub provider_type: ProviderType,
    /// The AWS account that owns it.
    pub owner_account_id: String,
    /// The status.
    pub connection_status: ConnectionStatus,
    /// The host, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_arn: Option<String>,
    /// The tenant of the provider, if there is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_endpoint: Option<String>,
    /// Members that are not in the model, as of a later version of the service.
    #[serde(flatten)]
    pub unmodelled: Map<String, Value>,
}

impl Connection {
    /// The members in the service model.
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

/// A host, as `ListHosts` returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Host {
    /// The name.
    pub name: String,
    /// The ARN.
    pub host_arn: String,
    /// The provider type.
    pub provider_type: ProviderType,
    /// The endpoint of the provider.
    pub provider_endpoint: String,
    /// The VPC configuration, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_configuration: Option<VpcConfiguration>,
    /// The status.
    pub status: HostStatus,
}

/// Declares structures that are only read from or written to the wire.
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
        /// The name.
        connection_name: String,
        /// The provider type. Optional with a host.
        provider_type: Option<ProviderType>,
        /// The host.
        host_arn: Option<String>,
        /// The tenant of the provider.
        provider_endpoint: Option<String>,
        /// The tags.
        tags: Option<Vec<Tag>>,
    }

    /// Input of `GetConnection` and `DeleteConnection`.
    ConnectionArnInput {
        /// The connection.
        connection_arn: String,
    }

    /// Input of `ListConnections`.
    ListConnectionsInput {
        /// Only connections of this provider type.
        provider_type_filter: Option<ProviderType>,
        /// Only connections of this host.
        host_arn_filter: Option<String>,
        /// Page size. Absent or 0: the default.
        max_results: Option<u32>,
        /// The token of the previous page.
        next_token: Option<String>,
    }

    /// Input of `CreateHost`.
    CreateHostInput {
        /// The name.
        name: String,
        /// The provider type.
        provider_type: ProviderType,
        /// The endpoint of the provider.
        provider_endpoint: String,
        /// The VPC configuration, if any.
        vpc_configuration: Option<VpcConfiguration>,
        /// The tags.
        tags: Option<Vec<Tag>>,
    }

    /// Input of `GetHost` and `DeleteHost`.
    HostArnInput {
        /// The host.
        host_arn: String,
    }

    /// Input of `ListHosts`.
    ListHostsInput {
        /// Page size. Absent or 0: the default.
        max_results: Option<u32>,
        /// The token of the previous page.
        next_token: Option<String>,
    }

    /// Input of `UpdateHost`.
    UpdateHostInput {
        /// The host.
        host_arn: String,
        /// The new endpoint.
        provider_endpoint: Option<String>,
        /// The new VPC configuration.
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
        /// Keys of the tags to remove.
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
        /// The tags.
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
        /// The tags.
        tags: Vec<Tag>,
    }

    /// Output of `ListTagsForResource`.
    ListTagsForResourceOutput {
        /// The tags, by key.
        tags: Vec<Tag>,
    }

    /// Output of operations without output members.
    Done {}
}

/// Output of `ListConnections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListConnectionsOutput {
    /// One page of connections.
    pub connections: Vec<Connection>,
    /// The token of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Output of `ListHosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListHostsOutput {
    /// One page of hosts.
    pub hosts: Vec<Host>,
    /// The token of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Output of `GetHost`: a host without its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetHostOutput {
    /// The name.
    pub name: String,
    /// The status.
    pub status: HostStatus,
    /// The provider type.
    pub provider_type: ProviderType,
    /// The endpoint of the provider.
    pub provider_endpoint: String,
    /// The VPC configuration, if any.
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

/// Returns tags in their wire form.
pub fn tag_list(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}
