//! The outputs of the operations, as botocore's models of the services have them.

use serde_json::{Value, json};

use super::operation::Operation;
use super::{Home, Pipeline, Project, ResourceShare, ServicesState, SourceCredential};
use crate::domain::arn::Arn;
use crate::local::codeconnections::{ServiceState, Tags, tag_list};

/// The error of a request: its code and message.
pub(super) type Refused = (&'static str, String);

impl ServicesState {
    /// Returns the output of an operation for an account and region.
    ///
    /// # Errors
    /// The error of the service.
    pub(super) fn answer(
        &self,
        operation: Operation,
        home: &Home,
        input: &Value,
        codeconnections: &ServiceState,
    ) -> Result<Value, Refused> {
        let pipelines = || self.pipelines.iter().filter(|it| it.home == *home);
        let projects = || self.projects.iter().filter(|it| it.home == *home);
        Ok(match operation {
            Operation::ListPipelines => {
                let summary = |it: &Pipeline| json!({"name": it.name, "version": 1});
                json!({"pipelines": pipelines().map(summary).collect::<Vec<_>>()})
            }
            Operation::GetPipeline => {
                let name = input["name"].as_str().unwrap_or_default();
                let found = pipelines().find(|it| it.name == name);
                found.map(pipeline).ok_or_else(|| {
                    let message = format!("no pipeline has the name {name}");
                    ("PipelineNotFoundException", message)
                })?
            }
            Operation::ListProjects => {
                json!({"projects": projects().map(|it| &it.name).collect::<Vec<_>>()})
            }
            Operation::BatchGetProjects => {
                let names = input["names"].as_array().map_or(&[][..], Vec::as_slice);
                let is_named = |it: &&Project| names.iter().any(|name| *name == it.name);
                let exists = |name: &&Value| projects().any(|it| **name == it.name);
                json!({
                    "projects": projects().filter(is_named).map(project).collect::<Vec<_>>(),
                    "projectsNotFound":
                        names.iter().filter(|name| !exists(name)).collect::<Vec<_>>(),
                })
            }
            Operation::ListSourceCredentials => {
                let own = self.source_credentials.iter().filter(|it| it.home == *home);
                json!({"sourceCredentialsInfos": own.map(credential).collect::<Vec<_>>()})
            }
            Operation::GetResources => get_resources(home, input, codeconnections),
            Operation::ListResources => {
                let resource = |share: &ResourceShare| {
                    json!({
                        "arn": share.connection_arn,
                        "type": "codeconnections:Connection",
                        "resourceShareArn": share.arn(),
                    })
                };
                json!({"resources": self.shares(home, input).map(resource).collect::<Vec<_>>()})
            }
            Operation::ListPrincipals => {
                let is_own = input["resourceOwner"] == "SELF";
                let principal = |share: &ResourceShare| {
                    // Of shares that others make, it is the account that shares.
                    let id = if is_own {
                        &share.principal
                    } else {
                        &share.home.account
                    };
                    json!({
                        "id": id,
                        "resourceShareArn": share.arn(),
                        "external": share.is_external,
                    })
                };
                json!({"principals": self.shares(home, input).map(principal).collect::<Vec<_>>()})
            }
            Operation::Nothing(member) => json!({member: []}),
        })
    }

    /// Returns the shares of the caller, or those that others make with it, as
    /// `resourceOwner` says.
    fn shares(&self, home: &Home, input: &Value) -> impl Iterator<Item = &ResourceShare> {
        let is_own = input["resourceOwner"] == "SELF";
        let in_region = self
            .resource_shares
            .iter()
            .filter(|share| share.home.region == home.region);
        in_region.filter(move |share| {
            if is_own {
                share.home.account == home.account
            } else {
                share.principal == home.account
            }
        })
    }
}

impl ResourceShare {
    fn arn(&self) -> String {
        self.home.arn("ram", &format!("resource-share/{}", self.id))
    }
}

/// <https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_GetPipeline.html>
fn pipeline(pipeline: &Pipeline) -> Value {
    let account = &pipeline.home.account;
    let source = json!({
        "name": "Source",
        "actionTypeId": {
            "category": "Source",
            "owner": "AWS",
            "provider": "CodeStarSourceConnection",
            "version": "1",
        },
        "runOrder": 1,
        "configuration": {
            "ConnectionArn": pipeline.connection_arn,
            "FullRepositoryId": pipeline.full_repository_id,
            "BranchName": pipeline.branch_name,
        },
        "outputArtifacts": [{"name": "Source"}],
        "inputArtifacts": [],
    });
    json!({
        "pipeline": {
            "name": pipeline.name,
            "roleArn": format!("arn:aws:iam::{account}:role/{}", pipeline.name),
            "stages": [{"name": "Source", "actions": [source]}],
            "version": 1,
        },
        "metadata": {"pipelineArn": pipeline.home.arn("codepipeline", &pipeline.name)},
    })
}

/// <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Project.html>
fn project(project: &Project) -> Value {
    json!({
        "name": project.name,
        "arn": project.home.arn("codebuild", &format!("project/{}", project.name)),
        "source": {
            "type": project.source_type,
            "location": project.location,
            "auth": {"type": "CODECONNECTIONS", "resource": project.connection_arn},
        },
        "sourceVersion": project.source_version,
    })
}

/// <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_SourceCredentialsInfo.html>
fn credential(credential: &SourceCredential) -> Value {
    let provider = credential.server_type.to_lowercase();
    json!({
        "arn": credential.home.arn("codebuild", &format!("token/{provider}")),
        "serverType": credential.server_type,
        "authType": "CODECONNECTIONS",
        "resource": credential.connection_arn,
    })
}

/// Lists the connections and hosts that have tags, of the region that is asked.
/// <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>
fn get_resources(home: &Home, input: &Value, codeconnections: &ServiceState) -> Value {
    let connections = codeconnections
        .connections()
        .map(|it| (&it.connection.connection_arn, &it.tags));
    let hosts = codeconnections
        .hosts()
        .map(|it| (&it.host.host_arn, &it.tags));
    let types = input["ResourceTypeFilters"].as_array();
    let is_asked = |(arn, tags): &(&String, &Tags)| {
        let Some(arn) = Arn::parse(arn) else {
            return false;
        };
        let kind = arn.resource.split('/').next().unwrap_or_default();
        let kind = format!("{}:{kind}", arn.service);
        arn.region == home.region
            && arn.account == home.account
            && !tags.is_empty()
            && types.is_none_or(|types| types.iter().any(|it| *it == kind))
    };
    let tagged =
        |(arn, tags): (&String, &Tags)| json!({"ResourceARN": arn, "Tags": tag_list(tags)});
    let mappings: Vec<Value> = connections
        .chain(hosts)
        .filter(is_asked)
        .map(tagged)
        .collect();
    json!({"PaginationToken": "", "ResourceTagMappingList": mappings})
}
