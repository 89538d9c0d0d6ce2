//! Deleting a run that an archive has. No function of a stack may do that.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::domain::RunRecord;
use crate::table::client::Table;
use crate::table::codec::{self, DIGEST};
use crate::table::kind::StoredKind;
use crate::table::{TableError, keys};

impl<K: StoredKind> Table<K> {
    /// Deletes a run, if it is this one. Returns whether it was there, and `None` if
    /// another one is.
    ///
    /// # Errors
    /// [`TableError`] if the call fails.
    pub async fn delete_run(&self, run: &RunRecord<K>) -> Result<Option<bool>, TableError> {
        let item = codec::run_item(run);
        let key = |name: &str| {
            item.get(name)
                .cloned()
                .unwrap_or(AttributeValue::Null(true))
        };
        let deleted = self
            .client()
            .delete_item()
            .table_name(self.name().as_str())
            .key(keys::PK, key(keys::PK))
            .key(keys::SK, key(keys::SK))
            .condition_expression("attribute_not_exists(#pk) OR #digest = :digest")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#digest", DIGEST)
            .expression_attribute_values(":digest", key(DIGEST))
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match deleted {
            Ok(deleted) => Ok(Some(deleted.attributes.is_some())),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(TableError::Call {
                    operation: "delete run",
                    subject: format!("{} of account {}", run.sequence, run.account),
                    call_error: self.call_error(&error),
                }),
            },
        }
    }
}
