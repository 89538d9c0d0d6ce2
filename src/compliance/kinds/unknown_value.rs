//! Each connection has only values and members that this version knows.

use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, blocks_connections, provider, status};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, control};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::{ConnectionStatus, ProviderType};

/// Each connection's provider and status, and all its members, are known to this
/// version.
#[derive(Debug, Clone, Serialize)]
pub struct UnknownValue;

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each provider, status and member is known to this version
    #[arg(long)]
    no_unknown_values: bool,
}

impl FromInput for UnknownValue {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(_: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self)
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags
            .no_unknown_values
            .then_some(("no-unknown-values", Self));
        given.into_iter().collect()
    }
}

impl Kind for UnknownValue {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Medium,
            controls: &[control::CM_8],
            remediation: None,
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap)
    }
}

impl ConnectionKind for UnknownValue {
    fn aspect(&self) -> Aspect {
        Aspect::Attributes
    }

    fn evaluate(&self, row: &ConnectionRow, _: &Evidence) -> Evaluation {
        let provider = match provider(row) {
            None => Some("provider is missing".to_owned()),
            Some(ProviderType::Other(other)) => Some(format!("provider {other:?} is unknown")),
            Some(_) => None,
        };
        let status = match status(row) {
            None => Some("status is missing".to_owned()),
            Some(ConnectionStatus::Other(other)) => Some(format!("status {other:?} is unknown")),
            Some(_) => None,
        };
        let members = row.attributes.unknown_members.iter();
        let members = members.map(|(name, _)| format!("member {name:?} is unknown"));
        let problems: Vec<String> = provider.into_iter().chain(status).chain(members).collect();
        if problems.is_empty() {
            return Evaluation::Compliant;
        }
        Evaluation::violating_value(row, problems.join(", "))
    }
}

impl fmt::Display for UnknownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("each connection's provider, status and members are known")
    }
}
