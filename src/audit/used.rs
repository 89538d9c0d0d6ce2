//! What a consumer uses: a connection or a host on record, or neither.

use std::collections::HashMap;

use super::ConnectionRow;
use super::dependencies::DependencyRow;
use crate::domain::DependencyType;
use crate::domain::arn::normalized;

/// The state of what is named and in no inventory of this table.
pub(super) const NOT_IN_INVENTORY: &str = "NOT_IN_INVENTORY";

/// The state of a deleted connection.
const DELETED: &str = "DELETED";

/// The connections and hosts that can be used, by normalized ARN.
pub(super) struct OnRecord<'a> {
    connections: HashMap<String, ConnectionRow>,
    hosts: HashMap<String, &'a DependencyRow>,
}

/// What a consumer uses.
#[derive(Debug, Clone, Copy)]
pub(super) enum Used<'a> {
    /// A connection, which may be deleted.
    Connection(&'a ConnectionRow),
    /// A host.
    Host(&'a DependencyRow),
    /// What no inventory of this table has.
    NotInInventory,
}

impl<'a> OnRecord<'a> {
    /// Returns these connections, and the hosts among `dependencies`.
    pub(super) fn new(connections: Vec<ConnectionRow>, dependencies: &'a [DependencyRow]) -> Self {
        let is_host = |row: &&DependencyRow| row.dependency_type == DependencyType::Host;
        let hosts = dependencies.iter().filter(is_host);
        Self {
            connections: by_normalized_arn(connections),
            hosts: hosts.map(|row| (normalized(&row.arn), row)).collect(),
        }
    }

    /// Returns the host with this normalized ARN.
    pub(super) fn host(&self, arn: &str) -> Option<&'a DependencyRow> {
        self.hosts.get(arn).copied()
    }

    /// Returns what has this normalized ARN.
    pub(super) fn used(&self, arn: &str) -> Used<'_> {
        let connection = self.connections.get(arn).map(Used::Connection);
        let host = || self.host(arn).map(Used::Host);
        connection.or_else(host).unwrap_or(Used::NotInInventory)
    }
}

impl<'a> Used<'a> {
    /// Returns its status, `DELETED`, or `NOT_IN_INVENTORY`.
    pub(super) fn state(self) -> &'a str {
        match self {
            Self::Connection(row) if row.deleted_at.is_some() => DELETED,
            Self::Connection(row) => row.attributes.status_word(),
            Self::Host(row) => row.status_word(),
            Self::NotInInventory => NOT_IN_INVENTORY,
        }
    }

    /// Returns true if it was deleted, or is in no inventory.
    pub(super) fn is_dangling(self) -> bool {
        match self {
            Self::Connection(row) => row.deleted_at.is_some(),
            Self::Host(_) => false,
            Self::NotInInventory => true,
        }
    }
}

/// Returns connections by normalized ARN. Of several with the same ARN, which
/// several accounts list, one that is not deleted is returned.
pub fn by_normalized_arn(
    rows: impl IntoIterator<Item = ConnectionRow>,
) -> HashMap<String, ConnectionRow> {
    let mut known: HashMap<String, ConnectionRow> = HashMap::new();
    for row in rows {
        let arn = normalized(row.connection_arn.as_str());
        let is_better = known
            .get(&arn)
            .is_none_or(|other| other.deleted_at.is_some());
        if is_better {
            known.insert(arn, row);
        }
    }
    known
}
