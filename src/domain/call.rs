//! Calls of AWS that `CloudTrail` told of, and which change each explains.

use std::borrow::Cow;

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
    /// The type of a principal without an ARN: `Root`, `AWSService`, … This and
    /// the two that follow are absent in formats 1 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<Box<str>>,
    /// The name or id of a principal without an ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<Box<str>>,
    /// What `principal_id` belongs to: an identity store, an identity provider,
    /// a role or an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_authority: Option<Box<str>>,
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
    /// This call may explain it.
    ApiCall(Box<ApiCall>),
    /// None of the calls that the run knew of explains it. That names no
    /// other reason: the call's event may be late or lost.
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

/// Verbs of calls that change nothing of a connection that is listed: reads,
/// uses, and tags, which no listing has.
const VERBS_WITHOUT_EFFECT: [&str; 6] = ["Get", "List", "Pass", "Tag", "Untag", "Use"];

/// Words in the names of Git sync's calls, which name a connection and change
/// nothing of it.
const GIT_SYNC: [&str; 2] = ["RepositoryLink", "Sync"];

/// How well a call explains a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It was about the host of the connection.
    Host,
    /// It was about the connection.
    Connection,
    /// Its name says what happened, too.
    Name,
}

impl Cause {
    /// The one of `calls` that explains the change best; the last one if
    /// several do equally well.
    pub fn of(changed: Changed<'_>, calls: &[ApiCall]) -> Self {
        let fitting = |call| Some((ApiCall::fit(call, changed)?, call));
        let best = calls.iter().filter_map(fitting);
        match best.max_by_key(|(fit, call)| (*fit, call.event_time)) {
            Some((_, call)) => Self::ApiCall(Box::new(call.clone())),
            None => Self::NoCallSeen,
        }
    }

    /// The cause in words.
    pub fn in_words(&self) -> String {
        match self {
            Self::ApiCall(call) => call.in_words(),
            Self::NoCallSeen => "no matching AWS call observed".to_owned(),
        }
    }
}

impl ApiCall {
    /// How well the call explains that a connection changed so. A call that was
    /// refused explains nothing.
    fn fit(&self, changed: Changed<'_>) -> Option<Fit> {
        let about = |arn: Option<&str>| arn.is_some() && self.resource_arn.as_deref() == arn;
        let connection = || about(Some(changed.arn.as_str()));
        let host = || {
            let hosts = [changed.before, changed.after];
            hosts
                .into_iter()
                .flatten()
                .any(|known| about(known.host_arn.as_deref()))
        };
        if self.error_code.is_some() || self.is_without_effect() {
            return None;
        }
        let subject = || {
            let of_host = || host().then_some(Fit::Host);
            connection().then_some(Fit::Connection).or_else(of_host)
        };
        match (&*self.event_name, changed.kind) {
            ("CreateConnection", ChangeKind::FirstSeen | ChangeKind::Reappeared)
            | ("DeleteConnection", ChangeKind::Deleted) => connection().then_some(Fit::Name),
            ("CreateConnection" | "DeleteConnection", _) => None,
            _ => subject(),
        }
    }

    fn is_without_effect(&self) -> bool {
        if GIT_SYNC.iter().any(|word| self.event_name.contains(word)) {
            return true;
        }
        VERBS_WITHOUT_EFFECT.into_iter().any(|verb| {
            let object = self.event_name.strip_prefix(verb);
            object.is_some_and(|object| object.starts_with(|c: char| c.is_ascii_uppercase()))
        })
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
            + length(&self.principal_type)
            + length(&self.principal_id)
            + length(&self.principal_authority)
            + length(&self.source_ip)
            + length(&self.resource_arn)
            + length(&self.error_code)
    }

    /// Who called what, from where.
    pub fn in_words(&self) -> String {
        called(
            &self.event_name,
            self.principal().as_deref(),
            self.source_ip.as_deref(),
        )
    }

    /// The principal: its ARN, or what else names it.
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

/// Who called what, from where.
pub fn called(event_name: &str, principal: Option<&str>, source_ip: Option<&str>) -> String {
    let by = principal.unwrap_or("somebody not named");
    match source_ip {
        Some(from) => format!("{event_name} by {by} from {from}"),
        None => format!("{event_name} by {by}"),
    }
}
