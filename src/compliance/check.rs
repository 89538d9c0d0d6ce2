//! Checks: rules, judged by what is recorded.
//!
//! What is not known is never a pass. A rule that is broken where something
//! is known, and can't be judged elsewhere, is broken, and both are told.

use std::collections::BTreeSet;

use serde::Serialize;

use super::evaluate::{Evaluation, evaluate_connection, is_candidate};
use super::evidence::{Evidence, EvidenceGap, GapKind, Moment, RecordKey};
use super::requirement::Requirement;
use super::rule::{InScope, Rule};
use crate::audit::{Audit, AuditError, Basis, ConnectionRow};
use crate::domain::{AccountId, ConnectionArn, Timestamp};

/// What a check came to.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// The time that was judged.
    pub at: Timestamp,
    /// What each account's judgements rest on.
    pub rests_on: Vec<Basis>,
    /// The rules, in the order in which they were given.
    pub rules: Vec<CheckedRule>,
}

/// What a rule came to.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedRule {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// What it came to in all accounts together.
    pub verdict: Verdict,
    /// What it came to in each account that it is about.
    pub accounts: Vec<AccountResult>,
}

/// What a rule came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// It is kept.
    Pass,
    /// It is broken.
    Fail,
    /// It is not known to be broken, and not known to be kept.
    InsufficientData,
}

impl Verdict {
    /// The verdict as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// A rule, judged for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountResult {
    /// The account.
    pub account: AccountId,
    /// What it came to.
    pub verdict: Verdict,
    /// How many connections it was judged for; 1 for a rule about the account
    /// as a whole.
    #[serde(rename = "judged")]
    pub evaluated: usize,
    /// What breaks the rule, by ARN.
    pub findings: Vec<Finding>,
    /// Why, or for what, it could not be judged.
    #[serde(rename = "not_judged")]
    pub insufficient_data: Vec<InsufficientData>,
    /// What breaks the rule, and may.
    #[serde(rename = "excepted")]
    pub waived: Vec<Waived>,
}

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The connection; none if it is the account as a whole.
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

/// Something that a rule could not be judged for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InsufficientData {
    /// The connection; none if it is the account as a whole, or what is not
    /// known of it.
    pub connection_arn: Option<ConnectionArn>,
    /// Its name, if it has one.
    pub connection_name: Option<Box<str>>,
    /// Why, in a line.
    pub reason: String,
    /// The records that show that.
    pub evidence: Vec<RecordKey>,
}

/// A connection that may break a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waived {
    /// The connection.
    pub connection_arn: ConnectionArn,
    /// Its name, if it has one.
    pub connection_name: Option<Box<str>>,
    /// What would be a finding, or why it would not be judged.
    pub message: String,
    /// Why it may.
    pub reason: Box<str>,
}

