//! AWS API calls that `CloudTrail` recorded.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Region, Timestamp};

/// A call: who made it, and the resource that it was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiCall {
    /// The `EventBridge` event's id, which identifies a second delivery.
    pub event_id: Box<str>,
    /// `CloudTrail`'s id of the event, to look it up there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudtrail_id: Option<Box<str>>,
    /// `CreateConnection`, `DeleteHost`, …
    pub event_name: Box<str>,
    /// The time of the call, to the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Timestamp>,
    /// The region that was called.
    pub region: Region,
    /// The principal that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_arn: Option<Box<str>>,
    /// The type of a principal without an ARN: `Root`, `AWSService`, … This and
    /// the two that follow are absent in formats 1 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<Box<str>>,
    /// The name or id of a principal without an ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<Box<str>>,
    /// The scope of `principal_id`: an identity store, an identity provider, a
    /// role or an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_authority: Option<Box<str>>,
    /// Its source: an address or an AWS service's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<Box<str>>,
    /// The connection, host or repository link that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<Box<str>>,
    /// The error code of a refused call, which changed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<Box<str>>,
}

impl ApiCall {
    /// Returns about how many bytes it takes in a record.
    pub fn bytes(&self) -> usize {
        /// Names of attributes, a region, a time.
        const FIXED_BYTES: usize = 200;
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        FIXED_BYTES
            + self.event_id.len()
            + self.event_name.len()
            + length(&self.cloudtrail_id)
            + length(&self.principal_arn)
            + length(&self.principal_type)
            + length(&self.principal_id)
            + length(&self.principal_authority)
            + length(&self.source_ip)
            + length(&self.resource_arn)
            + length(&self.error_code)
    }

    /// Describes the call: operation, principal and source.
    pub fn in_words(&self) -> String {
        called(
            &self.event_name,
            self.principal().as_deref(),
            self.source_ip.as_deref(),
        )
    }

    /// Returns the principal: its ARN, or its name or id.
    pub fn principal(&self) -> Option<Cow<'_, str>> {
        if let Some(arn) = &self.principal_arn {
            return Some(Cow::Borrowed(arn));
        }
        let parts = [&self.principal_type, &self.principal_id];
        let named: Vec<&str> = parts.into_iter().flatten().map(AsRef::as_ref).collect();
        let named = named.join(" ");
        match (named.as_str(), &self.principal_authority) {
            ("", None) => None,
            ("", Some(authority)) => Some(Cow::Borrowed(authority)),
            (_, None) => Some(Cow::Owned(named)),
            (_, Some(authority)) => Some(Cow::Owned(format!("{named} of {authority}"))),
        }
    }
}

/// Describes the call: operation, principal and source.
pub fn called(event_name: &str, principal: Option<&str>, source_ip: Option<&str>) -> String {
    let by = principal.unwrap_or("somebody not named");
    match source_ip {
        Some(from) => format!("{event_name} by {by} from {from}"),
        None => format!("{event_name} by {by}"),
    }
}
