//! The result of evaluating a requirement once, and what evaluations share.

use super::evidence::{GapKind, RecordKey};
use crate::audit::ConnectionRow;
use crate::audit::dependencies::DependencyRow;
use crate::domain::{ConnectionStatus, ProviderType, Timestamp};

/// The result for one connection, or for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluation {
    /// It meets the requirement.
    Compliant,
    /// It violates the requirement.
    NonCompliant(Violation),
    /// The evidence does not show which.
    InsufficientData {
        /// Why, in a line.
        reason: String,
    },
}

/// A violation of a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong, in a line, with the values.
    pub message: String,
    /// Since when it is known to be so.
    pub since: Option<Timestamp>,
    /// Records that show it, besides the connection's own.
    pub evidence: Vec<RecordKey>,
}

impl Evaluation {
    /// A violation since `since`, shown by the connection's own records.
    pub(crate) fn violation_since(since: Timestamp, message: String) -> Self {
        Self::NonCompliant(Violation {
            message,
            since: Some(since),
            evidence: Vec::new(),
        })
    }

    /// A violation by the value of an attribute.
    ///
    /// Its beginning is known without the changes only if there was none after
    /// the connection was first seen.
    pub(crate) fn violating_value(row: &ConnectionRow, message: String) -> Self {
        Self::NonCompliant(Violation {
            message,
            since: (row.version == 1).then_some(row.first_seen_at),
            evidence: Vec::new(),
        })
    }

    /// A violation by a value of a dependency.
    ///
    /// Its beginning is known only if the dependency never changed.
    pub(crate) fn violating_dependency(row: &DependencyRow, message: String) -> Self {
        Self::NonCompliant(Violation {
            message,
            since: (row.version == 1).then_some(row.first_seen_at),
            evidence: Vec::new(),
        })
    }

    /// Insufficient data for this reason.
    pub(crate) fn insufficient(reason: impl Into<String>) -> Self {
        Self::InsufficientData {
            reason: reason.into(),
        }
    }
}

/// Returns true if the evidence of connections as a whole has this gap.
pub(crate) fn blocks_connections(gap: &GapKind) -> bool {
    match gap {
        GapKind::Record
        | GapKind::Basis
        | GapKind::CompleteRun
        | GapKind::Region(_)
        | GapKind::Writes
        | GapKind::Connections => true,
        GapKind::Deletions
        | GapKind::Changes
        | GapKind::Runs
        | GapKind::Dependencies
        | GapKind::Source(_) => false,
    }
}

/// Returns the value of a text attribute. An empty value counts as none.
pub(crate) fn text(attribute: Option<&str>) -> Option<&str> {
    attribute.filter(|text| !text.is_empty())
}

/// Returns the provider. An empty value counts as none.
pub(crate) fn provider(row: &ConnectionRow) -> Option<&ProviderType> {
    let provider = row.attributes.provider_type.as_ref();
    provider.filter(|provider| !provider.as_str().is_empty())
}

/// Returns the status. An empty value counts as none.
pub(crate) fn status(row: &ConnectionRow) -> Option<&ConnectionStatus> {
    let status = row.attributes.connection_status.as_ref();
    status.filter(|status| !status.as_str().is_empty())
}
