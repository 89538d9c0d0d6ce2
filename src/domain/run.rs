//! A run: one account's listings, compared with the table and written. Its
//! record is the evidence of the inventory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::LinesDigest;
use super::ids::{Identifier, ParseError};
use super::kind::Kind;
use super::listing::{Filter, Window};
use super::{
    AccountId, Agreement, ChangeKind, Connection, Digest, EvaluationBasis, Listing, ListingEnd,
    Region, RunId, SchemaVersion, Snapshot, Timestamp, Trigger,
};

/// The outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Every listing was complete, except of services that are not enabled
    /// ([`NOT_ENABLED`](super::listing::NOT_ENABLED)), and everything was written.
    Complete,
    /// Something is missing, and the record says what.
    Partial,
    /// Nothing was observed, or it could not be written.
    Failed,
}

impl Outcome {
    /// Returns the outcome as it is stored.
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

/// One listing, as a run's record and its summary report it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ListingReport<K: Kind = Connection> {
    /// What was listed: a region. For dependencies, a source and its region.
    pub region: K::Scope,
    /// Whether every page was received.
    pub complete: bool,
    /// Pages received.
    pub pages: u32,
    /// Resources listed, each once. Of dependencies, too, `connections` is the
    /// stored name.
    pub connections: u32,
    /// Its start.
    pub began_at: Timestamp,
    /// The time of its last response.
    pub ended_at: Timestamp,
    /// The reason why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ListingError>,
}

/// The reason why a listing is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingError {
    /// A stable word: the service's error code, or `TokenRepeated`, …
    pub code: Box<str>,
    /// The reason in a line.
    pub message: Box<str>,
}

