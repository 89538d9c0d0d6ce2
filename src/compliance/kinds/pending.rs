//! No connection is PENDING for too long.

use std::fmt;

use serde::Serialize;

use super::in_status::{changes_needed, evaluate_status};
use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, blocks_connections};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, Needs, control};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::ConnectionStatus;
use crate::domain::Duration;

/// No connection is PENDING for longer than this.
#[derive(Debug, Clone, Serialize)]
pub struct Pending {
    /// The longest allowed.
    pub longer_than: Duration,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// No connection is PENDING for longer than this (7d, 12h, 45m)
    #[arg(long, value_name = "DURATION")]
    pending_longer_than: Option<Duration>,
}

impl FromInput for Pending {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            longer_than: parameters.longer_than()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.pending_longer_than.into_iter();
        given
            .map(|longer_than| ("pending-longer-than", Self { longer_than }))
            .collect()
    }
}

impl Kind for Pending {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Medium,
            controls: &[control::CM_8, control::CC6_1],
            remediation: Some(
                "Complete the connection in the console. To delete it instead, first check what \
                 uses it.",
            ),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap) || *gap == GapKind::Changes
    }
}

impl ConnectionKind for Pending {
    fn aspect(&self) -> Aspect {
        Aspect::State
    }

    fn needs(&self, evidence: &Evidence) -> Needs {
        changes_needed(&ConnectionStatus::Pending, self.longer_than, evidence)
    }

    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        let longer_than = Some(self.longer_than);
        evaluate_status(row, &ConnectionStatus::Pending, longer_than, evidence)
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { longer_than } = self;
        write!(f, "no connection is PENDING for longer than {longer_than}")
    }
}
