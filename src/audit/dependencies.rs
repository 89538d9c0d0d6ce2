//! What depends on a connection: now, from snapshots; at an earlier time, from
//! the recorded changes. Each answer says which sources were asked.

use std::collections::BTreeMap;

use serde::Serialize;

use super::concurrently::each_account;
pub use super::dependency_basis::{DependencyBasis, DependencyRun, SourceBasis};
use super::dependency_basis::{basis, may_list};
use super::{Audit, AuditError};
use crate::domain::arn::normalized;
use crate::domain::attributes::NOT_REPORTED;
use crate::domain::{
    AccountId, Change, Dependency, DependencyAttributes, DependencyId, DependencyType, Snapshot,
    SourceScope, Timestamp, UnknownMembers,
};
use crate::table::Table;

/// The members that name a repository, each by its service's name.
const REPOSITORY: [&str; 5] = [
    "FullRepositoryId",
    "fullRepositoryId",
    "location",
    "repositoryId",
    "Repository",
];

/// Selects dependencies. A missing field does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependencyFilter {
    /// Of one of these types.
    pub types: Option<Vec<DependencyType>>,
    /// Listed for this account.
    pub account: Option<AccountId>,
    /// That use one of these connections or hosts.
    pub uses: Option<Vec<String>>,
    /// No properties of connections and hosts: tags and shares.
    pub without_properties: bool,
}

/// A dependency in results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencyRow {
    /// The inventoried account.
    pub account: AccountId,
    /// Its type.
    pub dependency_type: DependencyType,
    /// Its name.
    pub name: Option<String>,
    /// Its ARN. Several dependencies can have the same.
    pub arn: String,
    /// Its id: unique in the account.
    pub id: DependencyId,
    /// The source and region that list it.
    pub listed_in: Vec<SourceScope>,
    /// Its status, where it has one.
    pub status: Option<String>,
    /// The ARN of what it uses.
    pub uses: Option<String>,
    /// What else its service says of it.
    pub members: UnknownMembers,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was last seen; `None` in results from changes.
    pub last_seen_at: Option<Timestamp>,
    /// The number of its last change.
    #[serde(skip)]
    pub version: u32,
}

/// An answer about dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencyAnswer {
    /// The dependencies, by account, type, name and id.
    pub dependencies: Vec<DependencyRow>,
    /// What it is based on, by account.
    pub rests_on: Vec<DependencyBasis>,
}

impl DependencyRow {
    /// Returns the normalized ARN of the connection or host that it uses, if it
    /// is a consumer.
    pub fn consumed(&self) -> Option<String> {
        self.dependency_type.consumed(self.uses.as_deref())
    }

    /// Returns its status as a word that is never empty.
    pub fn status_word(&self) -> &str {
        let status = self.status.as_deref().unwrap_or_default();
        if status.is_empty() {
            NOT_REPORTED
        } else {
            status
        }
    }

    fn new(account: &AccountId, id: DependencyId, attributes: DependencyAttributes) -> Self {
        Self {
            account: account.clone(),
            dependency_type: attributes.dependency_type,
            name: attributes.name.map(Into::into),
            arn: id.arn().to_owned(),
            id,
            listed_in: Vec::new(),
            status: attributes.status.map(Into::into),
            uses: attributes.uses.map(Into::into),
            members: attributes.members,
            first_seen_at: Timestamp::from_millis(0),
            last_seen_at: None,
            version: 0,
        }
    }

    pub(super) fn of(account: &AccountId, snapshot: Snapshot<Dependency>) -> Self {
        Self {
            listed_in: snapshot.listed_in,
            first_seen_at: snapshot.first_seen_at,
            last_seen_at: Some(snapshot.last_seen.began_at),
            version: snapshot.version,
            ..Self::new(account, snapshot.arn, snapshot.attributes)
        }
    }

