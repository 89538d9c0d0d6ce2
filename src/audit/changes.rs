//! Changes: a connection's history, the changes in a time range, and the
//! differences between two times.

use std::collections::BTreeMap;

use serde::Serialize;

use super::concurrently::{Page, Pages, each_account, each_row};
use super::connections::{ConnectionFilter, Replay};
use super::runs::{RunById, Runs};
use super::{Audit, AuditError};
use crate::domain::{
    AccountId, Attributes, Change, ChangeKind, ConnectionArn, ConnectionStatus, Digest, Outcome,
    ProviderType, RunRecord, Snapshot, Timestamp, Trigger,
};
use crate::table::read::audit::RowPages;

/// Selects changes. A missing field does not restrict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Observed from here on.
    pub since: Timestamp,
    /// Observed before this.
    pub until: Timestamp,
    /// Of this kind.
    pub kind: Option<ChangeKind>,
    /// To this status; for a deletion, from it.
    pub status: Option<ConnectionStatus>,
    /// Of a connection with this provider.
    pub provider: Option<ProviderType>,
    /// In this account.
    pub account: Option<AccountId>,
}

/// A change, and the run that observed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeWithRun {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Its digest, which the next change refers to.
    pub digest: Digest,
    /// The run; `None` if it crashed before it was recorded, or is not in the table.
    pub run: Option<ChangeRun>,
    /// The number of the first run in the table, if the change's run would be before
    /// it: it was archived, or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_run_in_table: Option<u64>,
}

/// The run that observed a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeRun {
    /// Its number.
    pub sequence: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What started it; for a `CloudTrail` event with the API calls.
    pub trigger: Trigger,
}

/// The history of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// The inventoried account.
    pub account: AccountId,
    /// Its ARN.
    pub connection_arn: ConnectionArn,
    /// Its changes, oldest first.
    pub changes: Vec<ChangeWithRun>,
}

/// How a connection differs at the second of two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DifferenceKind {
    /// It was absent, and is present.
    Added,
    /// It was present, and is absent.
    Removed,
    /// Its status or another attribute differs.
    Changed,
    /// It changed in between, and is as it was before.
    SameAgain,
}

impl DifferenceKind {
    /// Returns the kind as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Removed => "REMOVED",
            Self::Changed => "CHANGED",
            Self::SameAgain => "SAME_AGAIN",
        }
    }
}

/// A connection that differs at the second of two times, or changed in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How it differs.
    pub kind: DifferenceKind,
    /// The inventoried account.
    pub account: AccountId,
    /// Its ARN.
    pub connection_arn: ConnectionArn,
    /// The attributes at the first time; `None` if it was absent.
    pub before: Option<Attributes>,
    /// The attributes at the second time; `None` if it was absent.
    pub after: Option<Attributes>,
    /// The changes in between, oldest first.
    pub changes: Vec<ChangeWithRun>,
}

impl ChangeFilter {
    fn admits(&self, change: &Change) -> bool {
        let attributes = change.after.as_ref().or(change.before.as_ref());
        let status = attributes.and_then(|a| a.connection_status.as_ref());
        let provider = attributes.and_then(|a| a.provider_type.as_ref());
        self.kind.is_none_or(|kind| kind == change.kind)
            && (self.status.is_none() || self.status.as_ref() == status)
            && (self.provider.is_none() || self.provider.as_ref() == provider)
    }
}

impl ChangeWithRun {
    /// Looks up the run that observed a change.
    ///
    /// # Errors
    /// [`AuditError`] if runs can't be read.
    pub(crate) async fn of(change: Change, runs: &mut Runs<'_>) -> Result<Self, AuditError> {
        let run = runs.by_id(&change.run_id).await?;
        Ok(Self::new(change, run))
    }

