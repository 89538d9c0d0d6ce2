//! Checks: evaluates rules by what is recorded.
//!
//! Missing evidence never passes a rule. A rule with findings fails, even if
//! other connections could not be evaluated; the report has both.

use std::collections::BTreeSet;

use serde::Serialize;

use super::evaluation::{Evaluation, Violation};
use super::evidence::{Evidence, EvidenceGap, GapKind, Moment, RecordKey};
use super::kind::{Aspect, ConnectionKind, KindRef};
use super::rule::{InScope, Rule};
use crate::audit::{Audit, AuditError, Basis, ConnectionRow};
use crate::domain::{AccountId, ConnectionArn, Timestamp};

/// The result of a check.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// The evaluated time.
    pub at: Timestamp,
    /// The basis of the results, for each account.
    pub rests_on: Vec<Basis>,
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
    /// The number of evaluated connections; 1 if the account was evaluated as a
    /// whole.
    #[serde(rename = "judged")]
    pub evaluated: usize,
    /// The violations, by ARN.
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
    /// The connection; `None` for the account as a whole.
    pub connection_arn: Option<ConnectionArn>,
    /// Its name, if it has one.
    pub connection_name: Option<Box<str>>,
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
    /// The connection; `None` if the reason concerns the account.
    pub connection_arn: Option<ConnectionArn>,
    /// Its name, if it has one.
    pub connection_name: Option<Box<str>>,
    /// Why, in a line.
    pub reason: String,
    /// The records that show the reason.
    pub evidence: Vec<RecordKey>,
}

/// A connection that the rule file excepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waived {
    /// The connection.
    pub connection_arn: ConnectionArn,
    /// Its name, if it has one.
    pub connection_name: Option<Box<str>>,
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
            rules: rules
                .iter()
                .map(|rule| CheckedRule {
                    rule: rule.clone(),
                    verdict: Verdict::InsufficientData,
                    accounts: Vec::new(),
                })
                .collect(),
        };
        for account in &accounts {
            let evidence = self.evidence(account, rules, moment).await?;
            for checked in &mut check_report.rules {
                if checked.rule.scope.has_account(account) {
                    let mut result = evaluate(&checked.rule, &evidence);
                    if let KindRef::Connection(kind) = checked.rule.requirement.kind() {
                        self.fill_since(kind, &evidence, &mut result).await?;
                    }
                    checked.accounts.push(result);
                }
            }
            check_report.rests_on.extend(evidence.basis);
        }
        for rule in &mut check_report.rules {
            rule.verdict = overall(rule.accounts.iter().map(|result| result.verdict));
        }
        Ok(check_report)
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
        result.add_insufficient(None, gap.message.clone(), gap.evidence.clone());
    }
    for reason in unobserved(rule, evidence) {
        result.add_insufficient(None, reason, Vec::new());
    }
    match rule.requirement.kind() {
        KindRef::Account(kind) => {
            if result.insufficient_data.is_empty() {
                result.add(None, kind.evaluate(evidence), evidence);
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
    let evaluation = match rule
        .scope
        .has_connection(&row.connection_arn, &row.attributes)
    {
        InScope::No => return,
        InScope::Yes => kind.evaluate(row, evidence),
        InScope::Unknown(field) => Evaluation::insufficient(format!(
            "{field} is missing: it may not be in the scope of the rule"
        )),
    };
    let message = match &evaluation {
        Evaluation::Compliant => None,
        Evaluation::NonCompliant(violation) => Some(&violation.message),
        Evaluation::InsufficientData { reason } => Some(reason),
    };
    let name = row.attributes.connection_name.as_deref();
    let mut exceptions = rule.except.iter();
    let exception = exceptions.find(|exception| exception.names(&row.connection_arn, name));
    if let (Some(message), Some(exception)) = (message, exception) {
        result.waived.push(Waived {
            connection_arn: row.connection_arn.clone(),
            connection_name: row.attributes.connection_name.clone(),
            message: message.clone(),
            reason: exception.reason.clone(),
        });
        return;
    }
    result.add(Some(row), evaluation, evidence);
}

impl AccountResult {
    /// Adds the evaluation of a connection, or of the account.
    fn add(&mut self, row: Option<&ConnectionRow>, evaluation: Evaluation, evidence: &Evidence) {
        let mut keys = row.map(|row| evidence.keys_of(row)).unwrap_or_default();
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
                    connection_arn: row.map(|row| row.connection_arn.clone()),
                    connection_name: row.and_then(|row| row.attributes.connection_name.clone()),
                    message,
                    since,
                    evidence: keys,
                });
            }
            Evaluation::InsufficientData { reason } => {
                keys.sort();
                self.add_insufficient(row, reason, keys);
            }
        }
    }

    fn add_insufficient(
        &mut self,
        row: Option<&ConnectionRow>,
        reason: String,
        keys: Vec<RecordKey>,
    ) {
        self.insufficient_data.push(InsufficientData {
            connection_arn: row.map(|row| row.connection_arn.clone()),
            connection_name: row.and_then(|row| row.attributes.connection_name.clone()),
            reason,
            evidence: keys,
        });
    }
}

/// Returns true if the rule can't be fully evaluated because of this gap.
fn blocks(gap: &EvidenceGap, rule: &Rule, evidence: &Evidence) -> bool {
    let in_scope = match &gap.kind {
        GapKind::Region(region) => may_list(region.as_str(), rule, evidence),
        _ => true,
    };
    in_scope && rule.requirement.kind().is_blocked_by(&gap.kind)
}

/// Returns true if an unobserved region may list connections in the scope of the
/// rule. It can't if these live in regions that were observed.
fn may_list(region: &str, rule: &Rule, evidence: &Evidence) -> bool {
    let Some(regions) = &rule.scope.regions else {
        return true;
    };
    let mut regions = regions.iter();
    rule.scope.has_region(region)
        || regions.any(|lives_in| !evidence.was_listed(lives_in) || evidence.not_observed(lives_in))
}

/// Returns why no run observed all that the rule needs.
fn unobserved(rule: &Rule, evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if let KindRef::Connection(kind) = rule.requirement.kind()
        && let Aspect::Changes { within } = kind.aspect()
    {
        let from = within.before(evidence.moment.at());
        if let Some(begins_at) = evidence.begins_at.filter(|begins_at| *begins_at > from) {
            reasons.push(format!(
                "the record begins at {begins_at}: nothing is known since {from} until then"
            ));
        }
        let basis = evidence.basis.as_ref();
        let last = basis.and_then(|basis| basis.last_complete_run.as_ref());
        if let Some(run) = last.filter(|run| run.started_at < from) {
            reasons.push(format!(
                "the last complete run started at {}, before {from}: later changes may not have been observed",
                run.started_at
            ));
        }
    }
    if evidence.basis.as_ref().is_some_and(Basis::is_evidence) {
        for region in rule.scope.regions.iter().flatten() {
            let mut rows = evidence.connections.iter();
            let is_shown = rows.any(|row| row.region == region.as_str());
            if !is_shown && !evidence.was_listed(region) && !evidence.not_observed(region) {
                reasons.push(format!(
                    "{region} was not listed, and no listing returned a connection in it"
                ));
            }
        }
    }
    reasons
}
