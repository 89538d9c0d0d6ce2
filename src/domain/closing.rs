//! Why a finding closed.

use serde::{Deserialize, Serialize};

use super::text::cut;

/// Why a finding closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Closing {
    /// The rule does not find it any more. It may be another rule than the one that
    /// opened it: the file may have changed.
    Resolved,
    /// The rule file waives its subject.
    Waived {
        /// Why, as the rule file says.
        reason: Box<str>,
    },
    /// The rule does not apply to the account any more: the file lacks it, or its
    /// scope lacks the account.
    RuleRemoved,
}

/// The longest reason of a waiver, in bytes. A rule file can have longer ones.
const MAX_REASON_BYTES: usize = 1000;

impl Closing {
    /// A waiver for this reason.
    pub fn waived(reason: &str) -> Self {
        Self::Waived {
            reason: cut(reason, MAX_REASON_BYTES).into(),
        }
    }

    /// Returns its kind, as it is stored and printed.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Resolved => "RESOLVED",
            Self::Waived { .. } => "WAIVED",
            Self::RuleRemoved => "RULE_REMOVED",
        }
    }

    /// Returns the reason of a waiver.
    pub fn waiver(&self) -> Option<&str> {
        match self {
            Self::Waived { reason } => Some(reason),
            Self::Resolved | Self::RuleRemoved => None,
        }
    }

    /// Describes it, for people.
    pub fn in_words(&self) -> String {
        match self {
            Self::Resolved => "not found any more".to_owned(),
            Self::Waived { reason } => format!("waived: {reason}"),
            Self::RuleRemoved => "the rule does not apply any more".to_owned(),
        }
    }
}
