//! Proton: linked repositories.
//! <https://docs.aws.amazon.com/proton/latest/APIReference/API_ListRepositories.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, member, text};
use crate::aws::json_client::Service;
use crate::domain::DependencyType;
use crate::domain::ids::ParseError;

const LIST_REPOSITORIES: Pages = Pages {
    operation: Service::new("Proton", "proton").aws_json(
        "AwsProton20200720",
        "1.0",
        "ListRepositories",
    ),
    token: "nextToken",
    next_token: "nextToken",
    items: "repositories",
};

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let repositories = api.all(LIST_REPOSITORIES, json!({})).await?;
    let repositories = repositories.iter().map(read);
    add(found, LIST_REPOSITORIES.operation, repositories)
}

fn read(repository: &Value) -> Result<Found, ParseError> {
    Found::new(
        DependencyType::ProtonRepository,
        text(repository, "arn").unwrap_or_default(),
        None,
        text(repository, "name"),
        text(repository, "connectionArn"),
        [("provider", member(repository, "provider"))],
    )
}
