//! The table's definition: the one place in the code. `template.yaml` says
//! the same, and a test compares the two.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};

use super::error::TableError;
use super::keys::{PK, SK, STATUS_PK, STATUS_SK, TIME_PK, TIME_SK};
use super::name::TableName;
use crate::aws::CallError;

/// An index of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// Its partition key.
    pub partition_key: &'static str,
    /// Its sort key.
    pub sort_key: &'static str,
    /// The attributes that it holds besides the keys; none means all.
    pub includes: Option<&'static [&'static str]>,
}

/// Connections by status, the longest in it first; and every account.
///
/// It holds only what does not differ from run to run, so that a connection
/// that is as it was writes nothing here.
pub const BY_STATUS: Index = Index {
    name: "by_status",
    partition_key: STATUS_PK,
    sort_key: STATUS_SK,
    includes: Some(&[
        "connection_name",
        "provider_type",
        "owner_account_id",
        "connection_status",
        "host_arn",
        "first_seen_at",
        "status_since",
        "version",
    ]),
};

/// An account's changes by the time they were observed.
pub const BY_TIME: Index = Index {
    name: "by_time",
    partition_key: TIME_PK,
    sort_key: TIME_SK,
    includes: None,
};

/// Every index.
pub const INDEXES: [Index; 2] = [BY_STATUS, BY_TIME];

/// The table's own keys: partition and sort.
pub const KEYS: (&str, &str) = (PK, SK);

/// Creates the table, for local use: on AWS the template does it.
///
/// # Errors
/// [`TableError`] if the table can't be created.
pub async fn create(client: &Client, name: &TableName) -> Result<(), TableError> {
    let wrong = |error: &(dyn std::error::Error + 'static)| {
        TableError::call("create table", name.as_str(), CallError::local(error))
    };
    let mut request = client
        .create_table()
        .table_name(name.as_str())
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(KEYS.0, KEYS.1).map_err(|e| wrong(&e))?));
    let attributes = [KEYS.0, KEYS.1]
        .into_iter()
        .chain(INDEXES.iter().flat_map(|i| [i.partition_key, i.sort_key]));
    for attribute in attributes {
        let definition = AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(ScalarAttributeType::S)
            .build();
        request = request.attribute_definitions(definition.map_err(|e| wrong(&e))?);
    }
    for index in INDEXES {
        let definition = GlobalSecondaryIndex::builder()
            .index_name(index.name)
            .set_key_schema(Some(
                key_schema(index.partition_key, index.sort_key).map_err(|e| wrong(&e))?,
            ))
            .projection(projection(&index))
            .build();
        request = request.global_secondary_indexes(definition.map_err(|e| wrong(&e))?);
    }
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(TableError::call(
            "create table",
            name.as_str(),
            (&error).into(),
        )),
    }
}

fn projection(index: &Index) -> Projection {
    match index.includes {
        None => Projection::builder()
            .projection_type(ProjectionType::All)
            .build(),
        Some(attributes) => Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(attributes.iter().map(ToString::to_string).collect()))
            .build(),
    }
}

fn key_schema(
    partition: &str,
    sort: &str,
) -> Result<Vec<KeySchemaElement>, aws_sdk_dynamodb::error::BuildError> {
    let element = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
    };
    Ok(vec![
        element(partition, KeyType::Hash)?,
        element(sort, KeyType::Range)?,
    ])
}
