//! How findings are stored.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::codec::plain;
use super::error::CorruptItem;
use super::fast_path::value::Attributes;
use super::item::Item;
use super::keys::{self, Keys};
use super::kind::StoredKind;
use crate::domain::listing::Window;
use crate::domain::{
    AccountId, Change, EvaluationScope, Finding, FindingSummary, SchemaVersion, Seal, Snapshot,
};

/// The attributes of a finding, as its snapshot has them.
const ATTRIBUTES: [&str; 6] = [
    "severity",
    "title",
    "message",
    "subject_name",
    "controls",
    "remediation",
];

impl StoredKind for Finding {
    const KEYS: Keys = keys::FINDINGS;

    type Row = Attributes;

    fn snapshot_attributes(
        account: &AccountId,
        snapshot: &Snapshot<Self>,
    ) -> Vec<(&'static str, Option<AttributeValue>)> {
        plain::snapshot_attributes(account, snapshot, &ATTRIBUTES)
    }

    fn checksum(
        account: &AccountId,
        snapshot: &Snapshot<Self>,
        last_seen: Window,
        listed_in: &[EvaluationScope],
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

    fn event_summary(change: &Change<Self>) -> Option<Value> {
        serde_json::to_value(FindingSummary::of(change)).ok()
    }
}
