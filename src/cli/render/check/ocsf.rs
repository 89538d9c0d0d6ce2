//! A check as OCSF Compliance Finding events, one a line.
//!
//! Each finding and each connection or dependency without a result has an event, and
//! so has each account with insufficient data, or for which the rule passes.

use std::borrow::Cow;

use crate::cli::error::CliError;
use crate::compliance::check::{AccountResult, CheckReport, Verdict};
use crate::compliance::evidence::RecordKey;
use crate::compliance::rule::Rule;
use crate::compliance::subject::Subject;
use crate::domain::Timestamp;
use crate::output::escape::safe_json;
use crate::output::ocsf::{EvaluatedRule, compliance_event};

pub(crate) fn written(check_report: &CheckReport) -> Result<String, CliError> {
    let mut text = String::new();
    for checked in &check_report.rules {
        for result in &checked.accounts {
            for evaluated in results(&checked.rule, result, check_report.at) {
                let event = compliance_event(&evaluated);
                let json = serde_json::to_string(&event).map_err(CliError::failure)?;
                text.push_str(&safe_json(&json));
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// Returns the results of a rule for an account, one for each event.
fn results<'a>(rule: &'a Rule, result: &'a AccountResult, at: Timestamp) -> Vec<EvaluatedRule<'a>> {
    let of_account = |verdict, message| EvaluatedRule {
        rule,
        account: &result.account,
        subject: &Subject::Account,
        verdict,
        message,
        since: None,
        evidence: Vec::new(),
        at,
    };
    let mut results = Vec::new();
    for finding in &result.findings {
        results.push(EvaluatedRule {
            subject: &finding.subject,
            since: finding.since,
            evidence: finding.evidence.iter().collect(),
            ..of_account(Verdict::Fail, finding.message.as_str().into())
        });
    }
    // An event's id is the rule, the account and the subject: all reasons of
    // an account as a whole are one event.
    let (mut reasons, mut evidence) = (Vec::new(), Vec::<&RecordKey>::new());
    for insufficient in &result.insufficient_data {
        match &insufficient.subject {
            Subject::Account => {
                reasons.push(insufficient.reason.as_str());
                evidence.extend(&insufficient.evidence);
            }
            subject => results.push(EvaluatedRule {
                subject,
                evidence: insufficient.evidence.iter().collect(),
                ..of_account(
                    Verdict::InsufficientData,
                    insufficient.reason.as_str().into(),
                )
            }),
        }
    }
    if !reasons.is_empty() {
        results.push(EvaluatedRule {
            evidence,
            ..of_account(Verdict::InsufficientData, reasons.join("; ").into())
        });
    }
    if result.verdict == Verdict::Pass {
        let message = format!("compliant; evaluated: {}", result.evaluated);
        results.push(of_account(Verdict::Pass, Cow::Owned(message)));
    }
    results
}
