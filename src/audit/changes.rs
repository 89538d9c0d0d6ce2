//! What changed: a connection's history, an account's changes in a span of
//! time, and what is different between two times.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::connections::{ConnectionFilter, ConnectionRow, Replay};
use super::runs::Runs;
use super::{Audit, AuditError};
use crate::domain::{
    AccountId, Attributes, Change, ChangeKind, ConnectionArn, ConnectionStatus, Digest, Outcome,
    ProviderType, RunRecord, Snapshot, Timestamp, Trigger,
};

/// Which changes are asked for. What is not given does not restrict.
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
    /// Of a connection of this provider.
    pub provider: Option<ProviderType>,
    /// In this account.
    pub account: Option<AccountId>,
}

/// A change, and the run that saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeWithRun {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Its digest: what the next change refers to.
    pub digest: Digest,
    /// The run. None if it was never recorded: it did not come to its end.
    pub run: Option<ChangeRun>,
}

/// The run that saw a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeRun {
    /// Its number.
    pub sequence: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What started it: for a `CloudTrail` event, who called what.
    pub trigger: Trigger,
}

/// A connection's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// The account that was asked.
    pub account: AccountId,
    /// Its identity.
    pub connection_arn: ConnectionArn,
    /// Its changes, the first one first.
    pub changes: Vec<ChangeWithRun>,
}

/// How a connection is different at the second of two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DifferenceKind {
    /// It was not there, and is.
    Added,
    /// It was there, and is not.
    Removed,
    /// It is another one in its status or another field.
    Changed,
    /// It changed in between, and is again as it was (or there again, or gone
    /// again).
    SameAgain,
}

impl DifferenceKind {
    /// The kind as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Removed => "REMOVED",
            Self::Changed => "CHANGED",
            Self::SameAgain => "SAME_AGAIN",
        }
    }
}

/// A connection that was another one at the second of two times, or in
/// between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How it is different.
    pub kind: DifferenceKind,
    /// The account that was asked.
    pub account: AccountId,
    /// Its identity.
    pub connection_arn: ConnectionArn,
    /// What was known at the first time; nothing if it was not there.
    pub before: Option<Attributes>,
    /// What was known at the second time; nothing if it was not there.
    pub after: Option<Attributes>,
    /// The changes in between, the first one first.
    pub changes: Vec<ChangeWithRun>,
}

impl ChangeFilter {
    fn admits(&self, change: &Change) -> bool {
        let told = change.after.as_ref().or(change.before.as_ref());
        let status = told.and_then(|told| told.connection_status.as_ref());
        let provider = told.and_then(|told| told.provider_type.as_ref());
        self.kind.is_none_or(|kind| kind == change.kind)
            && (self.status.is_none() || self.status.as_ref() == status)
            && (self.provider.is_none() || self.provider.as_ref() == provider)
    }
}

impl ChangeWithRun {
    fn new(change: Change, run: Option<&RunRecord>) -> Self {
        Self {
            digest: change.digest(),
            change,
            run: run.map(|run| ChangeRun {
                sequence: run.sequence,
                started_at: run.started_at,
                outcome: run.outcome,
                trigger: run.trigger.clone(),
            }),
        }
    }
}

impl Audit {
    /// The histories of the connection with this ARN, or of every connection
    /// that has or had this name, or whose ARN ends so.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn history(
        &self,
        arn_or_name: &str,
        account: Option<&AccountId>,
    ) -> Result<Vec<History>, AuditError> {
        let mut histories = Vec::new();
        for account in self.accounts(account).await? {
            let arns = match arn_or_name.parse::<ConnectionArn>() {
                Ok(arn) => vec![arn],
                Err(_) => self.named(&account, arn_or_name).await?,
            };
            for arn in arns {
                let changes = self.table().changes_of(&account, &arn).await?;
                if !changes.is_empty() {
                    histories.push(History {
                        changes: self.told(changes).await?,
                        account: account.clone(),
                        connection_arn: arn,
                    });
                }
            }
        }
        Ok(histories)
    }

    /// The changes that `filter` means, by account and time.
    ///
    /// A range that was over [a while](crate::audit::settled_by) ago has the same
    /// changes for ever: nothing observed that long ago is written any more.
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

    /// Gives each of these changes to `each`, as the pages come, until it
    /// answers that it has enough.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub async fn each_change(
        &self,
        filter: &ChangeFilter,
        mut each: impl FnMut(ChangeWithRun) -> bool,
    ) -> Result<(), AuditError> {
        for account in self.accounts(filter.account.as_ref()).await? {
            let mut runs = Runs::of(self.table(), &account);
            let mut pages = self
                .table()
                .changes_between(&account, filter.since, filter.until);
            while let Some(page) = pages.next().await? {
                for change in page.into_iter().filter(|change| filter.admits(change)) {
                    let run = runs.by_id(&change.run_id).await?;
                    if !each(ChangeWithRun::new(change, run)) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The connections that `filter` means at the second time or meant at the
    /// first, and that were another one then or in between: by account and
    /// ARN. What had been observed by a time is what counts as known then.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn diff(
        &self,
        filter: &ConnectionFilter,
        (first, second): (Timestamp, Timestamp),
    ) -> Result<Vec<Difference>, AuditError> {
        let mut differences = Vec::new();
        for account in self.accounts(filter.account.as_ref()).await? {
            let (mut before, mut after) = (Replay::default(), Replay::default());
            let mut between: BTreeMap<ConnectionArn, Vec<Change>> = BTreeMap::new();
            self.table()
                .each_change_by(&account, second, |change| {
                    if change.observed_until <= first {
                        before.take(change.clone());
                    }
                    if change.observed_until <= second {
                        after.take(change.clone());
                        if change.observed_until > first {
                            between.entry(change.arn.clone()).or_default().push(change);
                        }
                    }
                    true
                })
                .await?;
            for (arn, changes) in between {
                let there = |replay: &Replay| {
                    let row = replay.get(&account, &arn);
                    row.filter(|row| row.deleted_at.is_none())
                };
                let (was, is) = (there(&before), there(&after));
                if ![&was, &is]
                    .into_iter()
                    .flatten()
                    .any(|row| filter.admits(row))
                    && (was.is_some() || is.is_some())
                {
                    continue;
                }
                let attributes = |row: Option<ConnectionRow>| row.map(|row| row.attributes);
                let (was, is) = (attributes(was), attributes(is));
                differences.push(Difference {
                    kind: difference(was.as_ref(), is.as_ref()),
                    account: account.clone(),
                    connection_arn: arn,
                    before: was,
                    after: is,
                    changes: self.told(changes).await?,
                });
            }
        }
        Ok(differences)
    }

    /// Changes with the runs that saw them.
    async fn told(&self, changes: Vec<Change>) -> Result<Vec<ChangeWithRun>, AuditError> {
        let accounts: Vec<AccountId> = {
            let mut seen: Vec<_> = changes.iter().map(|c| c.account.clone()).collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        let mut runs: HashMap<&AccountId, Runs<'_>> = accounts
            .iter()
            .map(|account| (account, Runs::of(self.table(), account)))
            .collect();
        let mut told = Vec::with_capacity(changes.len());
        for change in changes {
            let run = match runs.get_mut(&change.account) {
                Some(runs) => runs.by_id(&change.run_id).await?,
                None => None,
            };
            told.push(ChangeWithRun::new(change, run));
        }
        Ok(told)
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
