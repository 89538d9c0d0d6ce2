//! What depends on a connection: now, from snapshots; at an earlier time, from
//! the recorded changes. Each answer says which sources were asked.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::concurrently::each_account;
use super::{Audit, AuditError, ConnectionFilter, ConnectionRow};
use crate::domain::arn::normalized;
use crate::domain::listing::NOT_ENABLED;
use crate::domain::{
    AccountId, Change, Dependency, DependencyAttributes, DependencyId, DependencyType, Outcome,
    RunRecord, Snapshot, SourceScope, Timestamp, UnknownMembers,
};
use crate::table::Table;
use crate::table::read::audit::LAST_RUN;

/// The most runs that are read to find the last complete listing of each source.
const MAX_RUNS_READ: usize = 100;

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
    /// Of this type.
    pub dependency_type: Option<DependencyType>,
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

/// What an answer about the dependencies of an account is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencyBasis {
    /// The account.
    pub account: AccountId,
    /// The last run of dependencies that had ended.
    pub last_run: Option<DependencyRun>,
    /// The sources that this run asked.
    pub sources: Vec<SourceBasis>,
}

/// A run of dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencyRun {
    /// Its number.
    pub sequence: u64,
    /// Its start.
    pub started_at: Timestamp,
    /// Its outcome.
    pub outcome: Outcome,
}

/// A source in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceBasis {
    /// The source.
    pub source: String,
    /// The region.
    pub region: String,
    /// The start of its last complete listing.
    pub complete_at: Option<Timestamp>,
    /// The code of the reason why its last listing is not complete.
    pub code: Option<String>,
    /// Why its last listing is not complete.
    pub problem: Option<String>,
}

impl SourceBasis {
    /// Returns true if its service is not enabled for the account, as the service
    /// says.
    pub fn is_not_enabled(&self) -> bool {
        self.code.as_deref() == Some(NOT_ENABLED)
    }
}

impl DependencyBasis {
    /// Returns true if every source was listed completely once, or is not enabled:
    /// what is missing in an answer did not exist then, or was not observed because
    /// of that.
    pub fn is_evidence(&self) -> bool {
        let is_known = |s: &SourceBasis| s.complete_at.is_some() || s.is_not_enabled();
        !self.sources.is_empty() && self.sources.iter().all(is_known)
    }

    /// Returns the names of the sources that were asked, sorted.
    pub fn source_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.sources.iter().map(|s| s.source.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the regions that were asked, sorted.
    pub fn regions(&self) -> Vec<&str> {
        let mut regions: Vec<&str> = self.sources.iter().map(|s| s.region.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }
}

/// An answer about dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencyAnswer {
    /// The dependencies, by account, type, name and id.
    pub dependencies: Vec<DependencyRow>,
    /// What it is based on, by account.
    pub rests_on: Vec<DependencyBasis>,
}

/// Counts consumers by type, for people: "1 build project, 2 pipeline sources".
/// `None` without any.
pub fn consumers_in_words(types: impl Iterator<Item = DependencyType>) -> Option<String> {
    let mut counts: BTreeMap<DependencyType, usize> = BTreeMap::new();
    for kind in types.filter(|kind| kind.is_consumer()) {
        *counts.entry(kind).or_default() += 1;
    }
    let counts = counts.into_iter().map(|(kind, number)| match number {
        1 => format!("1 {}", kind.label()),
        many => format!("{many} {}", kind.labels()),
    });
    let counts: Vec<String> = counts.collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

/// A connection that does not work or does not exist, and what uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// `PENDING`, `ERROR`, another status, `DELETED`, or `NOT_IN_INVENTORY`.
    pub reason: String,
    /// The connection or host that is named.
    pub uses: String,
    /// The connection's name, if it is on record.
    pub connection_name: Option<String>,
    /// What uses it.
    pub dependency: DependencyRow,
}

/// The reason for a dependency that names what no inventory has.
pub const NOT_IN_INVENTORY: &str = "NOT_IN_INVENTORY";

impl DependencyRow {
    /// Returns the normalized ARN of the connection or host that it uses, if it
    /// is a consumer.
    pub fn consumed(&self) -> Option<String> {
        let used = self.uses.as_deref().map(normalized);
        used.filter(|_| self.dependency_type.is_consumer())
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
        self.dependency_type
            .is_none_or(|kind| kind == row.dependency_type)
            && (!self.without_properties || row.dependency_type.property_source().is_none())
            && self.uses.as_ref().is_none_or(is_meant)
    }

