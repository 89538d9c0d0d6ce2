//! Recorded findings of rules: now, from snapshots; at an earlier time, from the
//! recorded changes. Each answer says which evaluations it is based on.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::concurrently::each_account;
use super::{Audit, AuditError};
use crate::domain::{
    AccountId, AccountRecord, Change, ChangeKind, Closing, EvaluationBasis, EvaluationScope,
    Finding, FindingAttributes, FindingId, Outcome, Presence, RuleId, RunRecord, Snapshot,
    Timestamp,
};
use crate::table::Table;
use crate::table::read::audit::{LAST_RUN, MAX_RUNS_READ};

/// Changes of closed findings that are read at the same time.
const CLOSED_AT_ONCE: usize = 16;

/// Selects recorded findings. A missing field does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this rule.
    pub rule: Option<RuleId>,
    /// Closed ones, too.
    pub include_closed: bool,
}

/// A recorded finding in results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingRow {
    /// The account.
    pub account: AccountId,
    /// `OPEN` or `CLOSED`.
    pub state: &'static str,
    /// The severity of its rule.
    pub severity: Box<str>,
    /// Its rule.
    pub rule: String,
    /// What violates the rule: a connection's ARN, a dependency's id or the account.
    pub subject: String,
    /// The name of the subject, if it has one.
    pub subject_name: Option<Box<str>>,
    /// What is wrong, in a line.
    pub message: Box<str>,
    /// The title of the rule.
    pub title: Box<str>,
    /// The controls that the rule supports.
    pub controls: Vec<Box<str>>,
    /// What to do about it, as the rule says.
    pub remediation: Option<Box<str>>,
    /// The start of the evaluation that opened it, the last time.
    pub opened_at: Timestamp,
    /// The start of the evaluation that closed it.
    pub closed_at: Option<Timestamp>,
    /// Why it closed; `None` of an open one, and where it is not recorded.
    pub closed_because: Option<Closing>,
    /// How long it is open, or was until it was closed, in milliseconds.
    pub open_ms: u64,
    /// Its id: unique in the account.
    pub id: FindingId,
    /// Its last version.
    #[serde(skip)]
    version: u32,
}

/// What an answer about the findings of an account is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvaluationsBasis {
    /// The account.
    pub account: AccountId,
    /// The last evaluation that had ended.
    pub last_evaluation: Option<EvaluationRun>,
    /// The rules of which some or all could not be evaluated by it.
    pub insufficient: Vec<InsufficientRule>,
}

/// An evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvaluationRun {
    /// Its number.
    pub sequence: u64,
    /// Its start.
    pub started_at: Timestamp,
    /// Its outcome.
    pub outcome: Outcome,
    /// The number of rules that it evaluated.
    pub rules: usize,
    /// What it was based on; `None` if the rules could not be read.
    pub evaluation: Option<EvaluationBasis>,
}

/// A rule that the last evaluation could not evaluate, or not for everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InsufficientRule {
    /// The rule, or the rule file.
    pub rule: EvaluationScope,
    /// Why, in a line.
    pub reason: String,
    /// The start of the last evaluation that evaluated it completely.
    pub complete_at: Option<Timestamp>,
    /// True if an earlier evaluation than those that were read may be complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub complete_at_unknown: bool,
}

/// An answer about recorded findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingAnswer {
    /// The findings, by account, state, and the time they were opened.
    pub findings: Vec<FindingRow>,
    /// What it is based on, by account.
    pub rests_on: Vec<EvaluationsBasis>,
}

impl EvaluationsBasis {
    /// Returns true if an evaluation is on record, and each of its rules was
    /// evaluated completely at least once.
    pub fn is_evidence(&self) -> bool {
        let is_known = |rule: &InsufficientRule| rule.complete_at.is_some();
        self.last_evaluation.is_some() && self.insufficient.iter().all(is_known)
    }
}

/// When a finding was opened and closed.
#[derive(Debug, Clone)]
struct Open {
    since: Timestamp,
    closed_at: Option<Timestamp>,
    closing: Option<Closing>,
    version: u32,
}

