//! Reads tables of the record into a database.

use std::collections::BTreeSet;

use super::database::{Database, DatabaseError};
use super::schema::{SCHEMA_VERSION, Table};
use super::tables::changes::CHANGES;
use super::tables::connections::CONNECTIONS;
use super::tables::dependencies::{AccountSource, CONSUMERS, HOSTS, SHARES, SOURCES, TAGS, Tag};
use super::tables::findings::{FINDINGS, FindingRow};
use super::tables::meta::{META, Meta};
use super::tables::runs::{LISTINGS, RUNS, RunListing};
use crate::audit::dependencies::{
    DependencyAnswer, DependencyBasis, DependencyFilter, DependencyRow,
};
use crate::audit::{Audit, AuditError, Basis, ConnectionFilter};
use crate::compliance::evidence::Moment;
use crate::compliance::rule::Rule;
use crate::domain::{AccountId, DependencyType, Timestamp};

/// What of the record is loaded.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The tables.
    pub tables: BTreeSet<Table>,
    /// Only of this account.
    pub account: Option<AccountId>,
    /// Changes observed, and runs started, from here on.
    pub since: Option<Timestamp>,
    /// The record as it was known at this time.
    pub as_of: Option<Timestamp>,
    /// The time of the answer.
    pub now: Timestamp,
    /// The rules whose findings are loaded.
    pub rules: Vec<Rule>,
}

/// What loaded tables are based on.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The runs of connections, for each account, if a table comes from them.
    pub rests_on: Vec<Basis>,
    /// The runs of dependencies, for each account, if a table comes from them. They
    /// have the sources that matter for these tables.
    pub dependencies_rest_on: Vec<DependencyBasis>,
    /// The number of findings that say that something could not be evaluated.
    pub not_evaluated: usize,
}

