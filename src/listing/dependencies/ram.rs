//! Resource Access Manager: with whom connections are shared, and which connections
//! of other accounts are shared with this one. Each region lists its own shares.
//! <https://docs.aws.amazon.com/ram/latest/APIReference/API_ListResources.html>
//! <https://docs.aws.amazon.com/ram/latest/APIReference/API_ListPrincipals.html>

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, both, member, text};
use crate::aws::json_client::Service;
use crate::domain::DependencyType;
use crate::domain::arn::Arn;

const SERVICE: Service = Service::new("RAM", "ram");

const LIST_RESOURCES: Pages = Pages {
    operation: SERVICE.rest_json("ListResources", "POST", "/listresources", &[]),
    token: "nextToken",
    next_token: "nextToken",
    items: "resources",
};

const LIST_PRINCIPALS: Pages = Pages {
    operation: SERVICE.rest_json("ListPrincipals", "POST", "/listprincipals", &[]),
    token: "nextToken",
    next_token: "nextToken",
    items: "principals",
};

/// One connection and one principal, and the resource shares that join them.
#[derive(Default)]
struct Joined {
    resource_shares: BTreeSet<String>,
    is_external: Option<bool>,
}

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    // Either is listed even if the other can't be.
    let own = list_shares(api, "SELF", DependencyType::Share, found).await;
    let received = list_shares(api, "OTHER-ACCOUNTS", DependencyType::ShareReceived, found).await;
    both(own, received)
}

/// Lists shares of an owner. A principal of our shares may use the connection. A
/// principal of others' shares is the account that shares it.
async fn list_shares(
    api: &Api<'_>,
    owner: &str,
    kind: DependencyType,
    found: &mut Vec<Found>,
) -> Result<(), Problem> {
    let input = json!({"resourceOwner": owner});
    // Not filtered by type: RAM knows connections by two names of the service, and
    // an unknown type would hide them.
    let resources = api.all(LIST_RESOURCES, input.clone()).await?;
    let connections: BTreeSet<(&str, &str)> = resources
        .iter()
        .filter_map(|it| Some((text(it, "arn")?, text(it, "resourceShareArn")?)))
        .filter(|(arn, _)| is_connection_of(api, arn))
        .collect();
    if connections.is_empty() {
        return Ok(());
    }
    let mut principals: HashMap<&str, Vec<&Value>> = HashMap::new();
    let listed = api.all(LIST_PRINCIPALS, input).await?;
    for principal in &listed {
        let share = text(principal, "resourceShareArn").unwrap_or_default();
        principals.entry(share).or_default().push(principal);
    }
    let mut joined: BTreeMap<(&str, &str), Joined> = BTreeMap::new();
    for (arn, share) in connections {
        let of_share = principals.get(share).map_or(&[][..], Vec::as_slice);
        // A connection that is shared with us is known even if its share's principal
        // isn't.
        let sharer = match Arn::parse(arn) {
            Some(arn) if kind == DependencyType::ShareReceived && of_share.is_empty() => {
                Some((arn.account, None))
            }
            _ => None,
        };
        let listed = of_share.iter().map(|principal| {
            let is_external = member(principal, "external").as_bool();
            (text(principal, "id").unwrap_or_default(), is_external)
        });
        for (principal, is_external) in listed.chain(sharer) {
            let joined = joined.entry((arn, principal)).or_default();
            joined.resource_shares.insert(share.to_owned());
            // Outside of the organization by any of them is outside.
            joined.is_external = joined.is_external.max(is_external);
        }
    }
    let shares = joined.into_iter().map(|((arn, principal), joined)| {
        Found::new(
            kind,
            arn,
            Some(principal),
            None,
            Some(arn),
            [
                ("principal", principal.into()),
                ("external", joined.is_external.into()),
                ("resourceShareArns", json!(joined.resource_shares)),
            ],
        )
    });
    add(found, LIST_PRINCIPALS.operation, shares)
}

/// Returns true if the ARN is that of a connection of the listed region.
fn is_connection_of(api: &Api<'_>, arn: &str) -> bool {
    Arn::parse(arn)
        .is_some_and(|arn| arn.connection_id().is_some() && arn.region == api.region().as_str())
}
