//! The state of the emulator: the connections and hosts of all accounts.
//!
//! It uses no clock and no network. The operations of the service are in
//! `connections`, `hosts` and `tags`. This file has the data and the changes that
//! no API operation makes: completing the handshake in the console, sharing a
//! connection with another account.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::arn;
use super::arn::Namespace;
use super::credential::{Caller, root_arn};
use super::errors::{ErrorKind, ServiceError};
use super::ids::Ids;
use super::options::{Options, RegionAccess};
use super::registry::Registry;
use super::repository_types::{Owned, RepositoryLink, SyncConfiguration};
use super::sessions::Sessions;
use super::types::{Connection, ConnectionStatus, Host, HostStatus, ProviderType, Tags};

/// The account, region, principal and API of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The ARN of the principal, for error messages.
    pub principal: String,
    /// The API.
    pub namespace: Namespace,
}

impl Scope {
    /// Returns the scope of `account` in `region`, through the current API.
    pub fn new(account: &str, region: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            principal: root_arn(region, account),
            namespace: Namespace::default(),
        }
    }

    /// Returns the scope of `caller`, through the API of `namespace`.
    pub fn of(caller: &Caller, namespace: Namespace) -> Self {
        Self {
            account: caller.account.clone(),
            region: caller.region.clone(),
            principal: caller.arn.clone(),
            namespace,
        }
    }

    /// Returns the error of an `operation` without permission, on `resource` or on
    /// all resources of the account in the region.
    pub fn denied(&self, operation: &str, resource: Option<&str>) -> ServiceError {
        let action = format!("{}:{operation}", self.namespace.prefix());
        let resource = resource.map_or_else(
            || arn::build(self.namespace, &self.region, &self.account, "*").into(),
            Cow::Borrowed,
        );
        ServiceError::not_authorized(&self.principal, &action, &resource)
    }
}

/// A connection with its region, tags and sharing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConnectionRecord {
    /// The connection, as the service returns it.
    #[serde(flatten)]
    pub connection: Connection,
    /// The region of creation.
    pub region: String,
    /// The tags.
    pub tags: Tags,
    /// The accounts that it is shared with.
    pub shared_with: BTreeSet<String>,
}

/// A host with its owner, region and tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostRecord {
    /// The host, as the service returns it.
    #[serde(flatten)]
    pub host: Host,
    /// The account that owns it.
    pub owner_account_id: String,
    /// The region of creation, the only one in which it is visible.
    pub region: String,
    /// The tags.
    pub tags: Tags,
}

/// The connections and hosts of all accounts.
#[derive(Debug, Clone)]
pub struct ServiceState {
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) connections: Registry<ConnectionRecord>,
    pub(super) hosts: Registry<HostRecord>,
    pub(super) repository_links: Registry<Owned<RepositoryLink>>,
    pub(super) sync_configurations: Registry<Owned<SyncConfiguration>>,
    pub(super) sessions: Sessions,
}

impl ServiceState {
    /// Creates an empty state.
    pub fn new(options: Options) -> Self {
        Self {
            ids: Ids::new(options.seed, 0),
            sessions: Sessions::new(options.seed),
            connections: Registry::default(),
            hosts: Registry::default(),
            repository_links: Registry::default(),
            sync_configurations: Registry::default(),
            options,
        }
    }

    /// Returns the options, which may be changed at any time.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Restricts the access of an account to a region, or ends the restriction.
    pub fn set_region_access(
        &mut self,
        account: &str,
        region: &str,
        restriction: Option<RegionAccess>,
    ) {
        let place = (account.to_owned(), region.to_owned());
        let restrictions = &mut self.options.region_access;
        match restriction {
            Some(restriction) => restrictions.insert(place, restriction),
            None => restrictions.remove(&place),
        };
    }

    /// Returns the restriction of the account in the region, if there is one.
    pub fn region_access(&self, scope: &Scope) -> Option<RegionAccess> {
        let place = (scope.account.clone(), scope.region.clone());
        self.options.region_access.get(&place).copied()
    }

    /// Returns all connections, in order of creation.
    pub fn connections(&self) -> impl Iterator<Item = &ConnectionRecord> {
        self.connections.values()
    }

    /// Returns all hosts, in order of creation.
    pub fn hosts(&self) -> impl Iterator<Item = &HostRecord> {
        self.hosts.values()
    }

