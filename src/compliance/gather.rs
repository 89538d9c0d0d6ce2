//! Gathers the evidence for rules, by keys and by the time index: no more than
//! the rules need.

use std::collections::HashMap;
use std::sync::Arc;

use super::evidence::{DependencyEvidence, Evidence, EvidenceGap, GapKind, Moment, RecordKey};
use super::kind::{ConnectionKind, KindRef, Needs};
use super::rule::Rule;
use crate::audit::runs::Runs;
use crate::audit::{Audit, AuditError, ConnectionFilter, ConnectionRow};
use crate::domain::{AccountId, RunRecord, Snapshot, Timestamp};
use crate::table::{CorruptItem, TableError, keys};

impl Audit {
    /// Returns the evidence of an account for those of the rules that have it in
    /// their scope.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read. Single unreadable items are
    /// gaps instead.
    pub async fn evidence(
        &self,
        account: &AccountId,
        rules: &[Rule],
        moment: Moment,
        dependencies: Option<&Arc<DependencyEvidence>>,
    ) -> Result<Evidence, AuditError> {
        let rules = rules.iter().filter(|rule| rule.scope.has_account(account));
        let kinds: Vec<KindRef<'_>> = rules.map(|rule| rule.requirement.kind()).collect();
        let mut evidence = Evidence {
            account: account.clone(),
            moment,
            basis: None,
            connections: Vec::new(),
            changes: HashMap::new(),
            runs: Vec::new(),
            run_with_page: None,
            listed_in: HashMap::new(),
            begins_at: None,
            dependencies: dependencies.cloned(),
            gaps: Vec::new(),
        };
        if kinds.is_empty() || !self.read_basis(&mut evidence).await? {
            return Ok(evidence);
        }
        if let Some(own) = dependencies.and_then(|all| all.of(account)) {
            evidence.gaps.extend(own.gaps.iter().cloned());
        }
        let kinds: Vec<&dyn ConnectionKind> = kinds
            .iter()
            .filter_map(|kind| match kind {
                KindRef::Connection(kind) => Some(*kind),
                KindRef::Dependency(_) | KindRef::Account(_) => None,
            })
            .collect();
        if kinds.is_empty() {
            return Ok(evidence);
        }
        self.read_failures(&mut evidence).await?;
        self.read_connections(&mut evidence).await?;
        let needs: Vec<Needs> = kinds.iter().map(|kind| kind.needs(&evidence)).collect();
        if let Some(since) = needs.iter().filter_map(|needs| needs.changes_since).min() {
            self.read_changes(&mut evidence, since).await?;
        }
        if needs.iter().any(|needs| needs.start_of_record) {
            self.read_start_of_record(&mut evidence).await?;
        }
        if let Some(since) = needs.iter().filter_map(|needs| needs.runs_since).min() {
            self.read_runs(&mut evidence, since).await?;
        }
        Ok(evidence)
    }

    /// Reads the basis. Returns false if nothing is recorded.
    async fn read_basis(&self, evidence: &mut Evidence) -> Result<bool, AuditError> {
        let at = evidence.moment.at();
        match self.basis(&evidence.account, at).await {
            Ok(basis) => {
                let recorded = basis.last_run.is_some();
                if !recorded {
                    let message = format!("no run finished by {at}");
                    evidence.add_gap(GapKind::Record, message, Vec::new());
                } else if !basis.is_evidence() {
                    let last = basis.last_run.iter().map(|run| run.sequence);
                    let keys = last.map(|n| RecordKey::run(&evidence.account, n)).collect();
                    let message =
                        format!("no complete run finished by {at}: connections may be missing");
                    evidence.add_gap(GapKind::CompleteRun, message, keys);
                }
                evidence.basis = Some(basis);
                Ok(recorded)
            }
            Err(error) => {
                let (message, keys) = unreadable(&evidence.account, error)?;
                evidence.add_gap(GapKind::Basis, message, keys);
                Ok(true)
            }
        }
    }

