//! Checks: evaluates rules by what is recorded.
//!
//! Missing evidence never passes a rule. A rule with findings fails, even if
//! other connections could not be evaluated; the report has both.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::evaluation::{Evaluation, Violation};
use super::evidence::{DependencyEvidence, Evidence, Moment, RecordKey};
use super::kind::{Aspect, ConnectionKind, DependencyKind, KindRef};
use super::missing::{blocks, unobserved};
use super::rule::{InScope, Rule};
use super::subject::Subject;
use crate::audit::concurrently::each_account;
use crate::audit::dependencies::{DependencyBasis, DependencyRow};
use crate::audit::{Audit, AuditError, Basis, ConnectionRow};
use crate::domain::{AccountId, Timestamp};

/// The result of a check.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// The evaluated time.
    pub at: Timestamp,
    /// The basis of the results, for each account.
    pub rests_on: Vec<Basis>,
    /// The runs of dependencies, if a rule needs them, for each account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies_rest_on: Vec<DependencyBasis>,
    /// The rules, in the order given.
    pub rules: Vec<CheckedRule>,
}

/// A rule and its result.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedRule {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// The result for all accounts together.
    pub verdict: Verdict,
    /// The result for each account in its scope.
    pub accounts: Vec<AccountResult>,
}

/// The result of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// No finding, and all data.
    Pass,
    /// Findings.
    Fail,
    /// No finding, but not all could be evaluated.
    InsufficientData,
}

impl Verdict {
    /// Returns the verdict as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// The result of a rule for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountResult {
    /// The account.
    pub account: AccountId,
    /// The result.
    pub verdict: Verdict,
    /// The number of evaluated connections or dependencies; 1 if the account was
    /// evaluated as a whole.
    #[serde(rename = "judged")]
    pub evaluated: usize,
    /// The violations, by ARN; those of dependencies by type and name.
    pub findings: Vec<Finding>,
    /// What could not be evaluated, and why.
    #[serde(rename = "not_judged")]
    pub insufficient_data: Vec<InsufficientData>,
    /// What the rule file excepts.
    #[serde(rename = "excepted")]
    pub waived: Vec<Waived>,
}

/// A violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What violates the rule.
    #[serde(flatten)]
    pub subject: Subject,
    /// What is wrong, in a line, with the values.
    pub message: String,
    /// Since when it is known to be so.
    pub since: Option<Timestamp>,
    /// The records that show it.
    pub evidence: Vec<RecordKey>,
}

/// Something that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InsufficientData {
    /// What it is.
    #[serde(flatten)]
    pub subject: Subject,
    /// Why, in a line.
    pub reason: String,
    /// The records that show the reason.
    pub evidence: Vec<RecordKey>,
}

/// What the rule file excepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waived {
    /// The connection or dependency.
    #[serde(flatten)]
    pub subject: Subject,
    /// The finding, or the reason for insufficient data.
    pub message: String,
    /// Why it is waived.
    pub reason: Box<str>,
}

