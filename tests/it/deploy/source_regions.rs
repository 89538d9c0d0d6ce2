//! The regions where each source of dependencies exists, compared with botocore.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;

use crate::support::python::{fine, python};
use codeconnections_inventory::listing::dependencies::Source;

/// The name of a source's service in botocore's table; `None` if it is asked everywhere.
fn service(source: Source) -> Option<&'static str> {
    match source {
        Source::CodeGuruReviewer => Some("codeguru-reviewer"),
        Source::DataZone => Some("datazone"),
        Source::HealthOmics => Some("omics"),
        Source::Inspector => Some("inspector2"),
        Source::Proton => Some("proton"),
        Source::ServiceCatalog => Some("servicecatalog"),
        _ => None,
    }
}

#[tokio::test]
async fn sources_exist_where_botocore_has_their_services() {
    let services: Vec<&str> = Source::ALL.into_iter().filter_map(service).collect();
    let output = fine(python("source_regions.py", &services).await);
    let regions: BTreeMap<String, Vec<String>> = serde_json::from_str(&output).expect("JSON");
    let mut wrong = Vec::new();
    for source in Source::ALL {
        for name in &regions["all"] {
            let region = name.parse().expect("a region");
            let exists = service(source).is_none_or(|known| regions[known].contains(name));
            if source.exists_in(&region) != exists {
                wrong.push((source, name, exists));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(regions["all"].len() > 40, "{regions:?}");
    let new = "eu-north-7".parse().expect("a region");
    assert!(
        Source::Inspector.exists_in(&new),
        "a new region is asked where a service comes to most"
    );
}
