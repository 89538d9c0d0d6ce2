//! A check as text: a row for each rule, with its findings below.

use crate::cli::commands::dependency_table::notes as dependency_notes;
use crate::cli::error::CliError;
use crate::cli::evidence;
use crate::cli::render::print_rows;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::compliance::check::{AccountResult, CheckReport, CheckedRule, Verdict};
use crate::compliance::evidence::RecordKey;
use crate::compliance::subject::Subject;
use crate::domain::{AccountId, Timestamp};
use crate::output::text::{count, format_time};

pub(crate) fn print(
    check_report: &CheckReport,
    as_of: Option<Timestamp>,
    width: Option<usize>,
) -> Result<(), CliError> {
    let mut table = TextTable::new([
        ("VERDICT", Cut::Never),
        ("SEVERITY", Cut::Never),
        ("RULE", Cut::End),
        ("EVALUATED", Cut::Never),
        ("FINDINGS", Cut::Never),
        ("REQUIREMENT", Cut::End),
    ]);
    for checked in &check_report.rules {
        let rule = &checked.rule;
        let number =
            |of: fn(&AccountResult) -> usize| checked.accounts.iter().map(of).sum::<usize>();
        let cells = [
            Cell::word(checked.verdict.as_str()),
            rule.severity.as_str().to_owned().into(),
            rule.id.to_string().into(),
            number(|result| result.evaluated).to_string().into(),
            number(|result| result.findings.len()).to_string().into(),
            rule.title.clone().into(),
        ];
        table.add(cells, notes(checked));
    }
    let mut lines = vec![total(check_report, as_of)];
    lines.extend(evidence::lines(&check_report.rests_on));
    if !check_report.dependencies_rest_on.is_empty() {
        lines.extend(dependency_notes(&check_report.dependencies_rest_on));
    }
    lines.extend(as_of.and_then(evidence::not_final_note));
    print_rows(&table, &lines, width)
}

fn notes(checked: &CheckedRule) -> Vec<String> {
    let mut notes = Vec::new();
    if checked.accounts.is_empty() {
        notes.push("insufficient data: no account is in the scope of the rule".to_owned());
    }
    for result in &checked.accounts {
        let account = &result.account;
        for finding in &result.findings {
            let what = subject(account, &finding.subject);
            notes.push(format!("finding: {what}: {}", finding.message));
            notes.extend(finding.evidence.iter().map(shown_by));
        }
        for insufficient in &result.insufficient_data {
            let what = subject(account, &insufficient.subject);
            notes.push(format!(
                "insufficient data: {what}: {}",
                insufficient.reason
            ));
            notes.extend(insufficient.evidence.iter().map(shown_by));
        }
        for waived in &result.waived {
            let what = subject(account, &waived.subject);
            let (message, reason) = (&waived.message, &waived.reason);
            notes.push(format!("waived: {what}: {message} ({reason})"));
        }
    }
    notes
}

fn subject(account: &AccountId, subject: &Subject) -> String {
    match subject.in_words() {
        Some(subject) => format!("account {account}, {subject}"),
        None => format!("account {account}"),
    }
}

fn shown_by(key: &RecordKey) -> String {
    format!("  shown by {} {}", key.pk, key.sk)
}

fn total(check_report: &CheckReport, as_of: Option<Timestamp>) -> String {
    let rules = count(check_report.rules.len(), "rule");
    let when = as_of.map_or(String::new(), |at| format!(" as of {}", format_time(at)));
    let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::InsufficientData].map(|verdict| {
        let rules = check_report.rules.iter();
        let number = rules.filter(|rule| rule.verdict == verdict).count();
        format!("{number} {}", verdict.as_str())
    });
    let results = || check_report.rules.iter().flat_map(|rule| &rule.accounts);
    let findings: usize = results().map(|j| j.findings.len()).sum();
    let not_evaluated: usize = results().map(|j| j.insufficient_data.len()).sum();
    format!(
        "{rules}{when}: {}; {}, {not_evaluated} not evaluated",
        verdicts.join(", "),
        count(findings, "finding"),
    )
}