impl Audit {
    /// Evaluates rules for the accounts in the table and those that a rule
    /// names, or only for `account`.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read. Single unreadable records make
    /// results insufficient instead.
    pub async fn check(
        &self,
        rules: &[Rule],
        account: Option<&AccountId>,
        moment: Moment,
    ) -> Result<CheckReport, AuditError> {
        let mut accounts: BTreeSet<AccountId> = self.accounts(account).await?.into_iter().collect();
        if account.is_none() {
            let named = rules.iter().flat_map(|rule| rule.scope.accounts.iter());
            accounts.extend(named.flatten().cloned());
        }
        let mut check_report = CheckReport {
            at: moment.at(),
            rests_on: Vec::new(),
            dependencies_rest_on: Vec::new(),
            rules: rules
                .iter()
                .map(|rule| CheckedRule {
                    rule: rule.clone(),
                    verdict: Verdict::InsufficientData,
                    accounts: Vec::new(),
                })
                .collect(),
        };
        let dependencies = self
            .dependency_evidence(rules, account, moment)
            .await?
            .map(Arc::new);
        let accounts: Vec<AccountId> = accounts.into_iter().collect();
        let read = async |account: &AccountId| {
            self.results(rules, account, moment, dependencies.as_ref())
                .await
        };
        each_account(self.reading(&accounts), read, |(results, basis)| {
            for (checked, result) in check_report.rules.iter_mut().zip(results) {
                checked.accounts.extend(result);
            }
            check_report.rests_on.extend(basis);
            true
        })
        .await?;
        if let Some(dependencies) = dependencies {
            let bases = dependencies.accounts.values();
            let bases = bases.filter_map(|of_account| of_account.basis.clone());
            check_report.dependencies_rest_on = bases.collect();
        }
        for rule in &mut check_report.rules {
            rule.verdict = overall(rule.accounts.iter().map(|result| result.verdict));
        }
        Ok(check_report)
    }

    /// Returns the result of each rule for an account, `None` of those that do not
    /// apply to it, and what they are based on.
    async fn results(
        &self,
        rules: &[Rule],
        account: &AccountId,
        moment: Moment,
        dependencies: Option<&Arc<DependencyEvidence>>,
    ) -> Result<(Vec<Option<AccountResult>>, Option<Basis>), AuditError> {
        let evidence = self.evidence(account, rules, moment, dependencies).await?;
        let mut results = Vec::with_capacity(rules.len());
        for rule in rules {
            results.push(match rule.scope.has_account(account) {
                false => None,
                true => {
                    let mut result = evaluate(rule, &evidence);
                    if let KindRef::Connection(kind) = rule.requirement.kind() {
                        self.fill_since(kind, &evidence, &mut result).await?;
                    }
                    Some(result)
                }
            });
        }
        Ok((results, evidence.basis))
    }
}

/// Returns the verdict for all accounts together. Without an account it is not a
/// pass.
fn overall(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let mut overall = None;
    for verdict in verdicts {
        overall = Some(match (overall, verdict) {
            (Some(Verdict::Fail), _) | (_, Verdict::Fail) => Verdict::Fail,
            (Some(Verdict::InsufficientData), _) | (_, Verdict::InsufficientData) => {
                Verdict::InsufficientData
            }
            (_, Verdict::Pass) => Verdict::Pass,
        });
    }
    overall.unwrap_or(Verdict::InsufficientData)
}

/// Evaluates a rule for an account in its scope.
pub fn evaluate(rule: &Rule, evidence: &Evidence) -> AccountResult {
    let mut result = AccountResult {
        account: evidence.account.clone(),
        verdict: Verdict::InsufficientData,
        evaluated: 0,
        findings: Vec::new(),
        insufficient_data: Vec::new(),
        waived: Vec::new(),
    };
    let gaps = evidence.gaps.iter();
    for gap in gaps.filter(|gap| blocks(gap, rule, evidence)) {
        result.add_insufficient(Subject::Account, gap.message.clone(), gap.evidence.clone());
    }
    for reason in unobserved(rule, evidence) {
        result.add_insufficient(Subject::Account, reason, Vec::new());
    }
    match rule.requirement.kind() {
        KindRef::Account(kind) => {
            if result.insufficient_data.is_empty() {
                result.add(Subject::Account, kind.evaluate(evidence), Vec::new());
            }
        }
        KindRef::Connection(kind) => {
            let includes_deleted = matches!(kind.aspect(), Aspect::Changes { .. });
            for row in &evidence.connections {
                if row.deleted_at.is_none() || includes_deleted {
                    add_connection(rule, kind, row, evidence, &mut result);
                }
            }
        }
        KindRef::Dependency(kind) => {
            let own = evidence.own_dependencies().map(|own| &own.rows);
            for row in own.into_iter().flatten() {
                if kind.is_about(row) {
                    add_dependency(rule, kind, row, evidence, &mut result);
                }
            }
        }
    }
    result.verdict = if !result.findings.is_empty() {
        Verdict::Fail
    } else if !result.insufficient_data.is_empty() {
        Verdict::InsufficientData
    } else {
        Verdict::Pass
    };
    result
}