    /// Sets the status of a connection or host, as the console does.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN, `Validation` for an unknown status.
    pub fn set_status(&mut self, arn: &str, status: &str) -> Result<(), ServiceError> {
        if self.hosts.get(arn).is_some() {
            let status = HostStatus::from_name(status)
                .ok_or_else(|| no_such_status(status, HostStatus::NAMES))?;
            return self.change_host(arn, |host| host.status = status);
        }
        // First the connection: a wrong ARN is the more important error.
        let connection = self.any_connection(arn)?;
        connection.connection_status = ConnectionStatus::from_name(status)
            .ok_or_else(|| no_such_status(status, ConnectionStatus::NAMES))?;
        Ok(())
    }

    /// Renames a connection, without the check that names are unique.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN.
    pub fn rename_connection(&mut self, arn: &str, name: &str) -> Result<(), ServiceError> {
        name.clone_into(&mut self.any_connection(arn)?.connection_name);
        Ok(())
    }

    /// Sets the provider type of a connection.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN.
    pub fn set_provider(&mut self, arn: &str, provider: ProviderType) -> Result<(), ServiceError> {
        self.any_connection(arn)?.provider_type = provider;
        Ok(())
    }

    /// Sets the `ProviderEndpoint` of a connection and members that are not in the
    /// service model. A null member is removed.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN, `Validation` for any other member of
    /// the model and for an endpoint that is no text.
    pub fn set_members(
        &mut self,
        arn: &str,
        members: Map<String, Value>,
    ) -> Result<(), ServiceError> {
        let connection = self.any_connection(arn)?;
        let mut changed = connection.clone();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("ProviderEndpoint", Value::Null) => changed.provider_endpoint = None,
                ("ProviderEndpoint", Value::String(url)) => changed.provider_endpoint = Some(url),
                (name, _) if Connection::MEMBERS.contains(&name) => {
                    let message = format!("{name} can't be set to that here");
                    return Err(ServiceError::validation(message));
                }
                (_, Value::Null) => {
                    changed.unmodelled.remove(&name);
                }
                (_, value) => {
                    changed.unmodelled.insert(name, value);
                }
            }
        }
        *connection = changed;
        Ok(())
    }

    /// Sets or removes the host of a connection. The host need not exist: listings
    /// of AWS, too, name deleted hosts.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN.
    pub fn set_connection_host(
        &mut self,
        arn: &str,
        host_arn: Option<String>,
    ) -> Result<(), ServiceError> {
        self.any_connection(arn)?.host_arn = host_arn;
        Ok(())
    }

    /// Deletes a connection of any account.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN.
    pub fn delete(&mut self, arn: &str) -> Result<(), ServiceError> {
        match self.connections.remove(arn) {
            Some(_) => Ok(()),
            None => Err(ServiceError::not_found("Connection", arn)),
        }
    }

    /// Changes a host of any account.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN.
    pub fn change_host(
        &mut self,
        arn: &str,
        change: impl FnOnce(&mut Host),
    ) -> Result<(), ServiceError> {
        let record = self
            .hosts
            .get_mut(arn)
            .ok_or_else(|| ServiceError::not_found("Host", arn))?;
        change(&mut record.host);
        Ok(())
    }

    /// Shares a connection with `account`, whose listings then contain it.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN.
    pub fn share(&mut self, arn: &str, account: &str) -> Result<(), ServiceError> {
        self.any_record(arn)?.shared_with.insert(account.to_owned());
        Ok(())
    }

    /// Ends the sharing of a connection with `account`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown ARN.
    pub fn unshare(&mut self, arn: &str, account: &str) -> Result<(), ServiceError> {
        self.any_record(arn)?.shared_with.remove(account);
        Ok(())
    }

    fn any_record(&mut self, arn: &str) -> Result<&mut ConnectionRecord, ServiceError> {
        self.connections
            .get_mut(arn)
            .ok_or_else(|| ServiceError::not_found("Connection", arn))
    }

    fn any_connection(&mut self, arn: &str) -> Result<&mut Connection, ServiceError> {
        Ok(&mut self.any_record(arn)?.connection)
    }

    /// Returns the ARN of a new resource. Its prefix is the current one, or that of
    /// the API used if the options ask for legacy ARNs.
    pub(super) fn new_arn(&self, scope: &Scope, resource: &str) -> String {
        let namespace = if self.options.legacy_arns {
            scope.namespace
        } else {
            Namespace::CodeConnections
        };
        arn::build(namespace, &scope.region, &scope.account, resource)
    }

    /// Returns the whole state as JSON.
    pub fn describe(&self) -> Value {
        let (connections, hosts): (Vec<_>, Vec<_>) =
            (self.connections().collect(), self.hosts().collect());
        serde_json::json!({ "connections": connections, "hosts": hosts })
    }
}

fn no_such_status(status: &str, names: &[&str]) -> ServiceError {
    ServiceError::new(
        ErrorKind::Validation,
        format!("'{status}' is not one of {}", names.join(", ")),
    )
}
