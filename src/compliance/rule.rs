//! A compliance rule: a requirement, its scope and its exceptions. Pure; `check`
//! evaluates them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::kinds::Requirement;
use super::severity::Severity;
use super::values::Pattern;
use crate::audit::ConnectionRow;
use crate::audit::dependencies::DependencyRow;
pub use crate::domain::RuleId;
use crate::domain::arn::{Arn, normalized};
use crate::domain::ids::ParseError;
use crate::domain::{AccountId, Attributes, ConnectionArn, DependencyType, ProviderType, Region};

/// A rule.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    /// The id, unique in a check.
    pub id: RuleId,
    /// How bad a violation is.
    pub severity: Severity,
    /// The requirement in a few words.
    pub title: String,
    /// The controls that it supports.
    pub controls: Vec<Control>,
    /// What to do about a violation.
    pub remediation: Option<String>,
    /// What it requires.
    #[serde(rename = "demand")]
    pub requirement: Requirement,
    /// What it applies to.
    pub scope: Scope,
    /// The connections that it is waived for.
    pub except: Vec<Exception>,
}

/// A control of a standard: `NIST 800-53 CM-8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The standard: `NIST 800-53`.
    pub standard: Box<str>,
    /// The control: `CM-8`.
    pub control: Box<str>,
}

impl FromStr for Control {
    type Err = ParseError;

    /// Parses a standard and, as the last word, its control.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.trim().rsplit_once(' ') {
            Some((standard, control)) => Ok(Self {
                standard: standard.trim_end().into(),
                control: control.into(),
            }),
            None => Err(ParseError::new(
                text,
                "a standard and its control, such as NIST 800-53 CM-8",
            )),
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.standard, self.control)
    }
}

impl Serialize for Control {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a rule applies to. A missing field does not restrict it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Scope {
    /// Only these inventoried accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<BTreeSet<AccountId>>,
    /// Only connections or dependencies with these regions in their ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<BTreeSet<Region>>,
    /// Only connections with these providers, and what uses them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub providers: Option<BTreeSet<ProviderType>>,
    /// Only connections or dependencies with a matching name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Pattern>,
}

/// Whether a connection is in the scope of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InScope {
    /// It is in scope.
    Yes,
    /// It is not in scope.
    No,
    /// This field decides, and is missing.
    Unknown(&'static str),
}

impl Scope {
    /// Returns true if it includes this account.
    pub fn has_account(&self, account: &AccountId) -> bool {
        self.accounts.as_ref().is_none_or(|a| a.contains(account))
    }

    /// Returns true if it includes this region.
    pub fn has_region(&self, region: &str) -> bool {
        let mut regions = self.regions.iter().flatten();
        self.regions.is_none() || regions.any(|r| r.as_str() == region)
    }

    /// Returns whether it includes a connection of an included account.
    pub fn has_connection(&self, arn: &ConnectionArn, attributes: &Attributes) -> InScope {
        let name = attributes.connection_name.as_deref();
        self.has(arn.region(), attributes.provider_type.as_ref(), name)
    }

    /// Returns whether it includes a dependency of an included account. The
    /// region is that of its ARN, the name its own; the provider is that of the
    /// host itself, or of the connection that it uses.
    pub fn has_dependency(
        &self,
        row: &DependencyRow,
        connection: Option<&ConnectionRow>,
    ) -> InScope {
        let region = Arn::parse(&row.arn).map_or("", |arn| arn.region);
        let provider = match row.dependency_type {
            DependencyType::Host => row.member("ProviderType").map(|text| (*text).into()),
            _ => connection.and_then(|connection| connection.attributes.provider_type.clone()),
        };
        self.has(region, provider.as_ref(), row.name.as_deref())
    }

    fn has(&self, region: &str, provider: Option<&ProviderType>, name: Option<&str>) -> InScope {
        let provider = self
            .providers
            .as_ref()
            .map(|providers| ("provider", provider.map(|p| providers.contains(p))));
        let name = self
            .names
            .as_ref()
            .map(|names| ("name", name.map(|name| names.matches(name))));
        let mut unknown = None;
        for (field, has) in provider.into_iter().chain(name) {
            match has {
                Some(false) => return InScope::No,
                Some(true) => {}
                None => unknown = unknown.or(Some(field)),
            }
        }
        match unknown {
            _ if !self.has_region(region) => InScope::No,
            Some(field) => InScope::Unknown(field),
            None => InScope::Yes,
        }
    }
}

/// A connection or dependency that a rule is waived for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// Its ARN, or a name. The creator of a connection chooses its name, but not
    /// its ARN.
    pub connection: Box<str>,
    /// Why it is waived.
    pub reason: Box<str>,
}

impl Exception {
    /// Returns true if it names this connection.
    pub fn names(&self, arn: &ConnectionArn, name: Option<&str>) -> bool {
        *self.connection == *arn.as_str() || name == Some(&*self.connection)
    }

    /// Returns true if it names this dependency, by its ARN, id or name, or the
    /// connection that the dependency uses, by its ARN.
    pub fn names_dependency(&self, row: &DependencyRow) -> bool {
        let given = &*self.connection;
        let used = row.uses.as_deref().map(normalized);
        given == row.arn
            || given == row.id.as_str()
            || row.name.as_deref() == Some(given)
            || used == Some(normalized(given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_is_the_last_word() {
        let control: Control = "PCI DSS 4.0 12.5.1".parse().unwrap();
        assert_eq!(
            (&*control.standard, &*control.control),
            ("PCI DSS 4.0", "12.5.1")
        );
        assert!("CM-8".parse::<Control>().is_err());
    }
}
