//! The emulated operations, and the requests that name them.

use axum::http::{HeaderMap, Method};

/// An emulated operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    ListPipelines,
    GetPipeline,
    ListProjects,
    BatchGetProjects,
    ListSourceCredentials,
    GetResources,
    ListResources,
    ListPrincipals,
    /// A listing without entries; its member that holds the list.
    Nothing(&'static str),
}

impl Operation {
    /// Returns the operation of a request; `None` if it is none of these.
    pub(super) fn of(method: &Method, path: &str, headers: &HeaderMap) -> Option<Self> {
        let target = headers.get("x-amz-target");
        match target.and_then(|target| target.to_str().ok()) {
            Some(target) => Self::of_target(target),
            None => Self::of_path(method, path),
        }
    }

    fn of_target(target: &str) -> Option<Self> {
        Some(match target {
            "CodePipeline_20150709.ListPipelines" => Self::ListPipelines,
            "CodePipeline_20150709.GetPipeline" => Self::GetPipeline,
            "CodeBuild_20161006.ListProjects" => Self::ListProjects,
            "CodeBuild_20161006.BatchGetProjects" => Self::BatchGetProjects,
            "CodeBuild_20161006.ListSourceCredentials" => Self::ListSourceCredentials,
            "ResourceGroupsTaggingAPI_20170126.GetResources" => Self::GetResources,
            "AwsProton20200720.ListRepositories" => Self::Nothing("repositories"),
            "AWS242ServiceCatalogService.SearchProductsAsAdmin" => {
                Self::Nothing("ProductViewDetails")
            }
            _ => return None,
        })
    }

    fn of_path(method: &Method, path: &str) -> Option<Self> {
        Some(match (method.as_str(), path) {
            ("POST", "/listresources") => Self::ListResources,
            ("POST", "/listprincipals") => Self::ListPrincipals,
            // CodeGuru Reviewer, HealthOmics, DataZone and Inspector.
            ("GET", "/associations") => Self::Nothing("RepositoryAssociationSummaries"),
            ("GET", "/workflow" | "/v2/domains") => Self::Nothing("items"),
            ("POST", "/codesecurity/integration/list") => Self::Nothing("integrations"),
            _ => return None,
        })
    }
}
