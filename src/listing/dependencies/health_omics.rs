//! HealthOmics: private workflows, and versions of them, whose definition comes from a
//! repository.
//! <https://docs.aws.amazon.com/omics/latest/api/API_GetWorkflowVersion.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, both, member, read_each, text};
use crate::aws::json_client::{Operation, Service};
use crate::domain::DependencyType;
use crate::domain::ids::ParseError;

const SERVICE: Service = Service::new("Omics", "omics").host_prefix("workflows-");

const LIST_WORKFLOWS: Pages = Pages {
    operation: SERVICE.rest_json(
        "ListWorkflows",
        "GET",
        "/workflow",
        &["startingToken", "type"],
    ),
    token: "startingToken",
    next_token: "nextToken",
    items: "items",
};

const GET_WORKFLOW: Operation =
    SERVICE.rest_json("GetWorkflow", "GET", "/workflow/{id}", &["type"]);

const LIST_VERSIONS: Pages = Pages {
    operation: SERVICE.rest_json(
        "ListWorkflowVersions",
        "GET",
        "/workflow/{workflowId}/version",
        &["startingToken", "type"],
    ),
    token: "startingToken",
    next_token: "nextToken",
    items: "items",
};

const GET_VERSION: Operation = SERVICE.rest_json(
    "GetWorkflowVersion",
    "GET",
    "/workflow/{workflowId}/version/{versionName}",
    &["type"],
);

/// The type of an account's own workflows. Those of HealthOmics name no connection.
const PRIVATE: &str = "PRIVATE";

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let listed = api.all(LIST_WORKFLOWS, json!({"type": PRIVATE})).await?;
    // What can't be read hides neither a workflow nor a version.
    let mut workflows = Vec::new();
    let of_workflows = read_each(listed, &mut workflows, async |workflow: Value| {
        let input = json!({"id": member(&workflow, "id"), "type": PRIVATE});
        get(api, GET_WORKFLOW, &input).await
    });
    let of_workflows = of_workflows.await;
    let consumers = workflows
        .iter()
        .filter_map(|workflow| consumer(workflow, text(workflow, "name").unwrap_or_default()));
    let recorded = add(found, GET_WORKFLOW, consumers);
    let mut versions = Vec::new();
    let of_lists = read_each(workflows, &mut versions, async |workflow: Value| {
        let id = member(&workflow, "id");
        let input = json!({"workflowId": id, "type": PRIVATE});
        let listed = api.all(LIST_VERSIONS, input).await?.into_iter();
        let versions = listed.map(|version| {
            let input = json!({
                "workflowId": id,
                "versionName": member(&version, "versionName"),
                "type": PRIVATE,
            });
            (member(&workflow, "name"), input)
        });
        Ok(versions.collect())
    });
    let of_lists = of_lists.await;
    let of_versions = read_each(versions, found, async |(name, input): (Value, Value)| {
        let mut found = Vec::new();
        for version in get(api, GET_VERSION, &input).await? {
            let name = name.as_str().unwrap_or_default();
            let name = format!(
                "{name} {}",
                text(&version, "versionName").unwrap_or_default()
            );
            add(&mut found, GET_VERSION, consumer(&version, &name))?;
        }
        Ok(found)
    });
    let of_versions = of_versions.await;
    both(both(of_workflows.and(recorded), of_lists), of_versions)
}

/// Returns a workflow or a version; none if it was deleted meanwhile.
async fn get(api: &Api<'_>, operation: Operation, input: &Value) -> Result<Vec<Value>, Problem> {
    match api.call(operation, input).await {
        Err(problem) if problem.is_not_found() => Ok(Vec::new()),
        read => Ok(vec![read?]),
    }
}

/// Returns a workflow or version that uses a connection.
fn consumer(workflow: &Value, name: &str) -> Option<Result<Found, ParseError>> {
    let source = &workflow["definitionRepositoryDetails"];
    let connection = text(source, "connectionArn")?;
    let found = Found::new(
        DependencyType::Workflow,
        text(workflow, "arn").unwrap_or_default(),
        None,
        Some(name),
        Some(connection),
        [
            ("fullRepositoryId", member(source, "fullRepositoryId")),
            ("sourceReference", member(source, "sourceReference")),
            ("providerType", member(source, "providerType")),
            ("providerEndpoint", member(source, "providerEndpoint")),
        ],
    );
    Some(found.map(|found| found.with_status(text(workflow, "status"))))
}
