//! Verification reports every edit of every attribute of every kind of record, and
//! every record that is removed, copied or swapped with another.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use crate::support::raw_items::{Key, found, items_of, key, put, remove};
use crate::support::scripted_listing::Stage;
use crate::support::scripted_service::{arn, entry};
use crate::support::test_env::{self, ACCOUNT, REGION, TestEnv};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::domain::{Outcome, Timestamp};
use codeconnections_inventory::table::codec::Item;
use serde_json::{Value, json};

/// Creates an environment with a change of each kind, a tombstone, events, two
/// regions, a filtered run and a partial one.
async fn recorded() -> TestEnv {
    let env = TestEnv::new().await;
    let e = |id: &str, status: &str| entry(&arn(REGION, id), id, status);
    let event = |n: u32| {
        json!({
            "id": format!("event-{n}"), "detail-type": "Scheduled Event", "source": "aws.events",
            "account": ACCOUNT, "region": REGION, "detail": {}, "resources": ["arn:aws:events:x"],
        })
    };
    let both = json!({"regions": [REGION, "us-east-1"]});
    let mut b = e("b", "PENDING");
    b["HostArn"] = json!("arn:aws:codeconnections:eu-west-1:123456789012:host/h-1a2b3c4d");
    let stage = Stage::new(vec![
        e("a", "PENDING"),
        e("b", "PENDING"),
        e("c", "PENDING"),
    ])
    .await;
    let run = async |shown: Vec<Value>, event: Value| {
        stage.show(shown);
        env.clock.advance(test_env::HOUR);
        let summary = env.run_with(&stage.endpoint, &event).await;
        assert_ne!(summary.outcome, Outcome::Failed);
    };
    let first = vec![e("a", "PENDING"), e("b", "PENDING"), e("c", "PENDING")];
    run(first, event(1)).await;
    run(vec![e("a", "AVAILABLE"), b.clone()], event(2)).await;
    let back = vec![
        e("a", "AVAILABLE"),
        b.clone(),
        e("c", "ERROR"),
        e("d", "PENDING"),
    ];
    run(back, both.clone()).await;
    let without_d = vec![e("a", "AVAILABLE"), b, e("c", "ERROR")];
    run(without_d.clone(), both.clone()).await;
    run(without_d.clone(), json!({"ProviderTypeFilter": "GitHub"})).await;
    run(without_d, event(3)).await;
    env
}

fn keyed(mut item: Item, (pk, sk): &Key) -> Item {
    item.insert("pk".to_owned(), AttributeValue::S(pk.clone()));
    item.insert("sk".to_owned(), AttributeValue::S(sk.clone()));
    item
}

/// Returns the type of a record by its key.
fn kind(key: &Key) -> &'static str {
    match (key.0.as_str(), key.1.as_str()) {
        (_, "ACCOUNT") => "account record",
        (pk, _) if pk.starts_with("ACCOUNT#") => "snapshot",
        (pk, _) if pk.starts_with("RUNS#") => "run",
        _ => "change",
    }
}

/// Returns other valid texts: another time, another word of the same enumeration,
/// another digest.
fn other_texts(text: &str) -> Vec<String> {
    const WORDS: [&[&str]; 6] = [
        &["PENDING", "AVAILABLE", "ERROR"],
        &["PRESENT", "DELETED"],
        &["COMPLETE", "PARTIAL", "FAILED"],
        &[
            "FIRST_SEEN",
            "STATUS_CHANGED",
            "ATTRIBUTES_CHANGED",
            "DELETED",
            "REAPPEARED",
        ],
        &["SCHEDULE", "REQUEST"],
        &["GitHub", "GitLab"],
    ];
    let words = WORDS.iter().filter(|words| words.contains(&text));
    let mut other: Vec<String> = words
        .flat_map(|w| w.iter().map(ToString::to_string))
        .collect();
    if let Ok(time) = text.parse::<Timestamp>() {
        let later = Timestamp::from_millis(time.millis() + 1);
        // The same time in another notation is another text too.
        other.extend([later.to_string(), text.replace('Z', "+00:00")]);
    } else if text.len() > 20 {
        let digit = if text.ends_with('0') { "1" } else { "0" };
        other.push(format!("{}{digit}", &text[..text.len() - 1]));
    }
    other.push(format!("{text}x"));
    other.retain(|other| other != text);
    other
}

