//! Gathers what the rules about dependencies need. A connection can be used from
//! another account, so they may need those of all accounts. Read once for all rules,
//! and only what a rule needs.

use std::collections::{BTreeSet, HashSet};

use super::dependencies::is_host;
use super::evidence::{
    AccountDependencies, DependencyEvidence, EvidenceGap, GapKind, Moment, RecordKey,
};
use super::gather::{just_after, unreadable};
use super::kind::DependencyNeeds;
use super::rule::Rule;
use crate::audit::concurrently::each_account;
use crate::audit::dependencies::{DependencyBasis, DependencyFilter, DependencyRow, SourceBasis};
use crate::audit::properties::Properties;
use crate::audit::used::by_normalized_arn;
use crate::audit::{Audit, AuditError, ConnectionFilter, ConnectionRow};
use crate::domain::arn::{Arn, normalized};
use crate::domain::dependency_type::{RAM, TAGGING, lists_properties};
use crate::domain::{AccountId, Dependency, RunRecord, SourceScope, Timestamp};
use crate::table::Table;

impl AccountDependencies {
    fn add_gap(&mut self, kind: GapKind, message: String, evidence: Vec<RecordKey>) {
        self.gaps.push(EvidenceGap {
            kind,
            message,
            evidence,
        });
    }

    fn add_basis(&mut self, account: &AccountId, basis: DependencyBasis, at: Timestamp) {
        match &basis.last_run {
            None => {
                let message = format!(
                    "no run of dependencies finished by {at}: what uses a connection is unknown; \
                     run `ccinv scan --dependencies`"
                );
                self.add_gap(GapKind::Dependencies, message, Vec::new());
            }
            Some(run) => {
                let key = RecordKey::dependency_run(account, run.sequence);
                for source in &basis.sources {
                    let (Some(problem), Ok(region)) = (problem_of(source), source.region.parse())
                    else {
                        continue;
                    };
                    let message = format!(
                        "{} in {} was not listed completely: {problem}",
                        source.source, source.region
                    );
                    if let Ok(scope) = SourceScope::of(&source.source, &region) {
                        self.add_gap(GapKind::Source(scope), message, vec![key.clone()]);
                    }
                }
                self.add_unasked_properties(&basis, &key);
            }
        }
        self.basis = Some(basis);
    }
}

impl AccountDependencies {
    /// Adds a gap for each source of properties that a region was not asked for:
    /// earlier versions ask none.
    fn add_unasked_properties(&mut self, basis: &DependencyBasis, key: &RecordKey) {
        for source in [RAM, TAGGING] {
            for region in basis.regions() {
                let is_it = |it: &SourceBasis| it.source == source && it.region == region;
                let scope = format!("{source}/{region}").parse();
                if let (false, Ok(scope)) = (basis.sources.iter().any(is_it), scope) {
                    let message = format!("{source} in {region} was not listed: no run asked it");
                    self.add_gap(GapKind::Source(scope), message, vec![key.clone()]);
                }
            }
        }
    }
}

/// Returns why a source may lack dependencies; `None` if its last listing is
/// complete.
fn problem_of(source: &SourceBasis) -> Option<&str> {
    let lacks = source.complete_at.is_none();
    let lacks = lacks.then_some("no complete listing is known");
    source.problem.as_deref().or(lacks)
}