    /// Adds what the runs since the last complete one did not observe or write.
    async fn read_failures(&self, evidence: &mut Evidence) -> Result<(), AuditError> {
        let Some(basis) = evidence.basis.take() else {
            return Ok(());
        };
        let complete = basis.last_complete_run.as_ref().map_or(0, |r| r.sequence);
        let last = basis.last_run.as_ref().map_or(0, |run| run.sequence);
        let mut since: Vec<RunRecord> = Vec::new();
        if last > complete {
            let read = self
                .table()
                .runs_back_from(&evidence.account, last, |run| {
                    let go_on = run.sequence > complete;
                    if go_on && run.finished_at <= basis.at {
                        since.push(run);
                    }
                    go_on
                })
                .await;
            evidence.unless_unreadable(GapKind::Basis, read)?;
        }
        for missing in &basis.not_observed {
            let failed = since.iter().find(|run| {
                let mut listings = run.listings.iter();
                listings.any(|l| l.region == missing.region && l.error.is_some())
            });
            let (by, keys) = match failed {
                Some(run) => (format!(" by run {}", run.sequence), vec![run.sequence]),
                None => (String::new(), Vec::new()),
            };
            let message = format!(
                "{} was not observed{by}: {}",
                missing.region, missing.message
            );
            evidence.add_run_gap(GapKind::Region(missing.region.clone()), message, keys);
        }
        // A later run made up for everything else.
        if let Some(run) = since.iter().find(|run| run.unwritten > 0) {
            let (n, sequence) = (run.unwritten, run.sequence);
            let message = format!("run {sequence} did not complete {n} of its writes");
            evidence.add_run_gap(GapKind::Writes, message, vec![sequence]);
        }
        if let Some(run) = since.iter().find(|run| run.tombstones_held_back > 0) {
            let (n, sequence) = (run.tombstones_held_back, run.sequence);
            let message = format!("run {sequence} held back {n} deletions");
            evidence.add_run_gap(GapKind::Deletions, message, vec![sequence]);
        }
        evidence.basis = Some(basis);
        Ok(())
    }

