//! Rules as options of the command line, each with the id, the severity and
//! the controls that are usual for its kind.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args as ClapArgs;

use super::{parse_every, parse_provider, rules_file};
use crate::cli::error::CliError;
use crate::cli::suggestions::Asked;
use crate::compliance::requirement::{Pattern, Requirement, Span};
use crate::compliance::rule::{Rule, RuleId, Scope, Severity};
use crate::domain::{AccountId, ProviderType};

const CM_3: &str = "NIST 800-53 CM-3";
const CM_8: &str = "NIST 800-53 CM-8";
const PCI: &str = "PCI DSS 4.0 12.5.1";
const ISO: &str = "ISO 27001:2022 A.5.9";
const CC6_1: &str = "SOC 2 CC6.1";
const CC7_2: &str = "SOC 2 CC7.2";
const CC8_1: &str = "SOC 2 CC8.1";

/// Rules, one an option.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Rules")]
pub(crate) struct RuleFlags {
    /// No connection is PENDING for longer than this (7d, 12h, 45m)
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    pending_longer_than: Option<Span>,
    /// No connection is in ERROR
    #[arg(long)]
    in_error: bool,
    /// No connection is in ERROR for longer than this
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    in_error_longer_than: Option<Span>,
    /// Each connection is of one of these providers
    #[arg(long, value_name = "PROVIDERS", value_delimiter = ',', value_parser = parse_provider)]
    allow_provider: Vec<ProviderType>,
    /// Each connection with a host goes through one of these
    #[arg(long, value_name = "ARNS", value_delimiter = ',')]
    allow_host: Vec<String>,
    /// Each connection with a provider endpoint has one of these
    #[arg(long, value_name = "URLS", value_delimiter = ',')]
    allow_endpoint: Vec<String>,
    /// Each connection is owned by one of these
    #[arg(long, value_name = "OWNERS", value_delimiter = ',')]
    allow_owner: Vec<String>,
    /// Only these accounts are recorded
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    allow_account: Vec<AccountId>,
    /// Each connection's whole name matches this regular expression
    #[arg(long, value_name = "REGEX")]
    name_pattern: Option<Pattern>,
    /// Each connection was seen in this span
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    not_seen_for: Option<Span>,
    /// A complete run began in this span
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    max_run_age: Option<Span>,
    /// No connection was deleted (no longer listed) in this span
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    deleted_within: Option<Span>,
    /// No connection changed status more often than this in a span: 3/7d
    #[arg(long, value_name = "NUMBER/SPAN", value_parser = parse_rate)]
    max_status_changes: Option<(u32, Span)>,
    /// No connection belongs to another account
    #[arg(long)]
    no_shared: bool,
    /// Each provider, status and member is known here
    #[arg(long)]
    no_unknown_values: bool,
}

impl RuleFlags {
    /// The rules of the file and of the options, or the default ones.
    pub(crate) fn with_file(&self, file: Option<&Path>) -> Result<Vec<Rule>, CliError> {
        let mut rules = match file {
            Some(path) => rules_file::read(path)?,
            None => Vec::new(),
        };
        let ids: BTreeSet<String> = rules.iter().map(|rule| rule.id.to_string()).collect();
        for rule in self.rules()? {
            if ids.contains(rule.id.as_str()) {
                return Err(CliError::Usage(format!(
                    "--{} and a rule of the file have the same id; give the one in the file another",
                    rule.id
                )));
            }
            rules.push(rule);
        }
        if rules.is_empty() {
            rules = default_rules()?;
        }
        Ok(rules)
    }

    /// The values of these options, and those that `rules` are restricted to.
    pub(crate) fn asked(&self, rules: &[Rule]) -> Asked {
        Asked::of_rules(rules, &self.allow_provider)
    }

    /// The rules that were given.
    pub(crate) fn rules(&self) -> Result<Vec<Rule>, CliError> {
        let mut rules = Vec::new();
        for (id, requirement) in self.requirements() {
            rules.push(rule(id, requirement)?);
        }
        Ok(rules)
    }

