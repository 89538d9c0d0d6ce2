//! A run: one account's listings, compared with the table and written. Its
//! record says what the inventory rests on.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::api_call::{ApiCall, called};
use super::digest::LinesDigest;
use super::ids::ParseError;
use super::listing::{Filter, Window};
use super::{
    AccountId, ChangeKind, ConnectionArn, Digest, Listing, ListingEnd, Region, RunId,
    SchemaVersion, Snapshot, Timestamp,
};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Every listing was complete and everything was written.
    Complete,
    /// Something is missing, and the record says what.
    Partial,
    /// Nothing was observed, or it could not be written.
    Failed,
}

impl Outcome {
    /// The outcome as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        [Self::Complete, Self::Partial, Self::Failed]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| ParseError::new(text, "an outcome: COMPLETE, PARTIAL or FAILED"))
    }
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Trigger {
    /// A schedule: an EventBridge rule or EventBridge Scheduler.
    Schedule {
        /// The event's id (of the execution, for a Scheduler input of one's
        /// own).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event_id: Option<Box<str>>,
        /// The rule or schedule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_arn: Option<Box<str>>,
    },
    /// One CloudTrail event about an API call, as formats 1 and 2 have it:
    /// after it, only the region of that call was listed.
    ApiCall {
        /// The EventBridge event's id.
        event_id: Box<str>,
        /// `CreateConnection`, `DeleteConnection`, …
        event_name: Box<str>,
        /// The principal that made the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        principal_arn: Option<Box<str>>,
        /// Where the call came from: an address or an AWS service's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_ip: Option<Box<str>>,
    },
    /// CloudTrail events about API calls, one or several that were gathered.
    /// The regions of the calls were listed besides the configured ones.
    ApiCalls {
        /// The calls, in the order in which they were delivered.
        calls: Vec<ApiCall>,
    },
    /// Somebody asked for it: a direct request, or the command line.
    Request,
}

impl Trigger {
    /// What it is, in a word.
    pub fn word(&self) -> &str {
        match self {
            Self::Schedule { .. } => "schedule",
            Self::ApiCall { event_name, .. } => event_name,
            Self::ApiCalls { calls } => match calls.as_slice() {
                [only] => &only.event_name,
                _ => "API calls",
            },
            Self::Request => "request",
        }
    }

    /// The id of the event, by which a second delivery is known. Events that
    /// were gathered have none in common: what delivers them again may gather
    /// them otherwise, and running again does no harm.
    pub fn event_id(&self) -> Option<&str> {
        match self {
            Self::Schedule { event_id, .. } => event_id.as_deref(),
            Self::ApiCall { event_id, .. } => Some(event_id),
            Self::ApiCalls { calls } => match calls.as_slice() {
                [only] => Some(&only.event_id),
                _ => None,
            },
            Self::Request => None,
        }
    }

    /// The calls that it knows enough of to explain changes by.
    pub fn calls(&self) -> &[ApiCall] {
        match self {
            Self::ApiCalls { calls } => calls,
            Self::Schedule { .. } | Self::ApiCall { .. } | Self::Request => &[],
        }
    }

    /// Who called what, if calls started it.
    pub fn calls_in_words(&self) -> Option<String> {
        match self {
            Self::ApiCall {
                event_name,
                principal_arn,
                source_ip,
                ..
            } => Some(called(
                event_name,
                principal_arn.as_deref(),
                source_ip.as_deref(),
            )),
            Self::ApiCalls { calls } => {
                let first = calls.first()?.in_words();
                Some(match calls.len() - 1 {
                    0 => first,
                    more => format!("{first} (and {more} more)"),
                })
            }
            Self::Schedule { .. } | Self::Request => None,
        }
    }

    /// The principal and the source address of the first call.
    pub fn caller(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::ApiCall {
                principal_arn,
                source_ip,
                ..
            } => (principal_arn.as_deref(), source_ip.as_deref()),
            Self::ApiCalls { calls } => {
                let first = calls.first();
                (
                    first.and_then(|call| call.principal_arn.as_deref()),
                    first.and_then(|call| call.source_ip.as_deref()),
                )
            }
            Self::Schedule { .. } | Self::Request => (None, None),
        }
    }
}