    /// Returns true if the answer depends on what this source listed.
    fn rests_on(&self, scope: &SourceScope) -> bool {
        match self.dependency_type.map(DependencyType::property_source) {
            Some(Some(source)) => source == scope.source(),
            Some(None) => !scope.lists_properties(),
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
            Ok((rows, basis(&table, account, filter, as_of).await?))
        };
        each_account(&accounts, read, |(rows, basis)| {
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

    /// Returns every dependency that names a connection which does not work, was
    /// deleted, or is in no inventory of this table.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn impact(
        &self,
        account: Option<&AccountId>,
    ) -> Result<(Vec<Impact>, Vec<DependencyBasis>), AuditError> {
        let filter = DependencyFilter {
            account: account.cloned(),
            without_properties: true,
            ..DependencyFilter::default()
        };
        let answer = self.dependencies(&filter, None).await?;
        // A connection of another account can be used, too.
        let everything = ConnectionFilter {
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let known = by_normalized_arn(self.connections(&everything).await?);
        // What uses a host names no connection.
        let hosts = answer.dependencies.iter();
        let hosts = hosts.filter(|row| row.dependency_type == DependencyType::Host);
        let hosts: HashMap<String, Option<String>> = hosts
            .map(|host| (normalized(&host.arn), host.status.clone()))
            .collect();
        let impact = answer.dependencies.into_iter().filter_map(|dependency| {
            let uses = dependency.uses.clone()?;
            let connection = known.get(&normalized(&uses));
            let host = hosts.get(&normalized(&uses)).cloned().flatten();
            let reason = match connection {
                None => host.unwrap_or_else(|| NOT_IN_INVENTORY.to_owned()),
                Some(row) if row.deleted_at.is_some() => "DELETED".to_owned(),
                Some(row) => row.attributes.status_word().to_owned(),
            };
            let name = connection.and_then(|row| row.attributes.connection_name.as_deref());
            (reason != "AVAILABLE").then(|| Impact {
                connection_name: name.map(str::to_owned),
                reason,
                uses,
                dependency,
            })
        });
        let mut impact: Vec<Impact> = impact.collect();
        impact.sort_by(|a, b| (&a.reason, &a.uses).cmp(&(&b.reason, &b.uses)));
        Ok((impact, answer.rests_on))
    }
}

/// Returns connections by normalized ARN. Of several with the same ARN, which
/// several accounts list, one that is not deleted is returned.
pub fn by_normalized_arn(
    rows: impl IntoIterator<Item = ConnectionRow>,
) -> HashMap<String, ConnectionRow> {
    let mut known: HashMap<String, ConnectionRow> = HashMap::new();
    for row in rows {
        let arn = normalized(row.connection_arn.as_str());
        let is_better = known
            .get(&arn)
            .is_none_or(|other| other.deleted_at.is_some());
        if is_better {
            known.insert(arn, row);
        }
    }
    known
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

async fn basis(
    table: &Table<Dependency>,
    account: &AccountId,
    filter: &DependencyFilter,
    as_of: Option<Timestamp>,
) -> Result<DependencyBasis, AuditError> {
    let mut basis = DependencyBasis {
        account: account.clone(),
        last_run: None,
        sources: Vec::new(),
    };
    let mut read = 0;
    let each = |run: RunRecord<Dependency>| {
        if as_of.is_some_and(|at| run.finished_at > at) {
            return true;
        }
        read += 1;
        if basis.last_run.is_none() {
            basis.last_run = Some(DependencyRun {
                sequence: run.sequence,
                started_at: run.started_at,
                outcome: run.outcome,
            });
            basis.sources = run
                .listings
                .iter()
                .filter(|listing| filter.rests_on(&listing.region))
                .map(|listing| SourceBasis {
                    source: listing.region.source().to_owned(),
                    region: listing.region.region().to_owned(),
                    complete_at: None,
                    code: listing.error.as_ref().map(|error| error.code.to_string()),
                    problem: listing
                        .error
                        .as_ref()
                        .map(|error| error.message.to_string()),
                })
                .collect();
        }
        for (scope, window) in run.covered() {
            let is_it =
                |s: &&mut SourceBasis| s.source == scope.source() && s.region == scope.region();
            if let Some(source) = basis.sources.iter_mut().find(is_it)
                && source.complete_at.is_none()
            {
                source.complete_at = Some(window.began_at);
            }
        }
        // One that is not enabled may have been listed before.
        read < MAX_RUNS_READ && basis.sources.iter().any(|s| s.complete_at.is_none())
    };
    table.runs_back_from(account, LAST_RUN, each).await?;
    // What only earlier runs listed may have changed since.
    if as_of.is_none()
        && let Some(record) = table.read_record(account).await?
    {
        for (scope, at) in record.coverage {
            let (source, region) = (scope.source(), scope.region());
            let is_it = |s: &SourceBasis| s.source == source && s.region == region;
            if filter.rests_on(&scope) && !basis.sources.iter().any(is_it) {
                basis.sources.push(SourceBasis {
                    source: source.to_owned(),
                    region: region.to_owned(),
                    complete_at: Some(at),
                    code: None,
                    problem: Some("not listed by the last run".to_owned()),
                });
            }
        }
    }
    Ok(basis)
}