impl FindingRow {
    fn new(
        account: &AccountId,
        id: FindingId,
        attributes: FindingAttributes,
        open: Open,
        at: Timestamp,
    ) -> Self {
        let Open {
            since,
            closed_at,
            closing,
            version,
        } = open;
        Self {
            account: account.clone(),
            state: if closed_at.is_some() {
                "CLOSED"
            } else {
                "OPEN"
            },
            severity: attributes.severity,
            rule: id.rule().to_owned(),
            subject: id.subject().to_owned(),
            subject_name: attributes.subject_name,
            message: attributes.message,
            title: attributes.title,
            controls: attributes.controls,
            remediation: attributes.remediation,
            opened_at: since,
            closed_at,
            closed_because: closing,
            open_ms: closed_at.unwrap_or(at).millis_since(since),
            id,
            version,
        }
    }

    /// Returns the name of its subject, or else its subject.
    pub fn name(&self) -> &str {
        self.subject_name.as_deref().unwrap_or(&self.subject)
    }
}

impl FindingFilter {
    fn admits(&self, row: &FindingRow) -> bool {
        let is_it = |rule: &RuleId| rule.as_str() == row.rule;
        self.rule.as_ref().is_none_or(is_it) && (self.include_closed || row.closed_at.is_none())
    }
}

impl Audit {
    /// Returns the recorded findings that `filter` selects, `now` or as of an earlier
    /// time.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn findings(
        &self,
        filter: &FindingFilter,
        as_of: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<FindingAnswer, AuditError> {
        let table: Table<Finding> = self.table().of_kind();
        let mut answer = FindingAnswer {
            findings: Vec::new(),
            rests_on: Vec::new(),
        };
        let accounts = match &filter.account {
            Some(account) => vec![account.clone()],
            // An account may have either record only.
            None => {
                let mut accounts = self.accounts(None).await?;
                accounts.extend(table.accounts().await?);
                accounts.sort();
                accounts.dedup();
                accounts
            }
        };
        let read = async |account: &AccountId| {
            let rows = match as_of {
                None => recorded(&table, account, now, filter).await?,
                Some(at) => at_time(&table, account, at).await?,
            };
            Ok((rows, basis(&table, account, as_of, filter).await?))
        };
        each_account(self.reading(&accounts), read, |(rows, basis)| {
            let rows = rows.into_iter().filter(|row| filter.admits(row));
            answer.findings.extend(rows);
            answer.rests_on.push(basis);
            true
        })
        .await?;
        answer.findings.sort_by_cached_key(|row| {
            (
                row.account.clone(),
                row.closed_at.is_some(),
                row.opened_at,
                row.id.clone(),
            )
        });
        Ok(answer)
    }
}

async fn recorded(
    table: &Table<Finding>,
    account: &AccountId,
    now: Timestamp,
    filter: &FindingFilter,
) -> Result<Vec<FindingRow>, AuditError> {
    let mut rows: Vec<FindingRow> = Vec::new();
    let each = |snapshot: Snapshot<Finding>| {
        let open = Open {
            since: snapshot.status_since,
            closed_at: match snapshot.presence {
                Presence::Present => None,
                Presence::Deleted { seen_gone } => Some(seen_gone.began_at),
            },
            closing: None,
            version: snapshot.version,
        };
        let (id, attributes) = (snapshot.arn, snapshot.attributes);
        let row = FindingRow::new(account, id, attributes, open, now);
        if filter.admits(&row) {
            rows.push(row);
        }
        true
    };
    table.snapshots(account).each(each).await?;
    // Only their last changes say why.
    let closed = rows.iter_mut().filter(|row| row.closed_at.is_some());
    let read = stream::iter(closed).map(Ok::<_, AuditError>);
    read.try_for_each_concurrent(CLOSED_AT_ONCE, async |row| {
        let change = table.read_change(account, &row.id, row.version).await?;
        row.closed_because = change.and_then(|change| change.closed);
        Ok(())
    })
    .await?;
    Ok(rows)
}

