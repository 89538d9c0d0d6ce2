//! The state of the stand-in: who owns which connections and hosts.
//!
//! The world is pure: no clock, no network. The service's operations are in
//! `connections`, `hosts` and `tags`; here is what they stand on, and the
//! changes that no API call can make but that happen to real accounts anyway
//! (the handshake in the console, a connection shared with another account).

use std::{borrow::Cow, collections::BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::arn;
use super::arn::Namespace;
use super::credential::{Caller, root_arn};
use super::errors::{ErrorKind, ServiceError};
use super::ids::Ids;
use super::options::{Options, RegionAccess};
use super::registry::Registry;
use super::sessions::Sessions;
use super::types::{Connection, ConnectionStatus, Host, HostStatus, ProviderType, Tags};

/// On whose behalf, where, and through which of the service's two APIs an
/// operation runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The ARN of the principal, for messages.
    pub principal: String,
    /// The API.
    pub namespace: Namespace,
}

impl Scope {
    /// `account` in `region`, through the API of today.
    #[must_use]
    pub fn new(account: &str, region: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            principal: root_arn(region, account),
            namespace: Namespace::default(),
        }
    }

    /// `caller`, through `namespace`'s API.
    #[must_use]
    pub fn of(caller: &Caller, namespace: Namespace) -> Self {
        Self {
            account: caller.account.clone(),
            region: caller.region.clone(),
            principal: caller.arn.clone(),
            namespace,
        }
    }

    /// The refusal of `operation` for want of permission; on everything the
    /// account has in the region, when it is not about one `resource`.
    #[must_use]
    pub fn denied(&self, operation: &str, resource: Option<&str>) -> ServiceError {
        let action = format!("{}:{operation}", self.namespace.prefix());
        let resource = resource.map_or_else(
            || arn::build(self.namespace, &self.region, &self.account, "*").into(),
            Cow::Borrowed,
        );
        ServiceError::not_authorized(&self.principal, &action, &resource)
    }
}

/// A connection and what the service knows about it besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConnectionRecord {
    /// What the service shows.
    #[serde(flatten)]
    pub connection: Connection,
    /// The region it was made in.
    pub region: String,
    /// Its tags.
    pub tags: Tags,
    /// The other accounts it is shared with.
    pub shared_with: BTreeSet<String>,
}

/// A host and what the service knows about it besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostRecord {
    /// What the service shows.
    #[serde(flatten)]
    pub host: Host,
    /// The account that owns it.
    pub owner_account_id: String,
    /// The region it was made in, the only one it is seen in.
    pub region: String,
    /// Its tags.
    pub tags: Tags,
}

/// Every account's connections and hosts.
#[derive(Debug, Clone)]
pub struct ServiceState {
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) connections: Registry<ConnectionRecord>,
    pub(super) hosts: Registry<HostRecord>,
    pub(super) sessions: Sessions,
}

impl ServiceState {
    /// An empty world.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            ids: Ids::new(options.seed, 0),
            sessions: Sessions::new(options.seed),
            connections: Registry::default(),
            hosts: Registry::default(),
            options,
        }
    }

    /// What the world was told, and may be told anew at any time.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// What `scope`'s account gets from `scope`'s region, if not its service.
    #[must_use]
    pub fn region_access(&self, scope: &Scope) -> Option<RegionAccess> {
        let place = (scope.account.clone(), scope.region.clone());
        self.options.region_access.get(&place).copied()
    }

    /// Every connection there is, in the order they were made.
    pub fn connections(&self) -> impl Iterator<Item = &ConnectionRecord> {
        self.connections.values()
    }

    /// Every host there is, in the order they were made.
    pub fn hosts(&self) -> impl Iterator<Item = &HostRecord> {
        self.hosts.values()
    }

    /// Does what the console does: moves a connection or a host to another
    /// status, given by its name.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names neither, `Validation` for a
    /// status that such a thing cannot have.
    pub fn set_status(&mut self, arn: &str, status: &str) -> Result<(), ServiceError> {
        if self.hosts.get(arn).is_some() {
            let status = HostStatus::from_name(status)
                .ok_or_else(|| no_such_status(status, HostStatus::NAMES))?;
            return self.change_host(arn, |host| host.status = status);
        }
        // The connection first: a wrong ARN matters more than a wrong status.
        let connection = self.any_connection(arn)?;
        connection.connection_status = ConnectionStatus::from_name(status)
            .ok_or_else(|| no_such_status(status, ConnectionStatus::NAMES))?;
        Ok(())
    }

    /// Gives a connection another name, past the rule that names are unique.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names no connection.
    pub fn rename_connection(&mut self, arn: &str, name: &str) -> Result<(), ServiceError> {
        name.clone_into(&mut self.any_connection(arn)?.connection_name);
        Ok(())
    }

    /// Makes a connection lead elsewhere.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names no connection.
    pub fn set_provider(&mut self, arn: &str, provider: ProviderType) -> Result<(), ServiceError> {
        self.any_connection(arn)?.provider_type = provider;
        Ok(())
    }

    /// Gives a connection a `ProviderEndpoint` and members that no model has, or
    /// takes those away that are null.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names no connection, `Validation` for
    /// another member of the model, or an endpoint that is no text.
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

    /// Makes a connection go through another host, or through none. The host
    /// need not exist: real listings too name hosts that are gone.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names no connection.
    pub fn set_connection_host(
        &mut self,
        arn: &str,
        host_arn: Option<String>,
    ) -> Result<(), ServiceError> {
        self.any_connection(arn)?.host_arn = host_arn;
        Ok(())
    }

    /// Deletes a connection, whoever owns it.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names no connection.
    pub fn delete(&mut self, arn: &str) -> Result<(), ServiceError> {
        match self.connections.remove(arn) {
            Some(_) => Ok(()),
            None => Err(ServiceError::not_found("Connection", arn)),
        }
    }

    /// Changes a host, whoever owns it.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names no host.
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

    /// Shares a connection with `account`, whose listings then show it.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names no connection.
    pub fn share(&mut self, arn: &str, account: &str) -> Result<(), ServiceError> {
        self.any_record(arn)?.shared_with.insert(account.to_owned());
        Ok(())
    }

    /// Takes a connection back from `account`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an ARN that names no connection.
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

    /// The ARN of a new resource of `scope`'s. Only on request does it carry
    /// the prefix of the API that makes it; otherwise, that of today.
    pub(super) fn new_arn(&self, scope: &Scope, resource: &str) -> String {
        let namespace = if self.options.legacy_arns {
            scope.namespace
        } else {
            Namespace::CodeConnections
        };
        arn::build(namespace, &scope.region, &scope.account, resource)
    }

    /// Everything there is, for a person to look at.
    #[must_use]
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
