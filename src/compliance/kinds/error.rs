//! No connection is in ERROR, or none for too long.

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

/// No connection is in ERROR, or none for longer than this.
#[derive(Debug, Clone, Serialize)]
pub struct Error {
    /// The longest allowed; `None` allows no connection in ERROR.
    pub longer_than: Option<Duration>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// No connection is in ERROR
    #[arg(long)]
    in_error: bool,
    /// No connection is in ERROR for longer than this
    #[arg(long, value_name = "DURATION")]
    in_error_longer_than: Option<Duration>,
}

impl FromInput for Error {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            longer_than: parameters.maybe_longer_than()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let mut given = Vec::new();
        if flags.in_error {
            given.push(("in-error", Self { longer_than: None }));
        }
        if let longer_than @ Some(_) = flags.in_error_longer_than {
            given.push(("in-error-longer-than", Self { longer_than }));
        }
        given
    }
}

impl Kind for Error {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::High,
            controls: &[control::CM_8, control::CC7_2],
            remediation: Some(
                "AWS's guides differ: one says that a connection in ERROR can't be recovered, \
                 another that AWS retries it. If it stays in ERROR, create a new one, and check what \
                 uses the old one before deleting it.",
            ),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap) || (*gap == GapKind::Changes && self.longer_than.is_some())
    }
}

impl ConnectionKind for Error {
    fn aspect(&self) -> Aspect {
        Aspect::State
    }

    fn needs(&self, evidence: &Evidence) -> Needs {
        match self.longer_than {
            None => Needs::default(),
            Some(longer_than) => changes_needed(&ConnectionStatus::Error, longer_than, evidence),
        }
    }

    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        evaluate_status(row, &ConnectionStatus::Error, self.longer_than, evidence)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.longer_than {
            None => f.write_str("no connection is in ERROR"),
            Some(longer_than) => {
                write!(f, "no connection is in ERROR for longer than {longer_than}")
            }
        }
    }
}
