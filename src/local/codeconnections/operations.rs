//! Dispatch: from the name and input of an operation to its output.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::errors::{ErrorKind, ServiceError};
use super::model::Operation;
use super::state::{Scope, ServiceState};

impl ServiceState {
    /// Validates the input against the service model, performs `operation` for
    /// `scope` and returns the output in its wire form.
    ///
    /// # Errors
    ///
    /// The error of the service.
    pub fn perform(
        &mut self,
        scope: &Scope,
        operation: Operation,
        input: Value,
    ) -> Result<Value, ServiceError> {
        operation.validate(&input)?;
        match operation {
            Operation::CreateConnection => typed(input, |i| self.create_connection(scope, i)),
            Operation::GetConnection => typed(input, |i| self.get_connection(scope, &i)),
            Operation::ListConnections => typed(input, |i| self.list_connections(scope, &i)),
            Operation::DeleteConnection => typed(input, |i| self.delete_connection(scope, &i)),
            Operation::CreateHost => typed(input, |i| self.create_host(scope, i)),
            Operation::GetHost => typed(input, |i| self.get_host(scope, &i)),
            Operation::ListHosts => typed(input, |i| self.list_hosts(scope, &i)),
            Operation::UpdateHost => typed(input, |i| self.update_host(scope, i)),
            Operation::DeleteHost => typed(input, |i| self.delete_host(scope, &i)),
            Operation::TagResource => typed(input, |i| self.tag_resource(scope, i)),
            Operation::UntagResource => typed(input, |i| self.untag_resource(scope, &i)),
            Operation::ListTagsForResource => {
                typed(input, |i| self.list_tags_for_resource(scope, &i))
            }
            Operation::CreateRepositoryLink => {
                typed(input, |i| self.create_repository_link(scope, i))
            }
            Operation::ListRepositoryLinks => {
                typed(input, |i| self.list_repository_links(scope, &i))
            }
            Operation::CreateSyncConfiguration => {
                typed(input, |i| self.create_sync_configuration(scope, i))
            }
            Operation::ListSyncConfigurations => {
                typed(input, |i| self.list_sync_configurations(scope, &i))
            }
        }
    }
}

/// Runs `work` with a typed input and a typed output.
fn typed<I: DeserializeOwned, O: Serialize>(
    input: Value,
    work: impl FnOnce(I) -> Result<O, ServiceError>,
) -> Result<Value, ServiceError> {
    let input = serde_json::from_value(input)
        .map_err(|error| ServiceError::new(ErrorKind::Serialization, error.to_string()))?;
    let output = work(input)?;
    serde_json::to_value(output)
        .map_err(|error| ServiceError::new(ErrorKind::InternalFailure, error.to_string()))
}
