//! A complete run started recently.

use std::fmt;

use serde::Serialize;

use crate::compliance::evaluation::{Evaluation, Violation};
use crate::compliance::evidence::{Evidence, GapKind, RecordKey};
use crate::compliance::kind::{AccountKind, Defaults, FromInput, Kind, control};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::Duration;

/// A complete run started no longer ago than this.
#[derive(Debug, Clone, Serialize)]
pub struct NoCompleteRun {
    /// The longest time without one.
    pub longer_than: Duration,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// A complete run started within this duration
    #[arg(long, value_name = "DURATION")]
    max_run_age: Option<Duration>,
}

impl FromInput for NoCompleteRun {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            longer_than: parameters.longer_than()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.max_run_age.into_iter();
        given
            .map(|longer_than| ("max-run-age", Self { longer_than }))
            .collect()
    }
}

impl Kind for NoCompleteRun {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::High,
            controls: &[control::CM_8, control::PCI, control::ISO],
            remediation: Some("`ccinv runs --gaps` shows since when, `ccinv runs` why."),
        }
    }

    // Not by a missing record: no run at all is a violation.
    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        *gap == GapKind::Basis
    }
}

impl AccountKind for NoCompleteRun {
    fn evaluate(&self, evidence: &Evidence) -> Evaluation {
        let Some(basis) = &evidence.basis else {
            return Evaluation::Compliant;
        };
        let (longer_than, at) = (self.longer_than, evidence.moment.at());
        let mut keys: Vec<RecordKey> = evidence.last_run_key().into_iter().collect();
        let Some(run) = &basis.last_complete_run else {
            return Evaluation::NonCompliant(Violation {
                message: "no complete run has finished".to_owned(),
                since: None,
                evidence: keys,
            });
        };
        if !longer_than.is_over(run.started_at, at) {
            return Evaluation::Compliant;
        }
        keys.push(RecordKey::run(&evidence.account, run.sequence));
        keys.sort();
        keys.dedup();
        Evaluation::NonCompliant(Violation {
            message: format!(
                "the last complete run, {}, started at {}, longer than {longer_than} ago",
                run.sequence, run.started_at
            ),
            since: Some(run.started_at),
            evidence: keys,
        })
    }
}

impl fmt::Display for NoCompleteRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a complete run started in the last {}", self.longer_than)
    }
}
