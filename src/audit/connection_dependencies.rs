//! What is recorded about one connection besides its own attributes: what uses it,
//! its host, its tags and its shares.

use serde::Serialize;

use super::dependencies::DependencyRow;
use super::properties::{Properties, Tags};
use super::{Audit, AuditError, ConnectionRow};
use crate::domain::arn::{Arn, spellings};
use crate::domain::{AccountId, ConsumerCounts, Dependency, DependencyId, DependencyType};
use crate::table::Table;

/// The dependencies of one connection, and its properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionDependencies {
    /// Its host, if it is on record.
    pub host: Option<DependencyRow>,
    /// What uses it.
    pub used_by: Vec<DependencyRow>,
    /// Its tags; `None` if they were not observed.
    pub tags: Option<Tags>,
    /// With whom it is shared, and with which accounts of this table; `None` if
    /// that was not observed.
    pub shares: Option<Vec<DependencyRow>>,
}

impl ConnectionDependencies {
    /// Counts what uses the connection by type, for people: "2 pipeline sources".
    pub fn users_in_words(&self) -> String {
        let users = self.used_by.iter().map(|row| row.dependency_type);
        let counts: ConsumerCounts = users.collect();
        counts
            .in_words()
            .unwrap_or_else(|| "nothing that was listed".to_owned())
    }
}

impl Audit {
    /// Returns what uses a connection now, in all accounts, its properties, and its
    /// host. `None` if no run of dependencies is on record for its account.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn dependencies_of(
        &self,
        connection: &ConnectionRow,
    ) -> Result<Option<ConnectionDependencies>, AuditError> {
        let table: Table<Dependency> = self.table().of_kind();
        let (account, arn) = (&connection.account, connection.connection_arn.as_str());
        let Some(record) = table.read_record(account).await? else {
            return Ok(None);
        };
        let mut properties = Properties::default();
        let owner = Arn::parse(arn).and_then(|arn| arn.account.parse::<AccountId>().ok());
        let owner = owner.unwrap_or_else(|| account.clone());
        // Only its own account lists its properties.
        let record = match owner == *account {
            true => Some(record),
            false => table.read_record(&owner).await?,
        };
        for (scope, at) in record.into_iter().flat_map(|record| record.coverage) {
            properties.observe(&owner, scope.source(), scope.region(), at);
        }
        let mut used_by = Vec::new();
        for (account, snapshot) in table.users_of(&spellings(arn)).await? {
            let row = DependencyRow::of(&account, snapshot);
            match row.dependency_type.is_consumer() {
                true => used_by.push(row),
                false => properties.add(row),
            }
        }
        let host_arn = connection.attributes.host_arn.as_deref();
        let host = match host_arn.map(|arn| DependencyId::of(DependencyType::Host, arn, None)) {
            Some(Ok(id)) => table.read_snapshot(account, &id).await?,
            Some(Err(_)) | None => None,
        };
        let host = host.filter(|host| !host.is_deleted());
        Ok(Some(ConnectionDependencies {
            host: host.map(|host| DependencyRow::of(account, host)),
            used_by,
            tags: properties.tags(connection.into()),
            shares: properties.shares(connection.into()),
        }))
    }
}
