//! Checks: rules, judged by what is recorded.
//!
//! What is not known is never a pass. A rule that is broken where something
//! is known, and can't be judged elsewhere, is broken, and both are told.

use std::collections::BTreeSet;

use serde::Serialize;

use super::evaluate::{Opinion, connection_opinion, is_candidate};
use super::evidence::{Evidence, Lack, Missing, Moment, RecordKey};
use super::requirement::Demand;
use super::rule::{InScope, Rule};
use crate::audit::{Audit, AuditError, Basis, ConnectionRow};
use crate::domain::{AccountId, ConnectionArn, Timestamp};

/// What a check came to.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
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
    pub accounts: Vec<Judgement>,
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
    NotJudged,
}

impl Verdict {
    /// The verdict as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::NotJudged => "NOT_JUDGED",
        }
    }
}

/// A rule, judged for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The account.
    pub account: AccountId,
    /// What it came to.
    pub verdict: Verdict,
    /// How many connections it was judged for; 1 for a rule about the account
    /// as a whole.
    pub judged: usize,
    /// What breaks the rule, by ARN.
    pub findings: Vec<Finding>,
    /// Why, or for what, it could not be judged.
    pub not_judged: Vec<NotJudged>,
    /// What breaks the rule, and may.
    pub excepted: Vec<Excepted>,
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
pub struct NotJudged {
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
pub struct Excepted {
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
    ) -> Result<Checked, AuditError> {
        let mut accounts: BTreeSet<AccountId> = self.accounts(account).await?.into_iter().collect();
        if account.is_none() {
            let named = rules.iter().flat_map(|rule| rule.scope.accounts.iter());
            accounts.extend(named.flatten().cloned());
        }
        let mut checked = Checked {
            at: moment.at(),
            rests_on: Vec::new(),
            rules: rules
                .iter()
                .map(|rule| CheckedRule {
                    rule: rule.clone(),
                    verdict: Verdict::NotJudged,
                    accounts: Vec::new(),
                })
                .collect(),
        };
        for account in &accounts {
            let evidence = self.evidence(account, rules, moment).await?;
            for checked in &mut checked.rules {
                if checked.rule.scope.has_account(account) {
                    let mut judgement = judge(&checked.rule, &evidence);
                    self.tell_since(&checked.rule.demand, &evidence, &mut judgement)
                        .await?;
                    checked.accounts.push(judgement);
                }
            }
            checked.rests_on.extend(evidence.basis);
        }
        for rule in &mut checked.rules {
            rule.verdict = overall(rule.accounts.iter().map(|judgement| judgement.verdict));
        }
        Ok(checked)
    }
}

/// A rule that nothing was judged by is not kept.
fn overall(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let mut overall = None;
    for verdict in verdicts {
        overall = Some(match (overall, verdict) {
            (Some(Verdict::Fail), _) | (_, Verdict::Fail) => Verdict::Fail,
            (Some(Verdict::NotJudged), _) | (_, Verdict::NotJudged) => Verdict::NotJudged,
            (_, Verdict::Pass) => Verdict::Pass,
        });
    }
    overall.unwrap_or(Verdict::NotJudged)
}

/// Judges a rule for an account that it is about.
pub fn judge(rule: &Rule, evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement {
        account: evidence.account.clone(),
        verdict: Verdict::NotJudged,
        judged: 0,
        findings: Vec::new(),
        not_judged: Vec::new(),
        excepted: Vec::new(),
    };
    let missing = evidence.missing.iter();
    for missing in missing.filter(|missing| hinders(missing, rule, evidence)) {
        judgement.not_judge(None, missing.message.clone(), missing.evidence.clone());
    }
    for reason in not_looked_at(rule, evidence) {
        judgement.not_judge(None, reason, Vec::new());
    }
    if rule.demand.is_about_accounts() {
        if judgement.not_judged.is_empty() {
            judgement.judged = 1;
            let broken = account_finding(&rule.demand, evidence);
            judgement.findings.extend(broken);
        }
    } else {
        for row in &evidence.connections {
            if is_candidate(&rule.demand, row) {
                judge_connection(rule, row, evidence, &mut judgement);
            }
        }
    }
    judgement.verdict = if !judgement.findings.is_empty() {
        Verdict::Fail
    } else if !judgement.not_judged.is_empty() {
        Verdict::NotJudged
    } else {
        Verdict::Pass
    };
    judgement
}