    async fn read_connections(&self, evidence: &mut Evidence) -> Result<(), AuditError> {
        let account = evidence.account.clone();
        let at = match evidence.moment {
            Moment::Now(_) => {
                let state = self.table().read_account(&account).await?;
                for corrupt in &state.corrupt {
                    // The account's own record is part of the basis.
                    if corrupt.sk != keys::ACCOUNT_SK {
                        evidence.add_gap(
                            GapKind::Connections,
                            corrupt.to_string(),
                            vec![key(corrupt)],
                        );
                    }
                }
                let mut snapshots: Vec<Snapshot> = state.snapshots.into_values().collect();
                snapshots.sort_unstable_by(|a, b| a.arn.cmp(&b.arn));
                let rows = snapshots.into_iter();
                evidence.connections = rows.map(|s| ConnectionRow::of(&account, s)).collect();
                return Ok(());
            }
            Moment::AsOf(at) => at,
        };
        let filter = ConnectionFilter {
            account: Some(account.clone()),
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        match self.connections_as_of(&filter, at).await {
            Ok(rows) => evidence.connections = rows,
            Err(error) => {
                let (message, keys) = unreadable(&account, error)?;
                evidence.add_gap(GapKind::Connections, message, keys);
            }
        }
        Ok(())
    }

    async fn read_changes(
        &self,
        evidence: &mut Evidence,
        since: Timestamp,
    ) -> Result<(), AuditError> {
        let at = evidence.moment.at();
        let changes = self
            .table()
            .changes_between(&evidence.account, since, just_after(at))
            .collect()
            .await;
        for change in evidence.unless_unreadable(GapKind::Changes, changes)? {
            // An observation that had not ended was not known yet.
            if change.observed_until <= at {
                let changes = evidence.changes.entry(change.arn.clone()).or_default();
                changes.push(change);
            }
        }
        Ok(())
    }

    async fn read_start_of_record(&self, evidence: &mut Evidence) -> Result<(), AuditError> {
        let mut begins_at = None;
        let read = self
            .table()
            .runs_from(&evidence.account, 1, |run| {
                if run.is_evidence() {
                    begins_at = Some(run.started_at);
                }
                begins_at.is_none()
            })
            .await;
        evidence.unless_unreadable(GapKind::Runs, read)?;
        evidence.begins_at = begins_at;
        Ok(())
    }

    /// Reads the runs, and which regions list each connection, which the changes
    /// do not have.
    async fn read_runs(&self, evidence: &mut Evidence, since: Timestamp) -> Result<(), AuditError> {
        let at = evidence.moment.at();
        let runs = {
            let mut runs = Runs::of(self.table(), &evidence.account);
            runs.begun_between(since, just_after(at)).await
        };
        match runs {
            Ok(mut runs) => {
                runs.retain(|run| run.finished_at <= at);
                let got_a_page = |run: &&RunRecord| run.listings.iter().any(|l| l.pages > 0);
                evidence.run_with_page = runs.iter().find(got_a_page).map(|run| run.sequence);
                runs.retain(|run| run.unwritten == 0 && run.tombstones_held_back == 0);
                evidence.runs = runs;
            }
            Err(error) => {
                let (message, keys) = unreadable(&evidence.account, error)?;
                evidence.add_gap(GapKind::Runs, message, keys);
            }
        }
        let state = self.table().read_account(&evidence.account).await?;
        let listed_in = state.snapshots.into_values().map(|s| (s.arn, s.listed_in));
        evidence.listed_in = listed_in.collect();
        Ok(())
    }
}

impl Evidence {
    fn add_gap(&mut self, kind: GapKind, message: String, evidence: Vec<RecordKey>) {
        self.gaps.push(EvidenceGap {
            kind,
            message,
            evidence,
        });
    }

    fn add_run_gap(&mut self, kind: GapKind, message: String, runs: Vec<u64>) {
        let keys = runs.into_iter().map(|n| RecordKey::run(&self.account, n));
        let keys = keys.collect();
        self.add_gap(kind, message, keys);
    }

    /// Returns what was read, or the default and a gap if an item is corrupt.
    fn unless_unreadable<T: Default>(
        &mut self,
        kind: GapKind,
        read: Result<T, TableError>,
    ) -> Result<T, AuditError> {
        match read {
            Ok(read) => Ok(read),
            Err(error) => {
                let (message, keys) = unreadable(&self.account, error.into())?;
                self.add_gap(kind, message, keys);
                Ok(T::default())
            }
        }
    }
}

/// Returns the end of a half-open range that includes `at`.
pub(super) fn just_after(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_add(1))
}

/// Returns the message and the keys for unreadable records.
///
/// # Errors
/// `error` itself if the table can't be read.
pub(super) fn unreadable(
    account: &AccountId,
    error: AuditError,
) -> Result<(String, Vec<RecordKey>), AuditError> {
    match error {
        AuditError::Table(TableError::CorruptItem(corrupt)) => {
            Ok((corrupt.to_string(), vec![key(&corrupt)]))
        }
        AuditError::RunMissing { sequence, .. } => {
            let keys = vec![RecordKey::run(account, sequence)];
            Ok((format!("run {sequence} is missing from its chain"), keys))
        }
        ref missing @ AuditError::RunsNotInTable { first, .. } => {
            Ok((missing.to_string(), vec![RecordKey::run(account, first)]))
        }
        failed @ AuditError::Table(TableError::Call { .. }) => Err(failed),
    }
}

fn key(corrupt: &CorruptItem) -> RecordKey {
    RecordKey {
        pk: corrupt.pk.clone(),
        sk: corrupt.sk.clone(),
    }
}
