//! HealthOmics: private workflows whose definition comes from a repository.
//! <https://docs.aws.amazon.com/omics/latest/api/API_GetWorkflow.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, member, read_each, text};
use crate::aws::json_client::{Operation, Service};
use crate::domain::DependencyType;

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

/// The type of an account's own workflows. Those of HealthOmics name no connection.
const PRIVATE: &str = "PRIVATE";

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let workflows = api.all(LIST_WORKFLOWS, json!({"type": PRIVATE})).await?;
    read_each(workflows, found, |workflow| get(api, workflow)).await
}

/// Returns a workflow that uses a connection; none if it was deleted meanwhile.
async fn get(api: &Api<'_>, listed: Value) -> Result<Vec<Found>, Problem> {
    let input = json!({"id": member(&listed, "id"), "type": PRIVATE});
    let workflow = match api.call(GET_WORKFLOW, &input).await {
        Err(problem) if problem.is_not_found() => return Ok(Vec::new()),
        workflow => workflow?,
    };
    let source = &workflow["definitionRepositoryDetails"];
    let Some(connection) = text(source, "connectionArn") else {
        return Ok(Vec::new());
    };
    let entry = Found::new(
        DependencyType::Workflow,
        text(&workflow, "arn").unwrap_or_default(),
        None,
        text(&workflow, "name"),
        Some(connection),
        [
            ("fullRepositoryId", member(source, "fullRepositoryId")),
            ("sourceReference", member(source, "sourceReference")),
            ("providerType", member(source, "providerType")),
            ("providerEndpoint", member(source, "providerEndpoint")),
        ],
    );
    let entry = entry.map(|entry| entry.with_status(text(&workflow, "status")));
    let mut found = Vec::new();
    add(&mut found, GET_WORKFLOW, [entry])?;
    Ok(found)
}
