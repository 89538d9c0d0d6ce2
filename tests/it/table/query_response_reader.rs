//! The inventory's own reader of query responses and the SDK's, which reads
//! what the own one does not know, return the same.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::raw_items::{Key, get, put};
use crate::support::test_env::{TestEnv, account};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::table::{codec, keys};

#[tokio::test]
async fn own_reader_and_sdk_reader_return_the_same_account() {
    let env = TestEnv::new().await;
    let names = [
        "api",
        "gone",
        "edited",
        "\"\\ \u{e9}\u{1f511}\n\u{1b}",
        "marked",
    ];
    let arns = names.map(|name| env.create(name));
    env.run().await;
    env.delete(&arns[1]);
    env.set_status(&arns[3], "ERROR");
    env.run().await;
    let key = |arn: &str| -> Key {
        let arn = arn.parse().expect("an ARN");
        (keys::account_pk(&account()), keys::snapshot_sk(&arn))
    };
    let mut edited = get(&env, &key(&arns[2])).await;
    edited.insert("connection_name".into(), codec::s("another"));
    put(&env, edited).await;

    let ours = env.table.read_account(&account()).await.expect("read");
    assert!(ours.record.is_some());
    assert_eq!((ours.snapshots.len(), ours.corrupt.len()), (4, 1));

    // An unused attribute of a type that is never written.
    let mut marked = get(&env, &key(&arns[4])).await;
    marked.insert("mark".into(), AttributeValue::B(Blob::new("x")));
    put(&env, marked).await;
    let of_sdk = env.table.read_account(&account()).await.expect("read");
    assert_eq!(of_sdk.record, ours.record);
    assert_eq!(of_sdk.snapshots, ours.snapshots);
    assert_eq!(of_sdk.corrupt, ours.corrupt);
    let named = of_sdk.snapshots.values();
    let named = named.filter(|s| s.attributes.connection_name.as_deref() == Some(names[3]));
    assert_eq!(named.count(), 1, "escapes are read");
}
