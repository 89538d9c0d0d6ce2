//! What the page says of the rules that the period's end was judged by.

use super::view::{Moment, seen};
use crate::compliance::check::{AccountResult, CheckReport, CheckedRule, Finding, Verdict};
use crate::compliance::rule::Rule;
use crate::domain::{AccountId, ConnectionArn};

/// All rules, and what they found.
pub(super) struct ChecksView {
    pub(super) rules: Vec<RuleView>,
    pub(super) findings: Vec<FindingView>,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) not_judged: usize,
}

/// A rule, and what it came to.
pub(super) struct RuleView {
    /// `PASS`, `FAIL` or `INSUFFICIENT DATA`.
    pub(super) verdict: &'static str,
    pub(super) class: &'static str,
    pub(super) severity: &'static str,
    pub(super) id: String,
    pub(super) title: String,
    pub(super) controls: Vec<String>,
    pub(super) findings: usize,
    /// Why, or for what, it could not be judged.
    pub(super) not_judged: Vec<String>,
    /// What breaks it, and may.
    pub(super) excepted: Vec<String>,
}

/// What a rule found.
pub(super) struct FindingView {
    pub(super) severity: &'static str,
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) account: String,
    /// The connection's name and ARN, and its row on the page if it has one.
    pub(super) connection: Option<(String, String, Option<usize>)>,
    pub(super) since: Option<Moment>,
    pub(super) message: String,
    /// The keys of the records that show it.
    pub(super) evidence: Vec<String>,
}

impl ChecksView {
    /// `row_of` tells a connection's row.
    pub(super) fn new<'a>(
        check_report: &'a CheckReport,
        row_of: impl Fn(&'a AccountId, &'a ConnectionArn) -> Option<usize>,
    ) -> Self {
        let results = check_report.rules.iter().flat_map(|check_report| {
            let results = check_report.accounts.iter();
            results.map(|result| (&check_report.rule, result))
        });
        let findings = results.flat_map(|(rule, result)| {
            let account = &result.account;
            let row_of = &row_of;
            result.findings.iter().map(move |finding| {
                let arn = finding.connection_arn.as_ref();
                let row = arn.and_then(|arn| row_of(account, arn));
                FindingView::new(rule, account, finding, row)
            })
        });
        let number = |verdict| {
            check_report
                .rules
                .iter()
                .filter(|r| r.verdict == verdict)
                .count()
        };
        Self {
            findings: findings.collect(),
            rules: check_report.rules.iter().map(RuleView::new).collect(),
            passed: number(Verdict::Pass),
            failed: number(Verdict::Fail),
            not_judged: number(Verdict::InsufficientData),
        }
    }
}

impl RuleView {
    fn new(check_report: &CheckedRule) -> Self {
        let rule = &check_report.rule;
        let (verdict, class) = match check_report.verdict {
            Verdict::Pass => ("PASS", "available"),
            Verdict::Fail => ("FAIL", "error"),
            Verdict::InsufficientData => ("INSUFFICIENT DATA", "unjudged"),
        };
        Self {
            verdict,
            class,
            severity: rule.severity.as_str(),
            id: seen(rule.id.as_str()),
            title: seen(&rule.title),
            controls: rule.controls.iter().map(|c| seen(&c.to_string())).collect(),
            findings: check_report.accounts.iter().map(|j| j.findings.len()).sum(),
            not_judged: not_judged(check_report),
            excepted: check_report.accounts.iter().flat_map(excepted).collect(),
        }
    }
}

fn not_judged(check_report: &CheckedRule) -> Vec<String> {
    if check_report.accounts.is_empty() {
        return vec!["the rule is about none of the accounts".to_owned()];
    }
    let reasons = check_report.accounts.iter().flat_map(|result| {
        result.insufficient_data.iter().map(|not_judged| {
            let name = not_judged.connection_name.as_deref();
            let arn = not_judged.connection_arn.as_ref();
            let what = subject(&result.account, name, arn);
            seen(&format!("{what}: {}", not_judged.reason))
        })
    });
    reasons.collect()
}

fn excepted(result: &AccountResult) -> impl Iterator<Item = String> {
    result.waived.iter().map(|excepted| {
        let name = excepted.connection_name.as_deref();
        let what = subject(&result.account, name, Some(&excepted.connection_arn));
        seen(&format!(
            "{what}: {} ({})",
            excepted.message, excepted.reason
        ))
    })
}

fn subject(account: &AccountId, name: Option<&str>, arn: Option<&ConnectionArn>) -> String {
    match (name, arn) {
        (Some(name), Some(arn)) => format!("{name} ({arn})"),
        (None, Some(arn)) => arn.to_string(),
        (_, None) => format!("account {account}"),
    }
}

impl FindingView {
    fn new(rule: &Rule, account: &AccountId, finding: &Finding, row: Option<usize>) -> Self {
        let name = finding.connection_name.as_deref().unwrap_or_default();
        let arn = finding.connection_arn.as_ref();
        Self {
            severity: rule.severity.as_str(),
            rule: seen(rule.id.as_str()),
            title: seen(&rule.title),
            account: account.to_string(),
            connection: arn.map(|arn| (seen(name), seen(arn.as_str()), row)),
            since: finding.since.map(Moment),
            message: seen(&finding.message),
            evidence: finding
                .evidence
                .iter()
                .map(|key| seen(&format!("{} {}", key.pk, key.sk)))
                .collect(),
        }
    }
}