/// One listing, as a run's record and its summary tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingReport {
    /// The region that was asked.
    pub region: Region,
    /// Whether every page was received.
    pub complete: bool,
    /// Pages received.
    pub pages: u32,
    /// Connections listed, each ARN once.
    pub connections: u32,
    /// When it began.
    pub began_at: Timestamp,
    /// When its last answer had come.
    pub ended_at: Timestamp,
    /// Why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ListingError>,
}

/// Why a listing is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingError {
    /// A stable word: the service's error code, or `TokenRepeated`, …
    pub code: Box<str>,
    /// The reason in a line.
    pub message: Box<str>,
}

impl From<&Listing> for ListingReport {
    fn from(listing: &Listing) -> Self {
        Self {
            region: listing.region.clone(),
            complete: listing.is_complete(),
            pages: listing.pages,
            connections: u32::try_from(listing.connections.len()).unwrap_or(u32::MAX),
            began_at: listing.began_at,
            ended_at: listing.ended_at,
            error: match &listing.end {
                ListingEnd::Complete => None,
                ListingEnd::Incomplete { code, reason } => Some(ListingError {
                    code: code.clone(),
                    message: reason.clone(),
                }),
            },
        }
    }
}

/// The record of a run. It is written once and never altered.
///
/// An account's runs are numbered without gaps, and each refers to the one
/// before by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The format that it is stored in.
    #[serde(
        rename = "v",
        default = "SchemaVersion::first",
        skip_serializing_if = "SchemaVersion::is_first"
    )]
    pub format: SchemaVersion,
    /// The account that was asked.
    pub account: AccountId,
    /// 1 for an account's first recorded run, and one more for each next.
    pub sequence: u64,
    /// The run.
    pub run_id: RunId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it had written everything but this record.
    pub finished_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What is missing, in a line each. Empty only for a complete run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What started it.
    pub trigger: Trigger,
    /// What the listings were restricted to.
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    /// The regions that were asked, and how each answered.
    pub listings: Vec<ListingReport>,
    /// The account's connections after this run, by status; those that are
    /// gone are not counted.
    pub connections: BTreeMap<String, u64>,
    /// The changes that it recorded, by kind.
    pub changes: BTreeMap<ChangeKind, u64>,
    /// Deletions that the guard held back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tombstones_held_back: u64,
    /// Planned writes that were not made: too little time was left, or the
    /// table did not take them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unwritten: u64,
    /// Connections that it saw and that are on record as gone, or not at all,
    /// after it: not written, or a listing at the same time lacked them, and
    /// which of the two looked first can't be told. The next run settles it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsettled: u64,
    /// Connections that are there as far as is known, that it did not list, and
    /// that no listing of it shows to be gone. Not known before format 5.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unconfirmed: u64,
    /// Regions that it was told are not inventoried any more: connections that
    /// only they list stay on record as they were last seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired_regions: Vec<Region>,
    /// The version of this software.
    pub code_version: Box<str>,
    /// The account's snapshots after this run. None if one of them could not
    /// be read, or if changes of this run might still arrive: it had sent them,
    /// and nobody had said that they were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<SnapshotsRecord>,
    /// The number of the run that the account's record named last when this
    /// run read it. None if there was no record, or none that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_sequence: Option<u64>,
    /// The digest of the run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<Digest>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl RunRecord {
    /// The digest over all of this: what the next run refers to, and the head
    /// of the account's chain until then.
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    /// Its complete and unfiltered listings: the region, and when.
    pub fn covered(&self) -> impl Iterator<Item = (Region, Window)> {
        let unfiltered = self.filter.is_empty();
        self.listings
            .iter()
            .filter(move |listing| unfiltered && listing.complete)
            .map(|listing| {
                let window = Window {
                    began_at: listing.began_at,
                    ended_at: listing.ended_at,
                };
                (listing.region.clone(), window)
            })
    }

    /// Whether all that it saw is on record: the table could be read and took
    /// every write, and no other run saw otherwise.
    pub fn wrote_all(&self) -> bool {
        self.unwritten == 0 && self.unsettled == 0 && self.snapshots.is_some()
    }

    /// Whether it knew which of its changes were written. Before format 3 a run
    /// stood for the snapshots even if it did not.
    pub fn knew_its_changes(&self) -> bool {
        let told = self.snapshots.is_some() && self.format >= SchemaVersion::V3;
        told || self.unwritten == 0
    }

    /// Whether it can show what was not there in the account: it is complete,
    /// nothing was filtered out, and it did not look at the region of a single
    /// API call only, as runs of formats 1 and 2 did.
    pub fn is_evidence(&self) -> bool {
        self.outcome == Outcome::Complete
            && self.filter.is_empty()
            && !matches!(self.trigger, Trigger::ApiCall { .. })
    }
}

