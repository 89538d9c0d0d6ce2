//! How dependencies are stored.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::codec::{plain, s};
use super::error::CorruptItem;
use super::fast_path::value::Attributes;
use super::item::Item;
use super::keys::{self, Keys};
use super::kind::StoredKind;
use crate::domain::listing::Window;
use crate::domain::{AccountId, Change, Dependency, SchemaVersion, Seal, Snapshot, SourceScope};

/// The attributes of a dependency, as its snapshot has them.
const ATTRIBUTES: [&str; 5] = ["dependency_type", "name", "status", "uses", "members"];

impl StoredKind for Dependency {
    const KEYS: Keys = keys::DEPENDENCIES;

    type Row = Attributes;

    fn snapshot_attributes(
        account: &AccountId,
        snapshot: &Snapshot<Self>,
    ) -> Vec<(&'static str, Option<AttributeValue>)> {
        let mut attributes = plain::snapshot_attributes(account, snapshot, &ATTRIBUTES);
        let used = snapshot.attributes.uses.as_deref();
        let used = used.filter(|_| !snapshot.is_deleted());
        attributes.extend([
            (keys::STATUS_PK, used.map(|arn| s(keys::uses_pk(arn)))),
            (keys::STATUS_SK, used.map(|_| s(&snapshot.arn))),
        ]);
        attributes
    }

    fn checksum(
        account: &AccountId,
        snapshot: &Snapshot<Self>,
        last_seen: Window,
        listed_in: &[SourceScope],
        format: SchemaVersion,
    ) -> Seal {
        plain::checksum(account, snapshot, last_seen, listed_in, format)
    }

    fn read_unsealed(item: &Item) -> Result<(Snapshot<Self>, SchemaVersion), CorruptItem> {
        plain::read_unsealed(item)
    }

    fn read_snapshot(item: &Item) -> Result<Snapshot<Self>, CorruptItem> {
        plain::read_snapshot(item)
    }

    /// Changes of dependencies are no events yet.
    fn event_summary(_: &Change<Self>) -> Option<Value> {
        None
    }
}
