//! No consumer names a connection that does not exist.

use std::fmt;

use serde::Serialize;

use crate::audit::dependencies::DependencyRow;
use crate::audit::{Basis, ConnectionRow};
use crate::compliance::dependencies::blocks_consumers;
use crate::compliance::evaluation::{Evaluation, Violation};
use crate::compliance::evidence::{DependencyEvidence, Evidence, GapKind, RecordKey};
use crate::compliance::kind::{
    Defaults, DependencyKind, DependencyNeeds, FromInput, Kind, control,
};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::arn::normalized;
use crate::domain::{AccountId, ConnectionArn, Timestamp};

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
                Some(reason) => Evaluation::insufficient(reason),
                None => {
                    let message = format!("names {used:?}, which no inventory of this table has");
                    Evaluation::violating_dependency(row, message)
                }
            },
        }
    }
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

/// Returns why a connection that no inventory has may exist nevertheless.
fn why_unknown(used: &str, all: &DependencyEvidence) -> Option<String> {
    // What is no ARN of a connection can't be one.
    let arn: ConnectionArn = normalized(used).parse().ok()?;
    let (account, region) = (arn.account(), arn.region());
    let basis = account.parse::<AccountId>().ok();
    let basis = basis.and_then(|account| all.inventories.get(&account));
    let reason = match basis {
        None => format!("account {account} is not inventoried"),
        Some(basis) if !basis.is_evidence() => format!("account {account} has no complete run"),
        Some(basis) if !was_listed(basis, region, all) => {
            format!("region {region} of account {account} was not listed")
        }
        Some(_) => return None,
    };
    Some(format!("names {used:?}, which may exist: {reason}"))
}

/// Returns true if the last runs of the account listed the connections of a
/// region. Listings of other regions may have returned them.
fn was_listed(basis: &Basis, region: &str, all: &DependencyEvidence) -> bool {
    let mut missing = basis.not_observed.iter();
    if missing.any(|missing| missing.region.as_str() == region) {
        return false;
    }
    let runs = [&basis.last_run, &basis.last_complete_run];
    let mut asked = runs.into_iter().flatten().flat_map(|run| &run.regions);
    let mut shown = all.connections.values();
    asked.any(|asked| asked.as_str() == region)
        || shown.any(|row| row.account == basis.account && row.region == region)
}

impl fmt::Display for Dangling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no consumer names a connection that does not exist")
    }
}