/// The reason why tables can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The record can't be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The rows can't be written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Selection {
    fn has(&self, table: Table) -> bool {
        self.tables.contains(&table)
    }

    fn has_one(&self, is_it: fn(Table) -> bool) -> bool {
        self.tables.iter().copied().any(is_it)
    }

    /// Reads the tables into a database.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn load(&self, audit: &Audit, database: &Database) -> Result<Loaded, LoadError> {
        let mut loaded = Loaded::default();
        database.begin()?;
        if self.has_one(Table::is_of_connections) {
            let at = self.as_of.unwrap_or(self.now);
            loaded.rests_on = audit.bases(self.account.as_ref(), at).await?;
            self.connections(audit, database).await?;
            self.changes(audit, database).await?;
            self.runs(audit, database).await?;
            loaded.not_evaluated = self.findings(audit, database).await?;
        }
        if self.has_one(Table::is_of_dependencies) {
            loaded.dependencies_rest_on = self.dependencies(audit, database).await?;
        }
        if self.has(Table::Meta) {
            database.write(Table::Meta, META, self.meta(&loaded))?;
        }
        database.commit()?;
        Ok(loaded)
    }

    async fn connections(&self, audit: &Audit, database: &Database) -> Result<(), LoadError> {
        if !self.has(Table::Connections) {
            return Ok(());
        }
        let filter = ConnectionFilter {
            account: self.account.clone(),
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let mut writer = database.writer(Table::Connections, CONNECTIONS)?;
        match self.as_of {
            Some(at) => {
                let rows = audit.connections_as_of(&filter, at).await?;
                rows.iter().all(|row| writer.add(row));
            }
            None => {
                let each = |row| writer.add(&row);
                audit.each_connection(&filter, each).await?;
            }
        }
        Ok(writer.finish()?)
    }

    async fn changes(&self, audit: &Audit, database: &Database) -> Result<(), LoadError> {
        if !self.has(Table::Changes) {
            return Ok(());
        }
        let since = self.since.unwrap_or(Timestamp::from_millis(i64::MIN));
        let last = self.as_of.unwrap_or(Timestamp::from_millis(i64::MAX));
        // The end of a time range is not in it.
        let until = Timestamp::from_millis(last.millis().saturating_add(1));
        let mut writer = database.writer(Table::Changes, CHANGES)?;
        for account in audit.accounts(self.account.as_ref()).await? {
            let changes = audit.table().changes_between(&account, since, until);
            // An observation that had not ended was not known yet.
            let each =
                |change: crate::domain::Change| change.observed_until > last || writer.add(&change);
            changes.each(each).await.map_err(AuditError::from)?;
        }
        Ok(writer.finish()?)
    }

    async fn runs(&self, audit: &Audit, database: &Database) -> Result<(), LoadError> {
        if !self.has(Table::Runs) && !self.has(Table::Listings) {
            return Ok(());
        }
        let since = self.since.unwrap_or(Timestamp::from_millis(i64::MIN));
        let last = self.as_of.unwrap_or(Timestamp::from_millis(i64::MAX));
        let until = Timestamp::from_millis(last.millis().saturating_add(1));
        for account in audit.accounts(self.account.as_ref()).await? {
            let mut runs = audit.runs_between(&account, since, until).await?;
            runs.retain(|run| run.finished_at <= last);
            if self.has(Table::Listings) {
                let listings = runs.iter().flat_map(RunListing::all_of);
                database.write(Table::Listings, LISTINGS, listings)?;
            }
            if self.has(Table::Runs) {
                database.write(Table::Runs, RUNS, runs)?;
            }
        }
        Ok(())
    }

    /// Returns how many could not be evaluated.
    async fn findings(&self, audit: &Audit, database: &Database) -> Result<usize, LoadError> {
        if !self.has(Table::Findings) {
            return Ok(0);
        }
        let moment = self.as_of.map_or(Moment::Now(self.now), Moment::AsOf);
        let report = audit.check(&self.rules, self.account.as_ref(), moment);
        let report = report.await?;
        let rows: Vec<FindingRow> = FindingRow::all_of(&report).collect();
        let not_evaluated = rows.iter().filter(|row| row.is_insufficient()).count();
        database.write(Table::Findings, FINDINGS, rows)?;
        Ok(not_evaluated)
    }

    async fn dependencies(
        &self,
        audit: &Audit,
        database: &Database,
    ) -> Result<Vec<DependencyBasis>, LoadError> {
        let filter = DependencyFilter {
            account: self.account.clone(),
            ..DependencyFilter::default()
        };
        let DependencyAnswer {
            dependencies,
            mut rests_on,
        } = audit.dependencies(&filter, self.as_of).await?;
        if self.has(Table::Sources) {
            let sources = rests_on.iter().flat_map(|basis| {
                basis.sources.iter().map(|source| AccountSource {
                    account: basis.account.clone(),
                    source: source.clone(),
                })
            });
            database.write(Table::Sources, SOURCES, sources)?;
        }
        let (mut hosts, mut consumers, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        let mut tags = Vec::new();
        for row in dependencies {
            match row.dependency_type {
                DependencyType::Host => hosts.push(row),
                DependencyType::Tags => tags.extend(Tag::all_of(&row)),
                DependencyType::Share | DependencyType::ShareReceived => shares.push(row),
                _ => consumers.push(row),
            }
        }
        let of_rows = [
            (Table::Hosts, HOSTS, hosts),
            (Table::Consumers, CONSUMERS, consumers),
            (Table::Shares, SHARES, shares),
        ];
        for (table, columns, rows) in of_rows {
            let rows: Vec<DependencyRow> = rows;
            if self.has(table) {
                database.write(table, columns, rows)?;
            }
        }
        if self.has(Table::Tags) {
            database.write(Table::Tags, TAGS, tags)?;
        }
        for basis in &mut rests_on {
            basis
                .sources
                .retain(|source| self.tables.iter().any(|it| it.rests_on(&source.source)));
        }
        Ok(rests_on)
    }

    fn meta(&self, loaded: &Loaded) -> Vec<Meta> {
        vec![
            Meta {
                name: "schema_version",
                value: Some(SCHEMA_VERSION.to_string()),
            },
            Meta {
                name: "code_version",
                value: Some(env!("CARGO_PKG_VERSION").to_owned()),
            },
            Meta {
                name: "account",
                value: self.account.as_ref().map(AccountId::to_string),
            },
            Meta {
                name: "since",
                value: self.since.map(|at| at.to_string()),
            },
            Meta {
                name: "as_of",
                value: self.as_of.map(|at| at.to_string()),
            },
            Meta {
                name: "rests_on",
                value: serde_json::to_string(&loaded.rests_on).ok(),
            },
            Meta {
                name: "dependencies_rest_on",
                value: serde_json::to_string(&loaded.dependencies_rest_on).ok(),
            },
        ]
    }
}
