//! A check as a log of the Static Analysis Results Interchange Format (SARIF) 2.1.0:
//! a rule for each rule, a result for each finding. What could not be evaluated is a
//! notification of the run, not a result: a viewer would show it as compliant or not.
//!
//! A result's location is a logical one, the ARN: nothing of it lies in a file.
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use serde_json::{Value, json};

use crate::compliance::check::{AccountResult, CheckReport, CheckedRule, Finding, Verdict};
use crate::compliance::severity::Severity;
use crate::compliance::subject::Subject;
use crate::domain::AccountId;
use crate::output::escape::printable;

/// The schema that the log names, as the standard publishes it.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Returns the log.
pub(crate) fn log(check_report: &CheckReport) -> Value {
    let rules = &check_report.rules;
    let results: Vec<Value> = rules
        .iter()
        .enumerate()
        .flat_map(|(index, checked)| {
            let accounts = checked.accounts.iter();
            accounts.flat_map(move |of_account| results(index, checked, of_account))
        })
        .collect();
    let notifications: Vec<Value> = rules.iter().flat_map(notifications).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ccinv",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(descriptor).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": {"at": check_report.at},
        }],
    })
}

fn descriptor(checked: &CheckedRule) -> Value {
    let rule = &checked.rule;
    let mut descriptor = json!({
        "id": rule.id.as_str(),
        "shortDescription": {"text": printable(&rule.title)},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {
            "severity": rule.severity.as_str(),
            "verdict": checked.verdict.as_str(),
            "tags": rule.controls.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
    });
    if let Some(remediation) = &rule.remediation {
        descriptor["help"] = json!({"text": printable(remediation)});
    }
    descriptor
}

/// SARIF has four levels; the severity itself stands in the rule's properties.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Informational => "note",
    }
}

fn results<'a>(
    index: usize,
    checked: &'a CheckedRule,
    of_account: &'a AccountResult,
) -> impl Iterator<Item = Value> + 'a {
    let account = &of_account.account;
    let findings = of_account.findings.iter().map(move |finding| {
        let mut result = result(index, checked, account, &finding.subject, &finding.message);
        result["properties"] = properties(finding);
        result
    });
    let waived = of_account.waived.iter().map(move |waived| {
        let mut result = result(index, checked, account, &waived.subject, &waived.message);
        let reason = printable(&waived.reason);
        result["suppressions"] = json!([{"kind": "external", "justification": reason}]);
        result
    });
    findings.chain(waived)
}

fn properties(finding: &Finding) -> Value {
    let keys = finding.evidence.iter();
    let keys: Vec<String> = keys.map(|key| format!("{} {}", key.pk, key.sk)).collect();
    json!({"since": finding.since, "evidence": keys})
}

fn result(
    index: usize,
    checked: &CheckedRule,
    account: &AccountId,
    subject: &Subject,
    message: &str,
) -> Value {
    let rule = &checked.rule;
    let location = location(account, subject);
    let id = subject.id().unwrap_or(account.as_str());
    json!({
        "ruleId": rule.id.as_str(),
        "ruleIndex": index,
        "level": level(rule.severity),
        "message": {"text": printable(message)},
        "locations": [location],
        // The same finding of two checks.
        "partialFingerprints": {"ruleAccountAndSubject/v1": format!("{}|{account}|{id}", rule.id)},
    })
}

fn location(account: &AccountId, subject: &Subject) -> Value {
    let id = printable(subject.id().unwrap_or(account.as_str()));
    let name = subject.name().map_or_else(|| id.clone(), printable);
    json!({"logicalLocations": [{"name": name, "fullyQualifiedName": id, "kind": "resource"}]})
}

/// Returns what could not be evaluated for a rule, each with its reason.
fn notifications(checked: &CheckedRule) -> Vec<Value> {
    let rule = &checked.rule;
    let notification = |text: &str, locations: Vec<Value>| {
        json!({
            "level": "warning",
            "message": {"text": format!("{}: {}", Verdict::InsufficientData.as_str(), printable(text))},
            "associatedRule": {"id": rule.id.as_str()},
            "locations": locations,
        })
    };
    if checked.accounts.is_empty() {
        return vec![notification(
            "no account is in the scope of the rule",
            Vec::new(),
        )];
    }
    let accounts = checked.accounts.iter();
    accounts
        .flat_map(|of_account| {
            of_account.insufficient_data.iter().map(|insufficient| {
                let location = location(&of_account.account, &insufficient.subject);
                notification(&insufficient.reason, vec![location])
            })
        })
        .collect()
}
