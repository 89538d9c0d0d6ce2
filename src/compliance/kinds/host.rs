//! Each connection with a host has an allowed one.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, blocks_connections, provider, text};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, allow_list};
use crate::compliance::parameters::{Parameters, RuleFileError, require_text};
use crate::compliance::values::one_of;
use crate::domain::ProviderType;

/// Each connection with a host has one of these.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// The allowed ones, as the service reports them; none if it is empty.
    pub allowed: BTreeSet<Box<str>>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each connection with a host uses one of these
    #[arg(long, value_name = "ARNS", value_delimiter = ',')]
    allow_host: Vec<String>,
}

impl FromInput for Host {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters.allowed_or_none(|text| require_text(text, "a host's ARN"))?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list("allow-host", &flags.allow_host, |allowed| Self { allowed })
    }
}

impl Kind for Host {
    fn defaults(&self) -> Defaults {
        Defaults::ALLOW_LIST
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap)
    }
}

impl ConnectionKind for Host {
    fn aspect(&self) -> Aspect {
        Aspect::Attributes
    }

    fn evaluate(&self, row: &ConnectionRow, _: &Evidence) -> Evaluation {
        if let Some(host) = text(row.attributes.host_arn.as_deref()) {
            if self.allowed.contains(host) {
                return Evaluation::Compliant;
            }
            let message = format!("host {host:?} is not allowed");
            return Evaluation::violating_value(row, message);
        }
        match provider(row) {
            Some(
                ProviderType::Bitbucket
                | ProviderType::GitHub
                | ProviderType::GitHubEnterpriseCloudDataResidency
                | ProviderType::GitLab
                | ProviderType::AzureDevOps,
            ) => Evaluation::Compliant,
            Some(
                provider @ (ProviderType::GitHubEnterpriseServer
                | ProviderType::GitLabSelfManaged
                | ProviderType::Other(_)),
            ) => Evaluation::insufficient(format!(
                "host is missing, and provider {:?} may have one",
                provider.as_str()
            )),
            None => Evaluation::insufficient("host and provider are missing"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.allowed.is_empty() {
            return f.write_str("no connection uses a host");
        }
        let allowed = one_of(&self.allowed);
        write!(f, "each connection's host, if any, is {allowed}")
    }
}
