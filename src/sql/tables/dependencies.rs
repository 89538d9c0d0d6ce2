//! The tables of dependencies: hosts, tags, consumers, shares, and the sources that
//! list them.

use rusqlite::types::Value;

use crate::audit::dependencies::{DependencyBasis, DependencyRow, SourceBasis};
use crate::domain::AccountId;
use crate::domain::arn::normalized;
use crate::sql::column::ColumnType::{Boolean, Json, Text, Time};
use crate::sql::column::{Column, boolean, column, json, optional, text};

/// The columns of `hosts`.
pub const HOSTS: &[Column<DependencyRow>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column("host_arn", Text, "Its ARN", |row| text(&row.arn)),
    column(
        "normalized_arn",
        Text,
        "Its ARN with the service's present name, to join with other tables",
        |row| text(normalized(&row.arn)),
    ),
    column("name", Text, "Its name", |row| {
        optional(row.name.as_deref())
    }),
    column("status", Text, "Its status", |row| {
        optional(row.status.as_deref())
    }),
    column("status_message", Text, "Why it has its status", |row| {
        optional(row.member("StatusMessage"))
    }),
    column("provider_type", Text, "Its provider", |row| {
        optional(row.member("ProviderType"))
    }),
    column("provider_endpoint", Text, "The provider's address", |row| {
        optional(row.member("ProviderEndpoint"))
    }),
    column("vpc_id", Text, "Its VPC", |row| {
        optional(row.member("VpcId"))
    }),
    column("members", Json, "What else AWS reports of it", |row| {
        json(&row.members)
    }),
    column("first_seen_at", Time, "When it was first seen", |row| {
        text(row.first_seen_at)
    }),
    column(
        "last_seen_at",
        Time,
        "When it was last seen; NULL with --as-of",
        |row| optional(row.last_seen_at),
    ),
];

/// A tag of a connection or host.
#[derive(Debug)]
pub struct Tag {
    /// The account.
    pub account: AccountId,
    /// What it is a tag of.
    pub resource_arn: String,
    /// The key.
    pub key: String,
    /// The value.
    pub value: serde_json::Value,
}

impl Tag {
    /// Returns the tags of a set of tags.
    pub fn all_of(row: &DependencyRow) -> impl Iterator<Item = Self> {
        let resource_arn = row.uses.as_ref().unwrap_or(&row.arn);
        row.members.iter().map(|(key, value)| Self {
            account: row.account.clone(),
            resource_arn: resource_arn.clone(),
            key: key.to_owned(),
            value: value.clone(),
        })
    }
}

/// The columns of `tags`.
pub const TAGS: &[Column<Tag>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column("resource_arn", Text, "The connection or host", |row| {
        text(&row.resource_arn)
    }),
    column(
        "normalized_arn",
        Text,
        "Its ARN with the service's present name, to join with other tables",
        |row| text(normalized(&row.resource_arn)),
    ),
    column("key", Text, "The tag's key", |row| text(&row.key)),
    column(
        "value",
        Text,
        "Its value; of a long one, its length and SHA-256 as JSON",
        |row| match row.value.as_str() {
            Some(value) => text(value),
            None => json(&row.value),
        },
    ),
];

/// The columns of `consumers`.
pub const CONSUMERS: &[Column<DependencyRow>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column(
        "dependency_type",
        Text,
        "PIPELINE_SOURCE, BUILD_PROJECT, …",
        |row| text(row.dependency_type),
    ),
    column("name", Text, "Its name", |row| {
        optional(row.name.as_deref())
    }),
    column(
        "arn",
        Text,
        "Its ARN; several consumers can have the same",
        |row| text(&row.arn),
    ),
    column("id", Text, "Its id, unique in the account", |row| {
        text(&row.id)
    }),
    column("status", Text, "Its status, where it has one", |row| {
        optional(row.status.as_deref())
    }),
    column(
        "uses",
        Text,
        "The connection or host that it names",
        |row| optional(row.uses.as_deref()),
    ),
    column(
        "uses_normalized_arn",
        Text,
        "The same with the service's present name, to join with other tables",
        |row| optional(row.uses.as_deref().map(normalized)),
    ),
    column("repository", Text, "The repository that it reads", |row| {
        optional(row.repository())
    }),
    column("listed_in", Json, "The sources that list it", |row| {
        json(&row.listed_in)
    }),
    column("members", Json, "What else its service says of it", |row| {
        json(&row.members)
    }),
    column("first_seen_at", Time, "When it was first seen", |row| {
        text(row.first_seen_at)
    }),
    column(
        "last_seen_at",
        Time,
        "When it was last seen; NULL with --as-of",
        |row| optional(row.last_seen_at),
    ),
];

/// The columns of `shares`.
pub const SHARES: &[Column<DependencyRow>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column(
        "share_type",
        Text,
        "SHARE of a connection of the account, or SHARE_RECEIVED",
        |row| text(row.dependency_type),
    ),
    column("connection_arn", Text, "The connection", |row| {
        text(shared(row))
    }),
    column(
        "normalized_arn",
        Text,
        "Its ARN with the service's present name, to join with other tables",
        |row| text(normalized(shared(row))),
    ),
    column(
        "principal",
        Text,
        "With whom it is shared; of SHARE_RECEIVED, by whom",
        |row| optional(row.member("principal")),
    ),
    column(
        "external",
        Boolean,
        "1 outside of the organization; NULL if AWS does not say",
        |row| {
            let external = row.members.get("external").and_then(|it| it.as_bool());
            external.map_or(Value::Null, boolean)
        },
    ),
    column("id", Text, "Its id, unique in the account", |row| {
        text(&row.id)
    }),
    column("members", Json, "What else AWS RAM says of it", |row| {
        json(&row.members)
    }),
    column("first_seen_at", Time, "When it was first seen", |row| {
        text(row.first_seen_at)
    }),
    column(
        "last_seen_at",
        Time,
        "When it was last seen; NULL with --as-of",
        |row| optional(row.last_seen_at),
    ),
];

/// Returns the ARN of the connection that is shared.
fn shared(row: &DependencyRow) -> &str {
    row.uses.as_deref().unwrap_or(&row.arn)
}

/// A source of dependencies of an account.
#[derive(Debug)]
pub struct AccountSource {
    /// The account.
    pub account: AccountId,
    /// The source.
    pub source: SourceBasis,
}

impl AccountSource {
    /// Returns the sources of an account.
    pub fn all_of(basis: &DependencyBasis) -> impl Iterator<Item = Self> {
        basis.sources.iter().map(|source| Self {
            account: basis.account.clone(),
            source: source.clone(),
        })
    }
}

/// The columns of `sources`.
pub const SOURCES: &[Column<AccountSource>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column("source", Text, "A service: codepipeline, ram, …", |row| {
        text(&row.source.source)
    }),
    column("region", Text, "The region", |row| text(&row.source.region)),
    column(
        "complete_at",
        Time,
        "The start of its last complete listing; NULL: none is known",
        |row| optional(row.source.complete_at),
    ),
    column(
        "code",
        Text,
        "A code for the reason why its last listing is not complete",
        |row| optional(row.source.code.as_deref()),
    ),
    column("problem", Text, "The reason", |row| {
        optional(row.source.problem.as_deref())
    }),
];
