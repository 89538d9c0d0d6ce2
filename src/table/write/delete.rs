//! Deleting a run that an archive has. No function of a stack may do that.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::domain::RunRecord;
use crate::table::client::Table;
use crate::table::codec::{self, DIGEST};
use crate::table::kind::StoredKind;
use crate::table::{TableError, keys};

/// The result of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The item was deleted.
    Deleted,
    /// There was none.
    WasNotThere,
    /// Another one is there, and stays.
    Differs,
}

impl<K: StoredKind> Table<K> {
    /// Deletes a run, if its item is just what this run is written as.
    ///
    /// # Errors
    /// [`TableError`] if a call fails.
    pub async fn delete_run(&self, run: &RunRecord<K>) -> Result<Deletion, TableError> {
        let written = codec::run_item(run);
        // What the item has beyond the run has no digest, and a condition can't name it.
        let Some(item) = self.read_run_item(&run.account, run.sequence).await? else {
            return Ok(Deletion::WasNotThere);
        };
        if item != written {
            return Ok(Deletion::Differs);
        }
        let value = |name: &str| {
            let value = written.get(name).cloned();
            value.unwrap_or(AttributeValue::Null(true))
        };
        let deleted = self
            .client()
            .delete_item()
            .table_name(self.name().as_str())
            .key(keys::PK, value(keys::PK))
            .key(keys::SK, value(keys::SK))
            .condition_expression("attribute_not_exists(#pk) OR #digest = :digest")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#digest", DIGEST)
            .expression_attribute_values(":digest", value(DIGEST))
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match deleted {
            Ok(deleted) if deleted.attributes.is_some() => Ok(Deletion::Deleted),
            Ok(_) => Ok(Deletion::WasNotThere),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(Deletion::Differs),
                _ => Err(TableError::Call {
                    operation: "delete run",
                    subject: format!("{} of account {}", run.sequence, run.account),
                    call_error: self.call_error(&error),
                }),
            },
        }
    }
}
