//! The trigger: the event that started a run.

use serde::{Deserialize, Serialize};

use super::RunId;
use super::api_call::{ApiCall, called};

/// The event that started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Trigger {
    /// A schedule: an EventBridge rule or EventBridge Scheduler.
    Schedule {
        /// The event's id; of the execution, for a custom Scheduler input.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event_id: Option<Box<str>>,
        /// The rule or schedule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_arn: Option<Box<str>>,
    },
    /// One CloudTrail event about an API call, as formats 1 and 2 have it:
    /// after it, only the region of that call was listed.
    ApiCall {
        /// The EventBridge event's id.
        event_id: Box<str>,
        /// `CreateConnection`, `DeleteConnection`, …
        event_name: Box<str>,
        /// The principal that made the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        principal_arn: Option<Box<str>>,
        /// The source of the call: an address or an AWS service's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_ip: Option<Box<str>>,
    },
    /// CloudTrail events about API calls, one or several that were gathered.
    /// The regions of the calls were listed besides the configured ones.
    ApiCalls {
        /// The calls, in the order in which they were delivered.
        calls: Vec<ApiCall>,
    },
    /// A recorded run of connections or dependencies: rules are evaluated after it.
    Run {
        /// That run.
        run_id: RunId,
    },
    /// A direct request, or the command line.
    Request,
}

impl Trigger {
    /// Returns its kind in a word.
    pub fn word(&self) -> &str {
        match self {
            Self::Schedule { .. } => "schedule",
            Self::ApiCall { event_name, .. } => event_name,
            Self::ApiCalls { calls } => match calls.as_slice() {
                [only] => &only.event_name,
                _ => "API calls",
            },
            Self::Run { .. } => "run",
            Self::Request => "request",
        }
    }

    /// Returns the id of the event, which identifies a second delivery.
    /// Gathered events have none in common: a second delivery may gather them
    /// differently, and running again does no harm.
    pub fn event_id(&self) -> Option<&str> {
        match self {
            Self::Schedule { event_id, .. } => event_id.as_deref(),
            Self::ApiCall { event_id, .. } => Some(event_id),
            Self::ApiCalls { calls } => match calls.as_slice() {
                [only] => Some(&only.event_id),
                _ => None,
            },
            Self::Run { run_id } => Some(run_id.as_str()),
            Self::Request => None,
        }
    }

    /// Returns the calls that can explain changes.
    pub fn calls(&self) -> &[ApiCall] {
        match self {
            Self::ApiCalls { calls } => calls,
            Self::Schedule { .. } | Self::ApiCall { .. } | Self::Run { .. } | Self::Request => &[],
        }
    }

    /// Describes the calls, if calls started the run.
    pub fn calls_in_words(&self) -> Option<String> {
        match self {
            Self::ApiCall {
                event_name,
                principal_arn,
                source_ip,
                ..
            } => Some(called(
                event_name,
                principal_arn.as_deref(),
                source_ip.as_deref(),
            )),
            Self::ApiCalls { calls } => {
                let first = calls.first()?.in_words();
                Some(match calls.len() - 1 {
                    0 => first,
                    more => format!("{first} (and {more} more)"),
                })
            }
            Self::Schedule { .. } | Self::Run { .. } | Self::Request => None,
        }
    }

    /// Returns the principal and the source address of the first call.
    pub fn caller(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::ApiCall {
                principal_arn,
                source_ip,
                ..
            } => (principal_arn.as_deref(), source_ip.as_deref()),
            Self::ApiCalls { calls } => {
                let first = calls.first();
                (
                    first.and_then(|call| call.principal_arn.as_deref()),
                    first.and_then(|call| call.source_ip.as_deref()),
                )
            }
            Self::Schedule { .. } | Self::Run { .. } | Self::Request => (None, None),
        }
    }
}
