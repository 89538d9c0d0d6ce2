//! The input shapes of the service model, as tables.

use super::errors::ServiceError;
use super::model::{Breaches, Member, Operation, Shape};
use super::pattern::Pattern;
use super::repository_types::{Switch, SyncType, UpdateTrigger};
use super::types::ProviderType;
use serde_json::Value;

impl Operation {
    /// Validates `input` against the input shape of the operation.
    ///
    /// # Errors
    ///
    /// `Serialization` if a member has the wrong type, `Validation` with all
    /// violated constraints.
    pub fn validate(self, input: &Value) -> Result<(), ServiceError> {
        let mut breaches = Breaches::default();
        shape_of(self).check(input, "", &mut breaches)?;
        breaches.into_result()
    }
}

/// Returns the input shape of `operation`.
const fn shape_of(operation: Operation) -> &'static Shape {
    match operation {
        Operation::CreateConnection => &CREATE_CONNECTION,
        Operation::GetConnection | Operation::DeleteConnection => &ONE_CONNECTION,
        Operation::ListConnections => &LIST_CONNECTIONS,
        Operation::CreateHost => &CREATE_HOST,
        Operation::GetHost | Operation::DeleteHost => &ONE_HOST,
        Operation::ListHosts => &LIST_HOSTS,
        Operation::UpdateHost => &UPDATE_HOST,
        Operation::TagResource => &TAG_RESOURCE,
        Operation::UntagResource => &UNTAG_RESOURCE,
        Operation::ListTagsForResource => &ONE_RESOURCE,
        Operation::CreateRepositoryLink => &CREATE_REPOSITORY_LINK,
        Operation::ListRepositoryLinks => &LIST_REPOSITORY_LINKS,
        Operation::CreateSyncConfiguration => &CREATE_SYNC_CONFIGURATION,
        Operation::ListSyncConfigurations => &LIST_SYNC_CONFIGURATIONS,
    }
}

const fn text(min: usize, max: usize, pattern: Pattern) -> Shape {
    Shape::Text { min, max, pattern }
}

const fn list(min: usize, max: usize, member: &'static Shape) -> Shape {
    Shape::List { min, max, member }
}

const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        required: true,
        shape,
    }
}

const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        required: false,
        shape,
    }
}

static CONNECTION_NAME: Shape = text(1, 32, Pattern::Anything);
static CONNECTION_ARN: Shape = text(0, 256, Pattern::ConnectionArn);
static PROVIDER_TYPE: Shape = Shape::Enumeration(ProviderType::NAMES);
static HOST_NAME: Shape = text(1, 64, Pattern::OneLine);
static HOST_ARN: Shape = text(0, 256, Pattern::HostArn);
static URL: Shape = text(1, 512, Pattern::OneLine);
static RESOURCE_ARN: Shape = text(1, 1011, Pattern::Arn);
static MAX_RESULTS: Shape = Shape::Integer { min: 0, max: 100 };
static NEXT_TOKEN: Shape = text(1, 2048, Pattern::OneLine);

static TAG_KEY: Shape = text(1, 128, Pattern::OneLine);
static TAG_VALUE: Shape = text(0, 256, Pattern::OneLine);
static TAG: Shape = Shape::Structure(&[required("Key", &TAG_KEY), required("Value", &TAG_VALUE)]);
static TAGS: Shape = list(0, 200, &TAG);
static TAG_KEYS: Shape = list(0, 200, &TAG_KEY);

static VPC_ID: Shape = text(12, 21, Pattern::Ec2Id("vpc-"));
static SUBNET_ID: Shape = text(15, 24, Pattern::Ec2Id("subnet-"));
static SUBNET_IDS: Shape = list(1, 10, &SUBNET_ID);
static SECURITY_GROUP_ID: Shape = text(11, 20, Pattern::Ec2Id("sg-"));
static SECURITY_GROUP_IDS: Shape = list(1, 10, &SECURITY_GROUP_ID);
static TLS_CERTIFICATE: Shape = text(1, 16384, Pattern::Anything);
static VPC_CONFIGURATION: Shape = Shape::Structure(&[
    required("VpcId", &VPC_ID),
    required("SubnetIds", &SUBNET_IDS),
    required("SecurityGroupIds", &SECURITY_GROUP_IDS),
    optional("TlsCertificate", &TLS_CERTIFICATE),
]);

