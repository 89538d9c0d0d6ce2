//! The table of changes.

use rusqlite::types::Value;

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
        name(row.before.as_ref())
    }),
    column(
        "before_connection_status",
        Text,
        "The status before",
        |row| status(row.before.as_ref()),
    ),
    column("before_provider_type", Text, "The provider before", |row| {
        provider(row.before.as_ref())
    }),
    column("before_owner_account_id", Text, "The owner before", |row| {
        owner(row.before.as_ref())
    }),
    column("before_host_arn", Text, "The host before", |row| {
        host(row.before.as_ref())
    }),
    column(
        "before_provider_endpoint",
        Text,
        "The provider's address before",
        |row| endpoint(row.before.as_ref()),
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
        |row| name(row.after.as_ref()),
    ),
    column("after_connection_status", Text, "The status after", |row| {
        status(row.after.as_ref())
    }),
    column("after_provider_type", Text, "The provider after", |row| {
        provider(row.after.as_ref())
    }),
    column("after_owner_account_id", Text, "The owner after", |row| {
        owner(row.after.as_ref())
    }),
    column("after_host_arn", Text, "The host after", |row| {
        host(row.after.as_ref())
    }),
    column(
        "after_provider_endpoint",
        Text,
        "The provider's address after",
        |row| endpoint(row.after.as_ref()),
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

fn name(attributes: Option<&Attributes>) -> Value {
    optional(attributes.and_then(|it| it.connection_name.as_deref()))
}

fn status(attributes: Option<&Attributes>) -> Value {
    let status = attributes.and_then(|it| it.connection_status.as_ref());
    optional(status.map(|status| status.as_str()))
}

fn provider(attributes: Option<&Attributes>) -> Value {
    let provider = attributes.and_then(|it| it.provider_type.as_ref());
    optional(provider.map(|provider| provider.as_str()))
}

fn owner(attributes: Option<&Attributes>) -> Value {
    optional(attributes.and_then(|it| it.owner_account_id.as_deref()))
}

fn host(attributes: Option<&Attributes>) -> Value {
    optional(attributes.and_then(|it| it.host_arn.as_deref()))
}

fn endpoint(attributes: Option<&Attributes>) -> Value {
    optional(attributes.and_then(|it| it.provider_endpoint.as_deref()))
}

fn unknown(attributes: Option<&Attributes>) -> Value {
    optional(attributes.and_then(|it| it.unknown_members.to_json()))
}
