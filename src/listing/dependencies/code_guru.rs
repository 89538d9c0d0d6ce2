//! CodeGuru Reviewer: repositories that are associated for reviews.
//! <https://docs.aws.amazon.com/codeguru/latest/reviewer-api/API_RepositoryAssociationSummary.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, member, text};
use crate::aws::json_client::Service;
use crate::domain::DependencyType;
use crate::domain::ids::ParseError;

const LIST_ASSOCIATIONS: Pages = Pages {
    operation: Service::new("CodeGuru Reviewer", "codeguru-reviewer").rest_json(
        "ListRepositoryAssociations",
        "GET",
        "/associations",
        &["NextToken"],
    ),
    token: "NextToken",
    next_token: "NextToken",
    items: "RepositoryAssociationSummaries",
};

/// The state of an association that has ended.
const ENDED: &str = "Disassociated";

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let associations = api.all(LIST_ASSOCIATIONS, json!({})).await?;
    // Those of CodeCommit and S3 have no connection.
    let uses_connection =
        |it: &&Value| text(it, "ConnectionArn").is_some() && text(it, "State") != Some(ENDED);
    let associations = associations.iter().filter(uses_connection).map(read);
    add(found, LIST_ASSOCIATIONS.operation, associations)
}

fn read(association: &Value) -> Result<Found, ParseError> {
    let found = Found::new(
        DependencyType::RepositoryAssociation,
        text(association, "AssociationArn").unwrap_or_default(),
        None,
        text(association, "Name"),
        text(association, "ConnectionArn"),
        [
            ("Owner", member(association, "Owner")),
            ("ProviderType", member(association, "ProviderType")),
        ],
    )?;
    Ok(found.with_status(text(association, "State")))
}
