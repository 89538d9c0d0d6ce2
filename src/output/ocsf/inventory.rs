//! Cloud Resources Inventory Info (class 5023): one connection that is present.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::objects::{
    Classification, Cloud, Metadata, Millis, Observable, Resource, observables, severity_caption,
    severity_id,
};
use crate::compliance::severity::Severity;
use crate::domain::{AccountId, Attributes, ConnectionArn, Digest, Region, Snapshot, Timestamp};

/// An inventory that was collected, not read from a log.
const COLLECTED: Classification = Classification {
    category_uid: 5,
    category_name: "Discovery",
    class_uid: 5023,
    class_name: "Cloud Resources Inventory Info",
    activity_id: 2,
    activity_name: "Collect",
    type_uid: 502_302,
    type_name: "Cloud Resources Inventory Info: Collect",
};

/// The state of one connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionRecord<'a> {
    /// The inventoried account.
    pub account: &'a AccountId,
    /// Its ARN.
    pub arn: &'a ConnectionArn,
    /// Its attributes when it was last seen.
    pub attributes: &'a Attributes,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// Since when it has its status.
    pub status_since: Timestamp,
    /// When it was last seen; `None` in results from an index, which lacks it.
    pub last_seen_at: Option<Timestamp>,
    /// The number of its recorded changes.
    pub version: u32,
    /// The regions that listed it, if they are known.
    pub listed_in: Option<&'a [Region]>,
    /// The digest of its last change, if it is known.
    pub digest: Option<Digest>,
    /// When this was observed.
    pub collected_at: Timestamp,
}

impl<'a> ConnectionRecord<'a> {
    /// Returns the record of a snapshot at its newest observation; `None` if it is
    /// deleted, for which the class has no state.
    pub fn of_snapshot(account: &'a AccountId, snapshot: &'a Snapshot) -> Option<Self> {
        (!snapshot.is_deleted()).then(|| Self {
            account,
            arn: &snapshot.arn,
            attributes: &snapshot.attributes,
            first_seen_at: snapshot.first_seen_at,
            status_since: snapshot.status_since,
            last_seen_at: Some(snapshot.last_seen.began_at),
            version: snapshot.version,
            listed_in: Some(&snapshot.listed_in),
            digest: Some(snapshot.digest),
            collected_at: snapshot.rests_on().began_at,
        })
    }
}

/// A Cloud Resources Inventory Info event; it serialises to OCSF's JSON.
#[derive(Debug, Serialize)]
pub struct InventoryEvent<'a> {
    #[serde(flatten)]
    classification: Classification,
    severity_id: u8,
    severity: &'static str,
    // The status of the observation, not of the connection.
    status_id: u8,
    status: &'static str,
    time: Millis,
    timezone_offset: i16,
    start_time: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<Millis>,
    message: String,
    metadata: Metadata,
    cloud: Cloud<'a>,
    region: &'a str,
    resources: [Resource<'a, &'a Attributes>; 1],
    observables: Vec<Observable<'a>>,
    unmapped: Unmapped<'a>,
}

/// Fields without a place in OCSF, under their names in the table.
#[derive(Debug, Serialize)]
struct Unmapped<'a> {
    presence: &'static str,
    first_seen_at: Timestamp,
    status_since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_at: Option<Timestamp>,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_in: Option<&'a [Region]>,
}

impl<'a> InventoryEvent<'a> {
    /// Adds the tags of the connection.
    #[must_use]
    pub fn with_tags(mut self, tags: &'a BTreeMap<String, Value>) -> Self {
        let [connection] = &mut self.resources;
        connection.set_tags(tags);
        self
    }
}

/// Returns the event for one connection.
///
/// Its `metadata.uid` is the digest of the class, the account, the connection,
/// its version and the time of the observation. The same record always has the
/// same one.
pub fn inventory_event<'a>(record: &ConnectionRecord<'a>) -> InventoryEvent<'a> {
    let ConnectionRecord {
        account,
        arn,
        attributes,
        ..
    } = *record;
    let identity = (
        COLLECTED.class_uid,
        account,
        arn,
        record.version,
        record.collected_at,
    );
    let name = attributes.connection_name.as_deref();
    let status = attributes.status_word();
    InventoryEvent {
        classification: COLLECTED,
        severity_id: severity_id(Severity::Informational),
        severity: severity_caption(Severity::Informational),
        status_id: 1,
        status: "Success",
        time: record.collected_at.millis(),
        timezone_offset: 0,
        start_time: record.first_seen_at.millis(),
        end_time: record.last_seen_at.map(Timestamp::millis),
        message: format!("{arn} is present, in status {status}"),
        metadata: Metadata::new(Digest::of(&identity).to_string()),
        cloud: Cloud::new(account, Some(arn)),
        region: arn.region(),
        resources: [Resource::connection(arn, name, Some(attributes))],
        observables: observables(account, Some(arn.as_str()), name),
        unmapped: Unmapped {
            presence: "PRESENT",
            first_seen_at: record.first_seen_at,
            status_since: record.status_since,
            last_seen_at: record.last_seen_at,
            version: record.version,
            digest: record.digest,
            listed_in: record.listed_in,
        },
    }
}
