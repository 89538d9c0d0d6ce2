//! The key, the bucket and the role of checkpoints: who may sign, add, and delete.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;

use crate::support::template::{TEMPLATE, list, one_or_more, text};
use serde_json::{Value, json};

fn properties(name: &str) -> &'static Value {
    let resource = &TEMPLATE["Resources"][name];
    assert_eq!(resource["Condition"], "HasCheckpoints", "{name}");
    &resource["Properties"]
}

fn actions(statement: &Value) -> BTreeSet<String> {
    let actions = one_or_more(&statement["Action"]);
    actions.iter().map(text).collect()
}

fn role() -> Value {
    json!({"Fn::GetAtt": ["CheckpointRole", "Arn"]})
}

#[test]
fn only_the_role_of_the_function_signs() {
    let key = properties("CheckpointKey");
    assert_eq!(
        (&key["KeySpec"], &key["KeyUsage"]),
        (&json!("ECC_NIST_P256"), &json!("SIGN_VERIFY"))
    );
    let statements = list(&key["KeyPolicy"]["Statement"]);
    let signs = |statement: &&Value| {
        let signing = |action: &String| action == "kms:Sign" || action.contains('*');
        actions(statement).iter().any(signing)
    };
    let signing: Vec<&Value> = statements.iter().filter(signs).collect();
    let [signing] = signing.as_slice() else {
        panic!("one statement, not {signing:#?}");
    };
    assert_eq!(signing["Principal"], json!({"AWS": role()}));
    // CloudFormation makes the alias as the deployer.
    for needed in ["kms:CreateAlias", "kms:PutKeyPolicy", "kms:DescribeKey"] {
        let all: BTreeSet<String> = statements.iter().flat_map(actions).collect();
        assert!(all.contains(needed), "{needed}");
    }
    // A grant would let another principal sign.
    let all: BTreeSet<String> = statements.iter().flat_map(actions).collect();
    assert!(!all.contains("kms:CreateGrant"));
}

#[test]
fn stored_checkpoints_can_not_be_deleted_and_only_the_function_adds() {
    let bucket = properties("CheckpointBucket");
    assert_eq!(bucket["ObjectLockEnabled"], true);
    let retention = &bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"];
    let days = json!({"Ref": "CheckpointRetentionInDays"});
    assert_eq!(*retention, json!({"Mode": "COMPLIANCE", "Days": days}));
    for resource in [
        "CheckpointBucket",
        "CheckpointBucketPolicy",
        "CheckpointKey",
    ] {
        // A deployment that failed leaves none.
        let kept = &TEMPLATE["Resources"][resource]["DeletionPolicy"];
        assert_eq!(*kept, "RetainExceptOnCreate");
    }
    let policy = properties("CheckpointBucketPolicy");
    let denied = list(&policy["PolicyDocument"]["Statement"]).iter();
    let adding: Vec<&Value> = denied
        .filter(|statement| actions(statement).contains("s3:PutObject"))
        .collect();
    assert_eq!(adding.len(), 1);
    assert_eq!(adding[0]["Effect"], "Deny");
    assert_eq!(
        adding[0]["Condition"],
        json!({"ArnNotEquals": {"aws:PrincipalArn": role()}})
    );
}

#[test]
fn function_reads_the_table_and_neither_deletes_nor_shortens_retention() {
    let policy = properties("CheckpointRolePolicy");
    let statements = list(&policy["PolicyDocument"]["Statement"]).iter();
    let granted = statements.flat_map(|statement| match statement.get("Fn::If") {
        Some(choice) => actions(&choice[1]),
        None => actions(statement),
    });
    let granted: BTreeSet<String> = granted.collect();
    let of = |service: &str| {
        let own = granted.iter().filter(|action| action.starts_with(service));
        own.map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(of("dynamodb:"), ["dynamodb:Query"]);
    assert_eq!(of("kms:"), ["kms:Decrypt", "kms:Sign"]);
    assert_eq!(
        of("s3:"),
        [
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:ListBucketVersions",
            "s3:PutObject"
        ]
    );
}
