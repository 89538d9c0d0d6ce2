//! Each host has an allowed endpoint.

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

/// Each host has one of these endpoints.
#[derive(Debug, Clone, Serialize)]
pub struct HostEndpoint {
    /// The allowed ones, as the service reports them.
    pub allowed: BTreeSet<Box<str>>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each host has one of these provider endpoints
    #[arg(long, value_name = "URLS", value_delimiter = ',')]
    allow_host_endpoint: Vec<String>,
}

impl FromInput for HostEndpoint {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters.allowed(|text| {
                require_text(text, "a host's endpoint such as https://git.example.com")
            })?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list(
            "allow-host-endpoint",
            &flags.allow_host_endpoint,
            |allowed| Self { allowed },
        )
    }
}

impl Kind for HostEndpoint {
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

impl DependencyKind for HostEndpoint {
    fn is_about(&self, row: &DependencyRow) -> bool {
        is_host(row)
    }

    fn evaluate(&self, row: &DependencyRow, _: &Evidence) -> Evaluation {
        let endpoint = row.member("ProviderEndpoint");
        match text(endpoint.as_deref()) {
            Some(endpoint) if self.allowed.contains(endpoint) => Evaluation::Compliant,
            Some(endpoint) => {
                let message = format!("endpoint {endpoint:?} is not allowed");
                Evaluation::violating_dependency(row, message)
            }
            None => Evaluation::insufficient("endpoint is missing"),
        }
    }
}

impl fmt::Display for HostEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "each host's endpoint is {}", one_of(&self.allowed))
    }
}
