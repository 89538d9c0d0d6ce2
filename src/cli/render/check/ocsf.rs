//! A check as OCSF Compliance Finding events, one a line: one for each
//! finding and each connection that was not judged, and one for each account
//! of which something is not known, or by which the rule is kept.

use crate::cli::error::CliError;
use crate::compliance::check::{AccountResult, CheckReport, CheckedRule, Verdict};
use crate::compliance::{evidence, rule, severity};
use crate::domain::{AccountId, ConnectionArn, Timestamp};
use crate::output::escape::safe_json;
use crate::output::ocsf;
use crate::output::ocsf::{Control, JudgedConnection, JudgedRule, RecordKey, compliance_event};

pub(crate) fn written(check_report: &CheckReport) -> Result<String, CliError> {
    let mut text = String::new();
    for rule in &check_report.rules {
        for result in &rule.accounts {
            for told in events(result) {
                text.push_str(&line(rule, &result.account, &told, check_report.at)?);
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// What one event tells.
struct Told<'a> {
    verdict: ocsf::Verdict,
    connection: Option<JudgedConnection<'a>>,
    message: String,
    since: Option<Timestamp>,
    evidence: Vec<RecordKey<'a>>,
}

fn events(result: &AccountResult) -> Vec<Told<'_>> {
    let mut events = Vec::new();
    for finding in &result.findings {
        let name = finding.connection_name.as_deref();
        events.push(Told {
            verdict: ocsf::Verdict::Fail,
            connection: connection(finding.connection_arn.as_ref(), name),
            message: finding.message.clone(),
            since: finding.since,
            evidence: keys(&finding.evidence),
        });
    }
    for not_judged in &result.insufficient_data {
        let name = not_judged.connection_name.as_deref();
        let arn = not_judged.connection_arn.as_ref();
        if arn.is_some() {
            events.push(Told {
                verdict: ocsf::Verdict::InsufficientData,
                connection: connection(arn, name),
                message: not_judged.reason.clone(),
                since: None,
                evidence: keys(&not_judged.evidence),
            });
        }
    }
    // An event's id is the rule, the account and the connection: what is not
    // known of an account is one event.
    let of_account = || {
        let reasons = result.insufficient_data.iter();
        reasons.filter(|not_judged| not_judged.connection_arn.is_none())
    };
    let reasons: Vec<&str> = of_account().map(|reason| reason.reason.as_str()).collect();
    if !reasons.is_empty() {
        events.push(Told {
            verdict: ocsf::Verdict::InsufficientData,
            connection: None,
            message: reasons.join("; "),
            since: None,
            evidence: of_account().flat_map(|n| keys(&n.evidence)).collect(),
        });
    }
    if result.verdict == Verdict::Pass {
        events.push(Told {
            verdict: ocsf::Verdict::Pass,
            connection: None,
            message: format!("is kept; judged: {}", result.evaluated),
            since: None,
            evidence: Vec::new(),
        });
    }
    events
}

fn connection<'a>(
    arn: Option<&'a ConnectionArn>,
    name: Option<&'a str>,
) -> Option<JudgedConnection<'a>> {
    arn.map(|arn| JudgedConnection { arn, name })
}

fn keys(keys: &[evidence::RecordKey]) -> Vec<RecordKey<'_>> {
    let mut told = Vec::with_capacity(keys.len());
    for evidence::RecordKey { pk, sk } in keys {
        told.push(RecordKey { pk, sk });
    }
    told
}

fn controls(rule: &rule::Rule) -> Vec<Control<'_>> {
    let mut told = Vec::with_capacity(rule.controls.len());
    for rule::Control { standard, control } in &rule.controls {
        told.push(Control { standard, control });
    }
    told
}

fn line(
    check_report: &CheckedRule,
    account: &AccountId,
    told: &Told<'_>,
    at: Timestamp,
) -> Result<String, CliError> {
    let rule = &check_report.rule;
    let controls = controls(rule);
    let event = compliance_event(&JudgedRule {
        rule_id: rule.id.as_str(),
        title: &rule.title,
        severity: severity(rule.severity),
        controls: &controls,
        verdict: told.verdict,
        message: &told.message,
        remediation: rule.remediation.as_deref(),
        account,
        connection: told.connection,
        evidence: &told.evidence,
        since: told.since,
        at,
    });
    let json = serde_json::to_string(&event).map_err(CliError::failure)?;
    Ok(safe_json(&json))
}

fn severity(severity: severity::Severity) -> ocsf::Severity {
    match severity {
        severity::Severity::Informational => ocsf::Severity::Informational,
        severity::Severity::Low => ocsf::Severity::Low,
        severity::Severity::Medium => ocsf::Severity::Medium,
        severity::Severity::High => ocsf::Severity::High,
        severity::Severity::Critical => ocsf::Severity::Critical,
    }
}
