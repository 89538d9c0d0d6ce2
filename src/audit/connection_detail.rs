//! One connection: what is known of it, and its time line.

use serde::Serialize;

use super::gaps::usual_interval;
use super::timeline::{Segment, observed_at, timeline};
use super::{Audit, AuditError, Basis, ConnectionRow, History};
use crate::domain::{AccountId, Change, Region, Timestamp};

/// A connection, as one would look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionDetail {
    /// What is known of it.
    pub connection: ConnectionRow,
    /// The regions that list it.
    pub listed_in: Vec<Region>,
    /// How long it is in its status, in milliseconds; for one that is gone,
    /// how long it is gone.
    pub in_status_ms: u64,
    /// Its changes, the first one first, each with the run that saw it.
    pub history: History,
    /// In which status it was when.
    pub timeline: Vec<Segment>,
    /// What this rests on.
    pub rests_on: Basis,
}

/// How long between observations counts as a gap, if it can't be told from
/// the runs: a day.
const USUALLY_EVERY_MS: i64 = 24 * 60 * 60 * 1000;

impl Audit {
    /// The connection with this ARN, or every connection that has or had this
    /// name, as they are known at `now`. The time lines begin at `since`, or
    /// when the connection was first seen if that is later.
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
            // Changes of a snapshot that is not there: `verify` says so.
            let Some(snapshot) = self.table().read_snapshot(account, arn).await? else {
                continue;
            };
            let since = since.max(snapshot.first_seen_at);
            let runs = self.runs_between(account, since, now).await?;
            let every = usual_interval(&runs).unwrap_or(USUALLY_EVERY_MS);
            let observed = observed_at(arn, &snapshot.listed_in, &runs);
            let changes: Vec<Change> = history.changes.iter().map(|t| t.change.clone()).collect();
            let listed_in = snapshot.listed_in.clone();
            let connection = ConnectionRow::of(account, snapshot);
            let status_since = connection.deleted_at.unwrap_or(connection.status_since);
            shown.push(ConnectionDetail {
                listed_in,
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
