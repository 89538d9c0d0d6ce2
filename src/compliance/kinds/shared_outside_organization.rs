//! No connection is shared outside of the organization.

use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::audit::dependencies::DependencyRow;
use crate::compliance::dependencies::blocks_properties;
use crate::compliance::evaluation::{Evaluation, Violation, blocks_connections};
use crate::compliance::evidence::{Evidence, GapKind, RecordKey};
use crate::compliance::kind::{
    Aspect, ConnectionKind, Defaults, DependencyNeeds, FromInput, Kind, control,
};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::dependency_type::RAM;
use crate::domain::{DependencyType, Timestamp};

/// No connection of an account is shared with a principal outside of its
/// organization.
#[derive(Debug, Clone, Serialize)]
pub struct SharedOutsideOrganization;

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// No connection is shared by RAM outside of the organization
    #[arg(long)]
    no_shared_outside_organization: bool,
}

impl FromInput for SharedOutsideOrganization {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(_: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self)
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.no_shared_outside_organization;
        let given = given.then_some(("no-shared-outside-organization", Self));
        given.into_iter().collect()
    }
}

impl Kind for SharedOutsideOrganization {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::High,
            controls: &[control::CC6_1],
            remediation: Some(
                "Take the principal out of the resource share. `ccinv shares --external` lists \
                 all of them.",
            ),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap) || blocks_properties(RAM, gap)
    }

    fn dependency_needs(&self, _: Timestamp) -> Option<DependencyNeeds> {
        Some(DependencyNeeds {
            properties: true,
            ..DependencyNeeds::default()
        })
    }
}

impl ConnectionKind for SharedOutsideOrganization {
    fn aspect(&self) -> Aspect {
        Aspect::State
    }

    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        // Its own account decides with whom it is shared.
        if row.connection_arn.account() != row.account.as_str() {
            return Evaluation::Compliant;
        }
        let all = evidence.dependencies.as_deref();
        let Some(shares) = all.and_then(|all| all.properties.shares(row.into())) else {
            return Evaluation::insufficient("its shares were not observed");
        };
        let shares = shares
            .iter()
            .filter(|share| share.dependency_type == DependencyType::Share);
        let is_external = |share: &DependencyRow| share.members.get("external")?.as_bool();
        let outside: Vec<&DependencyRow> = shares
            .clone()
            .filter(|share| is_external(share) == Some(true))
            .collect();
        if !outside.is_empty() {
            return violation(&outside);
        }
        match shares.clone().find(|share| is_external(share).is_none()) {
            Some(share) => Evaluation::insufficient(format!(
                "RAM does not say whether {} is outside of the organization",
                principal(share)
            )),
            None => Evaluation::Compliant,
        }
    }
}

fn principal(share: &DependencyRow) -> String {
    share.member("principal").unwrap_or_default()
}

fn violation(outside: &[&DependencyRow]) -> Evaluation {
    let principals: Vec<String> = outside.iter().map(|share| principal(share)).collect();
    let principals = principals.join(", ");
    // A share that changed may have been within the organization before.
    let unchanged = outside.iter().filter(|share| share.version == 1);
    let key = |share: &&DependencyRow| {
        RecordKey::dependency_change(&share.account, &share.id, share.version)
    };
    Evaluation::NonCompliant(Violation {
        message: format!("is shared with {principals}, outside of the organization"),
        since: unchanged.map(|share| share.first_seen_at).min(),
        evidence: outside.iter().map(key).collect(),
    })
}

impl fmt::Display for SharedOutsideOrganization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection is shared outside of the organization")
    }
}