/// Returns other values of the same type.
fn others(value: &AttributeValue) -> Vec<AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    match value {
        AttributeValue::S(text) => other_texts(text)
            .into_iter()
            .map(AttributeValue::S)
            .collect(),
        AttributeValue::N(digits) => {
            let number: i64 = digits.parse().expect("a number");
            let other = [number + 1, number - 1];
            let other = other.into_iter().filter(|other| *other != number);
            other.map(|n| AttributeValue::N(n.to_string())).collect()
        }
        AttributeValue::Bool(flag) => vec![AttributeValue::Bool(!flag)],
        AttributeValue::Ss(texts) => {
            let mut more = texts.clone();
            more.push("eu-central-1".to_owned());
            vec![
                AttributeValue::Ss(more),
                AttributeValue::Ss(vec!["eu-central-1".to_owned()]),
            ]
        }
        AttributeValue::L(list) => {
            let mut all = vec![AttributeValue::L(
                list.iter().cloned().chain([text("x")]).collect(),
            )];
            for (i, part) in list.iter().enumerate() {
                let mut without = list.clone();
                without.remove(i);
                all.push(AttributeValue::L(without));
                for other in others(part) {
                    let mut list = list.clone();
                    list[i] = other;
                    all.push(AttributeValue::L(list));
                }
            }
            if list.len() > 1 {
                all.push(AttributeValue::L(list.iter().rev().cloned().collect()));
            }
            all
        }
        AttributeValue::M(map) => {
            let mut all = Vec::new();
            let mut more = map.clone();
            more.insert("unknown".to_owned(), text("x"));
            all.push(AttributeValue::M(more));
            for (name, part) in map {
                let mut without = map.clone();
                without.remove(name);
                all.push(AttributeValue::M(without));
                for other in others(part) {
                    let mut map = map.clone();
                    map.insert(name.clone(), other);
                    all.push(AttributeValue::M(map));
                }
            }
            all
        }
        other => panic!("{other:?} is of a type never written"),
    }
}

/// Returns two values of other types, selected by `turn`, and a list of the value
/// itself.
fn of_other_types(value: &AttributeValue, turn: usize) -> Vec<AttributeValue> {
    let all = [
        AttributeValue::S("1".to_owned()),
        AttributeValue::N("1".to_owned()),
        AttributeValue::B(Blob::new("x")),
        AttributeValue::Bool(true),
        AttributeValue::Null(true),
        AttributeValue::Ss(vec!["eu-west-1".to_owned()]),
        AttributeValue::Ns(vec!["1".to_owned()]),
        AttributeValue::L(vec![]),
        AttributeValue::M(Item::new()),
    ];
    let kind = std::mem::discriminant(value);
    let others = all
        .into_iter()
        .filter(|other| std::mem::discriminant(other) != kind);
    let two = others.cycle().skip(turn).take(2);
    two.chain([AttributeValue::L(vec![value.clone()])])
        .filter(|other| other != value)
        .collect()
}

/// The sort key of the last run that [`recorded`] creates.
const LAST_RUN: &str = "RUN#000000000006";

/// Index keys, which are strings or absent: DynamoDB accepts nothing else.
const INDEX_KEYS: [&str; 4] = ["status_pk", "status_sk", "time_pk", "time_sk"];

/// Returns every edit of one item: a description, and the edited item.
fn edits(item: &Item) -> Vec<(String, Item)> {
    let mut all = Vec::new();
    let mut names: Vec<&String> = item.keys().collect();
    names.sort();
    for (turn, name) in names.into_iter().enumerate() {
        // An item's key can't be edited, only removed and copied.
        if ["pk", "sk"].contains(&name.as_str()) {
            continue;
        }
        let value = &item[name];
        let mut without = item.clone();
        without.remove(name);
        all.push((format!("{name} removed"), without));
        let mut values = others(value);
        if !INDEX_KEYS.contains(&name.as_str()) {
            values.extend(of_other_types(value, turn));
        }
        for value in values {
            let mut edited = item.clone();
            let what = format!("{name} set to {value:?}");
            edited.insert(name.clone(), value);
            all.push((what, edited));
        }
    }
    // An unknown attribute, and attributes of other records.
    for name in [
        "unknown",
        "seal",
        "digest",
        "deleted_at",
        "host_arn",
        "problems",
        "status_pk",
    ] {
        if !item.contains_key(name) {
            let mut more = item.clone();
            let value = AttributeValue::S("2026-10-01T09:00:00.000Z".to_owned());
            more.insert(name.to_owned(), value);
            all.push((format!("{name} added"), more));
        }
    }
    all
}

