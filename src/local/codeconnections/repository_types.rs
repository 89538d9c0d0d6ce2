//! Repository links and sync configurations, and the inputs and outputs of their
//! operations.

use serde::{Deserialize, Serialize};

use super::types::{ProviderType, Tag, Tags, wire_enum};

wire_enum! {
    /// What a sync configuration keeps in sync.
    SyncType {
        /// A CloudFormation stack.
        CfnStackSync = "CFN_STACK_SYNC",
    }
}

wire_enum! {
    /// A switch of a sync configuration.
    Switch {
        /// On.
        Enabled = "ENABLED",
        /// Off.
        Disabled = "DISABLED",
    }
}

wire_enum! {
    /// What triggers an update of the resource.
    UpdateTrigger {
        /// Any change in the repository.
        AnyChange = "ANY_CHANGE",
        /// A change of the configuration file.
        FileChange = "FILE_CHANGE",
    }
}

/// A repository link, as the service returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RepositoryLink {
    /// The connection.
    pub connection_arn: String,
    /// The key that encrypts the link's credentials, if it is the customer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_key_arn: Option<String>,
    /// The owner of the repository.
    pub owner_id: String,
    /// The provider of the connection.
    pub provider_type: ProviderType,
    /// The ARN.
    pub repository_link_arn: String,
    /// The id, which ends the ARN.
    pub repository_link_id: String,
    /// The repository.
    pub repository_name: String,
}

/// A sync configuration, as the service returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SyncConfiguration {
    /// The branch.
    pub branch: String,
    /// The file with the stack's parameters.
    pub config_file: String,
    /// The owner of the repository.
    pub owner_id: String,
    /// The provider of the connection.
    pub provider_type: ProviderType,
    /// The repository link.
    pub repository_link_id: String,
    /// The repository.
    pub repository_name: String,
    /// The stack.
    pub resource_name: String,
    /// The role that updates it.
    pub role_arn: String,
    /// What is kept in sync.
    pub sync_type: SyncType,
    /// Whether deployments are reported to the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_deployment_status: Option<Switch>,
    /// What triggers an update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_resource_update_on: Option<UpdateTrigger>,
    /// Whether pull requests get comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request_comment: Option<Switch>,
}

/// A resource of this module with its owner, region and tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned<T> {
    pub(super) resource: T,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) tags: Tags,
}

/// Input of `CreateRepositoryLink`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRepositoryLinkInput {
    pub(super) connection_arn: String,
    pub(super) owner_id: String,
    pub(super) repository_name: String,
    pub(super) encryption_key_arn: Option<String>,
    pub(super) tags: Option<Vec<Tag>>,
}

/// Output of `CreateRepositoryLink`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRepositoryLinkOutput {
    pub(super) repository_link_info: RepositoryLink,
}

/// Input of `ListRepositoryLinks`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRepositoryLinksInput {
    pub(super) max_results: Option<u32>,
    pub(super) next_token: Option<String>,
}

/// Output of `ListRepositoryLinks`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRepositoryLinksOutput {
    pub(super) repository_links: Vec<RepositoryLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

/// Input of `CreateSyncConfiguration`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateSyncConfigurationInput {
    pub(super) branch: String,
    pub(super) config_file: String,
    pub(super) repository_link_id: String,
    pub(super) resource_name: String,
    pub(super) role_arn: String,
    pub(super) sync_type: SyncType,
    pub(super) publish_deployment_status: Option<Switch>,
    pub(super) trigger_resource_update_on: Option<UpdateTrigger>,
    pub(super) pull_request_comment: Option<Switch>,
}

/// Output of `CreateSyncConfiguration`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateSyncConfigurationOutput {
    pub(super) sync_configuration: SyncConfiguration,
}

/// Input of `ListSyncConfigurations`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSyncConfigurationsInput {
    pub(super) max_results: Option<u32>,
    pub(super) next_token: Option<String>,
    pub(super) repository_link_id: String,
    pub(super) sync_type: SyncType,
}

/// Output of `ListSyncConfigurations`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSyncConfigurationsOutput {
    pub(super) sync_configurations: Vec<SyncConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}