/// Joins what several rules need; `None` if none needs dependencies.
fn joined(needs: impl Iterator<Item = DependencyNeeds>) -> Option<DependencyNeeds> {
    needs.reduce(|a, b| DependencyNeeds {
        used: a.used || b.used,
        properties: a.properties || b.properties,
        consumers_since: match (a.consumers_since, b.consumers_since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
    })
}

impl Audit {
    /// Returns the dependencies that the rules need; `None` if they need none. For
    /// `only` one account it has those of others that may concern its results.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read. Single unreadable items are
    /// gaps instead.
    pub(crate) async fn dependency_evidence(
        &self,
        rules: &[Rule],
        only: Option<&AccountId>,
        moment: Moment,
    ) -> Result<Option<DependencyEvidence>, AuditError> {
        let is_meant = |rule: &&Rule| only.is_none_or(|only| rule.scope.has_account(only));
        let kinds = rules.iter().filter(is_meant);
        let kinds = kinds.map(|rule| rule.requirement.kind());
        let Some(needs) = joined(kinds.filter_map(|kind| kind.dependency_needs(moment.at())))
        else {
            return Ok(None);
        };
        let mut evidence = DependencyEvidence::default();
        let all: BTreeSet<AccountId> = self.accounts(None).await?.into_iter().collect();
        let Some(only) = only else {
            self.add_accounts(&all, needs, moment, &mut evidence)
                .await?;
            return Ok(Some(evidence));
        };
        if !all.contains(only) {
            return Ok(Some(evidence));
        }
        let own = BTreeSet::from([only.clone()]);
        self.add_accounts(&own, needs, moment, &mut evidence)
            .await?;
        self.add_concerned(only, &all, needs, moment, &mut evidence)
            .await?;
        Ok(Some(evidence))
    }

    /// Adds what is needed of those of `all` accounts that may concern the results of
    /// `only` one, which was read.
    async fn add_concerned(
        &self,
        only: &AccountId,
        all: &BTreeSet<AccountId>,
        needs: DependencyNeeds,
        moment: Moment,
        evidence: &mut DependencyEvidence,
    ) -> Result<(), AuditError> {
        let mut connections = Vec::new();
        if needs.properties || needs.consumers_since.is_some() {
            match self.read_connections_of(only, moment).await {
                Ok(rows) => connections = rows,
                // Those that can be read are evaluated nevertheless.
                Err(error) => {
                    unreadable(only, error)?;
                    return self.add_accounts(all, needs, moment, evidence).await;
                }
            }
        }
        let mut present = connections.iter().filter(|row| row.deleted_at.is_none());
        if needs.consumers_since.is_some() && present.any(|row| !evidence.is_used(row)) {
            return self.add_accounts(all, needs, moment, evidence).await;
        }
        let needs = DependencyNeeds {
            consumers_since: None,
            ..needs
        };
        let owners = connections.iter().filter(|_| needs.properties);
        let owners = owners.map(|row| row.connection_arn.account().to_owned());
        let used = evidence.used.iter().filter(|_| needs.used);
        let used: Vec<String> = used.cloned().collect();
        let of_used = used.iter().filter_map(|arn| Arn::parse(arn));
        let named: BTreeSet<AccountId> = owners
            .chain(of_used.map(|arn| arn.account.to_owned()))
            .filter_map(|account| account.parse().ok())
            .collect();
        self.add_accounts(&(&named & all), needs, moment, evidence)
            .await?;
        let is_present = |arn: &String| {
            let connection = evidence.connections.get(arn);
            let is_present = |row: &ConnectionRow| row.deleted_at.is_none();
            connection.is_some_and(is_present) || evidence.hosts.contains(arn)
        };
        if used.iter().all(is_present) {
            return Ok(());
        }
        // An account with which it is shared may have it.
        self.add_accounts(all, needs, moment, evidence).await
    }

    /// Adds what is needed of accounts that were not read yet.
    async fn add_accounts(
        &self,
        accounts: &BTreeSet<AccountId>,
        needs: DependencyNeeds,
        moment: Moment,
        evidence: &mut DependencyEvidence,
    ) -> Result<(), AuditError> {
        let accounts = accounts.iter();
        let accounts = accounts.filter(|account| !evidence.accounts.contains_key(*account));
        let accounts: Vec<AccountId> = accounts.cloned().collect();
        let read = async |account: &AccountId| {
            let mut of_account = AccountDependencies::default();
            let read = self.read_dependencies(account, needs, moment, &mut of_account);
            if let Err(error) = read.await {
                let (message, keys) = unreadable(account, error)?;
                of_account.add_gap(GapKind::Dependencies, message, keys);
            }
            Ok((account.clone(), of_account))
        };
        each_account(self.reading(&accounts), read, |(account, of_account)| {
            evidence.accounts.insert(account, of_account);
            true
        })
        .await?;
        let rows = evidence.accounts.values().flat_map(|of| &of.rows);
        evidence.used = rows.clone().filter_map(DependencyRow::consumed).collect();
        let bases = evidence
            .accounts
            .values()
            .filter_map(|of| of.basis.as_ref());
        let is_property = |row: &&DependencyRow| row.dependency_type.property_source().is_some();
        let properties = rows.clone().filter(is_property).cloned();
        evidence.properties = Properties::new(properties, bases);
        let hosts = rows.filter(|row| is_host(row));
        evidence.hosts = hosts.map(|row| normalized(&row.arn)).collect();
        if needs.used {
            self.add_connections(&accounts, moment, evidence).await?;
        }
        Ok(())
    }

    async fn read_dependencies(
        &self,
        account: &AccountId,
        needs: DependencyNeeds,
        moment: Moment,
        of_account: &mut AccountDependencies,
    ) -> Result<(), AuditError> {
        let at = moment.at();
        let filter = DependencyFilter {
            account: Some(account.clone()),
            ..DependencyFilter::default()
        };
        let as_of = match moment {
            Moment::Now(_) => None,
            Moment::AsOf(at) => Some(at),
        };
        let answer = self.dependencies(&filter, as_of).await?;
        of_account.rows = answer.dependencies;
        for basis in answer.rests_on {
            of_account.add_basis(account, basis, at);
        }
        let Some(since) = needs.consumers_since else {
            return Ok(());
        };
        let table: Table<Dependency> = self.table().of_kind();
        let changes = table.changes_between(account, since, just_after(at));
        let changes = changes.collect().await?.into_iter();
        // An observation that had not ended was not known yet.
        of_account.changes = changes.filter(|c| c.observed_until <= at).collect();
        // A source that was added later was not observed before.
        let sources = of_account.basis.iter().flat_map(|basis| &basis.sources);
        let mut left: HashSet<(&str, &str)> = sources
            .map(|source| (&*source.source, &*source.region))
            .filter(|(source, _)| !lists_properties(source))
            .collect();
        let mut begins_at = None;
        let each = |run: RunRecord<Dependency>| {
            for (scope, window) in run.covered() {
                let lacked = left.len();
                left.retain(|source| *source != (scope.source(), scope.region()));
                if left.len() < lacked {
                    begins_at = begins_at.max(Some(window.began_at));
                }
            }
            !left.is_empty()
        };
        table.runs_from(account, 1, each).await?;
        of_account.begins_at = begins_at.filter(|_| left.is_empty());
        Ok(())
    }

    async fn add_connections(
        &self,
        accounts: &[AccountId],
        moment: Moment,
        evidence: &mut DependencyEvidence,
    ) -> Result<(), AuditError> {
        let mut all: Vec<ConnectionRow> = evidence.connections.drain().map(|(_, it)| it).collect();
        let read = async |account: &AccountId| {
            let read = async {
                let rows = self.read_connections_of(account, moment).await?;
                Ok((self.basis(account, moment.at()).await?, rows))
            };
            match read.await {
                Ok((basis, rows)) => Ok(Some((account.clone(), basis, rows))),
                Err(error) => unreadable(account, error).map(|_| None),
            }
        };
        each_account(self.reading(accounts), read, |read| {
            if let Some((account, basis, rows)) = read {
                evidence.inventories.insert(account, basis);
                all.extend(rows);
            }
            true
        })
        .await?;
        // The same one of several, whatever was read first.
        all.sort_by(|a, b| a.account.cmp(&b.account));
        evidence.connections = by_normalized_arn(all);
        Ok(())
    }

    async fn read_connections_of(
        &self,
        account: &AccountId,
        moment: Moment,
    ) -> Result<Vec<ConnectionRow>, AuditError> {
        let filter = ConnectionFilter {
            account: Some(account.clone()),
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        match moment {
            Moment::Now(_) => self.connections(&filter).await,
            Moment::AsOf(at) => self.connections_as_of(&filter, at).await,
        }
    }
}