    /// Returns what it reads, as its service writes it: `acme/app` of a pipeline,
    /// a URL of a build project. `None` if that is not recorded.
    pub fn repository(&self) -> Option<String> {
        let owned = || {
            let (owner, name) = (self.member("OwnerId")?, self.member("RepositoryName")?);
            Some(format!("{owner}/{name}"))
        };
        let named = REPOSITORY.into_iter().find_map(|name| self.member(name));
        named.or_else(owned)
    }

    /// Returns a member as a text for people; `None` if there is none.
    pub fn member(&self, name: &str) -> Option<String> {
        self.members.get(name).map(|value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        })
    }
}

impl DependencyFilter {
    fn admits(&self, row: &DependencyRow) -> bool {
        let used = row.uses.as_deref().map(normalized);
        let is_meant = |arns: &Vec<String>| {
            used.is_some_and(|used| arns.iter().any(|arn| normalized(arn) == used))
        };
        let has_type = |types: &Vec<DependencyType>| types.contains(&row.dependency_type);
        self.types.as_ref().is_none_or(has_type)
            && (!self.without_properties || row.dependency_type.property_source().is_none())
            && self.uses.as_ref().is_none_or(is_meant)
    }

    /// Returns true if the answer depends on what this source listed.
    fn rests_on(&self, scope: &SourceScope) -> bool {
        match &self.types {
            Some(types) => types.iter().any(|kind| may_list(scope.source(), *kind)),
            None => !(self.without_properties && scope.lists_properties()),
        }
    }
}

impl Audit {
    /// Returns the dependencies that `filter` selects, now or at an earlier time.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn dependencies(
        &self,
        filter: &DependencyFilter,
        as_of: Option<Timestamp>,
    ) -> Result<DependencyAnswer, AuditError> {
        let table: Table<Dependency> = self.table().of_kind();
        let mut answer = DependencyAnswer {
            dependencies: Vec::new(),
            rests_on: Vec::new(),
        };
        let accounts = self.accounts(filter.account.as_ref()).await?;
        let read = async |account: &AccountId| {
            let rows = match as_of {
                None => present(&table, account).await?,
                Some(at) => at_time(&table, account, at).await?,
            };
            Ok((
                rows,
                basis(&table, account, as_of, |scope| filter.rests_on(scope)).await?,
            ))
        };
        each_account(self.reading(&accounts), read, |(rows, basis)| {
            let rows = rows.into_iter().filter(|row| filter.admits(row));
            answer.dependencies.extend(rows);
            answer.rests_on.push(basis);
            true
        })
        .await?;
        let key = |row: &DependencyRow| {
            (
                row.account.clone(),
                row.dependency_type,
                row.name.clone(),
                row.id.clone(),
            )
        };
        answer.dependencies.sort_by_cached_key(key);
        Ok(answer)
    }
}

async fn present(
    table: &Table<Dependency>,
    account: &AccountId,
) -> Result<Vec<DependencyRow>, AuditError> {
    let mut rows = Vec::new();
    let each = |snapshot: Snapshot<Dependency>| {
        if !snapshot.is_deleted() {
            rows.push(DependencyRow::of(account, snapshot));
        }
        true
    };
    table.snapshots(account).each(each).await?;
    Ok(rows)
}

/// Replays the changes whose listing had ended by `at`.
async fn at_time(
    table: &Table<Dependency>,
    account: &AccountId,
    at: Timestamp,
) -> Result<Vec<DependencyRow>, AuditError> {
    let mut rows: BTreeMap<DependencyId, (Timestamp, Option<DependencyRow>)> = BTreeMap::new();
    let each = |change: Change<Dependency>| {
        if change.observed_until > at {
            return true;
        }
        let (first_seen_at, row) = rows
            .entry(change.arn.clone())
            .or_insert((change.observed_at, None));
        *row = change.after.map(|attributes| DependencyRow {
            first_seen_at: *first_seen_at,
            version: change.version,
            ..DependencyRow::new(account, change.arn, attributes)
        });
        true
    };
    table.changes_by(account, at).each(each).await?;
    Ok(rows.into_values().filter_map(|(_, row)| row).collect())
}
