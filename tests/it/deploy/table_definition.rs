//! The template defines the same table as the code, and protects it.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects"
)]

use std::collections::{BTreeMap, BTreeSet};

use crate::support::TestEnv;
use crate::support::template::{arn, deployed, list, resource, text};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, KeySchemaElement, KeyType, Projection, TableDescription,
};
use codeconnections_inventory::table::schema::{INDEXES, KEYS};
use serde_json::{Value, json};

/// A table's definition, by code, template or DynamoDB.
#[derive(Debug, PartialEq)]
struct Definition {
    billing: String,
    keys: Keys,
    /// Name and type of each key attribute.
    attributes: BTreeMap<String, String>,
    indexes: BTreeMap<String, Index>,
}

#[derive(Debug, PartialEq)]
struct Keys {
    partition: String,
    sort: String,
}

#[derive(Debug, PartialEq)]
struct Index {
    keys: Keys,
    /// The projected attributes besides keys; none means all.
    includes: Option<BTreeSet<String>>,
}

/// Collects entries into a map. Asserts that no name occurs twice.
fn unique<V>(entries: impl IntoIterator<Item = (String, V)>) -> BTreeMap<String, V> {
    let mut map = BTreeMap::new();
    for (name, value) in entries {
        assert!(
            map.insert(name.clone(), value).is_none(),
            "{name} occurs twice"
        );
    }
    map
}

fn defined_by_code() -> Definition {
    let keys = |(partition, sort): (&str, &str)| Keys {
        partition: partition.to_owned(),
        sort: sort.to_owned(),
    };
    let names = [KEYS.0, KEYS.1].into_iter();
    let names = names.chain(INDEXES.iter().flat_map(|i| [i.partition_key, i.sort_key]));
    Definition {
        billing: "PAY_PER_REQUEST".to_owned(),
        keys: keys(KEYS),
        // All keys are strings.
        attributes: unique(names.map(|name| (name.to_owned(), "S".to_owned()))),
        indexes: unique(INDEXES.iter().map(|index| {
            let includes = index.includes.map(|names| {
                let set: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
                assert_eq!(set.len(), names.len(), "{names:?}");
                set
            });
            let keys = keys((index.partition_key, index.sort_key));
            (index.name.to_owned(), Index { keys, includes })
        })),
    }
}

fn defined_by_template() -> Definition {
    let keys = |schema: &Value| {
        let [partition, sort] = list(schema) else {
            panic!("two keys, not {schema}");
        };
        assert_eq!(
            (&partition["KeyType"], &sort["KeyType"]),
            (&json!("HASH"), &json!("RANGE"))
        );
        Keys {
            partition: text(&partition["AttributeName"]),
            sort: text(&sort["AttributeName"]),
        }
    };
    let includes = |projection: &Value| match text(&projection["ProjectionType"]).as_str() {
        "ALL" => None,
        "INCLUDE" => {
            let names = list(&projection["NonKeyAttributes"]);
            let set: BTreeSet<String> = names.iter().map(text).collect();
            assert_eq!(set.len(), names.len(), "{projection}");
            Some(set)
        }
        other => panic!("a projection of {other}"),
    };
    let table = &resource("AWS::DynamoDB::Table")["Properties"];
    assert_eq!(table.get("LocalSecondaryIndexes"), None);
    Definition {
        billing: text(&table["BillingMode"]),
        keys: keys(&table["KeySchema"]),
        attributes: unique(
            list(&table["AttributeDefinitions"])
                .iter()
                .map(|a| (text(&a["AttributeName"]), text(&a["AttributeType"]))),
        ),
        indexes: unique(list(&table["GlobalSecondaryIndexes"]).iter().map(|index| {
            let definition = Index {
                keys: keys(&index["KeySchema"]),
                includes: includes(&index["Projection"]),
            };
            (text(&index["IndexName"]), definition)
        })),
    }
}

fn described(table: &TableDescription) -> Definition {
    let keys = |schema: &[KeySchemaElement]| {
        let [partition, sort] = schema else {
            panic!("two keys, not {schema:?}");
        };
        assert_eq!(
            (partition.key_type(), sort.key_type()),
            (&KeyType::Hash, &KeyType::Range)
        );
        Keys {
            partition: partition.attribute_name().to_owned(),
            sort: sort.attribute_name().to_owned(),
        }
    };
    let includes = |projection: &Projection| match projection
        .projection_type()
        .expect("a projection")
        .as_str()
    {
        "ALL" => None,
        "INCLUDE" => Some(projection.non_key_attributes().iter().cloned().collect()),
        other => panic!("a projection of {other}"),
    };
    let attribute = |attribute: &AttributeDefinition| {
        let kind = attribute.attribute_type().as_str().to_owned();
        (attribute.attribute_name().to_owned(), kind)
    };
    let billing = table
        .billing_mode_summary()
        .and_then(|summary| summary.billing_mode());
    assert!(table.local_secondary_indexes().is_empty());
    Definition {
        billing: billing.expect("a billing mode").as_str().to_owned(),
        keys: keys(table.key_schema()),
        attributes: unique(table.attribute_definitions().iter().map(attribute)),
        indexes: unique(table.global_secondary_indexes().iter().map(|index| {
            let definition = Index {
                keys: keys(index.key_schema()),
                includes: includes(index.projection().expect("a projection")),
            };
            (index.index_name().expect("a name").to_owned(), definition)
        })),
    }
}

