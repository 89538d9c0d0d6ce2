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
    /// A connection that goes through no host and has no tags.
    #[must_use]
    pub fn new(name: &str, provider: ProviderType) -> Self {
        Self {
            connection_name: name.to_owned(),
            provider_type: Some(provider),
            host_arn: None,
            provider_endpoint: None,
            tags: None,
        }
    }

    /// A connection through a host, which says where it leads.
    #[must_use]
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
    /// `ResourceNotFound` when the host is not there, `ResourceUnavailable` when
    /// it cannot be used now, `LimitExceeded` past the quotas. A name that is
    /// taken is a `Validation` error: the model declares none for it.
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

    /// Where a new connection leads: its host says so, or else the input must.
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

    /// Refuses a connection too many and a name that is taken.
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

    /// `GetConnection`. A connection can be read wherever a listing shows it.
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

    /// `ListConnections`, in the order the connections were made.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` when the filter's host is not there, `Validation` for
    /// a token that is not from this listing.
    pub fn list_connections(
        &self,
        scope: &Scope,
        input: &ListConnectionsInput,
    ) -> Result<ListConnectionsOutput, ServiceError> {
        let host_filter = input.host_arn_filter.as_deref();
        if let Some(arn) = host_filter {
            // Any region's host will do: listings show connections of all
            // regions, with their hosts.
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
    /// `ResourceNotFound`; `AccessDenied` when the connection is shared with the
    /// caller, but not the caller's.
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

    /// The connection called `arn`, if the caller sees it.
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

    /// The connection called `arn`, if `operation` on it is the caller's to do.
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
