//! Compliance rules: what is demanded, and of which connections. Pure; `check`
//! judges by them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kinds::Requirement;
use super::severity::Severity;
use super::values::Pattern;
use crate::domain::ids::{ParseError, identifier};
use crate::domain::{AccountId, Attributes, ConnectionArn, ProviderType, Region};

/// A rule.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    /// Its id: no other rule of the same check has it.
    pub id: RuleId,
    /// How bad it is if the rule is broken.
    pub severity: Severity,
    /// What it demands, in a few words.
    pub title: String,
    /// The controls that it supports.
    pub controls: Vec<Control>,
    /// What to do if it is broken.
    pub remediation: Option<String>,
    /// What it demands.
    #[serde(rename = "demand")]
    pub requirement: Requirement,
    /// Of what it demands that.
    pub scope: Scope,
    /// Connections that may break it.
    pub except: Vec<Exception>,
}

identifier!(
    /// A rule's id, by which reports name it.
    RuleId,
    "a rule id: 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-', such as pending-too-long",
    |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        (1..=64).contains(&text.len()) && text.bytes().all(allowed)
    }
);

/// A control of a standard: `NIST 800-53 CM-8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The standard: `NIST 800-53`.
    pub standard: Box<str>,
    /// What the standard calls the control: `CM-8`.
    pub control: Box<str>,
}

impl FromStr for Control {
    type Err = ParseError;

    /// The last word is the control; what stands before it, the standard.
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

/// Of what something is demanded. What is not given does not restrict.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Scope {
    /// Only of what was listed for these accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<BTreeSet<AccountId>>,
    /// Only of connections that live in these regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<BTreeSet<Region>>,
    /// Only of connections of these providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub providers: Option<BTreeSet<ProviderType>>,
    /// Only of connections with such a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Pattern>,
}

/// Whether a rule is about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InScope {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// What would tell was not reported: the name of a field.
    Unknown(&'static str),
}

impl Scope {
    /// Whether it has this account.
    pub fn has_account(&self, account: &AccountId) -> bool {
        self.accounts.as_ref().is_none_or(|a| a.contains(account))
    }

    /// Whether it has this region.
    pub fn has_region(&self, region: &str) -> bool {
        let mut regions = self.regions.iter().flatten();
        self.regions.is_none() || regions.any(|r| r.as_str() == region)
    }

    /// Whether it has this connection of an account that it has.
    pub fn has_connection(&self, arn: &ConnectionArn, told: &Attributes) -> InScope {
        let provider = self.providers.as_ref().map(|providers| {
            let told = told.provider_type.as_ref();
            ("provider", told.map(|told| providers.contains(told)))
        });
        let name = self.names.as_ref().map(|names| {
            let told = told.connection_name.as_deref();
            ("name", told.map(|told| names.matches(told)))
        });
        let mut unknown = None;
        for (field, has) in provider.into_iter().chain(name) {
            match has {
                Some(false) => return InScope::No,
                Some(true) => {}
                None => unknown = unknown.or(Some(field)),
            }
        }
        match unknown {
            _ if !self.has_region(arn.region()) => InScope::No,
            Some(field) => InScope::Unknown(field),
            None => InScope::Yes,
        }
    }
}

/// A connection that may break a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// Its ARN, or the name of every connection that is meant. A name is its
    /// maker's choice, an ARN is not.
    pub connection: Box<str>,
    /// Why it may.
    pub reason: Box<str>,
}

impl Exception {
    /// Whether it means this connection.
    pub fn means(&self, arn: &ConnectionArn, name: Option<&str>) -> bool {
        *self.connection == *arn.as_str() || name == Some(&*self.connection)
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