static OWNER_ID: Shape = text(1, 255, Pattern::OneLine);
static REPOSITORY_NAME: Shape = text(1, 128, Pattern::OneLine);
static KEY_ARN: Shape = text(1, 1024, Pattern::KeyArn);
static LINK_ID: Shape = text(0, usize::MAX, Pattern::Uuid);
static BRANCH: Shape = text(1, 255, Pattern::OneLine);
static CONFIG_FILE: Shape = text(0, usize::MAX, Pattern::Anything);
static STACK_NAME: Shape = text(1, 100, Pattern::StackName);
static ROLE_ARN: Shape = text(1, 1024, Pattern::RoleArn);
static SYNC_TYPE: Shape = Shape::Enumeration(SyncType::NAMES);
static SWITCH: Shape = Shape::Enumeration(Switch::NAMES);
static UPDATE_TRIGGER: Shape = Shape::Enumeration(UpdateTrigger::NAMES);

static CREATE_CONNECTION: Shape = Shape::Structure(&[
    required("ConnectionName", &CONNECTION_NAME),
    optional("ProviderType", &PROVIDER_TYPE),
    optional("Tags", &TAGS),
    optional("HostArn", &HOST_ARN),
    optional("ProviderEndpoint", &URL),
]);
static ONE_CONNECTION: Shape = Shape::Structure(&[required("ConnectionArn", &CONNECTION_ARN)]);
static LIST_CONNECTIONS: Shape = Shape::Structure(&[
    optional("ProviderTypeFilter", &PROVIDER_TYPE),
    optional("HostArnFilter", &HOST_ARN),
    optional("MaxResults", &MAX_RESULTS),
    optional("NextToken", &NEXT_TOKEN),
]);
static CREATE_HOST: Shape = Shape::Structure(&[
    required("Name", &HOST_NAME),
    required("ProviderType", &PROVIDER_TYPE),
    required("ProviderEndpoint", &URL),
    optional("VpcConfiguration", &VPC_CONFIGURATION),
    optional("Tags", &TAGS),
]);
static ONE_HOST: Shape = Shape::Structure(&[required("HostArn", &HOST_ARN)]);
static LIST_HOSTS: Shape = Shape::Structure(&[
    optional("MaxResults", &MAX_RESULTS),
    optional("NextToken", &NEXT_TOKEN),
]);
static UPDATE_HOST: Shape = Shape::Structure(&[
    required("HostArn", &HOST_ARN),
    optional("ProviderEndpoint", &URL),
    optional("VpcConfiguration", &VPC_CONFIGURATION),
]);
static TAG_RESOURCE: Shape = Shape::Structure(&[
    required("ResourceArn", &RESOURCE_ARN),
    required("Tags", &TAGS),
]);
static UNTAG_RESOURCE: Shape = Shape::Structure(&[
    required("ResourceArn", &RESOURCE_ARN),
    required("TagKeys", &TAG_KEYS),
]);
static ONE_RESOURCE: Shape = Shape::Structure(&[required("ResourceArn", &RESOURCE_ARN)]);
static CREATE_REPOSITORY_LINK: Shape = Shape::Structure(&[
    required("ConnectionArn", &CONNECTION_ARN),
    required("OwnerId", &OWNER_ID),
    required("RepositoryName", &REPOSITORY_NAME),
    optional("EncryptionKeyArn", &KEY_ARN),
    optional("Tags", &TAGS),
]);
static LIST_REPOSITORY_LINKS: Shape = Shape::Structure(&[
    optional("MaxResults", &MAX_RESULTS),
    optional("NextToken", &NEXT_TOKEN),
]);
static CREATE_SYNC_CONFIGURATION: Shape = Shape::Structure(&[
    required("Branch", &BRANCH),
    required("ConfigFile", &CONFIG_FILE),
    required("RepositoryLinkId", &LINK_ID),
    required("ResourceName", &STACK_NAME),
    required("RoleArn", &ROLE_ARN),
    required("SyncType", &SYNC_TYPE),
    optional("PublishDeploymentStatus", &SWITCH),
    optional("TriggerResourceUpdateOn", &UPDATE_TRIGGER),
    optional("PullRequestComment", &SWITCH),
]);
static LIST_SYNC_CONFIGURATIONS: Shape = Shape::Structure(&[
    optional("MaxResults", &MAX_RESULTS),
    optional("NextToken", &NEXT_TOKEN),
    required("RepositoryLinkId", &LINK_ID),
    required("SyncType", &SYNC_TYPE),
]);
