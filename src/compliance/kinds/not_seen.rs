//! Each connection was seen recently.

use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::audit::timeline::observed_at;
use crate::compliance::evaluation::{Evaluation, Violation, blocks_connections};
use crate::compliance::evidence::{Evidence, GapKind, Moment};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, Needs, control};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::Duration;

/// Each connection was seen no longer ago than this.
#[derive(Debug, Clone, Serialize)]
pub struct NotSeen {
    /// The longest time without being seen.
    pub longer_than: Duration,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each connection was seen within this duration
    #[arg(long, value_name = "DURATION")]
    not_seen_for: Option<Duration>,
}

impl FromInput for NotSeen {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            longer_than: parameters.longer_than()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.not_seen_for.into_iter();
        given
            .map(|longer_than| ("not-seen-for", Self { longer_than }))
            .collect()
    }
}

impl Kind for NotSeen {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Medium,
            controls: &[control::CM_8, control::PCI, control::ISO],
            remediation: Some("`ccinv runs` shows what was not listed, and why."),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        match gap {
            // A connection that no run has seen yet can't be overdue.
            GapKind::Region(_) => false,
            GapKind::Runs => true,
            gap => blocks_connections(gap),
        }
    }
}

impl ConnectionKind for NotSeen {
    fn aspect(&self) -> Aspect {
        Aspect::State
    }

    /// When a connection was last seen by an earlier time follows only from
    /// the runs.
    fn needs(&self, evidence: &Evidence) -> Needs {
        Needs {
            runs_since: match evidence.moment {
                Moment::Now(_) => None,
                Moment::AsOf(at) => Some(self.longer_than.before(at)),
            },
            ..Needs::default()
        }
    }

    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        let (longer_than, at) = (self.longer_than, evidence.moment.at());
        match (evidence.moment, row.last_seen_at) {
            (Moment::Now(_), Some(seen)) if longer_than.is_over(seen, at) => {
                let message = format!("last seen at {seen}, longer than {longer_than} ago");
                Evaluation::violation_since(seen, message)
            }
            (Moment::Now(_), Some(_)) => Evaluation::Compliant,
            (Moment::Now(_), None) => {
                Evaluation::insufficient("when it was last seen is not recorded")
            }
            (Moment::AsOf(_), _) => self.evaluate_by_runs(row, evidence),
        }
    }
}

impl NotSeen {
    /// Evaluates by the runs before an earlier time. A run that listed the
    /// regions of the connection completely, and wrote everything, either saw
    /// it or recorded its deletion.
    fn evaluate_by_runs(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        let (longer_than, at) = (self.longer_than, evidence.moment.at());
        let limit = longer_than.before(at);
        let listed_in = evidence.listed_in.get(&row.connection_arn);
        let listed_in = listed_in.map_or(&[][..], Vec::as_slice);
        let observed = observed_at(&row.connection_arn, listed_in, &evidence.runs);
        let seen = observed.into_iter().chain([row.status_since]).max();
        if seen.is_some_and(|seen| !longer_than.is_over(seen, at)) {
            return Evaluation::Compliant;
        }
        match evidence.run_with_page {
            Some(run) => Evaluation::insufficient(format!(
                "no run since {limit} listed its regions completely; run {run} may have observed it"
            )),
            None => Evaluation::NonCompliant(Violation {
                message: format!("no run in the last {longer_than} observed it"),
                since: None,
                evidence: Vec::new(),
            }),
        }
    }
}

impl fmt::Display for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "each connection was seen in the last {}",
            self.longer_than
        )
    }
}