    fn new(change: Change, run: RunById<'_>) -> Self {
        let (run, first_run_in_table) = match run {
            RunById::Recorded(run) => (Some(ChangeRun::new(run)), None),
            RunById::NotRecorded => (None, None),
            RunById::NotInTable(first) => (None, Some(first)),
        };
        Self {
            digest: change.digest(),
            change,
            run,
            first_run_in_table,
        }
    }
}

impl ChangeRun {
    fn new(run: &RunRecord) -> Self {
        Self {
            sequence: run.sequence,
            started_at: run.started_at,
            outcome: run.outcome,
            trigger: run.trigger.clone(),
        }
    }
}

/// The selected changes of an account, with their runs.
struct ChangesWithRuns<'a> {
    filter: &'a ChangeFilter,
    runs: Runs<'a>,
    pages: RowPages<'a, Change>,
}

impl Pages for ChangesWithRuns<'_> {
    type Row = ChangeWithRun;

    async fn next(&mut self) -> Result<Option<Page<ChangeWithRun>>, AuditError> {
        let Some(page) = Pages::next(&mut self.pages).await? else {
            return Ok(None);
        };
        let mut rows = Vec::with_capacity(page.len());
        for change in page {
            match change {
                Ok(change) if !self.filter.admits(&change) => {}
                change => {
                    let row = self.with_run(change).await;
                    // An error ends the answer: what follows is not looked up.
                    let is_last = row.is_err();
                    rows.push(row);
                    if is_last {
                        break;
                    }
                }
            }
        }
        Ok(Some(rows))
    }
}

impl ChangesWithRuns<'_> {
    async fn with_run(
        &mut self,
        change: Result<Change, AuditError>,
    ) -> Result<ChangeWithRun, AuditError> {
        ChangeWithRun::of(change?, &mut self.runs).await
    }
}

