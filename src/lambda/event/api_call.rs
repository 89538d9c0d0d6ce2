//! An event about an API call, as CloudTrail writes it: who called what, and the
//! connection, host or repository link that the call was about.

use serde::Deserialize;
use serde_json::Value;

use super::fields::{Field, InvalidEvent, optional_text, read, require_kind};
use crate::domain::arn::Arn;
use crate::domain::{AccountId, ApiCall, Region, Timestamp};

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Event {
    id: Field<String>,
    account: Field<AccountId>,
    detail: Option<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    aws_region: Field<Region>,
    #[serde(rename = "eventID")]
    event_id: Field<String>,
    event_name: Field<String>,
    event_time: Field<Timestamp>,
    #[serde(rename = "sourceIPAddress")]
    source_ip: Field<String>,
    error_code: Field<String>,
    user_identity: Value,
    request_parameters: Value,
    response_elements: Value,
    resources: Value,
}

/// Reads an event about an API call, and the account in which it was made.
///
/// # Errors
/// [`InvalidEvent`] names the first field that is wrong.
pub(super) fn read_call(event: &Value) -> Result<(AccountId, ApiCall), InvalidEvent> {
    require_kind(event, "detail", Value::is_object, "an object")?;
    let Event {
        id,
        account,
        detail,
    } = read(event)?;
    let missing = || InvalidEvent::new("detail", "is missing; should be an object");
    let detail = detail.ok_or_else(missing)?;
    let principal = Principal::of(&detail.user_identity)?;
    let resource_arn = resource(&detail)?;
    let call = ApiCall {
        region: detail.aws_region.required("detail.awsRegion")?,
        event_id: id.required("id")?.into(),
        cloudtrail_id: detail.event_id.boxed(),
        event_name: detail.event_name.required("detail.eventName")?.into(),
        event_time: detail.event_time.0,
        principal_arn: principal.arn,
        principal_type: principal.kind,
        principal_id: principal.id,
        principal_authority: principal.authority,
        source_ip: detail.source_ip.boxed(),
        resource_arn,
        error_code: detail.error_code.boxed(),
    };
    Ok((account.required("account")?, call))
}

/// The principal of a call: its ARN, or else all that names it.
#[derive(Default)]
struct Principal {
    arn: Option<Box<str>>,
    kind: Option<Box<str>>,
    id: Option<Box<str>>,
    authority: Option<Box<str>>,
}

impl Principal {
    /// The fields that name an identity without an ARN, most specific first, and
    /// for each the fields that say where that name is valid. `onBehalfOf` is of
    /// IAM Identity Center, `invokedBy` of an AWS service, `identityProvider` of
    /// SAML and web identities.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
    const IDS: [(&[&str], &[&[&str]]); 5] = [
        (
            &["onBehalfOf", "userId"],
            &[&["onBehalfOf", "identityStoreArn"]],
        ),
        (&["userName"], Self::AUTHORITIES),
        (&["principalId"], Self::AUTHORITIES),
        (&["invokedBy"], &[]),
        (&["accountId"], &[]),
    ];
    const AUTHORITIES: &[&[&str]] = &[
        &["identityProvider"],
        &["sessionContext", "sessionIssuer", "arn"],
        &["accountId"],
    ];

    fn of(identity: &Value) -> Result<Self, InvalidEvent> {
        let text = |path: &[&str]| optional_text(identity, "detail.userIdentity", path);
        let arn = text(&["arn"])?;
        if arn.is_some() {
            return Ok(Self {
                arn,
                ..Self::default()
            });
        }
        let mut principal = Self {
            kind: text(&["type"])?,
            ..Self::default()
        };
        for (path, authorities) in Self::IDS {
            let Some(id) = text(path)? else {
                continue;
            };
            for authority in authorities {
                principal.authority = text(authority)?;
                if principal.authority.is_some() {
                    break;
                }
            }
            // An account's id is the principal of its root user.
            principal.authority.take_if(|authority| *authority == id);
            principal.id = Some(id);
            break;
        }
        Ok(principal)
    }
}

/// The connection, host or repository link that a call is about. The response names
/// what was created, and a link that was altered; the request names everything else.
fn resource(detail: &Detail) -> Result<Option<Box<str>>, InvalidEvent> {
    let response = (&detail.response_elements, "detail.responseElements");
    let request = (&detail.request_parameters, "detail.requestParameters");
    let fields: [(_, &[&str]); 6] = [
        (response, &["connectionArn"]),
        (response, &["hostArn"]),
        (response, &["repositoryLinkInfo", "repositoryLinkArn"]),
        (request, &["connectionArn"]),
        (request, &["hostArn"]),
        (request, &["resourceArn"]),
    ];
    for ((part, at), path) in fields {
        if let Some(arn) = optional_text(part, at, path)? {
            return Ok(Some(arn));
        }
    }
    // The parameters of operations that only the console calls are not
    // documented. CloudTrail may name their resources in a list that all events
    // have in common.
    // <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>
    let resources = detail.resources.as_array().map_or(&[][..], Vec::as_slice);
    let is_own = |resource: &&Value| {
        let arn = resource.get("ARN").and_then(Value::as_str);
        let arn = arn.and_then(Arn::parse);
        arn.is_some_and(|arn| arn.connection_id().or(arn.host()).is_some())
    };
    match resources.iter().find(is_own) {
        Some(resource) => optional_text(&resource["ARN"], "detail.resources", &[]),
        None => Ok(None),
    }
}
