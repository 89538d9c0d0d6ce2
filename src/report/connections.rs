//! The connections of a period, replayed from their changes.

use std::collections::{BTreeMap, HashMap};

use crate::audit::connections::Replay;
use crate::audit::timeline::{Segment, observed_at, timeline};
use crate::audit::{Audit, AuditError, ConnectionRow};
use crate::domain::{AccountId, Change, ConnectionArn, Region, RunRecord, Timestamp};

/// A connection of the period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionReport {
    /// Its state at the end of the period.
    pub row: ConnectionRow,
    /// Its status over time.
    pub timeline: Vec<Segment>,
    /// The number of its changes observed in the period.
    pub changes: u64,
}

/// The connections of an account at a time, each with its changes until then.
pub(super) struct Histories {
    rows: Vec<ConnectionRow>,
    changes: HashMap<ConnectionArn, Vec<Change>>,
    /// The changes observed in the period, by time.
    pub(super) in_period: Vec<Change>,
    listed_in: HashMap<ConnectionArn, Vec<Region>>,
}

impl Histories {
    /// Reads the connections of `account` at the end of the period.
    pub(super) async fn read(
        audit: &Audit,
        account: &AccountId,
        (since, until): (Timestamp, Timestamp),
    ) -> Result<Self, AuditError> {
        let mut replay = Replay::default();
        let mut in_period = Vec::new();
        let mut changes: HashMap<ConnectionArn, Vec<Change>> = HashMap::new();
        audit
            .table()
            .changes_by(account, until)
            .each(|change| {
                if (since..until).contains(&change.observed_at) {
                    in_period.push(change.clone());
                }
                // Skip changes whose observation had not finished at `until`.
                if change.observed_until <= until {
                    replay.apply(change.clone());
                    changes.entry(change.arn.clone()).or_default().push(change);
                }
                true
            })
            .await?;
        // Changes don't contain the regions that listed a connection.
        let state = audit.table().read_account(account).await?;
        if let Some(corrupt) = state.corrupt.into_iter().next() {
            return Err(AuditError::Table(corrupt.into()));
        }
        let snapshots = state.snapshots.into_values();
        Ok(Self {
            rows: replay.into_rows().collect(),
            changes,
            in_period,
            listed_in: snapshots.map(|s| (s.arn, s.listed_in)).collect(),
        })
    }
}

/// Returns the connections that existed during the period, sorted by name and ARN.
pub(super) fn connection_reports(
    mut histories: Histories,
    observing: &[RunRecord],
    (since, until): (Timestamp, Timestamp),
    every_ms: i64,
) -> Vec<ConnectionReport> {
    // Many connections share few sets of regions.
    let mut observed: BTreeMap<Vec<Region>, Vec<Timestamp>> = BTreeMap::new();
    let mut reports = Vec::with_capacity(histories.rows.len());
    for row in histories.rows {
        let arn = &row.connection_arn;
        let mut changes = histories.changes.remove(arn).unwrap_or_default();
        changes.sort_unstable_by_key(|change| change.version);
        let deleted_before =
            row.deleted_at.is_some() && changes.last().is_some_and(|last| last.observed_at < since);
        if deleted_before {
            continue;
        }
        let listed_in = histories.listed_in.remove(arn).unwrap_or_default();
        let times = match listed_in.as_slice() {
            [] => observed_at(arn, &[], observing),
            regions => observed
                .entry(regions.to_vec())
                .or_insert_with(|| observed_at(arn, regions, observing))
                .clone(),
        };
        let in_period = |change: &&Change| (since..until).contains(&change.observed_at);
        reports.push(ConnectionReport {
            changes: changes.iter().filter(in_period).count() as u64,
            timeline: timeline(&changes, times, (since, until), every_ms),
            row,
        });
    }
    reports.sort_by(|a, b| {
        let (a, b) = (&a.row, &b.row);
        let (a_name, b_name) = (&a.attributes.connection_name, &b.attributes.connection_name);
        (a_name, &a.connection_arn).cmp(&(b_name, &b.connection_arn))
    });
    reports
}
