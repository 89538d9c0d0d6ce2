//! Each connection has an allowed provider.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, blocks_connections, provider};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, allow_list};
use crate::compliance::parameters::{Parameters, RuleFileError, parse_provider};
use crate::compliance::values::one_of;
use crate::domain::ProviderType;

/// Each connection has one of these providers.
#[derive(Debug, Clone, Serialize)]
pub struct Provider {
    /// The allowed providers.
    pub allowed: BTreeSet<ProviderType>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each connection has one of these providers
    #[arg(long, value_name = "PROVIDERS", value_delimiter = ',', value_parser = parse_provider)]
    allow_provider: Vec<ProviderType>,
}

impl FromInput for Provider {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters.allowed(parse_provider)?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list("allow-provider", &flags.allow_provider, |allowed| Self {
            allowed,
        })
    }
}

impl Kind for Provider {
    fn defaults(&self) -> Defaults {
        Defaults::ALLOW_LIST
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap)
    }
}

impl ConnectionKind for Provider {
    fn aspect(&self) -> Aspect {
        Aspect::Attributes
    }

    fn evaluate(&self, row: &ConnectionRow, _: &Evidence) -> Evaluation {
        let message = match provider(row) {
            Some(provider) if self.allowed.contains(provider) => return Evaluation::Compliant,
            Some(provider) => format!("provider {:?} is not allowed", provider.as_str()),
            None => "provider is missing".to_owned(),
        };
        Evaluation::violating_value(row, message)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "each connection's provider is {}", one_of(&self.allowed))
    }
}
