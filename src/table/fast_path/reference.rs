//! The plain implementation of what this folder and the checksum do by hand, and
//! a test that compares both on random snapshots.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::snapshot::read_snapshot;
use crate::domain::digest::canonical_json;
use crate::domain::listing::Window;
use crate::domain::snapshot::{DELETED, PRESENT};
use crate::domain::{
    AccountId, Attributes, ConnectionArn, Digest, Presence, Region, SchemaVersion, Seal, Snapshot,
    Timestamp, UnknownMembers,
};
use crate::table::codec::Item;
use crate::table::codec::snapshot::snapshot_item;
use crate::table::kind::AccountRow;
use crate::table::{codec, keys};

/// A snapshot as its item says it.
#[derive(Deserialize)]
struct Plain {
    sk: String,
    #[serde(flatten)]
    attributes: Attributes,
    presence: String,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    last_seen_until: Timestamp,
    deleted_at: Option<Timestamp>,
    deleted_until: Option<Timestamp>,
    status_since: Timestamp,
    version: u32,
    #[serde(default)]
    listed_in: Vec<Region>,
    digest: Digest,
}

/// Reads an item with serde alone.
fn plain_snapshot(item: &Item) -> Snapshot {
    let fields: Map<String, Value> = item
        .iter()
        .map(|(name, value)| {
            let value = match value {
                AttributeValue::Ss(texts) => json!(texts),
                value => codec::to_json(value).expect("a type that is written"),
            };
            (name.clone(), value)
        })
        .collect();
    let plain: Plain = serde_json::from_value(fields.into()).expect("a snapshot");
    let window = |began_at, ended_at| Window { began_at, ended_at };
    let arn = keys::CONNECTIONS.id_in(&plain.sk);
    Snapshot {
        arn: arn.expect("a snapshot's key").parse().expect("an ARN"),
        attributes: plain.attributes,
        presence: match plain.presence.as_str() {
            PRESENT => Presence::Present,
            DELETED => Presence::Deleted {
                seen_gone: window(
                    plain.deleted_at.expect("a tombstone's time"),
                    plain.deleted_until.expect("a tombstone's time"),
                ),
            },
            other => panic!("{other}"),
        },
        first_seen_at: plain.first_seen_at,
        last_seen: window(plain.last_seen_at, plain.last_seen_until),
        status_since: plain.status_since,
        version: plain.version,
        listed_in: plain.listed_in,
        digest: plain.digest,
    }
}

/// Makes the checksum of a snapshot with a general serializer.
fn plain_checksum(account: &AccountId, snapshot: &Snapshot) -> String {
    let mut value = json!(snapshot.attributes);
    let gone = match snapshot.presence {
        Presence::Present => None,
        Presence::Deleted { seen_gone } => Some(seen_gone),
    };
    let others = json!({
        "account": account,
        "arn": snapshot.arn,
        "deleted_at": gone.map(|window| window.began_at),
        "deleted_until": gone.map(|window| window.ended_at),
        "digest": snapshot.digest,
        "first_seen_at": snapshot.first_seen_at,
        "last_seen_at": snapshot.last_seen.began_at,
        "last_seen_until": snapshot.last_seen.ended_at,
        "listed_in": snapshot.listed_in,
        "presence": snapshot.presence.as_str(),
        "status_since": snapshot.status_since,
        "v": SchemaVersion::CURRENT,
        "version": snapshot.version,
    });
    let (Value::Object(fields), Value::Object(others)) = (&mut value, others) else {
        panic!("objects");
    };
    fields.extend(others);
    fields.retain(|_, value| !value.is_null() && *value != json!([]));
    let digest = Sha256::digest(canonical_json(&value));
    URL_SAFE_NO_PAD.encode(&digest[..16])
}

/// An attribute's value as DynamoDB sends it.
fn on_the_wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(digits) => json!({"N": digits}),
        AttributeValue::Ss(texts) => json!({"SS": texts}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::Null(_) => json!({"NULL": true}),
        AttributeValue::L(list) => json!({"L": list.iter().map(on_the_wire).collect::<Value>()}),
        AttributeValue::M(map) => {
            let fields = map
                .iter()
                .map(|(name, value)| (name.clone(), on_the_wire(value)));
            json!({"M": fields.collect::<Map<_, _>>()})
        }
        other => panic!("{other:?} is never written"),
    }
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let text = || option::of(".{0,40}");
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        vec(any::<u8>(), 0..3).prop_map(|list| json!({"list": list})),
    ];
    let unknown = btree_map("[A-Z][a-z]{0,10}".prop_map(Into::into), value, 0..3);
    (vec(text(), Attributes::default().fields().len()), unknown).prop_map(|(texts, unknown)| {
        let mut texts = texts.into_iter();
        let text = |_| Ok::<_, ()>(texts.next().flatten().map(Into::into));
        Attributes::from_fields(text, UnknownMembers::new(unknown)).expect("no error")
    })
}

prop_compose! {
    fn snapshots()(
        attributes in attributes(),
        id in "[a-z0-9é-]{1,30}",
        times in vec(0..4_102_444_800_000_i64, 6),
        is_deleted in any::<bool>(),
        version in 1..u32::MAX,
        regions in 0..3_usize,
    ) -> Snapshot {
        let at = |i: usize| Timestamp::from_millis(times[i]);
        let arn = format!("arn:aws:codeconnections:eu-west-1:123456789012:connection/{id}");
        let listed_in = ["eu-south-1", "eu-west-1", "us-east-1"][..regions].iter();
        let arn: ConnectionArn = arn.parse().expect("an ARN");
        Snapshot {
            attributes,
            presence: if is_deleted {
                let seen_gone = Window { began_at: at(0), ended_at: at(1) };
                Presence::Deleted { seen_gone }
            } else {
                Presence::Present
            },
            first_seen_at: at(2),
            last_seen: Window { began_at: at(3), ended_at: at(4) },
            status_since: at(5),
            version,
            listed_in: listed_in.map(|region| region.parse().expect("a region")).collect(),
            digest: Digest::of(&arn),
            arn,
        }
    }
}

proptest! {
    #[test]
    fn fast_path_and_reference_agree(snapshot in snapshots()) {
        let account: AccountId = "123456789012".parse().expect("an account");
        let item = snapshot_item(&account, &snapshot, SchemaVersion::CURRENT);
        prop_assert_eq!(&plain_snapshot(&item), &snapshot);
        prop_assert_eq!(&read_snapshot(&item).expect("readable"), &snapshot);

        let wire: Map<String, Value> = item
            .iter()
            .map(|(name, value)| (name.clone(), on_the_wire(value)))
            .collect();
        let body = serde_json::to_vec(&wire).expect("JSON");
        let row: AccountRow = serde_json::from_slice(&body).expect("an item");
        let AccountRow::Snapshot(Ok(read)) = row else {
            panic!("{row:?}");
        };
        prop_assert_eq!(&read, &snapshot);

        let seal = Seal::of(&account, &snapshot, SchemaVersion::CURRENT);
        prop_assert_eq!(seal.to_string(), plain_checksum(&account, &snapshot));
        let touched =
            Seal::of_seen(&account, &snapshot, snapshot.last_seen, &snapshot.listed_in, SchemaVersion::CURRENT);
        prop_assert_eq!(touched, seal);
    }
}