impl<K: Kind> From<&Listing<K>> for ListingReport<K> {
    fn from(listing: &Listing<K>) -> Self {
        Self {
            region: listing.scope.clone(),
            complete: listing.is_complete(),
            pages: listing.pages,
            connections: u32::try_from(listing.resources.len()).unwrap_or(u32::MAX),
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
#[serde(bound = "")]
pub struct RunRecord<K: Kind = Connection> {
    /// The format that it is stored in.
    #[serde(
        rename = "v",
        default = "SchemaVersion::first",
        skip_serializing_if = "SchemaVersion::is_first"
    )]
    pub format: SchemaVersion,
    /// The inventoried account.
    pub account: AccountId,
    /// 1 for an account's first recorded run, and one more for each next.
    pub sequence: u64,
    /// The run.
    pub run_id: RunId,
    /// Its start.
    pub started_at: Timestamp,
    /// The time at which it had written everything but this record.
    pub finished_at: Timestamp,
    /// Its outcome.
    pub outcome: Outcome,
    /// The problems, one line each. Empty only for a complete run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The event that started it.
    pub trigger: Trigger,
    /// The filter of the listings.
    #[serde(default, skip_serializing_if = "Filter::is_empty")]
    pub filter: Filter,
    /// The listing of each scope.
    pub listings: Vec<ListingReport<K>>,
    /// The account's present connections after this run, by status.
    pub connections: BTreeMap<String, u64>,
    /// The changes that it recorded, by kind.
    pub changes: BTreeMap<ChangeKind, u64>,
    /// Deletions that the guard held back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tombstones_held_back: u64,
    /// Planned writes that were not made: time ran out, or the table did not
    /// accept them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unwritten: u64,
    /// Connections that it observed and that are recorded as deleted, or not at
    /// all, after it: not written, or a listing at the same time lacked them
    /// and the order of the two is unknown. The next run resolves it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsettled: u64,
    /// Connections that are recorded as present, that it did not list, and
    /// whose absence no listing proves. Not known before format 5.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unconfirmed: u64,
    /// Retired regions: connections that only they list stay recorded as they
    /// were last seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired_regions: Vec<Region>,
    /// The version of this software.
    pub code_version: Box<str>,
    /// Whether regions that list the same connections agreed, if it asked several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// What it was based on, if it is an evaluation of rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationBasis>,
    /// The account's snapshots after this run. `None` if one of them could not
    /// be read, or if changes of this run might still arrive: they were sent,
    /// and their outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<SnapshotsRecord>,
    /// The number of the last run in the account's record when this run read
    /// it. `None` if there was no record, or no readable one.
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

impl<K: Kind> RunRecord<K> {
    /// Returns the digest over all of this: the next run refers to it, and
    /// until then it is the head of the account's chain.
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    /// Returns the scope and window of each complete and unfiltered listing.
    pub fn covered(&self) -> impl Iterator<Item = (K::Scope, Window)> {
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

    /// Returns true if all that it observed is recorded: the table could be
    /// read and took every write, and no other run observed otherwise.
    pub fn wrote_all(&self) -> bool {
        self.unwritten == 0 && self.unsettled == 0 && self.snapshots.is_some()
    }

    /// Returns true if it knew which of its changes were written. Before format
    /// 3 a run stood for the snapshots even if it did not.
    pub fn knew_its_changes(&self) -> bool {
        let stands_for_snapshots = self.snapshots.is_some() && self.format >= SchemaVersion::V3;
        stands_for_snapshots || self.unwritten == 0
    }

    /// Returns true if it can prove absence in the account: it is complete,
    /// nothing was filtered, and it did not list only the region of a single
    /// API call, as runs of formats 1 and 2 did.
    pub fn is_evidence(&self) -> bool {
        self.outcome == Outcome::Complete
            && self.filter.is_empty()
            && !matches!(self.trigger, Trigger::ApiCall { .. })
    }
}

/// The number and digest of an account's snapshots, as a run records them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotsRecord {
    /// Their number, tombstones included.
    pub count: u64,
    /// The digest over a line `<arn> <version> <digest of its last change>`
    /// for each, sorted by ARN, each ended by a line feed. As each change
    /// refers to the one before, it stands for the account's whole history.
    pub digest: Digest,
}

impl SnapshotsRecord {
    /// Returns the record of these snapshots.
    pub fn of<K: Kind>(snapshots: &HashMap<K::Id, Snapshot<K>>) -> Self {
        let lines = snapshots.values().map(|s| (&s.arn, s.version, s.digest));
        Self::of_lines(lines)
    }

    /// Returns the record of snapshots in any order, of which it takes the ids, versions
    /// and digests of their last changes.
    pub fn of_lines<'a, I: Identifier>(
        snapshots: impl Iterator<Item = (&'a I, u32, Digest)>,
    ) -> Self {
        let mut lines: Vec<_> = snapshots.collect();
        lines.sort_unstable_by_key(|(id, ..)| *id);
        let mut record = Self::builder();
        for (id, version, digest) in lines {
            record.add(id, version, digest);
        }
        record.build()
    }

    /// Returns a builder that takes snapshots one by one, sorted by ARN.
    pub fn builder() -> SnapshotsBuilder {
        SnapshotsBuilder::default()
    }
}

/// Makes a [`SnapshotsRecord`] of snapshots that are added one by one, so that
/// not all of them are in memory.
#[derive(Debug, Default)]
pub struct SnapshotsBuilder {
    count: u64,
    lines: LinesDigest,
}

impl SnapshotsBuilder {
    /// Adds the next snapshot, by ARN.
    pub fn add(&mut self, arn: &impl fmt::Display, version: u32, digest: Digest) {
        self.count += 1;
        self.lines.add(format_args!("{arn} {version} {digest}"));
    }

    /// Returns the record of the snapshots that were added.
    pub fn build(self) -> SnapshotsRecord {
        SnapshotsRecord {
            count: self.count,
            digest: self.lines.finish(),
        }
    }
}

/// The most statuses that are counted by name. AWS has three; a service with a
/// different status for each connection would leave a record that fits no item.
const MAX_NAMED_STATUSES: usize = 50;
/// The name under which the rest is counted.
pub const OTHER_STATUSES: &str = "OTHER_STATUSES";

/// Counts present connections by status, the most frequent ones by name.
pub fn count_by_status<'a, K: Kind>(
    snapshots: impl IntoIterator<Item = &'a Snapshot<K>>,
) -> BTreeMap<String, u64> {
    let there = snapshots.into_iter().filter(|s| !s.is_deleted());
    count_by_word(there.map(|snapshot| (K::status_word(&snapshot.attributes), 1)))
}

/// Sums the counts of each word, the most frequent ones by name.
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
    if counts.len() > MAX_NAMED_STATUSES {
        let mut by_count: Vec<(String, u64)> = counts.into_iter().collect();
        by_count.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        let rest: u64 = by_count
            .drain(MAX_NAMED_STATUSES..)
            .map(|(_, count)| count)
            .sum();
        counts = by_count.into_iter().collect();
        *counts.entry(OTHER_STATUSES.to_owned()).or_default() += rest;
    }
    counts
}
