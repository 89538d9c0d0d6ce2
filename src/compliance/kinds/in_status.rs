//! How long a connection is in a status: shared by the kinds about a status.

use crate::audit::ConnectionRow;
use crate::compliance::evaluation::{Evaluation, status};
use crate::compliance::evidence::Evidence;
use crate::compliance::kind::Needs;
use crate::domain::Duration;
use crate::domain::{Change, ConnectionStatus};

/// Returns the changes needed to tell how long connections are in `unwanted`:
/// none if all of them are in it for long enough anyway.
pub(super) fn changes_needed(
    unwanted: &ConnectionStatus,
    longer_than: Duration,
    evidence: &Evidence,
) -> Needs {
    let at = evidence.moment.at();
    let young = evidence.connections.iter().any(|row| {
        row.deleted_at.is_none()
            && row.attributes.connection_status.as_ref() == Some(unwanted)
            && !longer_than.is_over(row.status_since, at)
    });
    Needs {
        changes_since: young.then(|| longer_than.before(at)),
        ..Needs::default()
    }
}

/// Evaluates whether a connection is in `unwanted`, or is for too long.
pub(super) fn evaluate_status(
    row: &ConnectionRow,
    unwanted: &ConnectionStatus,
    longer_than: Option<Duration>,
    evidence: &Evidence,
) -> Evaluation {
    let at = evidence.moment.at();
    match status(row) {
        None => return Evaluation::insufficient("status is missing"),
        Some(status) if status != unwanted => return Evaluation::Compliant,
        Some(_) => {}
    }
    let since = row.status_since;
    let Some(limit) = longer_than else {
        let message = format!("in {unwanted} since {since}");
        return Evaluation::violation_since(since, message);
    };
    if limit.is_over(since, at) {
        let message = format!("{unwanted} since {since}, longer than {limit}");
        return Evaluation::violation_since(since, message);
    }
    // It may have been in the status before it was first observed in it.
    let began = |change: &&Change| change.kind.starts_status() && change.observed_at == since;
    let Some(change) = evidence.changes_of(row).iter().rev().find(began) else {
        return Evaluation::insufficient(format!("{unwanted}, but the change to it can't be read"));
    };
    match change.previously_seen_at {
        Some(earlier) if !limit.is_over(earlier, at) => Evaluation::Compliant,
        Some(earlier) => Evaluation::insufficient(format!(
            "became {unwanted} between {earlier} and {since}, perhaps longer than {limit} ago"
        )),
        None => Evaluation::insufficient(format!(
            "{unwanted} when first observed at {since}, perhaps for longer than {limit}"
        )),
    }
}
