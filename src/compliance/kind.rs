//! What every kind of rule provides.

use std::collections::BTreeSet;
use std::fmt;

use super::evaluation::Evaluation;
use super::evidence::{Evidence, GapKind};
use super::parameters::{Parameters, RuleFileError};
use super::severity::Severity;
use crate::audit::ConnectionRow;
use crate::audit::dependencies::DependencyRow;
use crate::domain::{Duration, Timestamp};

/// A kind of rule, with its parameters. `Display` writes the requirement as a
/// sentence: the default title of a rule.
pub(crate) trait Kind: fmt::Display + Send + Sync {
    /// Returns what a rule from the command line has besides its requirement.
    fn defaults(&self) -> Defaults;

    /// Returns true if the rule can't be fully evaluated because of this gap.
    fn is_blocked_by(&self, gap: &GapKind) -> bool;

    /// Returns what it needs of the record of dependencies, to evaluate `at`. By
    /// default nothing: it is not read then.
    fn dependency_needs(&self, _at: Timestamp) -> Option<DependencyNeeds> {
        None
    }
}

/// A kind that is evaluated for each connection.
pub(crate) trait ConnectionKind: Kind {
    /// Returns what of a connection it evaluates.
    fn aspect(&self) -> Aspect;

    /// Returns what it needs besides the connections, which are read already.
    /// By default nothing.
    fn needs(&self, _evidence: &Evidence) -> Needs {
        Needs::default()
    }

    /// Evaluates one connection.
    fn evaluate(&self, row: &ConnectionRow, evidence: &Evidence) -> Evaluation;
}

/// A kind that is evaluated for each dependency that it is about: for each host,
/// or for each consumer.
pub(crate) trait DependencyKind: Kind {
    /// Returns true if it is about this dependency.
    fn is_about(&self, row: &DependencyRow) -> bool;

    /// Evaluates one dependency.
    fn evaluate(&self, row: &DependencyRow, evidence: &Evidence) -> Evaluation;
}

/// A kind that is evaluated once for an account.
pub(crate) trait AccountKind: Kind {
    /// Evaluates the account.
    fn evaluate(&self, evidence: &Evidence) -> Evaluation;
}

/// Where rules of a kind come from.
pub(crate) trait FromInput: Sized {
    /// Its options of `ccinv check`.
    #[cfg(feature = "cli")]
    type Flags: clap::Args + Default + fmt::Debug;

    /// Reads its parameters from a rule file.
    ///
    /// # Errors
    /// The first parameter that is missing or invalid.
    fn from_file(parameters: &mut Parameters) -> Result<Self, RuleFileError>;

    /// Returns the rules that options ask for, each with its id: the name of
    /// the option.
    #[cfg(feature = "cli")]
    fn from_flags(flags: &Self::Flags) -> Vec<(&'static str, Self)>;
}

/// A kind, by what it is evaluated for.
pub(crate) enum KindRef<'a> {
    /// Each connection.
    Connection(&'a dyn ConnectionKind),
    /// Each dependency.
    Dependency(&'a dyn DependencyKind),
    /// The account.
    Account(&'a dyn AccountKind),
}

impl KindRef<'_> {
    /// Returns true if the rule can't be fully evaluated because of this gap.
    pub(crate) fn is_blocked_by(&self, gap: &GapKind) -> bool {
        self.any().is_blocked_by(gap)
    }

    /// Returns what it needs of the record of dependencies.
    pub(crate) fn dependency_needs(&self, at: Timestamp) -> Option<DependencyNeeds> {
        self.any().dependency_needs(at)
    }

    /// Returns what every kind has.
    pub(crate) fn any(&self) -> &dyn Kind {
        match *self {
            Self::Connection(kind) => kind,
            Self::Dependency(kind) => kind,
            Self::Account(kind) => kind,
        }
    }
}

/// What of a connection a kind evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aspect {
    /// Its attributes, whatever the time: its changes show since when it
    /// violates the requirement.
    Attributes,
    /// Its state at the time.
    State,
    /// Its changes in the last `within`. Deleted connections are included.
    Changes {
        /// How far back.
        within: Duration,
    },
}

/// What a kind needs besides the connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The changes from here on.
    pub(crate) changes_since: Option<Timestamp>,
    /// The runs from here on.
    pub(crate) runs_since: Option<Timestamp>,
    /// When the record begins.
    pub(crate) start_of_record: bool,
}

/// What a kind needs of the record of dependencies, besides the dependencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DependencyNeeds {
    /// The connections and hosts that the account's consumers name, of any account.
    pub(crate) used: bool,
    /// The tags and shares of the account's connections. Those of a connection that
    /// is shared with it are of its owner.
    pub(crate) properties: bool,
    /// The consumers of the account's connections, of any account, with their changes
    /// from here on and when the record begins.
    pub(crate) consumers_since: Option<Timestamp>,
}

/// What a rule from the command line has besides its requirement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) severity: Severity,
    /// The controls that it supports.
    pub(crate) controls: &'static [&'static str],
    pub(crate) remediation: Option<&'static str>,
}

impl Defaults {
    /// The defaults of a rule that lists what connections may have.
    pub(crate) const ALLOW_LIST: Self = Self {
        severity: Severity::High,
        controls: &[control::CM_8, control::CC6_1],
        remediation: None,
    };
}

/// Returns the rule of an option that lists allowed values, if the option was
/// given; `id` is the option's name.
pub(crate) fn allow_list<V: Clone + Into<T>, T: Ord, K>(
    id: &'static str,
    values: &[V],
    kind: impl FnOnce(BTreeSet<T>) -> K,
) -> Vec<(&'static str, K)> {
    if values.is_empty() {
        return Vec::new();
    }
    let allowed = values.iter().cloned().map(Into::into).collect();
    vec![(id, kind(allowed))]
}

/// Controls of standards.
pub(crate) mod control {
    pub(crate) const CM_3: &str = "NIST 800-53 CM-3";
    pub(crate) const CM_8: &str = "NIST 800-53 CM-8";
    pub(crate) const PCI: &str = "PCI DSS 4.0 12.5.1";
    pub(crate) const ISO: &str = "ISO 27001:2022 A.5.9";
    pub(crate) const CC6_1: &str = "SOC 2 CC6.1";
    pub(crate) const CC7_2: &str = "SOC 2 CC7.2";
    pub(crate) const CC8_1: &str = "SOC 2 CC8.1";
}
