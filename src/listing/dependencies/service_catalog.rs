//! Service Catalog: products that are kept in sync with a repository.
//! <https://docs.aws.amazon.com/servicecatalog/latest/adminguide/git-synced-products.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, member, text};
use crate::aws::json_client::Service;
use crate::domain::DependencyType;
use crate::domain::ids::ParseError;

const SEARCH_PRODUCTS: Pages = Pages {
    operation: Service::new("Service Catalog", "servicecatalog").aws_json(
        "AWS242ServiceCatalogService",
        "1.1",
        "SearchProductsAsAdmin",
    ),
    token: "PageToken",
    next_token: "NextPageToken",
    items: "ProductViewDetails",
};

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let products = api.all(SEARCH_PRODUCTS, json!({})).await?;
    let synced = products.iter().filter_map(|product| {
        let source = &product["SourceConnection"]["ConnectionParameters"]["CodeStar"];
        source.is_object().then(|| read(product, source))
    });
    add(found, SEARCH_PRODUCTS.operation, synced)
}

fn read(product: &Value, source: &Value) -> Result<Found, ParseError> {
    let summary = &product["ProductViewSummary"];
    let last_sync = &product["SourceConnection"]["LastSync"];
    let found = Found::new(
        DependencyType::CatalogProduct,
        text(product, "ProductARN").unwrap_or_default(),
        None,
        text(summary, "Name"),
        text(source, "ConnectionArn"),
        [
            ("Repository", member(source, "Repository")),
            ("Branch", member(source, "Branch")),
            ("ArtifactPath", member(source, "ArtifactPath")),
            // Its time would be a change with every synchronization.
            ("LastSyncStatus", member(last_sync, "LastSyncStatus")),
        ],
    )?;
    Ok(found.with_status(text(product, "Status")))
}
