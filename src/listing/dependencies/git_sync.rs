//! Git sync: links of repositories, and the stacks that are kept in sync with a file
//! of one.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/git-sync.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, member, read_each, text};
use super::code_connections::operation;
use crate::domain::DependencyType;
use crate::domain::ids::ParseError;

const LIST_LINKS: Pages = Pages {
    operation: operation("ListRepositoryLinks"),
    token: "NextToken",
    next_token: "NextToken",
    items: "RepositoryLinks",
};

const LIST_CONFIGURATIONS: Pages = Pages {
    operation: operation("ListSyncConfigurations"),
    token: "NextToken",
    next_token: "NextToken",
    items: "SyncConfigurations",
};

/// The only type of synchronization in the service's model.
const SYNC_TYPE: &str = "CFN_STACK_SYNC";

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let links = api.all(LIST_LINKS, json!({})).await?;
    let read = add(found, LIST_LINKS.operation, links.iter().map(link));
    read.and(read_each(links, found, |link| configurations(api, link)).await)
}

fn link(link: &Value) -> Result<Found, ParseError> {
    let repository = ["OwnerId", "RepositoryName"].map(|name| text(link, name));
    let repository = match repository {
        [Some(owner), Some(name)] => Some(format!("{owner}/{name}")),
        [_, name] => name.map(str::to_owned),
    };
    Found::new(
        DependencyType::RepositoryLink,
        text(link, "RepositoryLinkArn").unwrap_or_default(),
        None,
        repository.as_deref(),
        text(link, "ConnectionArn"),
        [
            ("OwnerId", member(link, "OwnerId")),
            ("RepositoryName", member(link, "RepositoryName")),
            ("ProviderType", member(link, "ProviderType")),
            ("EncryptionKeyArn", member(link, "EncryptionKeyArn")),
        ],
    )
}

/// Returns the configurations of a link; none if it was deleted meanwhile.
async fn configurations(api: &Api<'_>, link: Value) -> Result<Vec<Found>, Problem> {
    let input = json!({
        "RepositoryLinkId": member(&link, "RepositoryLinkId"),
        "SyncType": SYNC_TYPE,
    });
    let configurations = match api.all(LIST_CONFIGURATIONS, input).await {
        Err(problem) if problem.is_not_found() => return Ok(Vec::new()),
        configurations => configurations?,
    };
    let mut found = Vec::new();
    let configurations = configurations.iter().map(|it| configuration(&link, it));
    add(&mut found, LIST_CONFIGURATIONS.operation, configurations)?;
    Ok(found)
}

/// A configuration has no ARN: it is identified by its link, type and stack.
fn configuration(link: &Value, configuration: &Value) -> Result<Found, ParseError> {
    let stack = text(configuration, "ResourceName");
    Found::new(
        DependencyType::SyncConfiguration,
        text(link, "RepositoryLinkArn").unwrap_or_default(),
        Some(&format!("{SYNC_TYPE}.{}", stack.unwrap_or_default())),
        stack,
        text(link, "ConnectionArn"),
        [
            ("OwnerId", member(configuration, "OwnerId")),
            ("RepositoryName", member(configuration, "RepositoryName")),
            ("Branch", member(configuration, "Branch")),
            ("ConfigFile", member(configuration, "ConfigFile")),
            ("RoleArn", member(configuration, "RoleArn")),
            (
                "TriggerResourceUpdateOn",
                member(configuration, "TriggerResourceUpdateOn"),
            ),
        ],
    )
}
