//! How connections are stored.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::codec;
use super::error::CorruptItem;
use super::fast_path::snapshot as fast;
use super::item::Item;
use super::keys::{self, Keys};
use super::kind::{AccountRow, StoredKind};
use crate::domain::listing::Window;
use crate::domain::{
    AccountId, Change, Connection, EventSummary, Region, SchemaVersion, Seal, Snapshot,
};

impl StoredKind for Connection {
    const KEYS: Keys = keys::CONNECTIONS;

    type Row = AccountRow<Self>;

    fn snapshot_attributes(
        account: &AccountId,
        snapshot: &Snapshot,
    ) -> Vec<(&'static str, Option<AttributeValue>)> {
        codec::snapshot::snapshot_attributes(account, snapshot)
    }

    fn checksum(
        account: &AccountId,
        snapshot: &Snapshot,
        last_seen: Window,
        listed_in: &[Region],
        format: SchemaVersion,
    ) -> Seal {
        Seal::of_seen(account, snapshot, last_seen, listed_in, format)
    }

    fn read_unsealed(item: &Item) -> Result<(Snapshot, SchemaVersion), CorruptItem> {
        fast::read_unsealed(item)
    }

    fn read_snapshot(item: &Item) -> Result<Snapshot, CorruptItem> {
        fast::read_snapshot(item)
    }

    fn event_summary(change: &Change) -> Option<Value> {
        let is_stored = change.format >= SchemaVersion::V3;
        let summary = is_stored.then(|| serde_json::to_value(EventSummary::of(change)));
        summary.and_then(Result::ok)
    }
}
