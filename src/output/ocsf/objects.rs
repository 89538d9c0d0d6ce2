//! The OCSF objects that both classes of events share. Each has only the fields
//! that are used here, under the names of the schema.
//!
//! An enumeration is a number (`…_id`) and, beside it, the caption of that number
//! in the schema.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::SCHEMA_VERSION;
use crate::compliance::severity::Severity;
use crate::domain::arn::Arn;
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, ConnectionArn, DependencyId};

/// The AWS resource type of a connection.
const CONNECTION_TYPE: &str = "AWS::CodeConnections::Connection";
/// The type of a resource that has no type here.
const OTHER_TYPE: &str = "Other";
/// The OCSF account type of an AWS account, and its number.
const ACCOUNT_TYPE: (&str, u8) = ("AWS Account", 10);

/// Returns the CloudFormation type of a dependency.
fn resource_type(arn: &Arn<'_>) -> &'static str {
    match arn.service {
        _ if arn.host().is_some() => "AWS::CodeConnections::Host",
        "codebuild" if arn.resource.starts_with("project/") => "AWS::CodeBuild::Project",
        "codebuild" => "AWS::CodeBuild::SourceCredential",
        "codepipeline" => "AWS::CodePipeline::Pipeline",
        _ => OTHER_TYPE,
    }
}

/// Milliseconds since the Unix epoch: OCSF's `timestamp_t`.
pub(crate) type Millis = i64;

/// Returns the number of a severity.
pub(crate) fn severity_id(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

/// Returns the caption of a severity.
pub(crate) fn severity_caption(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "Informational",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

/// The class of an event. `type_uid` is `class_uid * 100 + activity_id`.
#[derive(Debug, Serialize)]
pub(crate) struct Classification {
    pub category_uid: u8,
    pub category_name: &'static str,
    pub class_uid: u16,
    pub class_name: &'static str,
    pub activity_id: u8,
    pub activity_name: &'static str,
    pub type_uid: u32,
    pub type_name: &'static str,
}

/// The source of an event.
#[derive(Debug, Serialize)]
pub(crate) struct Metadata {
    pub version: &'static str,
    /// The profile with the `cloud` object.
    pub profiles: [&'static str; 1],
    pub product: Product,
    /// The same every time the event is created.
    pub uid: String,
}

impl Metadata {
    pub fn new(uid: String) -> Self {
        Self {
            version: SCHEMA_VERSION,
            profiles: ["cloud"],
            product: Product {
                name: env!("CARGO_PKG_NAME"),
                // There is no vendor: its operators build it.
                vendor_name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
            },
            uid,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

/// The inventoried account, and the region of the event.
#[derive(Debug, Serialize)]
pub(crate) struct Cloud<'a> {
    provider: &'static str,
    account: Account<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_partition: Option<&'a str>,
}

impl<'a> Cloud<'a> {
    pub fn new(account: &'a AccountId, arn: Option<&'a ConnectionArn>) -> Self {
        Self {
            provider: "AWS",
            account: Account::new(account.as_str()),
            region: arn.map(ConnectionArn::region),
            cloud_partition: arn.map(ConnectionArn::partition),
        }
    }

    /// The account, and the region and partition of a dependency's ARN.
    pub fn of_dependency(account: &'a AccountId, id: &'a DependencyId) -> Self {
        let arn = Arn::parse(id.arn());
        Self {
            region: arn.map(|arn| arn.region).filter(|text| !text.is_empty()),
            cloud_partition: arn.map(|arn| arn.partition),
            ..Self::new(account, None)
        }
    }
}

#[derive(Debug, Serialize)]
struct Account<'a> {
    uid: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    type_id: u8,
}

impl<'a> Account<'a> {
    fn new(uid: &'a str) -> Self {
        let (kind, type_id) = ACCOUNT_TYPE;
        Self { uid, kind, type_id }
    }
}

/// The subject of the event, with more data in `T`.
#[derive(Debug, Serialize)]
pub(crate) struct Resource<'a, T> {
    uid: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    role_id: u8,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    owner: Owner<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_partition: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<KeyValue<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

/// A tag.
#[derive(Debug, Serialize)]
struct KeyValue<'a> {
    name: &'a str,
    value: Cow<'a, str>,
}

/// The account that a resource belongs to. OCSF makes it the account of a user.
#[derive(Debug, Serialize)]
struct Owner<'a> {
    account: Account<'a>,
}

impl<'a, T> Resource<'a, T> {
    /// A connection. The owner of a shared one is not the inventoried account.
    pub fn connection(arn: &'a ConnectionArn, name: Option<&'a str>, data: Option<T>) -> Self {
        Self {
            name,
            region: Some(arn.region()),
            cloud_partition: Some(arn.partition()),
            data,
            ..Self::target(arn.as_str(), CONNECTION_TYPE, arn.account())
        }
    }

    /// Adds tags. A value that is no text, because it was too long to be recorded, is
    /// what stands in its place, as JSON.
    pub fn set_tags(&mut self, tags: &'a BTreeMap<String, Value>) {
        let tags = tags.iter().map(|(key, value)| KeyValue {
            name: key,
            value: match value.as_str() {
                Some(value) => value.into(),
                None => canonical_json(value).into(),
            },
        });
        self.tags = tags.collect();
    }

    /// A host, or what uses a connection.
    pub fn dependency(account: &'a AccountId, id: &'a DependencyId, name: Option<&'a str>) -> Self {
        let arn = Arn::parse(id.arn());
        let owner = arn.map(|arn| arn.account).filter(|text| !text.is_empty());
        Self {
            name,
            region: arn.map(|arn| arn.region).filter(|text| !text.is_empty()),
            cloud_partition: arn.map(|arn| arn.partition),
            ..Self::target(
                id.arn(),
                arn.map_or(OTHER_TYPE, |arn| resource_type(&arn)),
                owner.unwrap_or(account.as_str()),
            )
        }
    }

    /// An account as a whole.
    pub fn account(account: &'a AccountId) -> Self {
        let account = account.as_str();
        Self::target(account, ACCOUNT_TYPE.0, account)
    }

    fn target(uid: &'a str, kind: &'static str, owner: &'a str) -> Self {
        Self {
            uid,
            kind,
            role_id: 1,
            role: "Target",
            name: None,
            owner: Owner {
                account: Account::new(owner),
            },
            region: None,
            cloud_partition: None,
            tags: Vec::new(),
            data: None,
        }
    }
}

/// A value to search events by, and its place in the event.
#[derive(Debug, Serialize)]
pub(crate) struct Observable<'a> {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    type_id: u8,
    value: &'a str,
}

/// Returns the observables of an event about a connection or an account.
pub(crate) fn observables<'a>(
    account: &'a AccountId,
    uid: Option<&'a str>,
    name: Option<&'a str>,
) -> Vec<Observable<'a>> {
    let account = account.as_str();
    let observable = |name, kind, type_id, value| Observable {
        name,
        kind,
        type_id,
        value,
    };
    let uid = uid.unwrap_or(account);
    let mut all = vec![
        observable("cloud.account.uid", "Account Object: uid", 35, account),
        observable("resources[].uid", "Resource UID", 10, uid),
    ];
    if let Some(name) = name {
        let kind = "Resource Details Object: name";
        all.push(observable("resources[].name", kind, 38, name));
    }
    all
}