fn judge_connection(
    rule: &Rule,
    row: &ConnectionRow,
    evidence: &Evidence,
    judgement: &mut Judgement,
) {
    let opinion = match rule
        .scope
        .has_connection(&row.connection_arn, &row.attributes())
    {
        InScope::No => return,
        InScope::Yes => connection_opinion(&rule.demand, row, evidence),
        InScope::Unknown(field) => Opinion::Unknown {
            reason: format!("its {field} is not reported: whether the rule is about it is unknown"),
        },
    };
    let message = match &opinion {
        Opinion::Kept => None,
        Opinion::Broken { message, .. } => Some(message),
        Opinion::Unknown { reason } => Some(reason),
    };
    let name = row.connection_name.as_deref();
    let mut exceptions = rule.except.iter();
    let exception = exceptions.find(|exception| exception.means(&row.connection_arn, name));
    if let (Some(message), Some(exception)) = (message, exception) {
        judgement.excepted.push(Excepted {
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
    match opinion {
        Opinion::Kept => judgement.judged += 1,
        Opinion::Broken {
            message,
            since,
            evidence,
        } => {
            judgement.judged += 1;
            judgement.findings.push(Finding {
                connection_arn: Some(row.connection_arn.clone()),
                connection_name: row.connection_name.clone(),
                message,
                since,
                evidence: shown_by(evidence),
            });
        }
        Opinion::Unknown { reason } => {
            judgement.not_judge(Some(row), reason, shown_by(Vec::new()));
        }
    }
}

impl Judgement {
    fn not_judge(&mut self, row: Option<&ConnectionRow>, reason: String, keys: Vec<RecordKey>) {
        self.not_judged.push(NotJudged {
            connection_arn: row.map(|row| row.connection_arn.clone()),
            connection_name: row.and_then(|row| row.connection_name.clone()),
            reason,
            evidence: keys,
        });
    }
}

/// Whether a rule can't be judged (whole) for what is missing.
fn hinders(missing: &Missing, rule: &Rule, evidence: &Evidence) -> bool {
    let demand = &rule.demand;
    let about_connections = !demand.is_about_accounts();
    let about_the_past = matches!(
        demand,
        Demand::Deleted { .. } | Demand::StatusChanges { .. }
    );
    match &missing.what {
        // That there is no run is what the other one is about.
        Lack::Record => !matches!(demand, Demand::NoCompleteRun { .. }),
        Lack::Basis => !matches!(demand, Demand::Account { .. }),
        Lack::CompleteRun | Lack::Writes | Lack::Connections => about_connections,
        // A connection that nobody has seen yet was not seen long ago.
        Lack::Region(region) => {
            about_connections
                && !matches!(demand, Demand::NotSeen { .. })
                && may_list(region.as_str(), rule, evidence)
        }
        Lack::Deletions => matches!(demand, Demand::Deleted { .. }),
        Lack::Changes => {
            about_the_past
                || matches!(
                    demand,
                    Demand::Pending { .. }
                        | Demand::Error {
                            longer_than: Some(_)
                        }
                )
        }
        Lack::Runs => about_the_past || matches!(demand, Demand::NotSeen { .. }),
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
    if let Demand::Deleted { within } | Demand::StatusChanges { within, .. } = &rule.demand {
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

fn account_finding(demand: &Demand, evidence: &Evidence) -> Option<Finding> {
    let (account, at) = (&evidence.account, evidence.moment.at());
    let basis = evidence.basis.as_ref()?;
    let run_key = |sequence: u64| RecordKey::run(account, sequence);
    let last = basis.last_run.as_ref().map(|run| run_key(run.sequence));
    let (message, since, keys) = match demand {
        Demand::Account { allowed } if !allowed.contains(account) => {
            let message = format!("account {account} is recorded and not on the list");
            (message, None, last.into_iter().collect())
        }
        Demand::NoCompleteRun { longer_than } => match &basis.last_complete_run {
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
