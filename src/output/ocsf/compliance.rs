//! Compliance Finding (class 2003): the result of one rule for one connection or
//! dependency, or for an account as a whole.

use std::borrow::Cow;

use serde::Serialize;

use super::objects::{
    Classification, Cloud, Metadata, Millis, Observable, Resource, observables, severity_caption,
    severity_id,
};
use crate::compliance::check::Verdict;
use crate::compliance::evidence::RecordKey;
use crate::compliance::rule::{Control, Rule};
use crate::compliance::severity::Severity;
use crate::compliance::subject::Subject;
use crate::domain::{AccountId, Digest, Timestamp};

/// A finding that is reported for the first time. All are: what was reported
/// before is not recorded.
const CREATED: Classification = Classification {
    category_uid: 2,
    category_name: "Findings",
    class_uid: 2003,
    class_name: "Compliance Finding",
    activity_id: 1,
    activity_name: "Create",
    type_uid: 200_301,
    type_name: "Compliance Finding: Create",
};

/// Returns the status of a compliance check. The schema says of a Warning that
/// the check "did not yield a result due to missing information".
fn status(verdict: Verdict) -> (u8, &'static str) {
    match verdict {
        Verdict::Pass => (1, "Pass"),
        Verdict::InsufficientData => (2, "Warning"),
        Verdict::Fail => (3, "Fail"),
    }
}

/// The result of one rule for one connection or dependency, or for an account as a
/// whole.
#[derive(Debug, Clone)]
pub struct EvaluatedRule<'a> {
    /// The rule. Its id never changes its meaning.
    pub rule: &'a Rule,
    /// The account.
    pub account: &'a AccountId,
    /// What the rule was evaluated for.
    pub subject: &'a Subject,
    /// The result.
    pub verdict: Verdict,
    /// Why, in a line.
    pub message: Cow<'a, str>,
    /// Since when it is so, if that is known.
    pub since: Option<Timestamp>,
    /// The records that show it.
    pub evidence: Vec<&'a RecordKey>,
    /// The time that was evaluated.
    pub at: Timestamp,
}

/// A Compliance Finding event; it serialises to OCSF's JSON.
#[derive(Debug, Serialize)]
pub struct ComplianceEvent<'a> {
    #[serde(flatten)]
    classification: Classification,
    severity_id: u8,
    severity: &'static str,
    time: Millis,
    timezone_offset: i16,
    message: &'a str,
    metadata: Metadata,
    cloud: Cloud<'a>,
    finding_info: FindingInfo<'a>,
    compliance: Compliance<'a>,
    resources: [Resource<'a, ()>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidences: Vec<Evidence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<Remediation<'a>>,
    observables: Vec<Observable<'a>>,
}

#[derive(Debug, Serialize)]
struct FindingInfo<'a> {
    uid: String,
    title: &'a str,
    desc: &'a str,
    created_time: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen_time: Option<Millis>,
    last_seen_time: Millis,
    analytic: Analytic<'a>,
}

#[derive(Debug, Serialize)]
struct Analytic<'a> {
    uid: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    type_id: u8,
}

#[derive(Debug, Serialize)]
struct Compliance<'a> {
    control: &'a str,
    status_id: u8,
    status: &'static str,
    status_details: [&'a str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standards: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requirements: Vec<String>,
    checks: [Check<'a>; 1],
}

/// The rule itself, with its severity whatever the result.
#[derive(Debug, Serialize)]
struct Check<'a> {
    uid: &'a str,
    name: &'a str,
    severity_id: u8,
    severity: &'static str,
    status_id: u8,
    status: &'static str,
}

#[derive(Debug, Serialize)]
struct Evidence<'a> {
    name: &'static str,
    data: &'a RecordKey,
}

#[derive(Debug, Serialize)]
struct Remediation<'a> {
    desc: &'a str,
}

/// Returns the event for one result of a rule.
///
/// Its `finding_info.uid` is `<rule>/<account>`, `<rule>/<account>/<ARN>` or
/// `<rule>/<account>/<id of the dependency>`:
/// the same at every time, so that a later event replaces an earlier one. Its
/// `metadata.uid` is the digest of that, the verdict and the time.
pub fn compliance_event<'a>(result: &'a EvaluatedRule<'a>) -> ComplianceEvent<'a> {
    let (rule, account, verdict) = (result.rule, result.account, result.verdict);
    let (subject, name) = (result.subject, result.subject.name());
    let uid = match subject.id() {
        Some(id) => format!("{}/{account}/{id}", rule.id),
        None => format!("{}/{account}", rule.id),
    };
    let (resource, cloud, resource_uid) = match subject {
        Subject::Account => (Resource::account(account), Cloud::new(account, None), None),
        Subject::Connection { arn, .. } => (
            Resource::connection(arn, name, None),
            Cloud::new(account, Some(arn)),
            Some(arn.as_str()),
        ),
        Subject::Dependency { id, .. } => (
            Resource::dependency(account, id, name),
            Cloud::of_dependency(account, id),
            Some(id.arn()),
        ),
    };
    let (_, caption) = status(verdict);
    let identity = (CREATED.class_uid, &uid, caption, result.at);
    // A pass needs no action, whatever the rule's severity.
    let (severity, remediation) = match verdict {
        Verdict::Pass => (Severity::Informational, None),
        Verdict::Fail | Verdict::InsufficientData => (rule.severity, rule.remediation.as_deref()),
    };
    ComplianceEvent {
        classification: CREATED,
        severity_id: severity_id(severity),
        severity: severity_caption(severity),
        time: result.at.millis(),
        timezone_offset: 0,
        message: &result.message,
        metadata: Metadata::new(Digest::of(&identity).to_string()),
        cloud,
        finding_info: FindingInfo {
            uid,
            title: &rule.title,
            desc: &result.message,
            created_time: result.at.millis(),
            first_seen_time: result.since.map(Timestamp::millis),
            last_seen_time: result.at.millis(),
            analytic: Analytic {
                uid: rule.id.as_str(),
                name: &rule.title,
                kind: "Rule",
                type_id: 1,
            },
        },
        compliance: compliance(result),
        resources: [resource],
        evidences: result.evidence.iter().map(|key| evidence(key)).collect(),
        remediation: remediation.map(|desc| Remediation { desc }),
        observables: observables(account, resource_uid, name),
    }
}

fn compliance<'a>(result: &'a EvaluatedRule<'a>) -> Compliance<'a> {
    let rule = result.rule;
    let mut standards: Vec<&str> = Vec::new();
    for Control { standard, .. } in &rule.controls {
        if !standards.contains(&&**standard) {
            standards.push(standard);
        }
    }
    let (status_id, status) = status(result.verdict);
    Compliance {
        control: rule.id.as_str(),
        status_id,
        status,
        status_details: [&result.message],
        standards,
        requirements: rule.controls.iter().map(Control::to_string).collect(),
        checks: [Check {
            uid: rule.id.as_str(),
            name: &rule.title,
            severity_id: severity_id(rule.severity),
            severity: severity_caption(rule.severity),
            status_id,
            status,
        }],
    }
}

fn evidence(key: &RecordKey) -> Evidence<'_> {
    Evidence {
        name: "DynamoDB item",
        data: key,
    }
}
