//! The evaluated rules and their findings, as the page shows them.

use super::format::{Moment, seen};
use crate::compliance::check::{AccountResult, CheckReport, CheckedRule, Finding, Verdict};
use crate::compliance::rule::Rule;
use crate::compliance::subject::Subject;
use crate::domain::{AccountId, ConnectionArn};

/// All rules and findings.
pub(super) struct ChecksView {
    pub(super) rules: Vec<RuleView>,
    pub(super) findings: Vec<FindingView>,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) insufficient_data: usize,
}

/// A rule and its result.
pub(super) struct RuleView {
    /// `PASS`, `FAIL` or `INSUFFICIENT DATA`.
    pub(super) verdict: &'static str,
    pub(super) class: &'static str,
    pub(super) severity: &'static str,
    pub(super) id: String,
    pub(super) title: String,
    pub(super) controls: Vec<String>,
    pub(super) findings: usize,
    /// The subjects without sufficient data, each with the reason.
    pub(super) insufficient_data: Vec<String>,
    /// The waived findings, each with the reason.
    pub(super) waived: Vec<String>,
}

/// A finding of a rule.
pub(super) struct FindingView {
    pub(super) severity: &'static str,
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) account: String,
    /// The name, ARN and, if it is on the page, row of the connection; the name
    /// and id of a dependency.
    pub(super) subject: Option<(String, String, Option<usize>)>,
    pub(super) since: Option<Moment>,
    pub(super) message: String,
    pub(super) remediation: Option<String>,
    /// The keys of the records that show the finding.
    pub(super) evidence: Vec<String>,
}

impl ChecksView {
    /// `row_of` returns the row of a connection.
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
                let arn = finding.subject.connection_arn();
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
            insufficient_data: number(Verdict::InsufficientData),
        }
    }
}

impl RuleView {
    fn new(check_report: &CheckedRule) -> Self {
        let rule = &check_report.rule;
        let (verdict, class) = match check_report.verdict {
            Verdict::Pass => ("PASS", "available"),
            Verdict::Fail => ("FAIL", "error"),
            Verdict::InsufficientData => ("INSUFFICIENT DATA", "insufficient-data"),
        };
        Self {
            verdict,
            class,
            severity: rule.severity.as_str(),
            id: seen(rule.id.as_str()),
            title: seen(&rule.title),
            controls: rule.controls.iter().map(|c| seen(&c.to_string())).collect(),
            findings: check_report.accounts.iter().map(|j| j.findings.len()).sum(),
            insufficient_data: insufficient_data(check_report),
            waived: check_report.accounts.iter().flat_map(waived).collect(),
        }
    }
}

fn insufficient_data(check_report: &CheckedRule) -> Vec<String> {
    if check_report.accounts.is_empty() {
        return vec!["no account is in the scope of the rule".to_owned()];
    }
    let reasons = check_report.accounts.iter().flat_map(|result| {
        result.insufficient_data.iter().map(|unknown| {
            let what = subject(&result.account, &unknown.subject);
            seen(&format!("{what}: {}", unknown.reason))
        })
    });
    reasons.collect()
}

fn waived(result: &AccountResult) -> impl Iterator<Item = String> {
    result.waived.iter().map(|waived| {
        let what = subject(&result.account, &waived.subject);
        seen(&format!("{what}: {} ({})", waived.message, waived.reason))
    })
}

fn subject(account: &AccountId, subject: &Subject) -> String {
    let in_words = subject.in_words();
    in_words.unwrap_or_else(|| format!("account {account}"))
}

impl FindingView {
    fn new(rule: &Rule, account: &AccountId, finding: &Finding, row: Option<usize>) -> Self {
        let name = finding.subject.name().unwrap_or_default();
        Self {
            severity: rule.severity.as_str(),
            rule: seen(rule.id.as_str()),
            title: seen(&rule.title),
            account: account.to_string(),
            subject: finding.subject.id().map(|id| (seen(name), seen(id), row)),
            since: finding.since.map(Moment),
            message: seen(&finding.message),
            remediation: rule.remediation.as_deref().map(seen),
            evidence: finding
                .evidence
                .iter()
                .map(|key| seen(&format!("{} {}", key.pk, key.sk)))
                .collect(),
        }
    }
}
