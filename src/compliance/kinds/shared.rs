//! No connection belongs to another account.

use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, blocks_connections, text};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, control};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::AccountId;

/// No connection belongs to another account.
#[derive(Debug, Clone, Serialize)]
pub struct Shared;

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// No connection belongs to another account
    #[arg(long)]
    no_shared: bool,
}

impl FromInput for Shared {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(_: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self)
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.no_shared.then_some(("no-shared", Self));
        given.into_iter().collect()
    }
}

impl Kind for Shared {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Medium,
            controls: &[control::CM_8, control::CC6_1],
            remediation: None,
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap)
    }
}

impl ConnectionKind for Shared {
    fn aspect(&self) -> Aspect {
        Aspect::Attributes
    }

    fn evaluate(&self, row: &ConnectionRow, _: &Evidence) -> Evaluation {
        let account = row.account.as_str();
        let arn_account = row.connection_arn.account();
        if arn_account != account {
            let message = format!("belongs to account {arn_account}, by its ARN");
            return Evaluation::violating_value(row, message);
        }
        match text(row.attributes.owner_account_id.as_deref()) {
            // An owner that is no AWS account may be an id of the provider.
            Some(owner) if owner != account && owner.parse::<AccountId>().is_ok() => {
                let message = format!("belongs to account {owner}, by its owner");
                Evaluation::violating_value(row, message)
            }
            _ => Evaluation::Compliant,
        }
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection belongs to another account")
    }
}