fn add_connection(
    rule: &Rule,
    kind: &dyn ConnectionKind,
    row: &ConnectionRow,
    evidence: &Evidence,
    result: &mut AccountResult,
) {
    let in_scope = rule
        .scope
        .has_connection(&row.connection_arn, &row.attributes);
    let evaluation = match in_scope {
        InScope::No => return,
        InScope::Yes => kind.evaluate(row, evidence),
        InScope::Unknown(field) => not_surely_in_scope(field),
    };
    let name = row.attributes.connection_name.as_deref();
    let mut exceptions = rule.except.iter();
    let exception = exceptions.find(|exception| exception.names(&row.connection_arn, name));
    let exception = exception.map(|exception| &*exception.reason);
    let keys = || evidence.keys_of(row);
    result.add_unless_waived(row.into(), evaluation, exception, keys);
}

fn add_dependency(
    rule: &Rule,
    kind: &dyn DependencyKind,
    row: &DependencyRow,
    evidence: &Evidence,
    result: &mut AccountResult,
) {
    let dependencies = evidence.dependencies.as_deref();
    let connection = dependencies.and_then(|all| all.connection_used_by(row));
    let evaluation = match rule.scope.has_dependency(row, connection) {
        InScope::No => return,
        InScope::Yes => kind.evaluate(row, evidence),
        InScope::Unknown(field) => not_surely_in_scope(field),
    };
    let mut exceptions = rule.except.iter();
    let exception = exceptions.find(|exception| exception.names_dependency(row));
    let exception = exception.map(|exception| &*exception.reason);
    let keys = || evidence.keys_of_dependency(row);
    result.add_unless_waived(row.into(), evaluation, exception, keys);
}

fn not_surely_in_scope(field: &str) -> Evaluation {
    Evaluation::insufficient(format!(
        "{field} is missing: it may not be in the scope of the rule"
    ))
}

impl AccountResult {
    /// Adds an evaluation, unless the rule file excepts its subject.
    fn add_unless_waived(
        &mut self,
        subject: Subject,
        evaluation: Evaluation,
        exception: Option<&str>,
        keys: impl Fn() -> Vec<RecordKey>,
    ) {
        let message = match &evaluation {
            Evaluation::Compliant => None,
            Evaluation::NonCompliant(violation) => Some(&violation.message),
            Evaluation::InsufficientData { reason } => Some(reason),
        };
        if let (Some(message), Some(reason)) = (message, exception) {
            self.waived.push(Waived {
                subject,
                message: message.clone(),
                reason: reason.into(),
            });
            return;
        }
        let keys = if message.is_some() {
            keys()
        } else {
            Vec::new()
        };
        self.add(subject, evaluation, keys);
    }

    /// Adds an evaluation, with the keys of the records that show its subject.
    fn add(&mut self, subject: Subject, evaluation: Evaluation, mut keys: Vec<RecordKey>) {
        match evaluation {
            Evaluation::Compliant => self.evaluated += 1,
            Evaluation::NonCompliant(Violation {
                message,
                since,
                evidence,
            }) => {
                self.evaluated += 1;
                keys.extend(evidence);
                keys.sort();
                keys.dedup();
                self.findings.push(Finding {
                    subject,
                    message,
                    since,
                    evidence: keys,
                });
            }
            Evaluation::InsufficientData { reason } => {
                keys.sort();
                self.add_insufficient(subject, reason, keys);
            }
        }
    }

    fn add_insufficient(&mut self, subject: Subject, reason: String, keys: Vec<RecordKey>) {
        self.insufficient_data.push(InsufficientData {
            subject,
            reason,
            evidence: keys,
        });
    }
}
