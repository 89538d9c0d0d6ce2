//! No consumer names a connection that does not exist.

use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::audit::dependencies::DependencyRow;
use crate::audit::used::{why_host_not_observed, why_not_observed};
use crate::compliance::dependencies::blocks_consumers;
use crate::compliance::evaluation::{Evaluation, Violation};
use crate::compliance::evidence::{DependencyEvidence, Evidence, GapKind, RecordKey};
use crate::compliance::kind::{
    Defaults, DependencyKind, DependencyNeeds, FromInput, Kind, control,
};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::{AccountId, Timestamp};

/// No consumer names a deleted connection, or one that is in no inventory.
#[derive(Debug, Clone, Serialize)]
pub struct Dangling;

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// No pipeline, project or other consumer names a missing connection
    #[arg(long)]
    no_dangling: bool,
}

impl FromInput for Dangling {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(_: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self)
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.no_dangling.then_some(("no-dangling", Self));
        given.into_iter().collect()
    }
}

impl Kind for Dangling {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::High,
            controls: &[control::CM_8, control::CC7_2],
            remediation: Some(
                "Let the consumer name an existing connection, or delete the consumer. \
                 `ccinv impact` lists all of them.",
            ),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_consumers(gap)
    }

    fn dependency_needs(&self, _: Timestamp) -> Option<DependencyNeeds> {
        Some(DependencyNeeds {
            used: true,
            ..DependencyNeeds::default()
        })
    }
}

impl DependencyKind for Dangling {
    fn is_about(&self, row: &DependencyRow) -> bool {
        row.consumed().is_some()
    }

    fn evaluate(&self, row: &DependencyRow, evidence: &Evidence) -> Evaluation {
        let (Some(used), Some(all)) = (row.uses.as_deref(), evidence.dependencies.as_deref())
        else {
            return Evaluation::insufficient("what it uses is missing");
        };
        if all.has_host(used) {
            return Evaluation::Compliant;
        }
        match all.connection_used_by(row) {
            Some(connection) => evaluate_known(row, connection),
            None => match why_unknown(used, all) {
                Some(reason) => {
                    let reason = format!("names {used:?}, which may exist: {reason}");
                    Evaluation::insufficient(reason)
                }
                None => {
                    let message = format!("names {used:?}, which no inventory of this table has");
                    Evaluation::violating_dependency(row, message)
                }
            },
        }
    }
}

/// Returns why what no inventory has may exist nevertheless.
fn why_unknown(used: &str, all: &DependencyEvidence) -> Option<String> {
    let listings_of = |account: &AccountId| all.accounts.get(account)?.basis.as_ref();
    why_not_observed(used, &all.connections, &all.inventories)
        .or_else(|| why_host_not_observed(used, listings_of))
}

fn evaluate_known(row: &DependencyRow, connection: &ConnectionRow) -> Evaluation {
    let Some(deleted_at) = connection.deleted_at else {
        return Evaluation::Compliant;
    };
    let (account, arn) = (&connection.account, &connection.connection_arn);
    Evaluation::NonCompliant(Violation {
        message: format!("names {arn:?}, deleted at {deleted_at}", arn = arn.as_str()),
        since: Some(deleted_at.max(row.first_seen_at)),
        evidence: vec![RecordKey::change(account, arn, connection.version)],
    })
}

impl fmt::Display for Dangling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no consumer names a connection that does not exist")
    }
}
