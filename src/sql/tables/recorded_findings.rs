//! The table of recorded findings.

use crate::audit::findings::FindingRow;
use crate::domain::Closing;
use crate::sql::column::ColumnType::{Json, Text, Time};
use crate::sql::column::{Column, column, json, optional, text};

/// The columns of `recorded_findings`.
pub const RECORDED_FINDINGS: &[Column<FindingRow>] = &[
    column("account", Text, "The evaluated account", |row| {
        text(&row.account)
    }),
    column("rule_id", Text, "The rule", |row| text(&row.rule)),
    column("state", Text, "OPEN or CLOSED", |row| text(row.state)),
    column("severity", Text, "How bad a violation is", |row| {
        text(&row.severity)
    }),
    column(
        "subject",
        Text,
        "The connection's ARN, the dependency's id, or the account",
        |row| text(&row.subject),
    ),
    column("name", Text, "The name of the subject", |row| {
        optional(row.subject_name.as_deref())
    }),
    column("message", Text, "What is wrong", |row| text(&row.message)),
    column("title", Text, "What the rule requires", |row| {
        text(&row.title)
    }),
    column(
        "controls",
        Json,
        "The controls that the rule supports",
        |row| json(&row.controls),
    ),
    column("remediation", Text, "What to do", |row| {
        optional(row.remediation.as_deref())
    }),
    column(
        "opened_at",
        Time,
        "The start of the evaluation that opened it, the last time",
        |row| text(row.opened_at),
    ),
    column(
        "closed_at",
        Time,
        "The start of the evaluation that closed it",
        |row| optional(row.closed_at),
    ),
    column(
        "closed_because",
        Text,
        "RESOLVED, WAIVED or RULE_REMOVED; NULL where it is not recorded",
        |row| optional(row.closed_because.as_ref().map(Closing::as_str)),
    ),
    column("waiver", Text, "Why it is waived", |row| {
        optional(row.closed_because.as_ref().and_then(Closing::waiver))
    }),
];
