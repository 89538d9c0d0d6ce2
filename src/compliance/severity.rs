//! How bad it is if a rule is violated.

use std::str::FromStr;

use serde::Serialize;

use crate::domain::ids::ParseError;

/// How bad it is if a rule is violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Needs no action.
    Informational,
    /// To be fixed some time.
    Low,
    /// To be planned.
    Medium,
    /// To be fixed at once.
    High,
    /// To be fixed before anything else.
    Critical,
}

impl Severity {
    /// All severities, the lowest first.
    pub const ALL: [Self; 5] = [
        Self::Informational,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// Returns the severity as rule files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for Severity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = Self::ALL.into_iter().find(|s| s.as_str() == text);
        found.ok_or_else(|| {
            ParseError::new(
                text,
                "a severity: informational, low, medium, high or critical",
            )
        })
    }
}
