//! Each connection with a provider endpoint has an allowed one.

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

/// Each connection with a provider endpoint has one of these.
#[derive(Debug, Clone, Serialize)]
pub struct Endpoint {
    /// The allowed ones, as the service reports them; none if it is empty.
    pub allowed: BTreeSet<Box<str>>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each connection with a provider endpoint has one of these
    #[arg(long, value_name = "URLS", value_delimiter = ',')]
    allow_endpoint: Vec<String>,
}

impl FromInput for Endpoint {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters
                .allowed_or_none(|text| require_text(text, "a provider's endpoint"))?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list("allow-endpoint", &flags.allow_endpoint, |allowed| Self {
            allowed,
        })
    }
}

impl Kind for Endpoint {
    fn defaults(&self) -> Defaults {
        Defaults::ALLOW_LIST
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap)
    }
}

impl ConnectionKind for Endpoint {
    fn aspect(&self) -> Aspect {
        Aspect::Attributes
    }

    fn evaluate(&self, row: &ConnectionRow, _: &Evidence) -> Evaluation {
        if let Some(endpoint) = text(row.attributes.provider_endpoint.as_deref()) {
            if self.allowed.contains(endpoint) {
                return Evaluation::Compliant;
            }
            let message = format!("endpoint {endpoint:?} is not allowed");
            return Evaluation::violating_value(row, message);
        }
        match provider(row) {
            Some(
                ProviderType::Bitbucket
                | ProviderType::GitHub
                | ProviderType::GitLab
                | ProviderType::AzureDevOps
                // Their host has the endpoint.
                | ProviderType::GitHubEnterpriseServer
                | ProviderType::GitLabSelfManaged,
            ) => Evaluation::Compliant,
            Some(
                provider @ (ProviderType::GitHubEnterpriseCloudDataResidency
                | ProviderType::Other(_)),
            ) => Evaluation::insufficient(format!(
                "endpoint is missing, and provider {:?} may have one",
                provider.as_str()
            )),
            None => Evaluation::insufficient("endpoint and provider are missing"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.allowed.is_empty() {
            return f.write_str("no connection has a provider endpoint");
        }
        let allowed = one_of(&self.allowed);
        write!(
            f,
            "each connection's provider endpoint, if any, is {allowed}"
        )
    }
}
