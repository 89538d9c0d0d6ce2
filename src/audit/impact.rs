//! Impact: what uses a connection or host that does not work or does not exist.

use serde::Serialize;

use super::dependencies::{DependencyBasis, DependencyFilter, DependencyRow};
use super::used::{OnRecord, Used};
use super::{Audit, AuditError, Basis, ConnectionFilter};
use crate::domain::AccountId;

/// A connection that does not work or does not exist, and what uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// `PENDING`, `ERROR`, another status, `DELETED`, `NOT_IN_INVENTORY`, or
    /// `NOT_OBSERVED`: it may work.
    pub reason: String,
    /// The connection or host that is named.
    pub uses: String,
    /// The connection's name, if it is on record.
    pub connection_name: Option<String>,
    /// What uses it.
    pub dependency: DependencyRow,
    /// Why it was not observed.
    pub not_observed: Option<String>,
}

/// An answer about impact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImpactAnswer {
    /// What is affected, or may be, by reason.
    pub impact: Vec<Impact>,
    /// The runs of dependencies that it is based on, by account.
    pub rests_on: Vec<DependencyBasis>,
    /// The runs of connections that it is based on, by account of what is named.
    pub connections_rest_on: Vec<Basis>,
}

impl Audit {
    /// Returns every dependency that names a connection or host which does not
    /// work, was deleted, is in no inventory of this table, or was not observed.
    /// `inventories` are the bases of all accounts.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn impact(
        &self,
        account: Option<&AccountId>,
        inventories: Vec<Basis>,
    ) -> Result<ImpactAnswer, AuditError> {
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
        let on_record = OnRecord::new(connections, inventories, &all.dependencies, &all.rests_on);
        let is_asked = |of: &AccountId| account.is_none_or(|account| account == of);
        let consumers = all.dependencies.iter().filter(|row| is_asked(&row.account));
        let impact = consumers
            .clone()
            .filter_map(|row| impact_on(row, &on_record));
        let mut impact: Vec<Impact> = impact.collect();
        impact.sort_by(|a, b| (&a.reason, &a.uses).cmp(&(&b.reason, &b.uses)));
        let named = consumers.filter_map(DependencyRow::consumed);
        let connections_rest_on = on_record.rests_on(named, std::iter::empty());
        let mut rests_on = all.rests_on;
        rests_on.retain(|basis| is_asked(&basis.account));
        Ok(ImpactAnswer {
            impact,
            rests_on,
            connections_rest_on,
        })
    }
}

/// Returns the impact on a consumer; `None` if what it uses works, and of what is no
/// consumer.
fn impact_on(row: &DependencyRow, on_record: &OnRecord<'_>) -> Option<Impact> {
    let used = on_record.used(&row.consumed()?);
    let reason = used.state().to_owned();
    if reason == "AVAILABLE" {
        return None;
    }
    let (connection_name, not_observed) = match used {
        Used::Connection(connection) => (connection.attributes.connection_name.as_deref(), None),
        Used::NotObserved(why) => (None, Some(why)),
        Used::Host(_) | Used::NotInInventory => (None, None),
    };
    Some(Impact {
        reason,
        uses: row.uses.clone()?,
        connection_name: connection_name.map(str::to_owned),
        dependency: row.clone(),
        not_observed,
    })
}
