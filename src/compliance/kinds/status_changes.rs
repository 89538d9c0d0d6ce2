//! No connection changed its status often.

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

/// No connection changed its status more often than this.
#[derive(Debug, Clone, Serialize)]
pub struct StatusChanges {
    /// The most changes allowed.
    pub more_than: u32,
    /// How far back they are counted.
    pub within: Duration,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// No connection changed status more often than this: 3/7d
    #[arg(long, value_name = "NUMBER/DURATION", value_parser = parse_rate)]
    max_status_changes: Option<(u32, Duration)>,
}

fn parse_rate(text: &str) -> Result<(u32, Duration), String> {
    let wrong = || format!("{text:?} is not a number of changes and a duration such as 3/7d");
    let (number, within) = text.split_once('/').ok_or_else(wrong)?;
    let number = number.parse().map_err(|_| wrong())?;
    let within = within.parse().map_err(|_| wrong())?;
    Ok((number, within))
}

impl FromInput for StatusChanges {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            more_than: parameters.more_than()?,
            within: parameters.within()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.max_status_changes.into_iter();
        given
            .map(|(more_than, within)| ("max-status-changes", Self { more_than, within }))
            .collect()
    }
}

impl Kind for StatusChanges {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Low,
            controls: &[control::CM_3, control::CC7_2, control::CC8_1],
            remediation: None,
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_changes(gap)
    }
}

impl ConnectionKind for StatusChanges {
    fn aspect(&self) -> Aspect {
        Aspect::Changes {
            within: self.within,
        }
    }

    fn needs(&self, evidence: &Evidence) -> Needs {
        changes_needed(self.within, evidence)
    }

    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        let Self { more_than, within } = *self;
        let changes = changes_within(row, ChangeKind::StatusChanged, within, evidence);
        let number = changes.len();
        if number <= usize::try_from(more_than).unwrap_or(usize::MAX) {
            return Evaluation::Compliant;
        }
        Evaluation::NonCompliant(Violation {
            message: format!(
                "changed status {number} times within {within}, more than {more_than}"
            ),
            since: changes.first().map(|change| change.observed_at),
            evidence: change_keys(&changes),
        })
    }
}

impl fmt::Display for StatusChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { more_than, within } = self;
        write!(
            f,
            "no connection changed status more than {more_than} times in the last {within}"
        )
    }
}
