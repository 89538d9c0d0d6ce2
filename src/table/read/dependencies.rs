//! Reads of dependencies: what uses a connection, in all accounts.

use aws_sdk_dynamodb::types::AttributeValue;

use super::audit::wrong;
use super::query::Query;
use crate::domain::arn::spellings;
use crate::domain::{AccountId, ConsumerCounts, Dependency, DependencyId, Kind, Snapshot};
use crate::table::client::Table;
use crate::table::error::TableError;
use crate::table::schema::BY_STATUS;
use crate::table::{codec, keys};

/// Index rows of consumers in one page.
const CONSUMERS_AT_ONCE: i32 = 500;

impl<K: Kind> Table<K> {
    /// Counts what uses this connection, in all accounts, as the index has it: it may
    /// be a moment behind.
    ///
    /// # Errors
    /// [`TableError`] if a query fails.
    pub async fn count_consumers(&self, arn: &str) -> Result<ConsumerCounts, TableError> {
        let mut counts = ConsumerCounts::default();
        for arn in spellings(arn) {
            let pk = keys::uses_pk(&arn);
            let query = Query::index(self, "read what uses", arn, BY_STATUS, pk);
            let mut query = query.limit(CONSUMERS_AT_ONCE);
            while let Some(page) = query.next().await? {
                let ids = page.iter().filter_map(|item| match item.get(keys::SK) {
                    Some(AttributeValue::S(sk)) => keys::DEPENDENCIES.id_in(sk),
                    _ => None,
                });
                let ids = ids.filter_map(|id| id.parse::<DependencyId>().ok());
                ids.filter_map(|id| id.dependency_type())
                    .for_each(|dependency_type| counts.add(dependency_type));
            }
        }
        Ok(counts)
    }
}

impl Table<Dependency> {
    /// Returns what uses one of these connections or hosts.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or an item can't be read.
    pub async fn users_of(
        &self,
        arns: &[String],
    ) -> Result<Vec<(AccountId, Snapshot<Dependency>)>, TableError> {
        let mut users = Vec::new();
        for arn in arns {
            let pk = keys::uses_pk(arn);
            let query = Query::index(self, "read what uses", arn, BY_STATUS, pk);
            for item in query.collect(None).await? {
                let account = codec::account_of::<Dependency>(&item)
                    .ok_or_else(|| wrong(&item, keys::PK, "names no account"))?;
                let id = match item.get(keys::SK) {
                    Some(AttributeValue::S(sk)) => keys::DEPENDENCIES.id_in(sk),
                    _ => None,
                };
                let id = id
                    .and_then(|id| id.parse().ok())
                    .ok_or_else(|| wrong(&item, keys::SK, "names no dependency"))?;
                // The index may be a moment behind.
                let snapshot = self.read_snapshot(&account, &id).await?;
                users.extend(snapshot.map(|snapshot| (account, snapshot)));
            }
        }
        users.retain(|(_, snapshot)| !snapshot.is_deleted());
        Ok(users)
    }
}
