//! Reads tables of the record into a database.

use std::collections::BTreeSet;

use super::database::{Database, DatabaseError};
use super::schema::{SCHEMA_VERSION, Table};
use super::tables::changes::CHANGES;
use super::tables::connections::CONNECTIONS;
use super::tables::dependencies::{AccountSource, CONSUMERS, HOSTS, SHARES, SOURCES, TAGS, Tag};
use super::tables::findings::{FINDINGS, FindingRow};
use super::tables::meta::{META, Meta};
use super::tables::recorded_findings::RECORDED_FINDINGS;
use super::tables::runs::{LISTINGS, RUNS, RunListing};
use crate::audit::concurrently::{each_account, each_row};
use crate::audit::dependencies::{
    DependencyAnswer, DependencyBasis, DependencyFilter, DependencyRow,
};
use crate::audit::findings::{EvaluationsBasis, FindingFilter};
use crate::audit::runs::RunsInTable;
use crate::audit::{Audit, AuditError, Basis, ConnectionFilter};
use crate::compliance::evidence::Moment;
use crate::compliance::rule::Rule;
use crate::domain::{AccountId, Change, Timestamp};

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
    /// The runs of dependencies, for each account, if a table comes from them.
    pub dependencies_rest_on: Vec<DependencyBasis>,
    /// The evaluations, for each account, if recorded findings were loaded.
    pub evaluations_rest_on: Vec<EvaluationsBasis>,
    /// The number of accounts of which earlier runs than those loaded are not in the table.
    pub without_earlier_runs: usize,
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

