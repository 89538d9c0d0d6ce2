//! Causes: the API call that explains a change.

use serde::{Deserialize, Serialize};

use super::{ApiCall, Attributes, ChangeKind, ConnectionArn};

/// The cause of a change, as far as the run that observed it could know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// This call may explain it.
    ApiCall(Box<ApiCall>),
    /// None of the calls that the run knew of explains it. This names no other
    /// cause: the call's event may be late or lost.
    NoCallSeen,
}

/// A change, as far as calls can explain it.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    /// Its kind.
    pub kind: ChangeKind,
    /// The connection.
    pub arn: &'a ConnectionArn,
    /// The attributes before.
    pub before: Option<&'a Attributes>,
    /// The attributes after.
    pub after: Option<&'a Attributes>,
}

/// Verbs of calls that change nothing of a connection that is listed: reads,
/// uses, and tags, which no listing has.
const VERBS_WITHOUT_EFFECT: [&str; 6] = ["Get", "List", "Pass", "Tag", "Untag", "Use"];

/// Words in the names of Git sync's calls, which name a connection and change
/// nothing of it.
const GIT_SYNC: [&str; 2] = ["RepositoryLink", "Sync"];

/// How well a call explains a change, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It was about the host of the connection.
    Host,
    /// It was about the connection.
    Connection,
    /// It was about the connection, and its name says what happened.
    Name,
}

impl Cause {
    /// Returns the call of `calls` that explains the change best; the last one
    /// if several do equally well.
    pub fn of(changed: Changed<'_>, calls: &[ApiCall]) -> Self {
        let fitting = |call| Some((fit(call, changed)?, call));
        let best = calls.iter().filter_map(fitting);
        match best.max_by_key(|(fit, call)| (*fit, call.event_time)) {
            Some((_, call)) => Self::ApiCall(Box::new(call.clone())),
            None => Self::NoCallSeen,
        }
    }

    /// Describes the cause.
    pub fn in_words(&self) -> String {
        match self {
            Self::ApiCall(call) => call.in_words(),
            Self::NoCallSeen => "no matching AWS call observed".to_owned(),
        }
    }
}

/// Returns how well the call explains the change. A refused call explains
/// nothing.
fn fit(call: &ApiCall, changed: Changed<'_>) -> Option<Fit> {
    let about = |arn: Option<&str>| arn.is_some() && call.resource_arn.as_deref() == arn;
    let connection = || about(Some(changed.arn.as_str()));
    let host = || {
        let hosts = [changed.before, changed.after];
        hosts
            .into_iter()
            .flatten()
            .any(|known| about(known.host_arn.as_deref()))
    };
    if call.error_code.is_some() || is_without_effect(call) {
        return None;
    }
    let subject = || {
        let of_host = || host().then_some(Fit::Host);
        connection().then_some(Fit::Connection).or_else(of_host)
    };
    match (&*call.event_name, changed.kind) {
        ("CreateConnection", ChangeKind::FirstSeen | ChangeKind::Reappeared)
        | ("DeleteConnection", ChangeKind::Deleted) => connection().then_some(Fit::Name),
        ("CreateConnection" | "DeleteConnection", _) => None,
        _ => subject(),
    }
}

fn is_without_effect(call: &ApiCall) -> bool {
    if GIT_SYNC.iter().any(|word| call.event_name.contains(word)) {
        return true;
    }
    VERBS_WITHOUT_EFFECT.into_iter().any(|verb| {
        let object = call.event_name.strip_prefix(verb);
        object.is_some_and(|object| object.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}
