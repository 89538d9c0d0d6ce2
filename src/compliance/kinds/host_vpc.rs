//! Each host with a VPC has an allowed one.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::audit::dependencies::DependencyRow;
use crate::compliance::dependencies::{blocks_hosts, is_host};
use crate::compliance::evaluation::{Evaluation, text};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{
    Defaults, DependencyKind, DependencyNeeds, FromInput, Kind, allow_list,
};
use crate::compliance::parameters::{Parameters, RuleFileError, require_text};
use crate::compliance::values::one_of;
use crate::domain::Timestamp;

/// Each host with a VPC has one of these.
#[derive(Debug, Clone, Serialize)]
pub struct HostVpc {
    /// The ids of the allowed ones; none if it is empty.
    pub allowed: BTreeSet<Box<str>>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each host with a VPC has one of these
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    allow_host_vpc: Vec<String>,
}

impl FromInput for HostVpc {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters
                .allowed_or_none(|text| require_text(text, "a VPC's id such as vpc-0a1b2c3d"))?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list("allow-host-vpc", &flags.allow_host_vpc, |allowed| Self {
            allowed,
        })
    }
}

impl Kind for HostVpc {
    fn defaults(&self) -> Defaults {
        Defaults::ALLOW_LIST
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_hosts(gap)
    }

    fn dependency_needs(&self, _: Timestamp) -> Option<DependencyNeeds> {
        Some(DependencyNeeds::default())
    }
}

impl DependencyKind for HostVpc {
    fn is_about(&self, row: &DependencyRow) -> bool {
        is_host(row)
    }

    fn evaluate(&self, row: &DependencyRow, _: &Evidence) -> Evaluation {
        let vpc = row.member("VpcId");
        match text(vpc.as_deref()) {
            Some(vpc) if !self.allowed.contains(vpc) => {
                let message = format!("VPC {vpc:?} is not allowed");
                Evaluation::violating_dependency(row, message)
            }
            // A host without a VPC is reached over the internet.
            Some(_) | None => Evaluation::Compliant,
        }
    }
}

impl fmt::Display for HostVpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.allowed.is_empty() {
            return f.write_str("no host has a VPC");
        }
        write!(f, "each host's VPC, if any, is {}", one_of(&self.allowed))
    }
}
