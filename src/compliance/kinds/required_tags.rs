//! Each connection has required tags.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::audit::ConnectionRow;
use crate::audit::properties::{TagFilter, Tags};
use crate::compliance::dependencies::blocks_properties;
use crate::compliance::evaluation::{Evaluation, Violation, blocks_connections};
use crate::compliance::evidence::{Evidence, GapKind};
use crate::compliance::kind::{
    Aspect, ConnectionKind, Defaults, DependencyNeeds, FromInput, Kind, allow_list, control,
};
use crate::compliance::parameters::{Parameters, RuleFileError};
use crate::compliance::severity::Severity;
use crate::domain::Timestamp;
use crate::domain::dependency_type::TAGGING;

/// Each connection has these tags. Several values of a key are alternatives.
#[derive(Debug, Clone, Serialize)]
pub struct RequiredTags {
    /// Keys, or keys with a value.
    pub required: BTreeSet<TagFilter>,
}

/// The options of this kind.
#[cfg(feature = "cli")]
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Each connection has these tags, by KEY or KEY=VALUE
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    require_tags: Vec<TagFilter>,
}

impl FromInput for RequiredTags {
    #[cfg(feature = "cli")]
    type Flags = Flags;

    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError> {
        Ok(Self {
            required: parameters.required(str::parse)?,
        })
    }

    #[cfg(feature = "cli")]
    fn from_flags(flags: &Flags) -> Vec<(&'static str, Self)> {
        allow_list("require-tags", &flags.require_tags, |required| Self {
            required,
        })
    }
}

impl Kind for RequiredTags {
    fn defaults(&self) -> Defaults {
        Defaults {
            severity: Severity::Low,
            controls: &[control::CM_8],
            remediation: Some("Tag the connection: aws codeconnections tag-resource"),
        }
    }

    fn is_blocked_by(&self, gap: &GapKind) -> bool {
        blocks_connections(gap) || blocks_properties(TAGGING, gap)
    }

    fn dependency_needs(&self, _: Timestamp) -> Option<DependencyNeeds> {
        Some(DependencyNeeds {
            properties: true,
            ..DependencyNeeds::default()
        })
    }
}

impl ConnectionKind for RequiredTags {
    fn aspect(&self) -> Aspect {
        Aspect::State
    }

    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation {
        let all = evidence.dependencies.as_deref();
        let Some(tags) = all.and_then(|all| all.properties.tags(row.into())) else {
            return Evaluation::insufficient("its tags were not observed");
        };
        let wrong = self.wrong(&tags);
        if wrong.is_empty() {
            return Evaluation::Compliant;
        }
        Evaluation::NonCompliant(Violation {
            message: wrong.join(", "),
            since: None,
            evidence: Vec::new(),
        })
    }
}

impl RequiredTags {
    /// Returns what is wrong with each key.
    fn wrong(&self, tags: &Tags) -> Vec<String> {
        let mut by_key: BTreeMap<&str, Vec<&TagFilter>> = BTreeMap::new();
        for required in &self.required {
            by_key.entry(&required.key).or_default().push(required);
        }
        let wrong = by_key.into_iter().filter_map(|(key, required)| {
            if required.iter().any(|one| one.admits(tags)) {
                return None;
            }
            Some(match tags.get(key) {
                None => format!("tag {key:?} is missing"),
                Some(value) => format!("tag {key:?} is {value}, which is not allowed"),
            })
        });
        wrong.collect()
    }
}

impl fmt::Display for RequiredTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let required: Vec<String> = self.required.iter().map(TagFilter::to_string).collect();
        write!(f, "each connection has the tags {}", required.join(", "))
    }
}