/// An account's snapshots, as a run's record stands for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotsRecord {
    /// How many, tombstones too.
    pub count: u64,
    /// The digest over a line `<arn> <version> <digest of its last change>`
    /// for each, sorted by ARN, each ended by a line feed. As each change
    /// refers to the one before, it stands for the account's whole history.
    pub digest: Digest,
}

impl SnapshotsRecord {
    /// The record of these snapshots.
    pub fn of(snapshots: &HashMap<ConnectionArn, Snapshot>) -> Self {
        let mut lines: Vec<_> = snapshots.values().map(|s| (&s.arn, s)).collect();
        lines.sort_unstable_by_key(|(arn, _)| *arn);
        let mut record = Self::builder();
        for (arn, snapshot) in lines {
            record.add(arn, snapshot.version, snapshot.digest);
        }
        record.build()
    }

    /// A record that is made snapshot by snapshot, sorted by ARN.
    pub fn builder() -> SnapshotsBuilder {
        SnapshotsBuilder::default()
    }
}

/// Makes a [`SnapshotsRecord`] of snapshots that are given one by one, so that
/// not all of them have to be held.
#[derive(Debug, Default)]
pub struct SnapshotsBuilder {
    count: u64,
    lines: LinesDigest,
}

impl SnapshotsBuilder {
    /// Adds the next snapshot, by ARN.
    pub fn add(&mut self, arn: &ConnectionArn, version: u32, digest: Digest) {
        self.count += 1;
        self.lines.add(format_args!("{arn} {version} {digest}"));
    }

    /// The record of those that were added.
    pub fn build(self) -> SnapshotsRecord {
        SnapshotsRecord {
            count: self.count,
            digest: self.lines.finish(),
        }
    }
}

/// Statuses that are counted by name. AWS has three; a service that made one
/// up for each connection would leave a record that fits no item.
const STATUSES: usize = 50;
/// The name under which the rest is counted.
pub const OTHER_STATUSES: &str = "OTHER_STATUSES";

/// Connections that are there, by status: the most frequent ones by name.
pub fn count_by_status<'a>(
    snapshots: impl IntoIterator<Item = &'a Snapshot>,
) -> BTreeMap<String, u64> {
    let there = snapshots.into_iter().filter(|s| !s.is_deleted());
    count_by_word(there.map(|snapshot| (snapshot.attributes.status_word(), 1)))
}

/// The sum of the counts of each word: the most frequent ones by name.
pub fn count_by_word<'a>(words: impl IntoIterator<Item = (&'a str, u64)>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (word, number) in words {
        match counts.get_mut(word) {
            Some(count) => *count += number,
            None => {
                counts.insert(word.to_owned(), number);
            }
        }
    }
    if counts.len() > STATUSES {
        let mut by_count: Vec<(String, u64)> = counts.into_iter().collect();
        by_count.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        let rest: u64 = by_count.drain(STATUSES..).map(|(_, count)| count).sum();
        counts = by_count.into_iter().collect();
        *counts.entry(OTHER_STATUSES.to_owned()).or_default() += rest;
    }
    counts
}
