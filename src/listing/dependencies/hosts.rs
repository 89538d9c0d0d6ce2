//! Hosts: the addresses of self-managed providers. Each region lists its own.
//! <https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_ListHosts.html>

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Problem, add, member, text};
use super::code_connections::LIST_HOSTS;
use crate::domain::ids::ParseError;
use crate::domain::{DependencyType, Digest};

/// Members of a host that have attributes of their own.
const ATTRIBUTES: [&str; 4] = ["HostArn", "Name", "Status", "VpcConfiguration"];

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let hosts = api.all(LIST_HOSTS, json!({})).await?;
    add(found, LIST_HOSTS.operation, hosts.iter().map(read))
}

fn read(host: &Value) -> Result<Found, ParseError> {
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
    )?
    .with_status(text(host, "Status"));
    let others = host.as_object().into_iter().flatten();
    let others = others.filter(|(name, _)| !ATTRIBUTES.contains(&name.as_str()));
    found.add_members(others.map(|(name, value)| (name.as_str(), value.clone())));
    Ok(found)
}