#[test]
fn template_and_code_define_the_same_table() {
    assert_eq!(defined_by_template(), defined_by_code());
}

#[tokio::test]
async fn locally_created_table_matches_the_template() {
    let env = TestEnv::new().await;
    let request = env.table.client().describe_table();
    let answer = request.table_name(env.table.name().as_str()).send().await;
    let table = answer.expect("described").table.expect("a table");
    assert_eq!(described(&table), defined_by_template());
}

#[test]
fn table_is_protected_against_loss() {
    let table = resource("AWS::DynamoDB::Table");
    assert_eq!(table["DeletionPolicy"], "Retain");
    assert_eq!(table["UpdateReplacePolicy"], "Retain");
    let properties = &table["Properties"];
    assert_eq!(properties["DeletionProtectionEnabled"], true);
    let recovery = &properties["PointInTimeRecoverySpecification"];
    assert_eq!(recovery["PointInTimeRecoveryEnabled"], true);
    assert_eq!(properties["SSESpecification"]["SSEEnabled"], true);
    let images = &properties["StreamSpecification"]["StreamViewType"];
    assert_eq!(images, "NEW_AND_OLD_IMAGES");
}

#[test]
fn table_uses_the_customer_key_if_given() {
    const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1a2b";
    let sse = |parameters| {
        let template = deployed(parameters);
        template["Resources"]["Table"]["Properties"]["SSESpecification"].clone()
    };
    assert_eq!(sse(&[]), json!({"SSEEnabled": true, "SSEType": "KMS"}));
    assert_eq!(
        sse(&[("KeyArn", KEY)]),
        json!({"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": KEY})
    );
}

#[test]
fn only_the_functions_roles_may_write_and_management_is_not_denied() {
    let policy = |parameters| {
        let template = deployed(parameters);
        template["Resources"]["Table"]["Properties"]
            .get("ResourcePolicy")
            .cloned()
    };
    let document = policy(&[]).expect("a policy");
    let [statement] = list(&document["PolicyDocument"]["Statement"]) else {
        panic!("one statement: {document}");
    };
    assert_eq!(statement["Effect"], "Deny");
    assert_eq!(statement["Principal"], json!({"AWS": "*"}));
    let writers = |document: &Value| {
        let condition = &document["PolicyDocument"]["Statement"][0]["Condition"];
        condition["ArnNotEquals"]["aws:PrincipalArn"].clone()
    };
    let (own, other) = (arn("FunctionRole"), arn("DependenciesRole"));
    assert_eq!(writers(&document), json!([own, other]));
    let alone = policy(&[("DependenciesSchedule", "off")]).expect("a policy");
    assert_eq!(writers(&alone), json!([own]));
    let with_rules = policy(&[("RulesParameter", "/rules")]).expect("a policy");
    assert_eq!(
        writers(&with_rules),
        json!([own, other, arn("ComplianceRole")])
    );
    // Every permission that writes an item. Transactions need those of their parts.
    let denied: BTreeSet<String> = list(&statement["Action"]).iter().map(text).collect();
    let writes = [
        "BatchWriteItem",
        "DeleteItem",
        "PartiQLDelete",
        "PartiQLInsert",
        "PartiQLUpdate",
        "PutItem",
        "UpdateItem",
    ];
    // No management actions, so that CloudFormation is not locked out.
    assert_eq!(
        denied,
        writes.map(|write| format!("dynamodb:{write}")).into()
    );
    assert_eq!(policy(&[("TableWriters", "iam")]), None);
}

#[test]
fn function_role_does_not_depend_on_the_table() {
    // CloudFormation refuses circular dependencies.
    let template = deployed(&[("Mode", "organization")]);
    let role = template["Resources"]["FunctionRole"].to_string();
    assert!(!role.contains("\"Table\""), "{role}");
    assert_eq!(
        template["Resources"]["Function"]["DependsOn"],
        "FunctionTablePolicy"
    );
}
