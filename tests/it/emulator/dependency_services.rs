//! The services that use connections, emulated for the demo: AWS's own client and its
//! models agree with their answers, each of an account and region.
#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::python::{fine, python};
use codeconnections_inventory::local::{EmulatorService, demo_account};
use serde_json::{Value, json};

async fn answers(service: &EmulatorService) -> Vec<Value> {
    let arguments = [service.endpoint(), "us-east-1", "eu-central-1"];
    let output = fine(python("dependency_services.py", &arguments).await);
    serde_json::from_str(&output).expect("JSON")
}

#[tokio::test]
async fn emulated_services_answer_as_their_models_have_it() {
    let codeconnections = demo_account::codeconnections().expect("an account");
    let services = demo_account::dependency_services(&codeconnections).expect("services");
    let service = EmulatorService::start_with(codeconnections, services, 0)
        .await
        .expect("a port");

    let all = answers(&service).await;
    assert_eq!(all[0]["pipelines"][0]["name"], "search-deploy");
    let source = &all[1]["pipeline"]["stages"][0]["actions"][0]["configuration"];
    assert_eq!(source["FullRepositoryId"], "search/infra");
    assert_eq!(all[2]["projects"], json!(["search-tests"]));
    let auth = &all[3]["projects"][0]["source"]["auth"];
    assert_eq!(auth["resource"], source["ConnectionArn"]);
    assert_eq!(all[3]["projectsNotFound"], json!(["none"]));
    let tagged = &all[5]["ResourceTagMappingList"];
    assert_eq!(tagged[0]["ResourceARN"], source["ConnectionArn"]);
    assert_eq!(
        tagged[0]["Tags"],
        json!([{"Key": "team", "Value": "search"}])
    );
    assert_eq!(
        tagged.as_array().map(Vec::len),
        Some(1),
        "of its region only"
    );
    let share = &all[6]["resources"][0]["resourceShareArn"];
    assert!(share.is_string(), "{all:?}");
    let principal = &all[7]["principals"][0];
    assert_eq!(principal["resourceShareArn"], *share);
    assert_eq!(principal["id"], "999999999999");
    assert_eq!(principal["external"], true);
    for (at, member) in [
        (8, "resources"),
        (9, "RepositoryAssociationSummaries"),
        (10, "items"),
        (11, "items"),
        (12, "integrations"),
        (13, "repositories"),
        (14, "ProductViewDetails"),
    ] {
        assert_eq!(all[at][member], json!([]), "{member}");
    }
    assert_eq!(all[15], "PipelineNotFoundException");
}
