//! CodeBuild: the sources of projects, and the credentials of projects that name
//! none.
//! <https://docs.aws.amazon.com/codebuild/latest/userguide/connections-github-app.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, both, list as items, member, required_list, text};
use crate::aws::json_client::{Operation, Service};
use crate::domain::DependencyType;
use crate::domain::ids::ParseError;

const LIST_PROJECTS: Pages = Pages {
    operation: operation("ListProjects"),
    token: "nextToken",
    next_token: "nextToken",
    items: "projects",
};

const BATCH_GET_PROJECTS: Operation = operation("BatchGetProjects");

const LIST_CREDENTIALS: Operation = operation("ListSourceCredentials");

const fn operation(name: &'static str) -> Operation {
    Service::new("CodeBuild", "codebuild").aws_json("CodeBuild_20161006", "1.1", name)
}

/// The type of credentials that are a connection.
const AUTH_TYPE: &str = "CODECONNECTIONS";

/// The detail of a primary source, which has no identifier.
const PRIMARY: &str = "source";

/// The detail of a secondary source whose identifier is [`PRIMARY`]. No identifier has
/// a full stop.
/// <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_ProjectSource.html>
const SECONDARY_AS_PRIMARY: &str = "secondary.source";

/// The most projects in one call.
/// <https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetProjects.html>
const BATCH: usize = 100;

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    // Either is listed even if the other can't be.
    let projects = list_projects(api, found).await;
    let credentials = list_credentials(api, found).await;
    both(projects, credentials)
}

async fn list_projects(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let names = api.all(LIST_PROJECTS, json!({})).await?;
    let mut read = Ok(());
    for names in names.chunks(BATCH) {
        let input = json!({"names": names});
        let response = api.call(BATCH_GET_PROJECTS, &input).await?;
        // Those that were deleted meanwhile are in `projectsNotFound`.
        let projects = required_list(BATCH_GET_PROJECTS, &response, "projects");
        let sources = projects.map(|projects| projects.iter().flat_map(sources_of));
        read = read.and(sources.and_then(|sources| add(found, BATCH_GET_PROJECTS, sources)));
    }
    read
}

async fn list_credentials(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let response = api.call(LIST_CREDENTIALS, &json!({})).await?;
    let credentials = required_list(LIST_CREDENTIALS, &response, "sourceCredentialsInfos")?;
    let connections = credentials
        .iter()
        .filter(|it| text(it, "authType") == Some(AUTH_TYPE));
    let credentials = connections.map(|credential| {
        Found::new(
            DependencyType::BuildCredential,
            text(credential, "arn").unwrap_or_default(),
            None,
            text(credential, "serverType"),
            text(credential, "resource"),
            [("serverType", member(credential, "serverType"))],
        )
    });
    add(found, LIST_CREDENTIALS, credentials)
}

/// Returns the sources of a project that use a connection.
fn sources_of(project: &Value) -> impl Iterator<Item = Result<Found, ParseError>> {
    let primary = std::iter::once(&project["source"]);
    let sources = primary.chain(items(project, "secondarySources"));
    let uses_connection = |source: &&Value| source["auth"]["type"] == AUTH_TYPE;
    sources.filter(uses_connection).map(|source| {
        let identifier = text(source, "sourceIdentifier");
        let versions = items(project, "secondarySourceVersions").iter();
        let version = match identifier {
            None => member(project, "sourceVersion"),
            Some(_) => versions
                .filter(|version| text(version, "sourceIdentifier") == identifier)
                .map(|version| member(version, "sourceVersion"))
                .next()
                .unwrap_or_default(),
        };
        let detail = match identifier {
            None => PRIMARY,
            Some(PRIMARY) => SECONDARY_AS_PRIMARY,
            Some(identifier) => identifier,
        };
        Found::new(
            DependencyType::BuildProject,
            text(project, "arn").unwrap_or_default(),
            Some(detail),
            text(project, "name"),
            text(&source["auth"], "resource"),
            [
                ("type", member(source, "type")),
                ("location", member(source, "location")),
                ("sourceVersion", version),
                (
                    "webhook",
                    json!(project.get("webhook").is_some_and(|w| !w.is_null())),
                ),
            ],
        )
    })
}
