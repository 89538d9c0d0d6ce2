//! The inventory's own reader of query responses and the SDK's, which reads
//! what the own one does not know, return the same.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::raw_items::{Key, get, put};
use crate::support::test_env::{HOUR, TestEnv, account};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::domain::{Clock, ConnectionArn, Timestamp};
use codeconnections_inventory::table::{CorruptItem, codec, keys};

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

#[tokio::test]
async fn own_reader_and_sdk_reader_return_the_same_changes_and_runs() {
    let env = TestEnv::new().await;
    let arns = ["api", "\"\\ \u{e9}\u{1f511}\n\u{1b}", "marked"].map(|name| env.create(name));
    for status in ["AVAILABLE", "ERROR"] {
        for arn in &arns {
            env.set_status(arn, status);
        }
        env.run().await;
    }
    let account = account();
    let changes = async || {
        let since = Timestamp::from_millis(0);
        let mut pages = env.table.changes_between(&account, since, env.clock.now());
        pages.next_rows().await.expect("read").expect("a page")
    };
    let runs = async || {
        let mut pages = env.table.runs(&account);
        pages.next_rows().await.expect("read").expect("a page")
    };
    env.clock.advance(HOUR);
    let (changes_of_ours, runs_of_ours) = (changes().await, runs().await);
    assert_eq!((changes_of_ours.len(), runs_of_ours.len()), (6, 2));

    // An attribute of a type that is never written, in one change and in one run.
    let marked: ConnectionArn = arns[2].parse().expect("an ARN");
    let change: Key = (keys::changes_pk(&account, &marked), keys::change_sk(2));
    let run: Key = (keys::runs_pk(&account), keys::run_sk(2));
    for key in [&change, &run] {
        let mut item = get(&env, key).await;
        item.insert("mark".into(), AttributeValue::B(Blob::new("x")));
        put(&env, item).await;
    }
    let mut are_marked = 0;
    let mut compare = |of_sdk: Result<String, CorruptItem>, ours: String| match of_sdk {
        Ok(of_sdk) => assert_eq!(of_sdk, ours),
        Err(corrupt) => {
            are_marked += 1;
            assert_eq!(corrupt.attribute, "mark");
        }
    };
    for (of_sdk, ours) in changes().await.into_iter().zip(changes_of_ours) {
        compare(
            of_sdk.map(|it| format!("{it:?}")),
            format!("{:?}", ours.expect("read")),
        );
    }
    for (of_sdk, ours) in runs().await.into_iter().zip(runs_of_ours) {
        compare(
            of_sdk.map(|it| format!("{it:?}")),
            format!("{:?}", ours.expect("read")),
        );
    }
    assert_eq!(are_marked, 2);
}