impl Audit {
    /// Judges by these rules the accounts that the table knows and those that
    /// a rule names, or of all these only `account`.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read. Single records that can't
    /// be are a reason why something is not judged.
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
            for check_report in &mut check_report.rules {
                if check_report.rule.scope.has_account(account) {
                    let mut result = evaluate(&check_report.rule, &evidence);
                    self.fill_since(&check_report.rule.requirement, &evidence, &mut result)
                        .await?;
                    check_report.accounts.push(result);
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

/// A rule that nothing was judged by is not kept.
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

/// Judges a rule for an account that it is about.
pub fn evaluate(rule: &Rule, evidence: &Evidence) -> AccountResult {
    let mut result = AccountResult {
        account: evidence.account.clone(),
        verdict: Verdict::InsufficientData,
        evaluated: 0,
        findings: Vec::new(),
        insufficient_data: Vec::new(),
        waived: Vec::new(),
    };
    let missing = evidence.missing.iter();
    for missing in missing.filter(|missing| blocks(missing, rule, evidence)) {
        result.add_insufficient(None, missing.message.clone(), missing.evidence.clone());
    }
    for reason in not_looked_at(rule, evidence) {
        result.add_insufficient(None, reason, Vec::new());
    }
    if rule.requirement.is_about_accounts() {
        if result.insufficient_data.is_empty() {
            result.evaluated = 1;
            let broken = account_finding(&rule.requirement, evidence);
            result.findings.extend(broken);
        }
    } else {
        for row in &evidence.connections {
            if is_candidate(&rule.requirement, row) {
                add_connection(rule, row, evidence, &mut result);
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
    row: &ConnectionRow,
    evidence: &Evidence,
    result: &mut AccountResult,
) {
    let evaluation = match rule
        .scope
        .has_connection(&row.connection_arn, &row.attributes())
    {
        InScope::No => return,
        InScope::Yes => evaluate_connection(&rule.requirement, row, evidence),
        InScope::Unknown(field) => Evaluation::Unknown {
            reason: format!("its {field} is not reported: whether the rule is about it is unknown"),
        },
    };
    let message = match &evaluation {
        Evaluation::Kept => None,
        Evaluation::Broken { message, .. } => Some(message),
        Evaluation::Unknown { reason } => Some(reason),
    };
    let name = row.connection_name.as_deref();
    let mut exceptions = rule.except.iter();
    let exception = exceptions.find(|exception| exception.means(&row.connection_arn, name));
    if let (Some(message), Some(exception)) = (message, exception) {
        result.waived.push(Waived {
            connection_arn: row.connection_arn.clone(),
            connection_name: row.connection_name.clone(),
            message: message.clone(),
            reason: exception.reason.clone(),
        });
        return;
    }
    let shown_by = |more: Vec<RecordKey>| {
        let mut keys = evidence.keys_of(row);
        keys.extend(more);
        keys.sort();
        keys.dedup();
        keys
    };
    match evaluation {
        Evaluation::Kept => result.evaluated += 1,
        Evaluation::Broken {
            message,
            since,
            evidence,
        } => {
            result.evaluated += 1;
            result.findings.push(Finding {
                connection_arn: Some(row.connection_arn.clone()),
                connection_name: row.connection_name.clone(),
                message,
                since,
                evidence: shown_by(evidence),
            });
        }
        Evaluation::Unknown { reason } => {
            result.add_insufficient(Some(row), reason, shown_by(Vec::new()));
        }
    }
}

impl AccountResult {
    fn add_insufficient(
        &mut self,
        row: Option<&ConnectionRow>,
        reason: String,
        keys: Vec<RecordKey>,
    ) {
        self.insufficient_data.push(InsufficientData {
            connection_arn: row.map(|row| row.connection_arn.clone()),
            connection_name: row.and_then(|row| row.connection_name.clone()),
            reason,
            evidence: keys,
        });
    }
}

/// Whether a rule can't be judged (whole) for what is missing.
fn blocks(missing: &EvidenceGap, rule: &Rule, evidence: &Evidence) -> bool {
    let requirement = &rule.requirement;
    let about_connections = !requirement.is_about_accounts();
    let about_the_past = matches!(
        requirement,
        Requirement::Deleted { .. } | Requirement::StatusChanges { .. }
    );
    match &missing.what {
        // That there is no run is what the other one is about.
        GapKind::Record => !matches!(requirement, Requirement::NoCompleteRun { .. }),
        GapKind::Basis => !matches!(requirement, Requirement::Account { .. }),
        GapKind::CompleteRun | GapKind::Writes | GapKind::Connections => about_connections,
        // A connection that nobody has seen yet was not seen long ago.
        GapKind::Region(region) => {
            about_connections
                && !matches!(requirement, Requirement::NotSeen { .. })
                && may_list(region.as_str(), rule, evidence)
        }
        GapKind::Deletions => matches!(requirement, Requirement::Deleted { .. }),
        GapKind::Changes => {
            about_the_past
                || matches!(
                    requirement,
                    Requirement::Pending { .. }
                        | Requirement::Error {
                            longer_than: Some(_)
                        }
                )
        }
        GapKind::Runs => about_the_past || matches!(requirement, Requirement::NotSeen { .. }),
    }
}

/// Whether a region that was not observed may list connections that the rule
/// is about: it may unless they live in regions that were observed.
fn may_list(region: &str, rule: &Rule, evidence: &Evidence) -> bool {
    let Some(regions) = &rule.scope.regions else {
        return true;
    };
    let mut regions = regions.iter();
    rule.scope.has_region(region)
        || regions.any(|lives_in| !evidence.asked(lives_in) || evidence.not_observed(lives_in))
}

/// Why a rule can't be judged for places and times that nobody looked at.
fn not_looked_at(rule: &Rule, evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Requirement::Deleted { within } | Requirement::StatusChanges { within, .. } =
        &rule.requirement
    {
        let from = within.before(evidence.moment.at());
        if let Some(begins_at) = evidence.begins_at.filter(|begins_at| *begins_at > from) {
            reasons.push(format!(
                "the record begins at {begins_at}: what was from {from} on is not known"
            ));
        }
        let basis = evidence.basis.as_ref();
        let looked = basis.and_then(|basis| basis.last_complete_run.as_ref());
        if let Some(run) = looked.filter(|run| run.started_at < from) {
            reasons.push(format!(
                "no complete run began from {from} on, but one at {}: what changed since may not have been seen",
                run.started_at
            ));
        }
    }
    if evidence.basis.as_ref().is_some_and(Basis::is_evidence) {
        for region in rule.scope.regions.iter().flatten() {
            let mut rows = evidence.connections.iter();
            let shown = rows.any(|row| row.region == region.as_str());
            if !shown && !evidence.asked(region) && !evidence.not_observed(region) {
                reasons.push(format!(
                    "{region} was not asked, and no listing has shown a connection that lives there"
                ));
            }
        }
    }
    reasons
}

fn account_finding(requirement: &Requirement, evidence: &Evidence) -> Option<Finding> {
    let (account, at) = (&evidence.account, evidence.moment.at());
    let basis = evidence.basis.as_ref()?;
    let run_key = |sequence: u64| RecordKey::run(account, sequence);
    let last = basis.last_run.as_ref().map(|run| run_key(run.sequence));
    let (message, since, keys) = match requirement {
        Requirement::Account { allowed } if !allowed.contains(account) => {
            let message = format!("account {account} is recorded and not on the list");
            (message, None, last.into_iter().collect())
        }
        Requirement::NoCompleteRun { longer_than } => match &basis.last_complete_run {
            None => {
                let message = format!("no complete run had ended by {at}");
                (message, None, last.into_iter().collect())
            }
            Some(run) if longer_than.is_over(run.started_at, at) => {
                let message = format!(
                    "the last complete run, {}, began at {}: longer than {longer_than} before {at}",
                    run.sequence, run.started_at
                );
                let mut keys: Vec<RecordKey> = last.into_iter().collect();
                keys.push(run_key(run.sequence));
                keys.sort();
                keys.dedup();
                (message, Some(run.started_at), keys)
            }
            Some(_) => return None,
        },
        _ => return None,
    };
    Some(Finding {
        connection_arn: None,
        connection_name: None,
        message,
        since,
        evidence: keys,
    })
}
