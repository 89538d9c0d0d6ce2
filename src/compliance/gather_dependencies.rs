//! Gathers what the rules about dependencies need: the dependencies of all
//! accounts, because a connection can be used from another one. Read once for all
//! rules, and only if a rule needs it.

use std::collections::HashSet;

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
use crate::audit::{Audit, AuditError, Basis, ConnectionFilter, ConnectionRow};
use crate::domain::arn::normalized;
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
    let never = source.complete_at.is_none();
    let never = never.then_some("it never was");
    source.problem.as_deref().or(never)
}

/// Joins what several rules need; `None` if none needs dependencies.
fn joined(needs: impl Iterator<Item = DependencyNeeds>) -> Option<DependencyNeeds> {
    needs.reduce(|a, b| DependencyNeeds {
        connections: a.connections || b.connections,
        changes_since: match (a.changes_since, b.changes_since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
    })
}

impl Audit {
    /// Returns the dependencies that the rules need; `None` if they need none.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read. Single unreadable items are
    /// gaps instead.
    pub(crate) async fn dependency_evidence(
        &self,
        rules: &[Rule],
        moment: Moment,
    ) -> Result<Option<DependencyEvidence>, AuditError> {
        let at = moment.at();
        let kinds = rules.iter().map(|rule| rule.requirement.kind());
        let Some(needs) = joined(kinds.filter_map(|kind| kind.dependency_needs(at))) else {
            return Ok(None);
        };
        let mut evidence = DependencyEvidence::default();
        let accounts = self.accounts(None).await?;
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
        if needs.connections {
            self.read_all_connections(moment, &mut evidence).await?;
        }
        Ok(Some(evidence))
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
        let Some(since) = needs.changes_since else {
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

    async fn read_all_connections(
        &self,
        moment: Moment,
        evidence: &mut DependencyEvidence,
    ) -> Result<(), AuditError> {
        let mut all = Vec::new();
        let accounts: Vec<AccountId> = evidence.accounts.keys().cloned().collect();
        let read = async |account: &AccountId| match self.read_connections_of(account, moment).await
        {
            Ok((basis, rows)) => Ok(Some((account.clone(), basis, rows))),
            Err(error) => unreadable(account, error).map(|_| None),
        };
        each_account(self.reading(&accounts), read, |read| {
            if let Some((account, basis, rows)) = read {
                evidence.inventories.insert(account, basis);
                all.extend(rows);
            }
            true
        })
        .await?;
        evidence.connections = by_normalized_arn(all);
        Ok(())
    }

    async fn read_connections_of(
        &self,
        account: &AccountId,
        moment: Moment,
    ) -> Result<(Basis, Vec<ConnectionRow>), AuditError> {
        let filter = ConnectionFilter {
            account: Some(account.clone()),
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let rows = match moment {
            Moment::Now(_) => self.connections(&filter).await?,
            Moment::AsOf(at) => self.connections_as_of(&filter, at).await?,
        };
        Ok((self.basis(account, moment.at()).await?, rows))
    }
}