impl Audit {
    /// Returns the history of the connection with this ARN, or of every
    /// connection with this name or last part of the ARN.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn history(
        &self,
        arn_or_name: &str,
        account: Option<&AccountId>,
    ) -> Result<Vec<History>, AuditError> {
        let accounts = self.accounts(account).await?;
        let mut histories = Vec::new();
        let read = async |account: &AccountId| self.histories_of(account, arn_or_name).await;
        each_account(self.reading(&accounts), read, |found| {
            histories.extend(found);
            true
        })
        .await?;
        Ok(histories)
    }

    async fn histories_of(
        &self,
        account: &AccountId,
        arn_or_name: &str,
    ) -> Result<Vec<History>, AuditError> {
        let arns = match arn_or_name.parse::<ConnectionArn>() {
            Ok(arn) => vec![arn],
            Err(_) => self.named(account, arn_or_name).await?,
        };
        let mut histories = Vec::new();
        for arn in arns {
            let changes = self.table().changes_of(account, &arn).await?;
            if !changes.is_empty() {
                histories.push(History {
                    changes: self.with_runs(account, changes).await?,
                    account: account.clone(),
                    connection_arn: arn,
                });
            }
        }
        Ok(histories)
    }

    /// Returns the selected changes, by account and time.
    ///
    /// Results for a time range are final once it is
    /// [over for a while](crate::audit::FINALITY_DELAY).
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn changes(&self, filter: &ChangeFilter) -> Result<Vec<ChangeWithRun>, AuditError> {
        let mut changes = Vec::new();
        self.each_change(filter, |change| {
            changes.push(change);
            true
        })
        .await?;
        Ok(changes)
    }

    /// Calls `each` with the selected changes, page by page, until it returns
    /// false.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub async fn each_change(
        &self,
        filter: &ChangeFilter,
        mut each: impl FnMut(ChangeWithRun) -> bool,
    ) -> Result<(), AuditError> {
        let accounts = self.accounts(filter.account.as_ref()).await?;
        let table = self.table();
        let open = |account| ChangesWithRuns {
            filter,
            runs: Runs::of(table, account),
            pages: table.changes_between(account, filter.since, filter.until),
        };
        each_row(self.reading(&accounts), open, &mut each).await
    }

    /// Returns the connections of these accounts that differ at the second of two
    /// times, or changed in between, by account and ARN. A time includes what had
    /// been observed by then. `filter` selects connections that match it at one of
    /// the times or in between.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn diff(
        &self,
        accounts: &[AccountId],
        filter: &ConnectionFilter,
        (first, second): (Timestamp, Timestamp),
    ) -> Result<Vec<Difference>, AuditError> {
        let mut differences = Vec::new();
        let read = async |account: &AccountId| self.diff_of(account, filter, (first, second)).await;
        each_account(self.reading(accounts), read, |found| {
            differences.extend(found);
            true
        })
        .await?;
        Ok(differences)
    }

    async fn diff_of(
        &self,
        account: &AccountId,
        filter: &ConnectionFilter,
        (first, second): (Timestamp, Timestamp),
    ) -> Result<Vec<Difference>, AuditError> {
        let (mut before, mut after) = (Replay::default(), Replay::default());
        let mut between: BTreeMap<ConnectionArn, Vec<Change>> = BTreeMap::new();
        let changes = self.table().changes_by(account, second);
        changes
            .each(|change| {
                if change.observed_until <= first {
                    before.apply(change.clone());
                }
                if change.observed_until <= second {
                    after.apply(change.clone());
                    if change.observed_until > first {
                        between.entry(change.arn.clone()).or_default().push(change);
                    }
                }
                true
            })
            .await?;
        let mut differences = Vec::new();
        for (arn, changes) in between {
            let present = |replay: &Replay| {
                let row = replay.get(account, &arn);
                row.filter(|row| row.deleted_at.is_none())
            };
            let (was, is) = (present(&before), present(&after));
            let mut replay = Replay::default();
            let in_between = changes.iter().filter_map(|change| {
                replay.apply(change.clone());
                replay.get(account, &arn)
            });
            let mut states = was.iter().cloned().chain(in_between);
            if !states.any(|state| filter.admits(&state)) {
                continue;
            }
            let (was, is) = (was.map(|row| row.attributes), is.map(|row| row.attributes));
            differences.push(Difference {
                kind: difference(was.as_ref(), is.as_ref()),
                account: account.clone(),
                connection_arn: arn,
                before: was,
                after: is,
                changes: self.with_runs(account, changes).await?,
            });
        }
        Ok(differences)
    }

    /// Returns an account's changes with the runs that observed them.
    async fn with_runs(
        &self,
        account: &AccountId,
        changes: Vec<Change>,
    ) -> Result<Vec<ChangeWithRun>, AuditError> {
        let mut runs = Runs::of(self.table(), account);
        let mut with_runs = Vec::with_capacity(changes.len());
        for change in changes {
            with_runs.push(ChangeWithRun::of(change, &mut runs).await?);
        }
        Ok(with_runs)
    }

    async fn named(
        &self,
        account: &AccountId,
        name: &str,
    ) -> Result<Vec<ConnectionArn>, AuditError> {
        let snapshots = self.snapshots(account).await?;
        let has_name = |s: &Snapshot| {
            s.attributes.connection_name.as_deref() == Some(name) || s.arn.id() == name
        };
        let mut found: Vec<_> = snapshots.into_iter().filter(has_name).collect();
        found.sort_by(|a, b| (a.first_seen_at, &a.arn).cmp(&(b.first_seen_at, &b.arn)));
        Ok(found.into_iter().map(|snapshot| snapshot.arn).collect())
    }
}

fn difference(was: Option<&Attributes>, is: Option<&Attributes>) -> DifferenceKind {
    match (was, is) {
        (None, Some(_)) => DifferenceKind::Added,
        (Some(_), None) => DifferenceKind::Removed,
        (Some(was), Some(is)) if was != is => DifferenceKind::Changed,
        _ => DifferenceKind::SameAgain,
    }
}
