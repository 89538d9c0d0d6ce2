//! Hosts: the addresses of self-managed providers. Each region lists its own.
//! <https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_ListHosts.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, member, text};
use crate::aws::json_client::Service;
use crate::domain::{DependencyType, Digest};

const LIST_HOSTS: Pages = Pages {
    operation: Service::new("CodeConnections", "codeconnections").aws_json(
        "com.amazonaws.codeconnections.CodeConnections_20231201",
        "1.0",
        "ListHosts",
    ),
    token: "NextToken",
    next_token: "NextToken",
    items: "Hosts",
};

/// Members of a host that have attributes of their own.
const ATTRIBUTES: [&str; 4] = ["HostArn", "Name", "Status", "VpcConfiguration"];

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    for host in api.all(LIST_HOSTS, json!({})).await? {
        found.push(read(&host)?);
    }
    Ok(())
}

fn read(host: &Value) -> Result<Found, Problem> {
    let vpc = member(host, "VpcConfiguration");
    // A certificate can be longer than what is kept of a member.
    let certificate = text(&vpc, "TlsCertificate").map(|pem| json!({"sha256": Digest::of(&pem)}));
    let mut found = Found::new(
        DependencyType::Host,
        text(host, "HostArn").unwrap_or_default(),
        None,
        text(host, "Name"),
        None,
        [
            ("VpcId", member(&vpc, "VpcId")),
            ("SubnetIds", member(&vpc, "SubnetIds")),
            ("SecurityGroupIds", member(&vpc, "SecurityGroupIds")),
            ("TlsCertificate", certificate.unwrap_or_default()),
        ],
    )
    .map_err(|malformed| Problem::of_entry(LIST_HOSTS.operation, &malformed))?;
    found.attributes.status = text(host, "Status").map(Into::into);
    let others = host.as_object().into_iter().flatten();
    let others = others.filter(|(name, _)| !ATTRIBUTES.contains(&name.as_str()));
    found.add_members(others.map(|(name, value)| (name.as_str(), value.clone())));
    Ok(found)
}
