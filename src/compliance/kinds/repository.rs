//! Each consumer reads an allowed repository.

use std::fmt;

use serde::Serialize;

use crate::audit::dependencies::DependencyRow;
use crate::compliance::dependencies::blocks_consumers;
use crate::compliance::evaluation::{Evaluation, text};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Defaults, DependencyKind, DependencyNeeds, FromInput, Kind};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::values::{Pattern, one_of};
use crate::domain::Timestamp;

/// Each consumer reads a repository that one of these patterns matches.
#[derive(Debug, Clone, Serialize)]
pub struct Repository {
    /// Each matches a whole repository, as the consumer's service writes it.
    pub allowed: Vec<Pattern>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each consumer's whole repository matches one of these regular expressions
    #[arg(long, value_name = "REGEX")]
    allow_repository: Vec<Pattern>,
}

impl FromInput for Repository {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            allowed: parameters.allowed_patterns()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let allowed = flags.allow_repository.clone();
        let given = (!allowed.is_empty()).then_some(("allow-repository", Self { allowed }));
        given.into_iter().collect()
    }
}

impl Kind for Repository {
    fn defaults(&self) -> Defaults {
        Defaults::ALLOW_LIST
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_consumers(gap)
    }

    fn dependency_needs(&self, _: Timestamp) -> Option<DependencyNeeds> {
        // The scope may name the providers of connections.
        Some(DependencyNeeds {
            used: true,
            ..DependencyNeeds::default()
        })
    }
}

impl DependencyKind for Repository {
    fn is_about(&self, row: &DependencyRow) -> bool {
        row.consumed().is_some()
    }

    fn evaluate(&self, row: &DependencyRow, _: &Evidence) -> Evaluation {
        let repository = row.repository();
        match text(repository.as_deref()) {
            Some(read) if self.allowed.iter().any(|pattern| pattern.matches(read)) => {
                Evaluation::Compliant
            }
            Some(read) => {
                let message = format!("repository {read:?} is not allowed");
                Evaluation::violating_dependency(row, message)
            }
            None => Evaluation::insufficient("which repositories it reads is not recorded"),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = one_of(&self.allowed);
        write!(f, "each consumer's repository matches {allowed}")
    }
}
