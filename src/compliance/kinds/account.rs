//! Only allowed accounts are recorded.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::compliance::evaluation::{Evaluation, Violation};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{AccountKind, Defaults, FromInput, Kind, allow_list, control};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::compliance::values::one_of;
use crate::domain::AccountId;

/// Only these accounts are recorded.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// The allowed accounts.
    pub allowed: BTreeSet<AccountId>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Only these accounts are recorded
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    allow_account: Vec<AccountId>,
}

impl FromInput for Account {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters.allowed(str::parse)?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list("allow-account", &flags.allow_account, |allowed| Self {
            allowed,
        })
    }
}

impl Kind for Account {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::High,
            controls: &[control::CM_8, control::PCI],
            remediation: None,
        }
    }

    // Not by runs that can't be read: they show that the account is recorded.
    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        *gap == GapKind::Record
    }
}

impl AccountKind for Account {
    fn evaluate(&self, evidence: &Evidence) -> Evaluation {
        let account = &evidence.account;
        if self.allowed.contains(account) {
            return Evaluation::Compliant;
        }
        Evaluation::NonCompliant(Violation {
            message: format!("account {account} is recorded but not allowed"),
            since: None,
            evidence: evidence.last_run_key().into_iter().collect(),
        })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = one_of(&self.allowed);
        write!(f, "only these accounts are recorded: {allowed}")
    }
}
