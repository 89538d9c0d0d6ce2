//! A check as text: a row for each rule, what was found under it.

use crate::cli::error::CliError;
use crate::cli::evidence;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{print as print_text, print_table};
use crate::compliance::check::{Checked, CheckedRule, Judgement, Verdict};
use crate::compliance::evidence::RecordKey;
use crate::domain::{AccountId, ConnectionArn, Timestamp};
use crate::output::escape::printable;
use crate::output::text::{count, short};

pub(crate) fn print(checked: &Checked, as_of: Option<Timestamp>) -> Result<(), CliError> {
    let mut table = TextTable::new([
        ("VERDICT", Cut::Never),
        ("SEVERITY", Cut::Never),
        ("RULE", Cut::End),
        ("JUDGED", Cut::Never),
        ("FINDINGS", Cut::Never),
        ("DEMANDS", Cut::End),
    ]);
    for checked in &checked.rules {
        let rule = &checked.rule;
        let number = |of: fn(&Judgement) -> usize| checked.accounts.iter().map(of).sum::<usize>();
        let cells = [
            Cell::word(checked.verdict.as_str()),
            rule.severity.as_str().to_owned().into(),
            rule.id.to_string().into(),
            number(|judgement| judgement.judged).to_string().into(),
            number(|judgement| judgement.findings.len())
                .to_string()
                .into(),
            rule.title.clone().into(),
        ];
        table.add(cells, notes(checked));
    }
    print_table(&table)?;
    let mut lines = vec![total(checked, as_of)];
    lines.extend(evidence::lines(&checked.rests_on));
    lines.extend(as_of.and_then(evidence::unsettled));
    let lines: String = lines.iter().map(|line| printable(line) + "\n").collect();
    print_text(&format!("\n{lines}"))
}

fn notes(checked: &CheckedRule) -> Vec<String> {
    let mut notes = Vec::new();
    if checked.accounts.is_empty() {
        notes.push("not judged: the rule is about none of the accounts".to_owned());
    }
    for judgement in &checked.accounts {
        let account = &judgement.account;
        for finding in &judgement.findings {
            let name = finding.connection_name.as_deref();
            let what = subject(account, finding.connection_arn.as_ref(), name);
            notes.push(format!("finding: {what}: {}", finding.message));
            notes.extend(finding.evidence.iter().map(shown_by));
        }
        for not_judged in &judgement.not_judged {
            let name = not_judged.connection_name.as_deref();
            let what = subject(account, not_judged.connection_arn.as_ref(), name);
            notes.push(format!("not judged: {what}: {}", not_judged.reason));
            notes.extend(not_judged.evidence.iter().map(shown_by));
        }
        for excepted in &judgement.excepted {
            let name = excepted.connection_name.as_deref();
            let what = subject(account, Some(&excepted.connection_arn), name);
            let (message, reason) = (&excepted.message, &excepted.reason);
            notes.push(format!("excepted: {what}: {message} ({reason})"));
        }
    }
    notes
}

fn subject(account: &AccountId, arn: Option<&ConnectionArn>, name: Option<&str>) -> String {
    match (arn, name) {
        (Some(arn), Some(name)) => format!("account {account}, {name} ({arn})"),
        (Some(arn), None) => format!("account {account}, {arn}"),
        (None, _) => format!("account {account}"),
    }
}

fn shown_by(key: &RecordKey) -> String {
    format!("  shown by {} {}", key.pk, key.sk)
}

fn total(checked: &Checked, as_of: Option<Timestamp>) -> String {
    let rules = count(checked.rules.len(), "rule");
    let when = as_of.map_or(String::new(), |at| format!(" as of {}", short(at)));
    let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::NotJudged].map(|verdict| {
        let rules = checked.rules.iter();
        let number = rules.filter(|rule| rule.verdict == verdict).count();
        format!("{number} {}", verdict.as_str())
    });
    let judgements = || checked.rules.iter().flat_map(|rule| &rule.accounts);
    let findings: usize = judgements().map(|j| j.findings.len()).sum();
    let reasons: usize = judgements().map(|j| j.not_judged.len()).sum();
    format!(
        "{rules}{when}: {}; {}, {} not to judge all",
        verdicts.join(", "),
        count(findings, "finding"),
        count(reasons, "reason"),
    )
}
