//! Compliance Finding (class 2003): one rule, judged for one connection or for
//! an account as a whole.

use serde::Serialize;

use super::objects::{
    Classification, Cloud, Metadata, Millis, Observable, Resource, Severity, observables,
};
use crate::domain::{AccountId, ConnectionArn, Digest, Timestamp};

/// What OCSF calls a finding that is told for the first time, as each is here:
/// no record is kept of what was told before.
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

/// What a rule came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Pass,
    /// It is broken.
    Fail,
    /// What it needs to be judged is not recorded. That is never a pass.
    InsufficientData,
}

impl Verdict {
    // Of a Warning, the schema says that the check "did not yield a result due
    // to missing information".
    fn id(self) -> u8 {
        match self {
            Self::Pass => 1,
            Self::InsufficientData => 2,
            Self::Fail => 3,
        }
    }

    fn caption(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::InsufficientData => "Warning",
            Self::Fail => "Fail",
        }
    }
}

/// A control of a standard that a rule helps to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control<'a> {
    /// The standard: `NIST SP 800-53 Rev. 5`.
    pub standard: &'a str,
    /// What it calls the control: `CM-8`.
    pub control: &'a str,
}

/// A connection that a rule was judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgedConnection<'a> {
    /// Its identity.
    pub arn: &'a ConnectionArn,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
}

/// The key of a record in the table that a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecordKey<'a> {
    /// The partition key.
    pub pk: &'a str,
    /// The sort key.
    pub sk: &'a str,
}

/// One rule, as it was judged.
#[derive(Debug, Clone, Copy)]
pub struct JudgedRule<'a> {
    /// The rule's id, which never changes its meaning.
    pub rule_id: &'a str,
    /// What the rule demands, in a few words.
    pub title: &'a str,
    /// How bad it is if the rule is broken.
    pub severity: Severity,
    /// The controls that it helps to meet.
    pub controls: &'a [Control<'a>],
    /// What it came to.
    pub verdict: Verdict,
    /// Why, in a line.
    pub message: &'a str,
    /// What to do if it is broken.
    pub remediation: Option<&'a str>,
    /// The account that it was judged for.
    pub account: &'a AccountId,
    /// The connection, unless it was judged for the account as a whole.
    pub connection: Option<JudgedConnection<'a>>,
    /// The records that the verdict rests on.
    pub evidence: &'a [RecordKey<'a>],
    /// Since when it is so, if that is known.
    pub since: Option<Timestamp>,
    /// The time that it was judged for.
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
    metadata: Metadata<'a>,
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

/// The rule itself: what it would mean, whatever it came to.
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
    data: &'a RecordKey<'a>,
}

#[derive(Debug, Serialize)]
struct Remediation<'a> {
    desc: &'a str,
}

/// The event that tells of one judged rule.
///
/// Its `finding_info.uid` is `<rule>/<account>` or `<rule>/<account>/<ARN>`:
/// the same for every time at which the rule is judged, so that a later event
/// takes the place of an earlier one. Its `metadata.uid` is the digest of
/// that, the verdict and the time.
pub fn compliance_event<'a>(rule: &JudgedRule<'a>) -> ComplianceEvent<'a> {
    let arn = rule.connection.map(|connection| connection.arn);
    let name = rule.connection.and_then(|connection| connection.name);
    let uid = match arn {
        Some(arn) => format!("{}/{}/{arn}", rule.rule_id, rule.account),
        None => format!("{}/{}", rule.rule_id, rule.account),
    };
    let identity = (CREATED.class_uid, &uid, rule.verdict.caption(), rule.at);
    // A reader who sorts by severity looks for what is to be done.
    let severity = match rule.verdict {
        Verdict::Pass => Severity::Informational,
        Verdict::Fail | Verdict::InsufficientData => rule.severity,
    };
    let remediation = match rule.verdict {
        Verdict::Pass => None,
        Verdict::Fail | Verdict::InsufficientData => {
            rule.remediation.map(|desc| Remediation { desc })
        }
    };
    ComplianceEvent {
        classification: CREATED,
        severity_id: severity.id(),
        severity: severity.caption(),
        time: rule.at.millis(),
        timezone_offset: 0,
        message: rule.message,
        metadata: Metadata::new(Digest::of(&identity).to_string()),
        cloud: Cloud::new(rule.account, arn),
        finding_info: FindingInfo {
            uid,
            title: rule.title,
            desc: rule.message,
            created_time: rule.at.millis(),
            first_seen_time: rule.since.map(Timestamp::millis),
            last_seen_time: rule.at.millis(),
            analytic: Analytic {
                uid: rule.rule_id,
                name: rule.title,
                kind: "Rule",
                type_id: 1,
            },
        },
        compliance: compliance(rule),
        resources: [match arn {
            Some(arn) => Resource::connection(arn, name, None),
            None => Resource::account(rule.account),
        }],
        evidences: rule.evidence.iter().map(evidence).collect(),
        remediation,
        observables: observables(rule.account, arn, name),
    }
}

fn compliance<'a>(rule: &JudgedRule<'a>) -> Compliance<'a> {
    let mut standards: Vec<&str> = Vec::new();
    for control in rule.controls {
        if !standards.contains(&control.standard) {
            standards.push(control.standard);
        }
    }
    let requirement = |control: &Control<'_>| format!("{} {}", control.standard, control.control);
    Compliance {
        control: rule.rule_id,
        status_id: rule.verdict.id(),
        status: rule.verdict.caption(),
        status_details: [rule.message],
        standards,
        requirements: rule.controls.iter().map(requirement).collect(),
        checks: [Check {
            uid: rule.rule_id,
            name: rule.title,
            severity_id: rule.severity.id(),
            severity: rule.severity.caption(),
            status_id: rule.verdict.id(),
            status: rule.verdict.caption(),
        }],
    }
}

fn evidence<'a>(key: &'a RecordKey<'a>) -> Evidence<'a> {
    Evidence {
        name: "DynamoDB item",
        data: key,
    }
}
