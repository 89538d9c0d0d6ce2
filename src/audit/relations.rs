//! Relations: the edges of the graph of consumers, connections, hosts and accounts.

use serde::Serialize;

use super::dependencies::{DependencyBasis, DependencyFilter, DependencyRow};
use super::used::{NOT_IN_INVENTORY, NOT_OBSERVED, OnRecord, Used};
use super::{Audit, AuditError, Basis, ConnectionFilter, ConnectionRow};
use crate::domain::arn::{Arn, normalized};
use crate::domain::{AccountId, DependencyType, Timestamp};

/// The kind of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RelationKind {
    /// A consumer uses a connection, or a host.
    Uses,
    /// A connection's provider is at a host.
    HostedOn,
    /// A connection belongs to an account.
    BelongsTo,
}

impl RelationKind {
    /// Returns the kind as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uses => "USES",
            Self::HostedOn => "HOSTED_ON",
            Self::BelongsTo => "BELONGS_TO",
        }
    }
}

/// One end of a relation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Node {
    /// `CONNECTION`, `ACCOUNT`, or the type of a dependency.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A connection's or host's ARN, in the service's present spelling; a
    /// consumer's id; an account's number.
    pub id: String,
    /// Its name, if it is on record.
    pub name: Option<String>,
}

/// A relation: an edge from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Relation {
    /// The account whose record has it.
    pub account: AccountId,
    /// Where it begins.
    pub from: Node,
    /// Its kind.
    pub relation: RelationKind,
    /// Where it ends.
    pub to: Node,
    /// The status of where it ends; `DELETED`, `NOT_IN_INVENTORY` or
    /// `NOT_OBSERVED`. `None` of accounts.
    pub to_status: Option<String>,
    /// True if it ends at what was deleted, or is in no inventory.
    pub dangling: bool,
}

/// An answer about relations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationAnswer {
    /// The relations, by account, beginning and end.
    pub relations: Vec<Relation>,
    /// The runs of dependencies that it is based on, by account.
    pub rests_on: Vec<DependencyBasis>,
    /// The runs of connections that it is based on, by account.
    pub connections_rest_on: Vec<Basis>,
}

impl Node {
    fn of_type(kind: DependencyType, id: String, name: Option<&str>) -> Self {
        let (kind, name) = (kind.as_str(), name.map(str::to_owned));
        Self { kind, id, name }
    }

    fn connection(arn: String, row: Option<&ConnectionRow>) -> Self {
        let name = row.and_then(|row| row.attributes.connection_name.as_deref());
        Self {
            kind: "CONNECTION",
            id: arn,
            name: name.map(str::to_owned),
        }
    }
}

impl Audit {
    /// Returns the relations on record for `account`, or all accounts, now or at
    /// an earlier time. `inventories` are the bases of all accounts at that time.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn relations(
        &self,
        account: Option<&AccountId>,
        as_of: Option<Timestamp>,
        inventories: Vec<Basis>,
    ) -> Result<RelationAnswer, AuditError> {
        // What is named can be on record in another account.
        let all = self
            .dependencies(&DependencyFilter::default(), as_of)
            .await?;
        let everything = ConnectionFilter {
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        let connections = match as_of {
            Some(at) => self.connections_as_of(&everything, at).await?,
            None => self.connections(&everything).await?,
        };
        let is_asked = |of: &AccountId| account.is_none_or(|account| account == of);
        let present = connections.iter().filter(|row| row.deleted_at.is_none());
        let present: Vec<ConnectionRow> = present.cloned().collect();
        let asked: Vec<AccountId> = inventories
            .iter()
            .map(|basis| basis.account.clone())
            .filter(is_asked)
            .collect();
        let on_record = OnRecord::new(connections, inventories, &all.dependencies, &all.rests_on);
        let mut relations = Vec::new();
        for row in present.iter().filter(|row| is_asked(&row.account)) {
            let basis = all.rests_on.iter().find(|b| b.account == row.account);
            relations.extend(relations_of(row, &on_record, basis));
        }
        let consumers = all.dependencies.iter().filter(|row| is_asked(&row.account));
        relations.extend(consumers.clone().filter_map(|row| use_of(row, &on_record)));
        relations.sort_by(|a, b| {
            let key = |r: &Relation| (r.account.clone(), r.from.clone(), r.relation, r.to.clone());
            key(a).cmp(&key(b))
        });
        let named = consumers.filter_map(DependencyRow::consumed);
        let connections_rest_on = on_record.rests_on(named, asked.into_iter());
        let mut rests_on = all.rests_on;
        rests_on.retain(|basis| is_asked(&basis.account));
        Ok(RelationAnswer {
            relations,
            rests_on,
            connections_rest_on,
        })
    }
}

/// Returns the relation of a consumer to what it uses; `None` of what is no
/// consumer.
fn use_of(row: &DependencyRow, on_record: &OnRecord<'_>) -> Option<Relation> {
    let arn = row.consumed()?;
    let used = on_record.used(&arn);
    let to = match used {
        Used::Connection(connection) => Node::connection(arn, Some(connection)),
        Used::Host(host) => Node::of_type(DependencyType::Host, arn, host.name.as_deref()),
        Used::NotInInventory | Used::NotObserved(_) => Node::connection(arn, None),
    };
    Some(Relation {
        account: row.account.clone(),
        from: Node::of_type(row.dependency_type, row.id.to_string(), row.name.as_deref()),
        relation: RelationKind::Uses,
        to,
        dangling: used.is_dangling(),
        to_status: Some(used.state().to_owned()),
    })
}

/// Returns the relations of a connection to its account, and to its host.
fn relations_of(
    row: &ConnectionRow,
    on_record: &OnRecord<'_>,
    basis: Option<&DependencyBasis>,
) -> Vec<Relation> {
    let arn = normalized(row.connection_arn.as_str());
    let owner = Arn::parse(&arn).map_or("", |arn| arn.account).to_owned();
    let mut relations = vec![Relation {
        account: row.account.clone(),
        from: Node::connection(arn, Some(row)),
        relation: RelationKind::BelongsTo,
        to: Node {
            kind: "ACCOUNT",
            id: owner,
            name: None,
        },
        to_status: None,
        dangling: false,
    }];
    let named = row.attributes.host_arn.as_deref();
    if let Some(host_arn) = named.filter(|arn| !arn.is_empty()).map(normalized) {
        let host = on_record.host(&host_arn);
        // A region of which no host was listed may have it.
        let region = Arn::parse(&host_arn).map_or("", |arn| arn.region);
        let was_listed = basis.is_some_and(|basis| basis.lists_hosts_of(region));
        let status = match host {
            Some(host) => host.status_word().to_owned(),
            None if was_listed => NOT_IN_INVENTORY.to_owned(),
            None => NOT_OBSERVED.to_owned(),
        };
        let name = host.and_then(|host| host.name.as_deref());
        relations.push(Relation {
            to: Node::of_type(DependencyType::Host, host_arn, name),
            relation: RelationKind::HostedOn,
            dangling: status == NOT_IN_INVENTORY,
            to_status: Some(status),
            ..relations[0].clone()
        });
    }
    relations
}
