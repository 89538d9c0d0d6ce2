//! The table of findings of the default rules.

use rusqlite::types::Value;

use crate::compliance::check::{CheckReport, CheckedRule, Verdict};
use crate::compliance::evidence::RecordKey;
use crate::compliance::rule::Rule;
use crate::compliance::subject::Subject;
use crate::domain::{AccountId, Timestamp};
use crate::sql::column::ColumnType::{Json, Text, Time};
use crate::sql::column::{Column, column, json, optional, text};

/// A violation of a rule, or what could not be evaluated.
#[derive(Debug)]
pub struct FindingRow {
    account: AccountId,
    rule: Rule,
    is_violation: bool,
    subject: Subject,
    message: String,
    since: Option<Timestamp>,
    evidence: Vec<RecordKey>,
}

impl FindingRow {
    /// Returns the rows of a check.
    pub fn all_of(report: &CheckReport) -> impl Iterator<Item = Self> {
        report.rules.iter().flat_map(Self::of_rule)
    }

    /// Returns true for what could not be evaluated.
    pub fn is_insufficient(&self) -> bool {
        !self.is_violation
    }

    fn of_rule(checked: &CheckedRule) -> impl Iterator<Item = Self> {
        checked.accounts.iter().flat_map(move |result| {
            let row = |is_violation, subject: &Subject, message: &String| Self {
                account: result.account.clone(),
                rule: checked.rule.clone(),
                is_violation,
                subject: subject.clone(),
                message: message.clone(),
                since: None,
                evidence: Vec::new(),
            };
            let violations = result.findings.iter().map(move |finding| Self {
                since: finding.since,
                evidence: finding.evidence.clone(),
                ..row(true, &finding.subject, &finding.message)
            });
            let insufficient = result.insufficient_data.iter().map(move |data| Self {
                evidence: data.evidence.clone(),
                ..row(false, &data.subject, &data.reason)
            });
            violations.chain(insufficient)
        })
    }
}

/// The columns of `findings`.
pub const FINDINGS: &[Column<FindingRow>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column("rule_id", Text, "The rule", |row| text(&row.rule.id)),
    column(
        "result",
        Text,
        "FAIL, or INSUFFICIENT_DATA for what could not be evaluated",
        |row| {
            let verdict = match row.is_violation {
                true => Verdict::Fail,
                false => Verdict::InsufficientData,
            };
            text(verdict.as_str())
        },
    ),
    column("severity", Text, "How bad a violation is", |row| {
        text(row.rule.severity.as_str())
    }),
    column("title", Text, "What the rule requires", |row| {
        text(&row.rule.title)
    }),
    column(
        "connection_arn",
        Text,
        "The connection; NULL for the account as a whole",
        |row| optional(row.subject.connection_arn()),
    ),
    column("name", Text, "The connection's name", |row| {
        optional(row.subject.name())
    }),
    column(
        "message",
        Text,
        "What is wrong, or why it is unknown",
        |row| text(&row.message),
    ),
    column("since", Time, "Since when it is known to be so", |row| {
        optional(row.since)
    }),
    column(
        "controls",
        Json,
        "The controls that the rule supports",
        |row| json(&row.rule.controls),
    ),
    column("remediation", Text, "What to do", |row| {
        optional(row.rule.remediation.as_deref())
    }),
    column(
        "evidence",
        Json,
        "The keys of the records that show it",
        |row| match row.evidence.is_empty() {
            true => Value::Null,
            false => json(&row.evidence),
        },
    ),
];
