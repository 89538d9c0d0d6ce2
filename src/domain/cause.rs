//! Causes: the API call that explains a change.

use serde::{Deserialize, Serialize};

use super::ApiCall;
use super::kind::{Changed, Kind};

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

impl Cause {
    /// Returns the call of `calls` that explains the change best; the last one
    /// if several do equally well.
    pub fn of<K: Kind>(changed: Changed<'_, K>, calls: &[ApiCall]) -> Self {
        let fitting = |call| Some((K::fit(call, changed)?, call));
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
