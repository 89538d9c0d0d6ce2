//! No connection was deleted recently.

use std::fmt;

use serde::Serialize;

use super::lately::{blocks_changes, change_keys, changes_needed, changes_within};
use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, Violation};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, Needs, control};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::ChangeKind;
use crate::domain::Duration;

/// No connection was deleted in this time.
#[derive(Debug, Clone, Serialize)]
pub struct Deleted {
    /// How far back.
    pub within: Duration,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// No connection was deleted (no longer listed) within this duration
    #[arg(long, value_name = "DURATION")]
    deleted_within: Option<Duration>,
}

impl FromInput for Deleted {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            within: parameters.within()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.deleted_within.into_iter();
        given
            .map(|within| ("deleted-within", Self { within }))
            .collect()
    }
}

impl Kind for Deleted {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Medium,
            controls: &[control::CM_3, control::CC8_1],
            remediation: Some(
                "Deleted means that AWS no longer lists the connection, not that its access is \
                 revoked: check the app's installation at the provider, and what used the \
                 connection.",
            ),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_changes(gap) || *gap == GapKind::Deletions
    }
}

impl ConnectionKind for Deleted {
    fn aspect(&self) -> Aspect {
        Aspect::Changes {
            within: self.within,
        }
    }

    fn needs(&self, evidence: &Evidence) -> Needs {
        changes_needed(self.within, evidence)
    }

    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        let within = self.within;
        let changes = changes_within(row, ChangeKind::Deleted, within, evidence);
        let Some(last) = changes.last() else {
            return Evaluation::Compliant;
        };
        let at = last.observed_at;
        let seen = last
            .previously_seen_at
            .map(|seen| format!(", last seen at {seen}"));
        let again = match row.deleted_at {
            Some(_) => "",
            None => "; present again",
        };
        Evaluation::NonCompliant(Violation {
            message: format!(
                "no longer listed at {at}{}, within {within}{again}",
                seen.unwrap_or_default()
            ),
            since: Some(at),
            evidence: change_keys(&changes),
        })
    }
}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection was deleted in the last {}", self.within)
    }
}
