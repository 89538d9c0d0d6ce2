//! A check as JUnit XML, which CI systems show: a test suite for each account, a
//! test case for each rule. Findings are failures, insufficient data is an error.

use std::collections::BTreeSet;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::cli::error::CliError;
use crate::compliance::check::{AccountResult, CheckReport, CheckedRule, Verdict};
use crate::compliance::subject::Subject;
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
    // A rule without an account in its scope was not evaluated.
    let insufficient = check_report
        .rules
        .iter()
        .filter(|rule| rule.accounts.is_empty());
    let mut suite = TestSuite::new("no account");
    suite.add_test_cases(insufficient.map(|checked| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status
            .set_message("no account is in the scope of the rule")
            .set_type(Verdict::InsufficientData.as_str());
        TestCase::new(checked.rule.id.as_str(), status)
    }));
    if suite.tests > 0 {
        report.add_test_suite(suite);
    }
    report.to_string().map_err(CliError::failure)
}

fn test_case(checked: &CheckedRule, result: &AccountResult) -> TestCase {
    let rule = &checked.rule;
    let summary = |n: usize, what: &str| format!("{}: {}", printable(&rule.title), count(n, what));
    let (kind, message) = match result.verdict {
        Verdict::Pass => (None, String::new()),
        Verdict::Fail => (
            Some(NonSuccessKind::Failure),
            summary(result.findings.len(), "finding"),
        ),
        Verdict::InsufficientData => (
            Some(NonSuccessKind::Error),
            summary(result.insufficient_data.len(), "reason") + " for insufficient data",
        ),
    };
    let status = match kind {
        None => TestCaseStatus::success(),
        Some(kind) => {
            let mut status = TestCaseStatus::non_success(kind);
            status
                .set_message(message)
                .set_type(rule.severity.as_str())
                .set_description(details(result));
            status
        }
    };
    let mut case = TestCase::new(rule.id.as_str(), status);
    case.set_classname(format!("ccinv.check.{}", result.account));
    case
}

/// Returns every finding and every reason, each with its records below.
fn details(result: &AccountResult) -> String {
    let mut lines = Vec::new();
    let in_words = |subject: &Subject| {
        let name = subject.name().map(|name| format!(" ({name})"));
        let id = subject.id().unwrap_or(result.account.as_str());
        format!("{id}{}", name.unwrap_or_default())
    };
    for finding in &result.findings {
        let what = in_words(&finding.subject);
        lines.push(format!("FAIL {what}: {}", finding.message));
        let keys = finding.evidence.iter();
        lines.extend(keys.map(|key| format!("  shown by {} {}", key.pk, key.sk)));
    }
    for insufficient in &result.insufficient_data {
        let what = in_words(&insufficient.subject);
        lines.push(format!("INSUFFICIENT_DATA {what}: {}", insufficient.reason));
        let keys = insufficient.evidence.iter();
        lines.extend(keys.map(|key| format!("  shown by {} {}", key.pk, key.sk)));
    }
    let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n")
}
