//! Each host has an allowed status.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::audit::dependencies::DependencyRow;
use crate::compliance::dependencies::{blocks_hosts, is_host};
use crate::compliance::evaluation::{Evaluation, text};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{
    Defaults, DependencyKind, DependencyNeeds, FromInput, Kind, allow_list, control,
};
use crate::compliance::parameters::{Parameters, RuleFileError, require_text};
use crate::compliance::severity::Severity;
use crate::compliance::values::one_of;
use crate::domain::Timestamp;

/// Each host has one of these statuses.
#[derive(Debug, Clone, Serialize)]
pub struct HostStatus {
    /// The allowed ones, as the service reports them.
    pub allowed: BTreeSet<Box<str>>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each host has one of these statuses: AVAILABLE
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    allow_host_status: Vec<String>,
}

impl FromInput for HostStatus {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters
                .allowed(|text| require_text(text, "a host's status such as AVAILABLE"))?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list("allow-host-status", &flags.allow_host_status, |allowed| {
            Self { allowed }
        })
    }
}

impl Kind for HostStatus {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Medium,
            controls: &[control::CM_8, control::CC7_2],
            remediation: Some(
                "Complete a PENDING host in the console. For VPC_CONFIG_FAILED_INITIALIZATION \
                 check the host's subnets and security groups.",
            ),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_hosts(gap)
    }

    fn dependency_needs(&self, _: Timestamp) -> Option<DependencyNeeds> {
        Some(DependencyNeeds::default())
    }
}

impl DependencyKind for HostStatus {
    fn is_about(&self, row: &DependencyRow) -> bool {
        is_host(row)
    }

    fn evaluate(&self, row: &DependencyRow, _: &Evidence) -> Evaluation {
        match text(row.status.as_deref()) {
            Some(status) if self.allowed.contains(status) => Evaluation::Compliant,
            Some(status) => {
                let message = format!("status {status:?} is not allowed");
                Evaluation::violating_dependency(row, message)
            }
            None => Evaluation::insufficient("status is missing"),
        }
    }
}

impl fmt::Display for HostStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "each host's status is {}", one_of(&self.allowed))
    }
}
