//! One connection: its state, its history and its time line.

use serde::Serialize;

use super::connection_dependencies::ConnectionDependencies;
use super::gaps::usual_interval;
use super::timeline::{Segment, observed_at, timeline};
use super::{Audit, AuditError, Basis, ConnectionRow, History};
use crate::domain::{AccountId, Change, Region, Timestamp};

/// A connection in detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionDetail {
    /// Its state.
    pub connection: ConnectionRow,
    /// The regions that list it.
    pub listed_in: Vec<Region>,
    /// How long it has been in its status, or deleted, in milliseconds.
    pub in_status_ms: u64,
    /// Its changes, oldest first, each with the run that observed it.
    pub history: History,
    /// Its host, its tags, its shares and what uses it; `None` if dependencies were
    /// never listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<ConnectionDependencies>,
    /// Its status over time.
    pub timeline: Vec<Segment>,
    /// The runs that this is based on.
    pub rests_on: Basis,
}

/// The usual time between observations if there are too few runs to know it: a
/// day.
const DEFAULT_INTERVAL_MS: i64 = 24 * 60 * 60 * 1000;

impl Audit {
    /// Returns the connection with this ARN, or every connection with this name or
    /// last part of the ARN, at `now`. Time lines start at `since`, or when the
    /// connection was first seen if that is later.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn show(
        &self,
        arn_or_name: &str,
        account: Option<&AccountId>,
        (since, now): (Timestamp, Timestamp),
    ) -> Result<Vec<ConnectionDetail>, AuditError> {
        let mut shown = Vec::new();
        for history in self.history(arn_or_name, account).await? {
            let (account, arn) = (&history.account, &history.connection_arn);
            // A missing snapshot is a finding of `verify`.
            let Some(snapshot) = self.table().read_snapshot(account, arn).await? else {
                continue;
            };
            let since = since.max(snapshot.first_seen_at);
            let runs = self.runs_between(account, since, now).await?.all()?;
            let every = usual_interval(&runs).unwrap_or(DEFAULT_INTERVAL_MS);
            let observed = observed_at(arn, &snapshot.listed_in, &runs);
            let changes: Vec<Change> = history.changes.iter().map(|t| t.change.clone()).collect();
            let listed_in = snapshot.listed_in.clone();
            let connection = ConnectionRow::of(account, snapshot);
            let dependencies = self.dependencies_of(&connection).await?;
            let status_since = connection.deleted_at.unwrap_or(connection.status_since);
            shown.push(ConnectionDetail {
                listed_in,
                dependencies,
                in_status_ms: now.millis_since(status_since),
                timeline: timeline(&changes, observed, (since, now), every),
                rests_on: self.basis(account, now).await?,
                connection,
                history,
            });
        }
        Ok(shown)
    }
}
