//! The operations on connections.

use std::collections::BTreeSet;

use serde_json::Map;

use super::errors::{ErrorKind, ServiceError};
use super::model::Operation;
use super::state::{ConnectionRecord, Scope, ServiceState};
use super::tags::initial_tags;
use super::types::{
    Connection, ConnectionArnInput, ConnectionStatus, CreateConnectionInput,
    CreateConnectionOutput, Done, GetConnectionOutput, ListConnectionsInput, ListConnectionsOutput,
    ProviderType, tag_list,
};

impl CreateConnectionInput {
    /// Returns the input for a connection without host and tags.
    pub fn new(name: &str, provider: ProviderType) -> Self {
        Self {
            connection_name: name.to_owned(),
            provider_type: Some(provider),
            host_arn: None,
            provider_endpoint: None,
            tags: None,
        }
    }

    /// Returns the input for a connection through a host, which has the provider type.
    pub fn through_host(name: &str, host_arn: &str) -> Self {
        Self {
            connection_name: name.to_owned(),
            provider_type: None,
            host_arn: Some(host_arn.to_owned()),
            provider_endpoint: None,
            tags: None,
        }
    }
}

impl ServiceState {
    /// `CreateConnection`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` if the host does not exist, `ResourceUnavailable` if it
    /// is busy, `LimitExceeded` beyond the quotas. A duplicate name is a
    /// `Validation` error: the model declares no other.
    pub fn create_connection(
        &mut self,
        scope: &Scope,
        input: CreateConnectionInput,
    ) -> Result<CreateConnectionOutput, ServiceError> {
        let provider_type = self.provider_of(scope, &input)?;
        let tags = initial_tags(input.tags, self.options.quotas.tags)?;
        self.admit_connection(scope, &input.connection_name)?;

        let resource = format!("connection/{}", self.ids.uuid());
        let arn = self.new_arn(scope, &resource);
        let output = CreateConnectionOutput {
            connection_arn: arn.clone(),
            tags: tag_list(&tags),
        };
        let record = ConnectionRecord {
            connection: Connection {
                connection_name: input.connection_name,
                connection_arn: arn.clone(),
                provider_type,
                owner_account_id: scope.account.clone(),
                connection_status: ConnectionStatus::Pending,
                host_arn: input.host_arn,
                provider_endpoint: input.provider_endpoint,
                unmodelled: Map::new(),
            },
            region: scope.region.clone(),
            tags,
            shared_with: BTreeSet::new(),
        };
        self.connections.insert(arn, record);
        Ok(output)
    }

    /// Returns the provider type of a new connection: that of its host, or that of
    /// the input.
    fn provider_of(
        &self,
        scope: &Scope,
        input: &CreateConnectionInput,
    ) -> Result<ProviderType, ServiceError> {
        let Some(host_arn) = &input.host_arn else {
            return match input.provider_type {
                Some(provider) if provider.is_installed() => Err(ServiceError::validation(
                    format!("A connection to {provider} needs a HostArn"),
                )),
                Some(provider) => Ok(provider),
                None => Err(ServiceError::validation(
                    "Either ProviderType or HostArn must be given",
                )),
            };
        };
        let host = &self.own_host(scope, host_arn)?.host;
        if host.status.is_busy() {
            return Err(ServiceError::new(
                ErrorKind::ResourceUnavailable,
                format!("Host {host_arn} is in status {}", host.status),
            ));
        }
        match input.provider_type {
            Some(provider) if provider != host.provider_type => {
                Err(ServiceError::validation(format!(
                    "The host's provider is {}, not {provider}",
                    host.provider_type
                )))
            }
            _ => Ok(host.provider_type),
        }
    }

    /// Checks the quota and that the name is unique.
    fn admit_connection(&self, scope: &Scope, name: &str) -> Result<(), ServiceError> {
        let limit = self.options.quotas.connections;
        let mut count = 0;
        for Connection {
            owner_account_id,
            connection_name,
            ..
        } in self.connections().map(|record| &record.connection)
        {
            if *owner_account_id != scope.account {
                continue;
            }
            count += 1;
            if self.options.unique_names && connection_name == name {
                return Err(ServiceError::validation(format!(
                    "A connection named {name} already exists in account {}",
                    scope.account
                )));
            }
        }
        if count >= limit {
            return Err(ServiceError::limit("connections", limit));
        }
        Ok(())
    }

    /// `GetConnection`. It returns any connection that a listing contains.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`.
    pub fn get_connection(
        &self,
        scope: &Scope,
        input: &ConnectionArnInput,
    ) -> Result<GetConnectionOutput, ServiceError> {
        let record = self.visible_connection(scope, &input.connection_arn)?;
        Ok(GetConnectionOutput {
            connection: record.connection.clone(),
        })
    }

    /// `ListConnections`, in order of creation.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` if the host of the filter does not exist, `Validation`
    /// for a token of another listing.
    pub fn list_connections(
        &self,
        scope: &Scope,
        input: &ListConnectionsInput,
    ) -> Result<ListConnectionsOutput, ServiceError> {
        let host_filter = input.host_arn_filter.as_deref();
        if let Some(arn) = host_filter {
            // A host of any region: listings contain connections of all regions.
            self.hosts
                .get(arn)
                .filter(|record| record.owner_account_id == scope.account)
                .ok_or_else(|| ServiceError::not_found("Host", arn))?;
        }
        let listing = format!(
            "connections|{}|{}|{}|{}",
            scope.account,
            scope.region,
            input.provider_type_filter.map_or("", ProviderType::as_str),
            host_filter.unwrap_or_default(),
        );
        let (page, next_token) = self.connections.page(
            &listing,
            input.max_results,
            input.next_token.as_deref(),
            |record| {
                let connection = &record.connection;
                self.sees(scope, record)
                    && input
                        .provider_type_filter
                        .is_none_or(|provider| connection.provider_type == provider)
                    && host_filter.is_none_or(|arn| connection.host_arn.as_deref() == Some(arn))
            },
        )?;
        Ok(ListConnectionsOutput {
            connections: page
                .into_iter()
                .map(|record| record.connection.clone())
                .collect(),
            next_token,
        })
    }

    /// `DeleteConnection`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `AccessDenied` if the connection is shared with the
    /// caller but belongs to another account.
    pub fn delete_connection(
        &mut self,
        scope: &Scope,
        input: &ConnectionArnInput,
    ) -> Result<Done, ServiceError> {
        let arn = &input.connection_arn;
        self.own_connection(scope, arn, Operation::DeleteConnection)?;
        self.connections.remove(arn);
        Ok(Done {})
    }

    fn sees(&self, scope: &Scope, record: &ConnectionRecord) -> bool {
        let concerned = record.connection.owner_account_id == scope.account
            || record.shared_with.contains(&scope.account);
        concerned && self.options.visibility.shows(&scope.region, &record.region)
    }

    /// Returns a connection that is visible to the caller.
    fn visible_connection(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<&ConnectionRecord, ServiceError> {
        self.connections
            .get(arn)
            .filter(|record| self.sees(scope, record))
            .ok_or_else(|| ServiceError::not_found("Connection", arn))
    }

    /// Returns a connection of the caller, for `operation`.
    pub(super) fn own_connection(
        &self,
        scope: &Scope,
        arn: &str,
        operation: Operation,
    ) -> Result<&ConnectionRecord, ServiceError> {
        let record = self.visible_connection(scope, arn)?;
        if record.connection.owner_account_id == scope.account {
            Ok(record)
        } else {
            Err(scope.denied(operation.as_str(), Some(arn)))
        }
    }
}
