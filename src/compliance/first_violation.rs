//! Since when a connection breaks a rule by what it is: its changes tell.
//! They are read only of what was found, if there was more than one.

use super::check::AccountResult;
use super::evaluation::Evaluation;
use super::evidence::{Evidence, RecordKey};
use super::kind::{Aspect, ConnectionKind};
use crate::audit::{Audit, AuditError, ConnectionRow};
use crate::domain::Change;
use crate::table::TableError;

impl Audit {
    /// Completes findings that don't say since when.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read. Changes that can't be leave
    /// it unsaid.
    pub(crate) async fn fill_since(
        &self,
        kind: &dyn ConnectionKind,
        evidence: &Evidence,
        result: &mut AccountResult,
    ) -> Result<(), AuditError> {
        if kind.aspect() != Aspect::Attributes {
            return Ok(());
        }
        let unsaid = result.findings.iter_mut();
        for finding in unsaid.filter(|finding| finding.since.is_none()) {
            let arn = finding.connection_arn.as_ref();
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
            if let Some(change) = began(kind, row, &changes, evidence) {
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

/// The change from which on a connection broke the rule without a break.
fn began<'a>(
    kind: &dyn ConnectionKind,
    row: &ConnectionRow,
    changes: &'a [Change],
    evidence: &Evidence,
) -> Option<&'a Change> {
    let known = changes.iter().rev();
    let known = known.skip_while(|change| change.version > row.version);
    let breaks = |change: &&Change| {
        let then = change.after.as_ref().map(|after| row.with(after.clone()));
        let evaluation = then.map(|then| kind.evaluate(&then, evidence));
        matches!(evaluation, Some(Evaluation::NonCompliant(_)))
    };
    known.take_while(breaks).last()
}