    fn requirements(&self) -> Vec<(&'static str, Requirement)> {
        let mut requirements = Vec::new();
        let mut add = |id, requirement: Option<Requirement>| {
            requirements.extend(requirement.map(|d| (id, d)))
        };
        let boxed = |texts: &[String]| texts.iter().map(|t| t.as_str().into()).collect();
        add(
            "pending-longer-than",
            self.pending_longer_than
                .map(|longer_than| Requirement::Pending { longer_than }),
        );
        add(
            "in-error",
            self.in_error
                .then_some(Requirement::Error { longer_than: None }),
        );
        add(
            "in-error-longer-than",
            self.in_error_longer_than.map(|span| Requirement::Error {
                longer_than: Some(span),
            }),
        );
        add(
            "allow-provider",
            (!self.allow_provider.is_empty()).then(|| Requirement::Provider {
                allowed: self.allow_provider.iter().cloned().collect(),
            }),
        );
        add(
            "allow-host",
            (!self.allow_host.is_empty()).then(|| Requirement::Host {
                allowed: boxed(&self.allow_host),
            }),
        );
        add(
            "allow-endpoint",
            (!self.allow_endpoint.is_empty()).then(|| Requirement::Endpoint {
                allowed: boxed(&self.allow_endpoint),
            }),
        );
        add(
            "allow-owner",
            (!self.allow_owner.is_empty()).then(|| Requirement::Owner {
                allowed: boxed(&self.allow_owner),
            }),
        );
        add(
            "allow-account",
            (!self.allow_account.is_empty()).then(|| Requirement::Account {
                allowed: self.allow_account.iter().cloned().collect(),
            }),
        );
        let pattern = self.name_pattern.clone();
        add(
            "name-pattern",
            pattern.map(|pattern| Requirement::Name { pattern }),
        );
        add(
            "not-seen-for",
            self.not_seen_for
                .map(|longer_than| Requirement::NotSeen { longer_than }),
        );
        add(
            "max-run-age",
            self.max_run_age
                .map(|longer_than| Requirement::NoCompleteRun { longer_than }),
        );
        add(
            "deleted-within",
            self.deleted_within
                .map(|within| Requirement::Deleted { within }),
        );
        add(
            "max-status-changes",
            self.max_status_changes
                .map(|(more_than, within)| Requirement::StatusChanges { more_than, within }),
        );
        add("no-shared", self.no_shared.then_some(Requirement::Shared));
        add(
            "no-unknown-values",
            self.no_unknown_values.then_some(Requirement::UnknownValue),
        );
        requirements
    }
}

/// What is judged by if nothing is said: what breaks silently, and whether
/// anybody looks. The help of `check` says the same.
fn default_rules() -> Result<Vec<Rule>, CliError> {
    const HOUR: i64 = 3_600_000;
    let flags = RuleFlags {
        pending_longer_than: Span::from_millis(7 * 24 * HOUR),
        in_error: true,
        not_seen_for: Span::from_millis(48 * HOUR),
        max_run_age: Span::from_millis(26 * HOUR),
        no_unknown_values: true,
        ..RuleFlags::default()
    };
    flags.rules()
}

fn rule(id: &str, requirement: Requirement) -> Result<Rule, CliError> {
    let (severity, controls, remediation) = usual(&requirement);
    let controls = controls.iter().map(|control| control.parse());
    let id: RuleId = id.parse().map_err(CliError::failure)?;
    Ok(Rule {
        id,
        severity,
        title: requirement.to_string(),
        controls: controls
            .collect::<Result<_, _>>()
            .map_err(CliError::failure)?,
        remediation: remediation.map(str::to_owned),
        requirement,
        scope: Scope::default(),
        except: Vec::new(),
    })
}

type Usual = (Severity, &'static [&'static str], Option<&'static str>);

fn usual(requirement: &Requirement) -> Usual {
    use Severity::{High, Low, Medium};
    match requirement {
        Requirement::Pending { .. } => (
            Medium,
            &[CM_8, CC6_1],
            Some(
                "Complete the connection in the console. To delete it instead, first see what uses \
                 it.",
            ),
        ),
        Requirement::Error { .. } => (
            High,
            &[CM_8, CC7_2],
            Some(
                "AWS's guides differ: one says that a connection in ERROR can't be recovered, \
                 another that AWS retries it. If it stays in ERROR, make a new one, and see what \
                 uses the old one before deleting it.",
            ),
        ),
        Requirement::Provider { .. }
        | Requirement::Host { .. }
        | Requirement::Endpoint { .. }
        | Requirement::Owner { .. } => (High, &[CM_8, CC6_1], None),
        Requirement::Account { .. } => (High, &[CM_8, PCI], None),
        Requirement::Name { .. } => (Low, &[CM_8, ISO], None),
        Requirement::NotSeen { .. } => (
            Medium,
            &[CM_8, PCI, ISO],
            Some("See with `ccinv runs` what was not listed, and why."),
        ),
        Requirement::NoCompleteRun { .. } => (
            High,
            &[CM_8, PCI, ISO],
            Some("See with `ccinv runs --gaps` since when, and with `ccinv runs` why."),
        ),
        Requirement::Deleted { .. } => (
            Medium,
            &[CM_3, CC8_1],
            Some(
                "Deleted means that AWS no longer lists the connection, not that its access is \
                 revoked: check the app's installation at the provider, and what used the connection.",
            ),
        ),
        Requirement::StatusChanges { .. } => (Low, &[CM_3, CC7_2, CC8_1], None),
        Requirement::Shared => (Medium, &[CM_8, CC6_1], None),
        Requirement::UnknownValue => (Medium, &[CM_8], None),
    }
}

fn parse_span(text: &str) -> Result<Span, String> {
    let span = Span::from_millis(parse_every(text)?);
    span.ok_or_else(|| format!("{text:?} is no time"))
}

fn parse_rate(text: &str) -> Result<(u32, Span), String> {
    let wrong = || format!("{text:?} is not a number of changes in a span such as 3/7d");
    let (number, span) = text.split_once('/').ok_or_else(wrong)?;
    let number = number.parse().map_err(|_| wrong())?;
    let span = parse_span(span).map_err(|_| wrong())?;
    Ok((number, span))
}
