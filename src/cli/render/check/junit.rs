//! A check as JUnit XML, which CI systems show: a test suite for each
//! account, a test case for each rule. A rule that is broken is a failure,
//! one that could not be judged an error.

use std::collections::BTreeSet;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::cli::error::CliError;
use crate::compliance::check::{AccountResult, CheckReport, CheckedRule, Verdict};
use crate::domain::AccountId;
use crate::output::escape::printable;
use crate::output::text::count;

pub(crate) fn written(check_report: &CheckReport) -> Result<String, CliError> {
    let results = || check_report.rules.iter().flat_map(|rule| &rule.accounts);
    let accounts: BTreeSet<&AccountId> = results().map(|j| &j.account).collect();
    let mut report = Report::new("ccinv check");
    for account in accounts {
        let mut suite = TestSuite::new(account.as_str());
        suite.add_property(("at", check_report.at.to_string().as_str()));
        for rule in &check_report.rules {
            let of_account = rule.accounts.iter().find(|j| j.account == *account);
            suite.add_test_cases(of_account.map(|result| test_case(rule, result)));
        }
        report.add_test_suite(suite);
    }
    // A rule that is about none of the accounts was judged by nothing.
    let insufficient = check_report
        .rules
        .iter()
        .filter(|rule| rule.accounts.is_empty());
    let mut suite = TestSuite::new("no account");
    suite.add_test_cases(insufficient.map(|check_report| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status
            .set_message("the rule is about none of the accounts")
            .set_type(Verdict::InsufficientData.as_str());
        TestCase::new(check_report.rule.id.as_str(), status)
    }));
    if suite.tests > 0 {
        report.add_test_suite(suite);
    }
    report.to_string().map_err(CliError::failure)
}

fn test_case(check_report: &CheckedRule, result: &AccountResult) -> TestCase {
    let rule = &check_report.rule;
    let summary = |n: usize, what: &str| format!("{}: {}", printable(&rule.title), count(n, what));
    let (kind, message) = match result.verdict {
        Verdict::Pass => (None, String::new()),
        Verdict::Fail => (
            Some(NonSuccessKind::Failure),
            summary(result.findings.len(), "finding"),
        ),
        Verdict::InsufficientData => (
            Some(NonSuccessKind::Error),
            summary(result.insufficient_data.len(), "reason") + " why it was not judged",
        ),
    };
    let status = match kind {
        None => TestCaseStatus::success(),
        Some(kind) => {
            let mut status = TestCaseStatus::non_success(kind);
            status
                .set_message(message)
                .set_type(rule.severity.as_str())
                .set_description(told(result));
            status
        }
    };
    let mut case = TestCase::new(rule.id.as_str(), status);
    case.set_classname(format!("ccinv.check.{}", result.account));
    case
}

/// Every finding and every reason, a line each, with the records under it.
fn told(result: &AccountResult) -> String {
    let mut lines = Vec::new();
    let subject = |arn: Option<&str>, name: Option<&str>| {
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        format!("{}{name}", arn.unwrap_or(result.account.as_str()))
    };
    for finding in &result.findings {
        let arn = finding.connection_arn.as_ref().map(|arn| arn.as_str());
        let what = subject(arn, finding.connection_name.as_deref());
        lines.push(format!("FAIL {what}: {}", finding.message));
        let keys = finding.evidence.iter();
        lines.extend(keys.map(|key| format!("  shown by {} {}", key.pk, key.sk)));
    }
    for not_judged in &result.insufficient_data {
        let arn = not_judged.connection_arn.as_ref().map(|arn| arn.as_str());
        let what = subject(arn, not_judged.connection_name.as_deref());
        lines.push(format!("INSUFFICIENT_DATA {what}: {}", not_judged.reason));
        let keys = not_judged.evidence.iter();
        lines.extend(keys.map(|key| format!("  shown by {} {}", key.pk, key.sk)));
    }
    let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n")
}
