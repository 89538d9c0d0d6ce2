//! Reads of dependencies: what uses a connection, in all accounts.

use aws_sdk_dynamodb::types::AttributeValue;

use super::audit::wrong;
use super::query::Query;
use crate::domain::{AccountId, Dependency, Snapshot};
use crate::table::client::Table;
use crate::table::error::TableError;
use crate::table::schema::BY_STATUS;
use crate::table::{codec, keys};

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
