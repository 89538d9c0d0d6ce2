//! Rules as options, each with the default severity and controls of its kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Args as ClapArgs;

use crate::cli::error::CliError;
use crate::cli::suggestions::Asked;
use crate::compliance::kind::Defaults;
use crate::compliance::kinds::{
    Error, KindFlags, NoCompleteRun, NotSeen, Pending, Requirement, UnknownValue,
};
use crate::compliance::rule::{Rule, RuleId, Scope};
use crate::compliance::rule_file;
use crate::domain::Duration;
use crate::domain::ProviderType;

/// Rules, one per option.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Rules")]
pub(crate) struct RuleFlags {
    #[command(flatten)]
    kinds: KindFlags,
}

impl RuleFlags {
    /// Returns the rules of the file and the options, or the default rules.
    pub(crate) fn with_file(&self, file: Option<&Path>) -> Result<Vec<Rule>, CliError> {
        let mut rules = match file {
            Some(path) => rule_file::of_text(&path.display().to_string(), &read_file(path)?)
                .map_err(CliError::Usage)?,
            None => Vec::new(),
        };
        let ids: BTreeSet<String> = rules.iter().map(|rule| rule.id.to_string()).collect();
        for rule in self.rules()? {
            if ids.contains(rule.id.as_str()) {
                return Err(CliError::Usage(format!(
                    "--{} has the same id as a rule in the file; rename the rule in the file",
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

    /// Returns the providers that these options and the scopes of `rules` name.
    pub(crate) fn asked(&self, rules: &[Rule]) -> Asked {
        let requirements = self.kinds.requirements().into_iter();
        let allowed = requirements.filter_map(|(_, requirement)| match requirement {
            Requirement::Provider(provider) => Some(provider.allowed),
            _ => None,
        });
        let allowed: Vec<ProviderType> = allowed.flatten().collect();
        Asked::of_rules(rules, &allowed)
    }

    /// Refuses these options beside one that they contradict.
    pub(crate) fn refuse_beside(&self, other: &str) -> Result<(), CliError> {
        match self.kinds.requirements().first() {
            None => Ok(()),
            Some((id, _)) => Err(CliError::Usage(format!(
                "the argument '{other}' cannot be used with '--{id}'"
            ))),
        }
    }

    /// Returns the rules of the options.
    fn rules(&self) -> Result<Vec<Rule>, CliError> {
        let requirements = self.kinds.requirements().into_iter();
        requirements
            .map(|(id, requirement)| rule(id, requirement))
            .collect()
    }
}

/// Reads the text of a rule file.
pub(crate) fn read_file(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path)
        .map_err(|error| CliError::Usage(format!("--rules {}: {error}", path.display())))
}

/// The default rules: what fails silently, and whether runs still happen. The
/// help of `check` lists them.
fn default_rules() -> Result<Vec<Rule>, CliError> {
    let span = |text: &str| text.parse::<Duration>().map_err(CliError::failure);
    let rules: [(&str, Requirement); 5] = [
        (
            "pending-longer-than",
            Pending {
                longer_than: span("7d")?,
            }
            .into(),
        ),
        ("in-error", Error { longer_than: None }.into()),
        (
            "not-seen-for",
            NotSeen {
                longer_than: span("48h")?,
            }
            .into(),
        ),
        (
            "max-run-age",
            NoCompleteRun {
                longer_than: span("26h")?,
            }
            .into(),
        ),
        ("no-unknown-values", UnknownValue.into()),
    ];
    let rules = rules.into_iter();
    rules
        .map(|(id, requirement)| rule(id, requirement))
        .collect()
}

fn rule(id: &str, requirement: Requirement) -> Result<Rule, CliError> {
    let Defaults {
        severity,
        controls,
        remediation,
    } = requirement.defaults();
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
