//! DataZone: Git connections of domains and their projects.
//! <https://docs.aws.amazon.com/datazone/latest/APIReference/API_ListConnections.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, member, read_each, text};
use crate::aws::json_client::Service;
use crate::domain::DependencyType;
use crate::domain::ids::ParseError;

const SERVICE: Service = Service::new("DataZone", "datazone").dual_stack();

const LIST_DOMAINS: Pages = Pages {
    operation: SERVICE.rest_json("ListDomains", "GET", "/v2/domains", &["nextToken"]),
    token: "nextToken",
    next_token: "nextToken",
    items: "items",
};

const LIST_CONNECTIONS: Pages = Pages {
    operation: SERVICE.rest_json(
        "ListConnections",
        "GET",
        "/v2/domains/{domainIdentifier}/connections",
        &["nextToken", "type"],
    ),
    token: "nextToken",
    next_token: "nextToken",
    items: "items",
};

/// The type of connections that name one of CodeConnections. Others can hold
/// credentials, which are not asked for.
const GIT: &str = "GIT";

/// The status of a domain that has nothing any more.
const DELETED: &str = "DELETED";

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let mut domains = api.all(LIST_DOMAINS, json!({})).await?;
    domains.retain(|domain| text(domain, "status") != Some(DELETED));
    read_each(domains, found, |domain| connections(api, domain)).await
}

/// Returns the Git connections of a domain; none if it was deleted meanwhile.
async fn connections(api: &Api<'_>, domain: Value) -> Result<Vec<Found>, Problem> {
    let input = json!({"domainIdentifier": member(&domain, "id"), "type": GIT});
    let connections = match api.all(LIST_CONNECTIONS, input).await {
        Err(problem) if problem.is_not_found() => return Ok(Vec::new()),
        connections => connections?,
    };
    let mut found = Vec::new();
    let of_git = connections.iter().filter_map(|connection| {
        let git = &connection["props"]["gitProperties"];
        git.is_object().then(|| read(&domain, connection, git))
    });
    add(&mut found, LIST_CONNECTIONS.operation, of_git)?;
    Ok(found)
}

/// A connection of DataZone has no ARN: it is identified by its domain and id.
fn read(domain: &Value, connection: &Value, git: &Value) -> Result<Found, ParseError> {
    let found = Found::new(
        DependencyType::DataZoneConnection,
        text(domain, "arn").unwrap_or_default(),
        Some(text(connection, "connectionId").unwrap_or_default()),
        text(connection, "name"),
        text(git, "codeConnectionArn"),
        [
            ("repositoryId", member(git, "repositoryId")),
            ("defaultBranch", member(git, "defaultBranch")),
            ("projectId", member(connection, "projectId")),
        ],
    )?;
    Ok(found.with_status(text(git, "status")))
}
