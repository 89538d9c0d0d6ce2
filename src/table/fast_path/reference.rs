//! Tests that compare what this folder and the checksum do by hand with the plain
//! implementations (`codec::plain`, `codec::read_record`), on random snapshots and
//! changes.

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::record::RecordRow;
use super::snapshot::read_snapshot;
use crate::domain::listing::Window;
use crate::domain::{
    AccountId, Attributes, Cause, Change, ChangeKind, Connection, ConnectionArn, ConsumerCounts,
    Digest, Presence, RunId, SchemaVersion, Seal, Snapshot, Timestamp, UnknownMembers,
};
use crate::table::codec::snapshot::snapshot_item;
use crate::table::codec::{Item, change_item, plain, read_record};
use crate::table::kind::AccountRow;

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

/// An item as DynamoDB sends it.
fn sent(item: &Item) -> String {
    let attributes = item
        .iter()
        .map(|(name, value)| (name.clone(), on_the_wire(value)));
    Value::Object(attributes.collect()).to_string()
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
        let plain = plain::read_snapshot::<Connection>(&item).expect("readable");
        prop_assert_eq!(&plain, &snapshot);
        prop_assert_eq!(&read_snapshot(&item).expect("readable"), &snapshot);

        let row: AccountRow = serde_json::from_str(&sent(&item)).expect("an item");
        let AccountRow::Snapshot(Ok(read)) = row else {
            panic!("{row:?}");
        };
        prop_assert_eq!(&read, &snapshot);

        let seal = Seal::of(&account, &snapshot, SchemaVersion::CURRENT);
        let (last_seen, listed_in) = (snapshot.last_seen, &snapshot.listed_in);
        let plain = plain::checksum(&account, &snapshot, last_seen, listed_in, SchemaVersion::CURRENT);
        prop_assert_eq!(seal, plain);
        let touched =
            Seal::of_seen(&account, &snapshot, snapshot.last_seen, &snapshot.listed_in, SchemaVersion::CURRENT);
        prop_assert_eq!(touched, seal);
    }

    /// A reader that leaves all to `read_record` would return the same, in twice the time.
    #[test]
    fn change_is_read_without_an_item(before in snapshots(), after in snapshots()) {
        let change = Change {
            format: SchemaVersion::CURRENT,
            account: "123456789012".parse().expect("an account"),
            version: after.version,
            kind: ChangeKind::AttributesChanged,
            before: Some(before.attributes),
            after: Some(after.attributes),
            previously_seen_at: Some(before.last_seen.began_at),
            observed_at: after.last_seen.began_at,
            observed_until: after.last_seen.ended_at,
            run_id: RunId::new(after.last_seen.began_at, 1),
            event_id: Some("event-1".into()),
            cause: Some(Cause::NoCallSeen),
            consumers: ConsumerCounts::default(),
            closed: None,
            previous_digest: Some(before.digest),
            arn: after.arn,
        };
        let item = change_item(&change);
        let plain: Change = read_record(&item).expect("readable");
        prop_assert_eq!(&plain, &change);

        let row: RecordRow<Change> = serde_json::from_str(&sent(&item)).expect("an item");
        let RecordRow::Read(read) = row else {
            panic!("{row:?}");
        };
        prop_assert_eq!(read, change);
    }
}