impl Loaded {
    /// Returns what some of the tables are based on, with the sources of dependencies
    /// that matter for them.
    pub fn of(&self, tables: &BTreeSet<Table>) -> Self {
        let has = |is_it: fn(Table) -> bool| tables.iter().copied().any(is_it);
        let mut this = Self::default();
        if has(Table::is_of_connections) {
            this.rests_on.clone_from(&self.rests_on);
        }
        if tables.contains(&Table::Runs) || tables.contains(&Table::Listings) {
            this.without_earlier_runs = self.without_earlier_runs;
        }
        if tables.contains(&Table::Findings) {
            this.not_evaluated = self.not_evaluated;
        }
        if tables.contains(&Table::RecordedFindings) {
            this.evaluations_rest_on
                .clone_from(&self.evaluations_rest_on);
        }
        if has(Table::is_of_dependencies) {
            this.dependencies_rest_on
                .clone_from(&self.dependencies_rest_on);
        }
        for basis in &mut this.dependencies_rest_on {
            let matters = |source: &str| tables.iter().any(|table| table.rests_on(source));
            basis.sources.retain(|source| matters(&source.source));
        }
        this
    }
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
            loaded.without_earlier_runs = self.runs(audit, database).await?;
            loaded.not_evaluated = self.findings(audit, database).await?;
        }
        if self.has_one(Table::is_of_dependencies) {
            loaded.dependencies_rest_on = self.dependencies(audit, database).await?;
        }
        if self.has(Table::RecordedFindings) {
            loaded.evaluations_rest_on = self.recorded_findings(audit, database).await?;
        }
        if self.has(Table::Meta) {
            database.write(Table::Meta, META, self.meta(&loaded.of(&self.tables)))?;
        }
        database.commit()?;
        Ok(loaded)
    }

    async fn connections(&self, audit: &Audit, database: &Database) -> Result<(), LoadError> {
        if !self.has(Table::Connections) {
            return Ok(());
        }
        let filter = |account: Option<&AccountId>| ConnectionFilter {
            account: account.cloned(),
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let mut writer = database.writer(Table::Connections, CONNECTIONS)?;
        match self.as_of {
            Some(at) => {
                let accounts = audit.accounts(self.account.as_ref()).await?;
                let read = async |account: &AccountId| {
                    let filter = filter(Some(account));
                    audit.connections_as_of(&filter, at).await
                };
                let each = |rows: Vec<_>| rows.iter().all(|row| writer.add(row));
                each_account(audit.reading(&accounts), read, each).await?;
            }
            None => {
                let each = |row| writer.add(&row);
                let filter = filter(self.account.as_ref());
                audit.each_connection(&filter, each).await?;
            }
        }
        Ok(writer.finish()?)
    }

    /// Returns from when to before when what is recorded was known, and the last time of
    /// that.
    fn known(&self) -> (Timestamp, Timestamp, Timestamp) {
        let since = self.since.unwrap_or(Timestamp::from_millis(i64::MIN));
        let last = self.as_of.unwrap_or(Timestamp::from_millis(i64::MAX));
        // The end of a time range is not in it.
        let until = Timestamp::from_millis(last.millis().saturating_add(1));
        (since, until, last)
    }

    async fn changes(&self, audit: &Audit, database: &Database) -> Result<(), LoadError> {
        if !self.has(Table::Changes) {
            return Ok(());
        }
        let (since, until, last) = self.known();
        let accounts = audit.accounts(self.account.as_ref()).await?;
        let mut writer = database.writer(Table::Changes, CHANGES)?;
        let open = |account| audit.table().changes_between(account, since, until);
        // An observation that had not ended was not known yet.
        let each = |change: Change| change.observed_until > last || writer.add(&change);
        each_row(audit.reading(&accounts), open, each).await?;
        Ok(writer.finish()?)
    }

    /// Returns of how many accounts earlier runs are not in the table.
    async fn runs(&self, audit: &Audit, database: &Database) -> Result<usize, LoadError> {
        if !self.has(Table::Runs) && !self.has(Table::Listings) {
            return Ok(0);
        }
        let (since, until, last) = self.known();
        let accounts = audit.accounts(self.account.as_ref()).await?;
        let mut of_runs = database.writer(Table::Runs, RUNS)?;
        let mut of_listings = database.writer(Table::Listings, LISTINGS)?;
        let read = async |account: &AccountId| audit.runs_between(account, since, until).await;
        let mut without_earlier_runs = 0;
        let each = |found: RunsInTable| {
            without_earlier_runs += usize::from(found.missing.is_some());
            let mut known = found.runs.iter().filter(|run| run.finished_at <= last);
            known.all(|run| {
                (!self.has(Table::Runs) || of_runs.add(run))
                    && (!self.has(Table::Listings)
                        || RunListing::all_of(run).all(|listing| of_listings.add(&listing)))
            })
        };
        each_account(audit.reading(&accounts), read, each).await?;
        of_runs.finish()?;
        of_listings.finish()?;
        Ok(without_earlier_runs)
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

    async fn recorded_findings(
        &self,
        audit: &Audit,
        database: &Database,
    ) -> Result<Vec<EvaluationsBasis>, LoadError> {
        let filter = FindingFilter {
            account: self.account.clone(),
            rule: None,
            include_closed: true,
        };
        let answer = audit.findings(&filter, self.as_of, self.now).await?;
        database.write(Table::RecordedFindings, RECORDED_FINDINGS, answer.findings)?;
        Ok(answer.rests_on)
    }

    /// Loads the tables of dependencies, some accounts at a time: not all of them are in
    /// memory at once.
    async fn dependencies(
        &self,
        audit: &Audit,
        database: &Database,
    ) -> Result<Vec<DependencyBasis>, LoadError> {
        let accounts = audit.accounts(self.account.as_ref()).await?;
        let read = async |account: &AccountId| {
            let filter = DependencyFilter {
                account: Some(account.clone()),
                ..DependencyFilter::default()
            };
            audit.dependencies(&filter, self.as_of).await
        };
        let mut hosts = database.writer(Table::Hosts, HOSTS)?;
        let mut tags = database.writer(Table::Tags, TAGS)?;
        let mut consumers = database.writer(Table::Consumers, CONSUMERS)?;
        let mut shares = database.writer(Table::Shares, SHARES)?;
        let mut sources = database.writer(Table::Sources, SOURCES)?;
        let mut bases = Vec::new();
        let each = |answer: DependencyAnswer| {
            let mut write = |row: &DependencyRow| {
                let table = Table::of(row.dependency_type);
                match table {
                    _ if !self.has(table) => true,
                    Table::Hosts => hosts.add(row),
                    Table::Tags => Tag::all_of(row).all(|tag| tags.add(&tag)),
                    Table::Shares => shares.add(row),
                    _ => consumers.add(row),
                }
            };
            let mut go_on = answer.dependencies.iter().all(&mut write);
            for basis in answer.rests_on {
                if self.has(Table::Sources) {
                    let mut rows = AccountSource::all_of(&basis);
                    go_on = go_on && rows.all(|row| sources.add(&row));
                }
                bases.push(basis);
            }
            go_on
        };
        each_account(audit.reading(&accounts), read, each).await?;
        hosts.finish()?;
        tags.finish()?;
        consumers.finish()?;
        shares.finish()?;
        sources.finish()?;
        Ok(bases)
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
            Meta {
                name: "evaluations_rest_on",
                value: serde_json::to_string(&loaded.evaluations_rest_on).ok(),
            },
        ]
    }
}
