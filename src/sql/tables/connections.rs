//! The table of connections.

use crate::audit::ConnectionRow;
use crate::domain::arn::normalized;
use crate::domain::attributes::AttributeName::{
    ConnectionName, ConnectionStatus, HostArn, OwnerAccountId, ProviderEndpoint, ProviderType,
};
use crate::sql::column::ColumnType::{Integer, Json, Text, Time};
use crate::sql::column::{Column, column, number, optional, text};

/// The columns of `connections`.
pub const CONNECTIONS: &[Column<ConnectionRow>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column("connection_arn", Text, "Its ARN", |row| {
        text(&row.connection_arn)
    }),
    column(
        "normalized_arn",
        Text,
        "Its ARN with the service's present name, to join with other tables",
        |row| text(normalized(row.connection_arn.as_str())),
    ),
    column("region", Text, "The region in its ARN", |row| {
        text(&row.region)
    }),
    column("connection_name", Text, "Its name", |row| {
        optional(row.attributes.get(ConnectionName))
    }),
    column(
        "connection_status",
        Text,
        "PENDING, AVAILABLE, ERROR, or as AWS reports it",
        |row| optional(row.attributes.get(ConnectionStatus)),
    ),
    column("provider_type", Text, "GitHub, GitLab, …", |row| {
        optional(row.attributes.get(ProviderType))
    }),
    column(
        "owner_account_id",
        Text,
        "The account that owns it",
        |row| optional(row.attributes.get(OwnerAccountId)),
    ),
    column("host_arn", Text, "Its host", |row| {
        optional(row.attributes.get(HostArn))
    }),
    column(
        "provider_endpoint",
        Text,
        "The provider's address, as AWS reports it",
        |row| optional(row.attributes.get(ProviderEndpoint)),
    ),
    column(
        "unknown_members",
        Json,
        "Members of the API that this version does not know",
        |row| optional(row.attributes.unknown_members.to_json()),
    ),
    column("first_seen_at", Time, "When it was first seen", |row| {
        text(row.first_seen_at)
    }),
    column(
        "status_since",
        Time,
        "Since when it is known to have its status",
        |row| text(row.status_since),
    ),
    column(
        "last_seen_at",
        Time,
        "When it was last seen; NULL with --as-of",
        |row| optional(row.last_seen_at),
    ),
    column(
        "deleted_at",
        Time,
        "When a listing showed its deletion; NULL if it is present",
        |row| optional(row.deleted_at),
    ),
    column("version", Integer, "The number of its last change", |row| {
        number(row.version)
    }),
    column("digest", Text, "The digest of its last change", |row| {
        optional(row.digest)
    }),
];
