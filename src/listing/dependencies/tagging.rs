//! Tags of connections and hosts. Each region lists those of its own.
//!
//! The Resource Groups Tagging API lists all of them at once. Where it can't be
//! asked, connections and hosts are listed and asked one by one.
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>
//! <https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_ListTagsForResource.html>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Found;
use super::api::{Api, Pages, Problem, add, read_each, text};
use super::code_connections::{LIST_CONNECTIONS, LIST_HOSTS, operation};
use crate::aws::json_client::{Operation, Service};
use crate::domain::arn::Arn;
use crate::domain::{DependencyType, UnknownMembers};

const GET_RESOURCES: Pages = Pages {
    operation: Service::new("Resource Groups Tagging API", "tagging").aws_json(
        "ResourceGroupsTaggingAPI_20170126",
        "1.1",
        "GetResources",
    ),
    token: "PaginationToken",
    next_token: "PaginationToken",
    items: "ResourceTagMappingList",
};

const LIST_TAGS: Operation = operation("ListTagsForResource");

/// Connections and hosts, by both names of the service.
const RESOURCE_TYPES: [&str; 4] = [
    "codeconnections:connection",
    "codeconnections:host",
    "codestar-connections:connection",
    "codestar-connections:host",
];

/// The most resources in one page.
const RESOURCES_PER_PAGE: u32 = 100;

pub(super) async fn list(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    let input = json!({
        "ResourceTypeFilters": RESOURCE_TYPES,
        "ResourcesPerPage": RESOURCES_PER_PAGE,
    });
    let Err(refused) = list_at_once(api, input, found).await else {
        return Ok(());
    };
    found.clear();
    list_one_by_one(api, found).await.map_err(|problem| {
        let reason = format!("{}; {}", refused.reason, problem.reason);
        let worse = if problem.is_not_enabled() {
            refused
        } else {
            problem
        };
        Problem::new(&worse.code, &reason)
    })
}

async fn list_at_once(api: &Api<'_>, input: Value, found: &mut Vec<Found>) -> Result<(), Problem> {
    for resource in api.all(GET_RESOURCES, input).await? {
        let arn = text(&resource, "ResourceARN").unwrap_or_default();
        found.extend(read(GET_RESOURCES.operation, arn, &resource)?);
    }
    Ok(())
}

async fn list_one_by_one(api: &Api<'_>, found: &mut Vec<Found>) -> Result<(), Problem> {
    // Either is listed even if the other can't be.
    let connections = api.all(LIST_CONNECTIONS, json!({})).await;
    let hosts = api.all(LIST_HOSTS, json!({})).await;
    let mut arns = Vec::new();
    let mut problem = None;
    for (listed, name) in [(connections, "ConnectionArn"), (hosts, "HostArn")] {
        match listed {
            Ok(resources) => {
                let own = resources.iter().filter_map(|resource| text(resource, name));
                let own = own.filter(|arn| is_own(api, arn)).map(str::to_owned);
                arns.extend(own);
            }
            Err(unlisted) => problem = problem.or(Some(unlisted)),
        }
    }
    let read = read_each(arns, found, |arn| get(api, arn)).await;
    problem.map_or(Ok(()), Err).and(read)
}

/// Returns true if the region and account of this listing own a resource: no other
/// can read its tags, and regions list each other's connections.
fn is_own(api: &Api<'_>, arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| {
        arn.region == api.region().as_str() && arn.account == api.account().as_str()
    })
}

/// Returns the tags of a resource; none if it was deleted meanwhile.
async fn get(api: &Api<'_>, arn: String) -> Result<Vec<Found>, Problem> {
    match api.call(LIST_TAGS, &json!({"ResourceArn": arn})).await {
        Err(problem) if problem.is_not_found() => Ok(Vec::new()),
        answer => read(LIST_TAGS, &arn, &answer?),
    }
}

/// Returns the tags in an answer. Many tags are several dependencies, because a
/// dependency has a limited number of members.
fn read(operation: Operation, arn: &str, answer: &Value) -> Result<Vec<Found>, Problem> {
    let unreadable = || {
        let reason = format!("{}: tags of {arn} can't be read", operation.name());
        Problem::new("UnreadableAnswer", &reason)
    };
    // An answer without a list must not be taken for "no tags".
    let tags = answer.get("Tags").and_then(Value::as_array);
    let tags = tags.ok_or_else(unreadable)?.iter().map(|tag| {
        let key = text(tag, "Key").filter(|key| !key.is_empty());
        let value = text(tag, "Value").unwrap_or_default();
        key.map(|key| (key, Value::from(value)))
            .ok_or_else(unreadable)
    });
    let tags: BTreeMap<&str, Value> = tags.collect::<Result<_, _>>()?;
    let tags: Vec<_> = tags.into_iter().collect();
    let parts = tags.chunks(UnknownMembers::MAX).enumerate();
    let parts = parts.map(|(number, tags)| {
        let part = (number > 0).then(|| (number + 1).to_string());
        let part = part.as_deref();
        let mut found = Found::new(DependencyType::Tags, arn, part, None, Some(arn), [])?;
        found.add_members(tags.iter().map(|(key, value)| (*key, value.clone())));
        Ok(found)
    });
    let mut found = Vec::new();
    add(&mut found, operation, parts)?;
    Ok(found)
}
