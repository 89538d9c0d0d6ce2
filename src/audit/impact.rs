//! Impact: what uses a connection or host that does not work or does not exist.

use serde::Serialize;

use super::dependencies::{DependencyBasis, DependencyFilter, DependencyRow};
use super::used::{OnRecord, Used};
use super::{Audit, AuditError, ConnectionFilter};
use crate::domain::AccountId;

/// A connection that does not work or does not exist, and what uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// `PENDING`, `ERROR`, another status, `DELETED`, or `NOT_IN_INVENTORY`.
    pub reason: String,
    /// The connection or host that is named.
    pub uses: String,
    /// The connection's name, if it is on record.
    pub connection_name: Option<String>,
    /// What uses it.
    pub dependency: DependencyRow,
}

impl Audit {
    /// Returns every dependency that names a connection or host which does not
    /// work, was deleted, or is in no inventory of this table.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn impact(
        &self,
        account: Option<&AccountId>,
    ) -> Result<(Vec<Impact>, Vec<DependencyBasis>), AuditError> {
        // A connection or host of another account can be used, too.
        let filter = DependencyFilter {
            without_properties: true,
            ..DependencyFilter::default()
        };
        let all = self.dependencies(&filter, None).await?;
        let everything = ConnectionFilter {
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let connections = self.connections(&everything).await?;
        let on_record = OnRecord::new(connections, &all.dependencies);
        let is_asked = |of: &AccountId| account.is_none_or(|account| account == of);
        let consumers = all.dependencies.iter().filter(|row| is_asked(&row.account));
        let impact = consumers.filter_map(|row| impact_on(row, &on_record));
        let mut impact: Vec<Impact> = impact.collect();
        impact.sort_by(|a, b| (&a.reason, &a.uses).cmp(&(&b.reason, &b.uses)));
        let mut bases = all.rests_on;
        bases.retain(|basis| is_asked(&basis.account));
        Ok((impact, bases))
    }
}

/// Returns the impact on a consumer; `None` if what it uses works, and of what is no
/// consumer.
fn impact_on(row: &DependencyRow, on_record: &OnRecord<'_>) -> Option<Impact> {
    let used = on_record.used(&row.consumed()?);
    if used.state() == "AVAILABLE" {
        return None;
    }
    let connection_name = match used {
        Used::Connection(connection) => connection.attributes.connection_name.as_deref(),
        Used::Host(_) | Used::NotInInventory => None,
    };
    Some(Impact {
        reason: used.state().to_owned(),
        uses: row.uses.clone()?,
        connection_name: connection_name.map(str::to_owned),
        dependency: row.clone(),
    })
}
