//! Each connection's name matches a pattern.

use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, blocks_connections, text};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{Aspect, ConnectionKind, Defaults, FromInput, Kind, control};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::compliance::values::Pattern;

/// Each connection's name matches this pattern.
#[derive(Debug, Clone, Serialize)]
pub struct Name {
    /// Matches the whole name.
    pub pattern: Pattern,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each connection's whole name matches this regular expression
    #[arg(long, value_name = "REGEX")]
    name_pattern: Option<Pattern>,
}

impl FromInput for Name {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            pattern: parameters.pattern()?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        let given = flags.name_pattern.clone().into_iter();
        given
            .map(|pattern| ("name-pattern", Self { pattern }))
            .collect()
    }
}

impl Kind for Name {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Low,
            controls: &[control::CM_8, control::ISO],
            remediation: None,
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap)
    }
}

impl ConnectionKind for Name {
    fn aspect(&self) -> Aspect {
        Aspect::Attributes
    }

    fn evaluate(&self, row: &ConnectionRow, _: &Evidence) -> Evaluation {
        let pattern = &self.pattern;
        let message = match text(row.attributes.connection_name.as_deref()) {
            Some(name) if pattern.matches(name) => return Evaluation::Compliant,
            Some(name) => format!("name {name:?} does not match {pattern}"),
            None => "name is missing".to_owned(),
        };
        Evaluation::violating_value(row, message)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "each connection's name matches {}", self.pattern)
    }
}
