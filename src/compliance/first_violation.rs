//! Finds since when the attributes of a connection violate a rule, from its
//! changes. These are read only for findings, and only if there is more than one.

use super::check::AccountResult;
use super::evaluation::Evaluation;
use super::evidence::{Evidence, RecordKey};
use super::kind::{Aspect, ConnectionKind};
use crate::audit::{Audit, AuditError, ConnectionRow};
use crate::domain::Change;
use crate::table::TableError;

impl Audit {
    /// Sets `since` of findings that lack it.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read. A finding with unreadable
    /// changes stays without.
    pub(crate) async fn fill_since(
        &self,
        kind: &dyn ConnectionKind,
        evidence: &Evidence,
        result: &mut AccountResult,
    ) -> Result<(), AuditError> {
        if kind.aspect() != Aspect::Attributes {
            return Ok(());
        }
        let findings = result.findings.iter_mut();
        for finding in findings.filter(|finding| finding.since.is_none()) {
            let arn = finding.subject.connection_arn();
            let Some(row) = arn.and_then(|arn| evidence.connection(arn)) else {
                continue;
            };
            let read = self
                .table()
                .changes_of(&row.account, &row.connection_arn)
                .await;
            let changes = match read {
                Ok(changes) => changes,
                Err(TableError::CorruptItem(_)) => continue,
                Err(failed @ TableError::Call { .. }) => return Err(failed.into()),
            };
            if let Some(change) = first_violation(kind, row, &changes, evidence) {
                finding.since = Some(change.observed_at);
                let key = RecordKey::change(&change.account, &change.arn, change.version);
                finding.evidence.push(key);
                finding.evidence.sort();
                finding.evidence.dedup();
            }
        }
        Ok(())
    }
}

/// Returns the change since which a connection violates the rule continuously.
fn first_violation<'a>(
    kind: &dyn ConnectionKind,
    row: &ConnectionRow,
    changes: &'a [Change],
    evidence: &Evidence,
) -> Option<&'a Change> {
    let newest_first = changes.iter().rev();
    let known = newest_first.skip_while(|change| change.version > row.version);
    let violates = |change: &&Change| {
        let then = change.after.as_ref().map(|after| row.with(after.clone()));
        let evaluation = then.map(|then| kind.evaluate(&then, evidence));
        matches!(evaluation, Some(Evaluation::NonCompliant(_)))
    };
    known.take_while(violates).last()
}
