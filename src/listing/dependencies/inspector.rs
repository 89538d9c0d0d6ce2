//! Inspector: code security integrations that reach a provider through a host.
//! <https://docs.aws.amazon.com/inspector/v2/APIReference/API_GetCodeSecurityIntegration.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, list as items, member, read_each, text};
use crate::aws::json_client::{Operation, Service};
use crate::domain::DependencyType;
use crate::domain::listing::NOT_ENABLED;

const SERVICE: Service = Service::new("Inspector2", "inspector2");

const LIST_INTEGRATIONS: Pages = Pages {
    operation: SERVICE.rest_json(
        "ListCodeSecurityIntegrations",
        "POST",
        "/codesecurity/integration/list",
        &["nextToken"],
    ),
    token: "nextToken",
    next_token: "nextToken",
    items: "integrations",
};

const GET_INTEGRATION: Operation = SERVICE.rest_json(
    "GetCodeSecurityIntegration",
    "POST",
    "/codesecurity/integration/get",
    &[],
);

const GET_STATUS: Operation =
    SERVICE.rest_json("BatchGetAccountStatus", "POST", "/status/batch/get", &[]);

/// The status of an account, or of its code repositories, that Inspector does not
/// scan.
const DISABLED: &str = "DISABLED";

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let integrations = match api.all(LIST_INTEGRATIONS, json!({})).await {
        // Inspector denies the calls of an account that has not enabled it, and only
        // another call says which of the two it is.
        Err(denied) if &*denied.code == "AccessDeniedException" => {
            let is_disabled = is_disabled(api).await;
            let reason = "Inspector does not scan the code of this account";
            return Err(if is_disabled {
                Problem::new(NOT_ENABLED, &format!("{}; {reason}", denied.reason))
            } else {
                denied
            });
        }
        integrations => integrations?,
    };
    read_each(integrations, found, |integration| get(api, integration)).await
}

/// Returns true if Inspector says that the caller's account, or the scanning of its
/// code repositories, is disabled.
/// <https://docs.aws.amazon.com/inspector/v2/APIReference/API_BatchGetAccountStatus.html>
async fn is_disabled(api: &Api<'_>) -> bool {
    let input = json!({"accountIds": [api.account()]});
    let Ok(response) = api.call(GET_STATUS, &input).await else {
        return false;
    };
    let [account] = items(&response, "accounts") else {
        return false;
    };
    let code = &account["resourceState"]["codeRepository"];
    [&account["state"], code]
        .iter()
        .any(|state| text(state, "status") == Some(DISABLED))
}

/// Returns an integration that uses a host; none if it was deleted meanwhile.
async fn get(api: &Api<'_>, listed: Value) -> Result<Vec<Found>, Problem> {
    let input = json!({"integrationArn": member(&listed, "integrationArn")});
    let integration = match api.call(GET_INTEGRATION, &input).await {
        Err(problem) if problem.is_not_found() => return Ok(Vec::new()),
        integration => integration?,
    };
    let vpc = &integration["vpcConfiguration"];
    let Some(host) = text(vpc, "codeConnectionsHostArn") else {
        return Ok(Vec::new());
    };
    let entry = Found::new(
        DependencyType::CodeSecurityIntegration,
        text(&integration, "integrationArn").unwrap_or_default(),
        None,
        text(&integration, "name"),
        Some(host),
        [
            ("type", member(&integration, "type")),
            ("instanceUrl", member(&integration, "instanceUrl")),
            ("vpcId", member(vpc, "vpcId")),
            ("vpcEndpointId", member(vpc, "vpcEndpointId")),
        ],
    );
    let entry = entry.map(|entry| entry.with_status(text(&integration, "status")));
    let mut found = Vec::new();
    add(&mut found, GET_INTEGRATION, [entry])?;
    Ok(found)
}
