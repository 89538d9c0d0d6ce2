//! An event about an API call, as CloudTrail has it: who called what, and which
//! connection or host it was about.

use serde_json::Value;

use super::{Fields, InvalidEvent, Request};
use crate::domain::{ApiCall, Filter, Region, Trigger};

/// Where a call's event names the connection or the host that it is about:
/// what was made is in the answer, all else in the request.
const RESOURCE_FIELDS: [(&str, &str); 5] = [
    ("responseElements", "connectionArn"),
    ("responseElements", "hostArn"),
    ("requestParameters", "connectionArn"),
    ("requestParameters", "hostArn"),
    ("requestParameters", "resourceArn"),
];

/// The request of an event about an API call.
pub(super) fn request(event: &Fields<'_>) -> Result<Request, InvalidEvent> {
    let detail = event.object("detail")?;
    let region: Region = detail.parsed("awsRegion")?;
    let principal = Principal::of(&detail)?;
    let call = ApiCall {
        event_id: event.required_text("id")?.into(),
        cloudtrail_id: detail.text("eventID")?.map(Into::into),
        event_name: detail.required_text("eventName")?.into(),
        event_time: match detail.text("eventTime")? {
            Some(_) => Some(detail.parsed("eventTime")?),
            None => None,
        },
        principal_arn: principal.arn,
        principal_type: principal.kind,
        principal_id: principal.id,
        principal_authority: principal.authority,
        source_ip: detail.text("sourceIPAddress")?.map(Into::into),
        resource_arn: resource(&detail)?,
        error_code: detail.text("errorCode")?.map(Into::into),
        region: region.clone(),
    };
    Ok(Request {
        account: Some(event.parsed("account")?),
        regions: None,
        extra_regions: vec![region],
        filter: Filter::default(),
        accept_deletions: false,
        trigger: Trigger::ApiCalls { calls: vec![call] },
    })
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
    /// Where an identity without an ARN has its name, and where that belongs;
    /// the most telling one first. `onBehalfOf` is of IAM Identity Center,
    /// `invokedBy` of an AWS service, `identityProvider` of SAML and web
    /// identities.
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
    const IDS: [(&[&str], &[&[&str]]); 5] = [
        (
            &["userIdentity", "onBehalfOf", "userId"],
            &[&["userIdentity", "onBehalfOf", "identityStoreArn"]],
        ),
        (&["userIdentity", "userName"], Self::AUTHORITIES),
        (&["userIdentity", "principalId"], Self::AUTHORITIES),
        (&["userIdentity", "invokedBy"], &[]),
        (&["userIdentity", "accountId"], &[]),
    ];
    const AUTHORITIES: &[&[&str]] = &[
        &["userIdentity", "identityProvider"],
        &["userIdentity", "sessionContext", "sessionIssuer", "arn"],
        &["userIdentity", "accountId"],
    ];

    fn of(detail: &Fields<'_>) -> Result<Self, InvalidEvent> {
        let arn = detail.inner_text(&["userIdentity", "arn"])?;
        if arn.is_some() {
            return Ok(Self {
                arn,
                ..Self::default()
            });
        }
        let mut principal = Self {
            kind: detail.inner_text(&["userIdentity", "type"])?,
            ..Self::default()
        };
        for (place, authorities) in Self::IDS {
            let Some(id) = detail.inner_text(place)? else {
                continue;
            };
            for authority in authorities {
                principal.authority = detail.inner_text(authority)?;
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

/// The connection or the host that a call is about.
fn resource(detail: &Fields<'_>) -> Result<Option<Box<str>>, InvalidEvent> {
    for (place, field) in RESOURCE_FIELDS {
        if let Some(arn) = detail.inner_text(&[place, field])? {
            return Ok(Some(arn));
        }
    }
    // Of operations of the console alone no parameters are documented. CloudTrail
    // may name what they were about in a list that is common to all events.
    // <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>
    let Some(Value::Array(resources)) = detail.get("resources") else {
        return Ok(None);
    };
    let arns = resources
        .iter()
        .filter_map(|named| named.get("ARN")?.as_str());
    let own = |arn: &&str| {
        let mut parts = arn.splitn(6, ':').skip(2);
        let service = parts.next();
        let resource = parts.nth(2).unwrap_or_default();
        matches!(service, Some("codeconnections" | "codestar-connections"))
            && (resource.starts_with("connection/") || resource.starts_with("host/"))
    };
    match arns.into_iter().find(own) {
        Some(arn) => Ok(Some(detail.short("resources", arn)?.into())),
        None => Ok(None),
    }
}
