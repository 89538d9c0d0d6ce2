//! Changes of the recent past: shared by the kinds about changes.

use crate::audit::ConnectionRow;
use crate::compliance::evaluation::blocks_connections;
use crate::compliance::evidence::{Evidence, GapKind, RecordKey};
use crate::compliance::kind::Needs;
use crate::domain::Duration;
use crate::domain::{Change, ChangeKind};

/// Returns what it takes to know all changes of the last `within`.
pub(super) fn changes_needed(within: Duration, evidence: &Evidence) -> Needs {
    Needs {
        changes_since: Some(within.before(evidence.moment.at())),
        start_of_record: true,
        ..Needs::default()
    }
}

/// Returns true if not all changes may be known because of this gap.
pub(super) fn blocks_changes(gap: &GapKind) -> bool {
    blocks_connections(gap) || matches!(gap, GapKind::Changes | GapKind::Runs)
}

/// Returns a connection's changes of one kind in the last `within`, including
/// one exactly that long ago.
pub(super) fn changes_within<'a>(
    row: &ConnectionRow,
    kind: ChangeKind,
    within: Duration,
    evidence: &'a Evidence,
) -> Vec<&'a Change> {
    let from = within.before(evidence.moment.at());
    let changes = evidence.changes_of(row).iter();
    changes
        .filter(|change| change.kind == kind && change.observed_at >= from)
        .collect()
}

/// Returns the keys of changes.
pub(super) fn change_keys(changes: &[&Change]) -> Vec<RecordKey> {
    let key = |change: &&Change| RecordKey::change(&change.account, &change.arn, change.version);
    changes.iter().map(key).collect()
}