async fn named(env: &TestEnv) -> BTreeSet<Key> {
    let found = found(env).await;
    found.into_iter().map(|f| (f.pk, f.sk)).collect()
}

#[tokio::test]
async fn every_attribute_edit_is_reported_for_its_record_only() {
    let env = recorded().await;
    assert!(named(&env).await.is_empty());
    let mut kinds = BTreeMap::new();
    let mut count = 0;
    for item in items_of(&env).await {
        let key = key(&item);
        // One record of each kind suffices, and the last run, which is the head.
        let change = item.get("kind").or(item.get("presence"));
        let change = change.and_then(|kind| kind.as_s().ok());
        let name = format!("{} {}", kind(&key), change.map_or("", String::as_str));
        let nth = kinds.entry(name).or_insert(0);
        *nth += 1;
        if *nth > 1 && key.1 != LAST_RUN {
            continue;
        }
        for (what, edited) in edits(&item) {
            put(&env, edited).await;
            let found = named(&env).await;
            assert_eq!(
                found,
                BTreeSet::from([key.clone()]),
                "{}: {what}",
                kind(&key)
            );
            count += 1;
        }
        put(&env, item).await;
    }
    assert!(named(&env).await.is_empty());
    // Five kinds of changes, two of snapshots, runs, and the account's record.
    assert_eq!(kinds.len(), 9, "every kind of record was edited: {kinds:?}");
    println!("{count} edits");
    assert!(count > 500, "{count}");
}

#[tokio::test]
async fn every_removed_record_is_reported() {
    let env = recorded().await;
    for item in items_of(&env).await {
        let (pk, sk) = key(&item);
        remove(&env, &(pk.clone(), sk.clone())).await;
        let found = named(&env).await;
        // A gap in a chain is reported at the next record, a missing only change at the
        // snapshot.
        let mut places = vec![(pk.clone(), sk.clone())];
        if let Some((word, number)) = sk.split_once('#').filter(|_| !pk.starts_with("ACCOUNT#")) {
            let next = number.parse::<u64>().expect("a number") + 1;
            let width = number.len();
            places.push((pk.clone(), format!("{word}#{next:0width$}")));
        }
        assert!(
            places.iter().any(|place| found.contains(place)),
            "{pk} {sk}: {found:?}"
        );
        put(&env, item).await;
        assert!(named(&env).await.is_empty());
    }
}

#[tokio::test]
async fn every_copied_record_is_reported() {
    let env = recorded().await;
    for item in items_of(&env).await {
        let (pk, sk) = key(&item);
        let number = |by: u64| {
            let (word, number) = sk.split_once('#')?;
            let next = number.parse::<u64>().ok()? + by;
            let width = number.len();
            Some((pk.clone(), format!("{word}#{next:0width$}")))
        };
        let places = [
            Some((pk.clone(), format!("{sk}0"))),
            number(1),
            number(9),
            Some((pk.replacen(ACCOUNT, "999999999999", 1), sk.clone())),
            Some((format!("{pk}0"), sk.clone())),
            Some(("SOMEWHERE".to_owned(), sk.clone())),
        ];
        let taken: BTreeSet<Key> = items_of(&env).await.iter().map(key).collect();
        for place in places
            .into_iter()
            .flatten()
            .filter(|place| !taken.contains(place))
        {
            put(&env, keyed(item.clone(), &place)).await;
            let found = named(&env).await;
            assert!(found.contains(&place), "{pk} {sk} at {place:?}: {found:?}");
            remove(&env, &place).await;
        }
    }
}

#[tokio::test]
async fn swapped_records_are_both_reported() {
    let env = recorded().await;
    let items = items_of(&env).await;
    let mut count = 0;
    for (i, one) in items.iter().enumerate() {
        for other in &items[i + 1..] {
            let (a, b) = (key(one), key(other));
            if kind(&a) != kind(&b) {
                continue;
            }
            put(&env, keyed(one.clone(), &b)).await;
            put(&env, keyed(other.clone(), &a)).await;
            let found = named(&env).await;
            assert!(
                found.contains(&a) && found.contains(&b),
                "{a:?} {b:?}: {found:?}"
            );
            put(&env, one.clone()).await;
            put(&env, other.clone()).await;
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
    assert!(named(&env).await.is_empty());
}
