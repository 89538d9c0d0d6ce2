//! What a result is about.

use serde::{Serialize, Serializer};

use crate::audit::ConnectionRow;
use crate::audit::dependencies::DependencyRow;
use crate::domain::{ConnectionArn, DependencyId};

/// What a finding or another result is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The account as a whole.
    Account,
    /// A connection.
    Connection {
        /// Its ARN.
        arn: ConnectionArn,
        /// Its name, if it has one.
        name: Option<Box<str>>,
    },
    /// A host, or what uses a connection.
    Dependency {
        /// Its id, unique in the account.
        id: DependencyId,
        /// Its name, if it has one.
        name: Option<Box<str>>,
    },
}

impl Subject {
    /// Returns the connection's ARN, or the dependency's id; `None` for the
    /// account.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Account => None,
            Self::Connection { arn, .. } => Some(arn.as_str()),
            Self::Dependency { id, .. } => Some(id.as_str()),
        }
    }

    /// Returns its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Account => None,
            Self::Connection { name, .. } | Self::Dependency { name, .. } => name.as_deref(),
        }
    }

    /// Returns the connection's ARN.
    pub fn connection_arn(&self) -> Option<&ConnectionArn> {
        match self {
            Self::Connection { arn, .. } => Some(arn),
            Self::Account | Self::Dependency { .. } => None,
        }
    }

    /// Returns its name with its id, for people; `None` for the account.
    pub fn in_words(&self) -> Option<String> {
        let id = self.id()?;
        Some(match self.name() {
            Some(name) => format!("{name} ({id})"),
            None => id.to_owned(),
        })
    }
}

impl From<&ConnectionRow> for Subject {
    fn from(row: &ConnectionRow) -> Self {
        Self::Connection {
            arn: row.connection_arn.clone(),
            name: row.attributes.connection_name.clone(),
        }
    }
}

impl From<&DependencyRow> for Subject {
    fn from(row: &DependencyRow) -> Self {
        Self::Dependency {
            id: row.id.clone(),
            name: row.name.as_deref().map(Into::into),
        }
    }
}

impl Serialize for Subject {
    /// Results of connections and accounts have only the members that they
    /// always had.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Members<'a> {
            connection_arn: Option<&'a ConnectionArn>,
            connection_name: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            dependency_id: Option<&'a DependencyId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            dependency_name: Option<&'a str>,
        }
        let (dependency_id, names) = match self {
            Self::Dependency { id, name } => (Some(id), (None, name.as_deref())),
            Self::Account | Self::Connection { .. } => (None, (self.name(), None)),
        };
        let members = Members {
            connection_arn: self.connection_arn(),
            connection_name: names.0,
            dependency_id,
            dependency_name: names.1,
        };
        members.serialize(serializer)
    }
}
