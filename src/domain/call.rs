//! Calls of AWS that `CloudTrail` told of, and which change each explains.

use serde::{Deserialize, Serialize};

use super::{Attributes, ChangeKind, ConnectionArn, Region, Timestamp};

/// A call, as far as it can explain a change and says who made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiCall {
    /// The `EventBridge` event's id, by which a second delivery is known.
    pub event_id: Box<str>,
    /// `CloudTrail`'s own id of the event: what it is looked up by there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudtrail_id: Option<Box<str>>,
    /// `CreateConnection`, `DeleteHost`, …
    pub event_name: Box<str>,
    /// When it was made, to the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Timestamp>,
    /// The region that was called.
    pub region: Region,
    /// The principal that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_arn: Option<Box<str>>,
    /// Where it came from: an address or an AWS service's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<Box<str>>,
    /// The connection or the host that it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<Box<str>>,
    /// Why it was refused. A refused call changed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<Box<str>>,
}

/// Why a change came about, as far as the run that saw it could know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// This call explains it.
    ApiCall(Box<ApiCall>),
    /// None of the calls that the run knew of explains it: it came from the
    /// provider's side or from the console, or its event did not come, or
    /// came later.
    NoCallSeen,
}

/// What changed, as far as calls can explain it.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    /// What happened.
    pub kind: ChangeKind,
    /// To which connection.
    pub arn: &'a ConnectionArn,
    /// What was known before.
    pub before: Option<&'a Attributes>,
    /// What is known after.
    pub after: Option<&'a Attributes>,
}

impl Cause {
    /// The last of `calls` that explains the change.
    pub fn of(changed: Changed<'_>, calls: &[ApiCall]) -> Self {
        let explaining = calls.iter().filter(|call| call.explains(changed));
        match explaining.max_by_key(|call| call.event_time) {
            Some(call) => Self::ApiCall(Box::new(call.clone())),
            None => Self::NoCallSeen,
        }
    }

    /// The cause in words, of a change of this kind.
    pub fn in_words(&self, kind: ChangeKind) -> String {
        match (self, kind) {
            (Self::ApiCall(call), _) => call.in_words(),
            (Self::NoCallSeen, ChangeKind::StatusChanged | ChangeKind::AttributesChanged) => {
                "provider side, no AWS call seen".to_owned()
            }
            (
                Self::NoCallSeen,
                ChangeKind::FirstSeen | ChangeKind::Deleted | ChangeKind::Reappeared,
            ) => "no AWS call seen".to_owned(),
        }
    }
}

impl ApiCall {
    /// Whether the call is why a connection changed so. A call that was
    /// refused, or that is about tags, which are not listed, explains
    /// nothing.
    pub fn explains(&self, changed: Changed<'_>) -> bool {
        let about = |arn: Option<&str>| arn.is_some() && self.resource_arn.as_deref() == arn;
        let connection = || about(Some(changed.arn.as_str()));
        let host = || {
            let hosts = [changed.before, changed.after];
            hosts
                .into_iter()
                .flatten()
                .any(|known| about(known.host_arn.as_deref()))
        };
        if self.error_code.is_some() {
            return false;
        }
        match (&*self.event_name, changed.kind) {
            ("CreateConnection", ChangeKind::FirstSeen | ChangeKind::Reappeared)
            | ("DeleteConnection", ChangeKind::Deleted) => connection(),
            (
                "CreateHost" | "UpdateHost" | "DeleteHost",
                ChangeKind::StatusChanged | ChangeKind::AttributesChanged,
            ) => host(),
            _ => false,
        }
    }

    /// About how many bytes it takes in a record.
    pub fn bytes(&self) -> usize {
        /// Names of attributes, a region, a time.
        const FIXED: usize = 200;
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        FIXED
            + self.event_id.len()
            + self.event_name.len()
            + length(&self.cloudtrail_id)
            + length(&self.principal_arn)
            + length(&self.source_ip)
            + length(&self.resource_arn)
            + length(&self.error_code)
    }

    /// Who called what, from where.
    pub fn in_words(&self) -> String {
        called(
            &self.event_name,
            self.principal_arn.as_deref(),
            self.source_ip.as_deref(),
        )
    }
}

/// Who called what, from where.
pub fn called(event_name: &str, principal_arn: Option<&str>, source_ip: Option<&str>) -> String {
    let by = principal_arn.unwrap_or("somebody not named");
    match source_ip {
        Some(from) => format!("{event_name} by {by} from {from}"),
        None => format!("{event_name} by {by}"),
    }
}
