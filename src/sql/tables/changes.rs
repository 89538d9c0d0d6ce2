//! The table of changes.

use rusqlite::types::Value;

use crate::domain::attributes::AttributeName::{
    self, ConnectionName, ConnectionStatus, HostArn, OwnerAccountId, ProviderEndpoint, ProviderType,
};
use crate::domain::{ApiCall, Attributes, Cause, Change};
use crate::sql::column::ColumnType::{Integer, Json, Text, Time};
use crate::sql::column::{Column, column, json, number, optional, text};

/// The columns of `changes`.
pub const CHANGES: &[Column<Change>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column("connection_arn", Text, "The connection", |row| {
        text(&row.arn)
    }),
    column(
        "version",
        Integer,
        "1 for the first change of a connection, and one more for each next",
        |row| number(row.version),
    ),
    column(
        "kind",
        Text,
        "FIRST_SEEN, STATUS_CHANGED, ATTRIBUTES_CHANGED, DELETED or REAPPEARED",
        |row| text(row.kind),
    ),
    column(
        "previously_seen_at",
        Time,
        "When the old state was last observed: the change is later",
        |row| optional(row.previously_seen_at),
    ),
    column(
        "observed_at",
        Time,
        "The start of the listing that showed it",
        |row| text(row.observed_at),
    ),
    column(
        "observed_until",
        Time,
        "The end of that listing: the change is earlier",
        |row| text(row.observed_until),
    ),
    column("before_connection_name", Text, "The name before", |row| {
        text_of(row.before.as_ref(), ConnectionName)
    }),
    column(
        "before_connection_status",
        Text,
        "The status before",
        |row| text_of(row.before.as_ref(), ConnectionStatus),
    ),
    column("before_provider_type", Text, "The provider before", |row| {
        text_of(row.before.as_ref(), ProviderType)
    }),
    column("before_owner_account_id", Text, "The owner before", |row| {
        text_of(row.before.as_ref(), OwnerAccountId)
    }),
    column("before_host_arn", Text, "The host before", |row| {
        text_of(row.before.as_ref(), HostArn)
    }),
    column(
        "before_provider_endpoint",
        Text,
        "The provider's address before",
        |row| text_of(row.before.as_ref(), ProviderEndpoint),
    ),
    column(
        "before_unknown_members",
        Json,
        "Members that this version does not know, before",
        |row| unknown(row.before.as_ref()),
    ),
    column(
        "after_connection_name",
        Text,
        "The name after; NULL for a deletion",
        |row| text_of(row.after.as_ref(), ConnectionName),
    ),
    column("after_connection_status", Text, "The status after", |row| {
        text_of(row.after.as_ref(), ConnectionStatus)
    }),
    column("after_provider_type", Text, "The provider after", |row| {
        text_of(row.after.as_ref(), ProviderType)
    }),
    column("after_owner_account_id", Text, "The owner after", |row| {
        text_of(row.after.as_ref(), OwnerAccountId)
    }),
    column("after_host_arn", Text, "The host after", |row| {
        text_of(row.after.as_ref(), HostArn)
    }),
    column(
        "after_provider_endpoint",
        Text,
        "The provider's address after",
        |row| text_of(row.after.as_ref(), ProviderEndpoint),
    ),
    column(
        "after_unknown_members",
        Json,
        "Members that this version does not know, after",
        |row| unknown(row.after.as_ref()),
    ),
    column("run_id", Text, "The run that observed it", |row| {
        text(&row.run_id)
    }),
    column("event_id", Text, "The event that started that run", |row| {
        optional(row.event_id.as_deref())
    }),
    column(
        "cause",
        Text,
        "API_CALL if a call may explain it, NO_CALL_SEEN if none was seen",
        |row| {
            optional(row.cause.as_ref().map(|cause| match cause {
                Cause::ApiCall(_) => "API_CALL",
                Cause::NoCallSeen => "NO_CALL_SEEN",
            }))
        },
    ),
    column("call", Text, "The call: CreateConnection, …", |row| {
        optional(call(row).map(|call| &call.event_name))
    }),
    column("principal_arn", Text, "Who made the call", |row| {
        optional(call(row).and_then(|call| call.principal_arn.as_deref()))
    }),
    column(
        "principal_id",
        Text,
        "Who made the call, of a principal without an ARN",
        |row| optional(call(row).and_then(|call| call.principal_id.as_deref())),
    ),
    column("source_ip", Text, "From where", |row| {
        optional(call(row).and_then(|call| call.source_ip.as_deref()))
    }),
    column(
        "previous_digest",
        Text,
        "The digest of the connection's change before",
        |row| optional(row.previous_digest),
    ),
    column("digest", Text, "Its digest", |row| text(row.digest())),
    column(
        "consumers",
        Json,
        "The consumers on record by type, of a connection that went to ERROR or was deleted",
        |row| match row.consumers.is_empty() {
            true => Value::Null,
            false => json(&row.consumers),
        },
    ),
];

fn call(change: &Change) -> Option<&ApiCall> {
    match change.cause.as_ref()? {
        Cause::ApiCall(call) => Some(call),
        Cause::NoCallSeen => None,
    }
}

fn text_of(attributes: Option<&Attributes>, name: AttributeName) -> Value {
    optional(attributes.and_then(|it| it.get(name)))
}

fn unknown(attributes: Option<&Attributes>) -> Value {
    optional(attributes.and_then(|it| it.unknown_members.to_json()))
}
