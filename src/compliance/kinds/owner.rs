//! Each connection has an allowed owner.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, blocks_connections, text};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, allow_list};
use crate::compliance::parameters::{Parameters, RuleFileError, require_text};
use crate::compliance::values::one_of;

/// Each connection has one of these owners.
#[derive(Debug, Clone, Serialize)]
pub struct Owner {
    /// The allowed owners, as the service reports them.
    pub allowed: BTreeSet<Box<str>>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each connection has one of these owners
    #[arg(long, value_name = "OWNERS", value_delimiter = ',')]
    allow_owner: Vec<String>,
}

impl FromInput for Owner {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters.allowed(|text| require_text(text, "an owner as AWS reports it"))?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list("allow-owner", &flags.allow_owner, |allowed| Self {
            allowed,
        })
    }
}

impl Kind for Owner {
    fn defaults(&self) -> Defaults {
        Defaults::ALLOW_LIST
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap)
    }
}

impl ConnectionKind for Owner {
    fn aspect(&self) -> Aspect {
        Aspect::Attributes
    }

    fn evaluate(&self, row: &ConnectionRow, _: &Evidence) -> Evaluation {
        let message = match text(row.attributes.owner_account_id.as_deref()) {
            Some(owner) if self.allowed.contains(owner) => return Evaluation::Compliant,
            Some(owner) => format!("owner {owner:?} is not allowed"),
            None => "owner is missing".to_owned(),
        };
        Evaluation::violating_value(row, message)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "each connection's owner is {}", one_of(&self.allowed))
    }
}