/// Replays the changes whose evaluation had ended by `at`.
async fn at_time(
    table: &Table<Finding>,
    account: &AccountId,
    at: Timestamp,
) -> Result<Vec<FindingRow>, AuditError> {
    let mut rows: BTreeMap<FindingId, (FindingAttributes, Open)> = BTreeMap::new();
    let each = |change: Change<Finding>| {
        if change.observed_until > at {
            return true;
        }
        let is_closed = change.kind == ChangeKind::Deleted;
        let (version, closing) = (change.version, change.closed);
        let Some(attributes) = change.after.or(change.before) else {
            return true;
        };
        let open = match rows.get(&change.arn) {
            Some((_, open)) if is_closed => Open {
                closed_at: Some(change.observed_at),
                closing,
                version,
                ..*open
            },
            Some((_, open)) if !change.kind.starts_presence() => Open {
                version,
                ..open.clone()
            },
            _ => Open {
                since: change.observed_at,
                closed_at: None,
                closing: None,
                version,
            },
        };
        rows.insert(change.arn, (attributes, open));
        true
    };
    table.changes_by(account, at).each(each).await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|(id, (attributes, open))| FindingRow::new(account, id, attributes, open, at))
        .collect())
}

async fn basis(
    table: &Table<Finding>,
    account: &AccountId,
    as_of: Option<Timestamp>,
    filter: &FindingFilter,
) -> Result<EvaluationsBasis, AuditError> {
    let mut basis = EvaluationsBasis {
        account: account.clone(),
        last_evaluation: None,
        insufficient: Vec::new(),
    };
    let is_asked = |scope: &EvaluationScope| match (&filter.rule, scope.rule()) {
        (Some(asked), Some(rule)) => *asked == rule,
        _ => true,
    };
    let mut read = 0;
    let mut first = 0;
    let each = |run: RunRecord<Finding>| {
        first = run.sequence;
        if as_of.is_some_and(|at| run.finished_at > at) {
            return true;
        }
        read += 1;
        for (scope, window) in run.covered() {
            let mut lacking = basis.insufficient.iter_mut();
            if let Some(rule) = lacking.find(|it| it.rule == scope && it.complete_at.is_none()) {
                rule.complete_at = Some(window.began_at);
            }
        }
        if basis.last_evaluation.is_none() {
            let is_rule = |scope: &EvaluationScope| scope.rule().is_some();
            let removed = run.evaluation.iter().map(|it| it.removed_rules.len()).sum();
            let rules = run.listings.iter().filter(|it| is_rule(&it.region)).count();
            let incomplete = run.listings.iter().filter(|it| is_asked(&it.region));
            basis.insufficient = incomplete
                .filter(|it| it.region != EvaluationScope::security_hub())
                .filter_map(|it| {
                    Some(InsufficientRule {
                        rule: it.region.clone(),
                        reason: it.error.as_ref()?.message.to_string(),
                        complete_at: None,
                        complete_at_unknown: false,
                    })
                })
                .collect();
            basis.last_evaluation = Some(EvaluationRun {
                sequence: run.sequence,
                started_at: run.started_at,
                outcome: run.outcome,
                rules: rules.saturating_sub(removed),
                evaluation: run.evaluation,
            });
        }
        read < MAX_RUNS_READ && basis.insufficient.iter().any(|it| it.complete_at.is_none())
    };
    table.runs_back_from(account, LAST_RUN, each).await?;
    let lacks = |basis: &EvaluationsBasis| {
        let mut rules = basis.insufficient.iter();
        rules.any(|rule| rule.complete_at.is_none())
    };
    let record = match first > 1 && lacks(&basis) {
        true => table.read_record(account).await?,
        false => None,
    };
    for (scope, window) in record.iter().flat_map(AccountRecord::covered) {
        let mut lacking = basis.insufficient.iter_mut();
        if let Some(rule) = lacking.find(|it| it.rule == scope && it.complete_at.is_none()) {
            let is_by_then = as_of.is_none_or(|at| window.ended_at <= at);
            rule.complete_at = is_by_then.then_some(window.began_at);
            rule.complete_at_unknown = !is_by_then;
        }
    }
    let is_unknown = as_of.is_some() && lacks(&basis);
    if first > 1 && read < MAX_RUNS_READ && (basis.last_evaluation.is_none() || is_unknown) {
        let account = account.clone();
        return Err(AuditError::RunsNotInTable { account, first });
    }
    Ok(basis)
}
