//! The services that name connections and that no emulator has. Their answers are in
//! `consumers.json`; `tests/it/cli/dependency_sources.rs` holds them against botocore's models.

use serde_json::{Value, json};

use super::ccinv::Ccinv;
use super::proxy::{Act, Seen};
use super::test_env::{ACCOUNT, REGION, TestEnv};

/// The variables that set the endpoints of all services with dependencies but CodeConnections.
pub const ENDPOINTS: [&str; 10] = [
    "AWS_ENDPOINT_URL_CODEBUILD",
    "AWS_ENDPOINT_URL_CODEGURU_REVIEWER",
    "AWS_ENDPOINT_URL_CODEPIPELINE",
    "AWS_ENDPOINT_URL_DATAZONE",
    "AWS_ENDPOINT_URL_INSPECTOR2",
    "AWS_ENDPOINT_URL_OMICS",
    "AWS_ENDPOINT_URL_PROTON",
    "AWS_ENDPOINT_URL_RAM",
    "AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API",
    "AWS_ENDPOINT_URL_SERVICE_CATALOG",
];

/// Returns the command line whose services with dependencies are all at one endpoint.
pub fn ccinv_at(env: &TestEnv, endpoint: &str) -> Ccinv {
    let at = |ccinv: Ccinv, variable| ccinv.with(variable, endpoint);
    ENDPOINTS.into_iter().fold(Ccinv::at(env), at)
}

/// Returns the operation of a request: of REST services, from its method and path.
pub fn operation(seen: &Seen) -> &str {
    let path = seen.uri.path().trim_start_matches('/');
    let path: Vec<&str> = path.split('/').collect();
    match (seen.method.as_str(), &path[..]) {
        ("GET", ["associations"]) => "ListRepositoryAssociations",
        ("GET", ["workflow"]) => "ListWorkflows",
        ("GET", ["workflow", _]) => "GetWorkflow",
        ("GET", ["workflow", _, "version"]) => "ListWorkflowVersions",
        ("GET", ["workflow", _, "version", _]) => "GetWorkflowVersion",
        ("GET", ["v2", "domains"]) => "ListDomains",
        ("GET", ["v2", "domains", _, "connections"]) => "ListConnections",
        ("POST", ["codesecurity", "integration", "list"]) => "ListCodeSecurityIntegrations",
        ("POST", ["codesecurity", "integration", "get"]) => "GetCodeSecurityIntegration",
        ("POST", ["status", "batch", "get"]) => "BatchGetAccountStatus",
        _ => &seen.operation,
    }
}

/// Answers that nothing depends on a connection; `None` for other operations.
pub fn none(seen: &Seen) -> Option<Act> {
    let items = match operation(seen) {
        "ListPipelines" => "pipelines",
        "ListProjects" => "projects",
        "ListSourceCredentials" => "sourceCredentialsInfos",
        "ListRepositoryAssociations" => "RepositoryAssociationSummaries",
        "ListWorkflows" | "ListWorkflowVersions" | "ListDomains" => "items",
        "ListCodeSecurityIntegrations" => "integrations",
        "GetResources" => "ResourceTagMappingList",
        "listresources" => "resources",
        "ListRepositories" => "repositories",
        "SearchProductsAsAdmin" => "ProductViewDetails",
        _ => return None,
    };
    Some(Act::Answer(200, json!({items: []}).to_string()))
}

/// Returns an error of a service.
pub fn refusal(status: u16, code: &str) -> Act {
    let body = json!({"__type": code, "message": "refused by the test"});
    Act::Answer(status, body.to_string())
}

/// What each service answers to which input.
#[derive(Debug, Clone)]
pub struct Consumers(pub Value);

impl Consumers {
    /// Returns the answers of services that use a connection and a host.
    pub fn of(connection: &str, host: &str) -> Self {
        // The model of Service Catalog knows only the older spelling.
        let older = connection.replace(":codeconnections:", ":codestar-connections:");
        let answers = include_str!("consumers.json")
            .replace("OLD_SPELLING", &older)
            .replace("CONNECTION", connection)
            .replace("HOST", host);
        Self(serde_json::from_str(&answers).expect("JSON"))
    }

    /// Answers a request: what is listed, none of what is not, or that it does not exist.
    pub fn answer(&self, seen: &Seen) -> Act {
        let name = operation(seen);
        let asked = format!("{} {}", seen.uri, String::from_utf8_lossy(&seen.body));
        let entries = self.0.as_array().expect("a list").iter();
        let fits = entries
            .filter(|entry| entry["operation"] == name)
            .filter(|entry| {
                let mut values = entry["input"].as_object().expect("an input").values();
                values.all(|value| asked.contains(value.as_str().unwrap_or_default()))
            });
        // The second page has one member more.
        let best = fits.max_by_key(|entry| entry["input"].as_object().map(|input| input.len()));
        match best {
            Some(entry) => Act::Answer(200, entry["output"].to_string()),
            None => none(seen).unwrap_or_else(|| refusal(404, "ResourceNotFoundException")),
        }
    }

    /// Answers a request of any source, so that every operation is called. CodeConnections
    /// is the emulator's.
    pub fn answer_for_every_source(&self, seen: &Seen) -> Act {
        let arn = |service: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:one");
        let answer = match operation(seen) {
            "ListPipelines" => json!({"pipelines": [{"name": "one"}]}),
            "GetPipeline" => json!({
                "pipeline": {"name": "one", "stages": []},
                "metadata": {"pipelineArn": arn("codepipeline")},
            }),
            "ListProjects" => json!({"projects": ["one"]}),
            "BatchGetProjects" => {
                json!({"projects": [{"name": "one", "arn": arn("codebuild")}]})
            }
            "listresources" => {
                let shared =
                    format!("arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/shared");
                json!({"resources": [{"arn": shared, "resourceShareArn": arn("ram")}]})
            }
            "listprincipals" => json!({"principals": []}),
            _ if seen.service() == "codeconnections" => return Act::Pass,
            _ => return self.answer(seen),
        };
        Act::Answer(200, answer.to_string())
    }
}
