//! An account's record: the head of its chain of runs, and the state that the
//! next run needs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::listing::{MAX_OBSERVATION_AGE, Window};
use super::{AccountId, Connection, Digest, Outcome, RunId, RunRecord, SchemaVersion, Timestamp};

/// The number of events of complete runs that are remembered, to recognise a
/// second delivery. `EventBridge` delivers again within moments or not at all.
pub const EVENTS_REMEMBERED: usize = 8;

/// The state of an account that passes from run to run.
///
/// It is derived from the run records and adds nothing to them. After a crash
/// it may be behind them; the next run corrects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct AccountRecord<K: Kind = Connection> {
    /// The format that it is stored in.
    #[serde(
        rename = "v",
        default = "SchemaVersion::first",
        skip_serializing_if = "SchemaVersion::is_first"
    )]
    pub format: SchemaVersion,
    /// The account.
    pub account: AccountId,
    /// The number of its last recorded run.
    pub sequence: u64,
    /// The digest of that run: the head of the chain.
    pub head: Digest,
    /// The last recorded run.
    pub last_attempt: RunReference,
    /// The last complete run, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_complete: Option<RunReference>,
    /// The start of each scope's last complete and unfiltered listing of which
    /// everything was written.
    #[serde(default)]
    pub coverage: BTreeMap<K::Scope, Timestamp>,
    /// The end of those listings, where it is known: formats before 4 did not
    /// record it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub coverage_until: BTreeMap<K::Scope, Timestamp>,
    /// The events of the last complete runs, with the runs' numbers.
    #[serde(default)]
    pub recent_events: BTreeMap<Box<str>, u64>,
    /// The account's connections after the last run, by status.
    #[serde(default)]
    pub connections: BTreeMap<String, u64>,
}

/// A run, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReference {
    /// Its number.
    pub sequence: u64,
    /// Its id.
    pub run_id: RunId,
    /// Its start.
    pub started_at: Timestamp,
    /// Its outcome.
    pub outcome: Outcome,
}

impl<K: Kind> From<&RunRecord<K>> for RunReference {
    fn from(run: &RunRecord<K>) -> Self {
        Self {
            sequence: run.sequence,
            run_id: run.run_id.clone(),
            started_at: run.started_at,
            outcome: run.outcome,
        }
    }
}

impl<K: Kind> AccountRecord<K> {
    /// Returns the record with `run` applied. The result does not depend on the
    /// order in which two runs write it.
    pub fn with(previous: Option<&Self>, run: &RunRecord<K>) -> Self {
        let this = RunReference::from(run);
        let mut record = match previous {
            Some(previous) => Self {
                format: SchemaVersion::CURRENT,
                ..previous.clone()
            },
            None => Self {
                format: SchemaVersion::CURRENT,
                account: run.account.clone(),
                sequence: 0,
                head: run.digest(),
                last_attempt: this.clone(),
                last_complete: None,
                coverage: BTreeMap::new(),
                coverage_until: BTreeMap::new(),
                recent_events: BTreeMap::new(),
                connections: BTreeMap::new(),
            },
        };
        if run.sequence > record.sequence {
            record.sequence = run.sequence;
            record.head = run.digest();
            record.last_attempt = this.clone();
            record.connections.clone_from(&run.connections);
        }
        // Of what was listed and not written, the record would say that the
        // listing lacked it.
        if run.wrote_all() {
            for (scope, window) in run.covered() {
                record.note_listing(scope, window);
            }
        }
        if run.outcome == Outcome::Complete {
            record.note_complete(this, run.trigger.event_id());
        }
        record
    }

    /// Returns the digest over all of this, which is stored with it.
    pub fn digest(&self) -> Digest {
        Digest::of(self)
    }

    /// Returns the window of each scope's last complete and unfiltered listing
    /// of which everything was written.
    pub fn covered(&self) -> BTreeMap<K::Scope, Window> {
        let window = |(scope, began_at): (&K::Scope, &Timestamp)| {
            let longest = i64::try_from(MAX_OBSERVATION_AGE.as_millis()).unwrap_or(i64::MAX);
            let at_the_latest = Timestamp::from_millis(began_at.millis().saturating_add(longest));
            let ended_at = self.coverage_until.get(scope).copied();
            let window = Window {
                began_at: *began_at,
                ended_at: ended_at.unwrap_or(at_the_latest),
            };
            (scope.clone(), window)
        };
        self.coverage.iter().map(window).collect()
    }

    fn note_listing(&mut self, scope: K::Scope, window: Window) {
        let of_now = (window.began_at, Some(window.ended_at));
        let noted = self.coverage.get(&scope).map(|began_at| {
            let ended_at = self.coverage_until.get(&scope).copied();
            (*began_at, ended_at)
        });
        if noted < Some(of_now) {
            self.coverage.insert(scope.clone(), window.began_at);
            self.coverage_until.insert(scope, window.ended_at);
        }
    }

    fn note_complete(&mut self, run: RunReference, event_id: Option<&str>) {
        if let Some(event_id) = event_id {
            self.recent_events.insert(event_id.into(), run.sequence);
            while self.recent_events.len() > EVENTS_REMEMBERED {
                let oldest = self
                    .recent_events
                    .iter()
                    .min_by_key(|(_, sequence)| **sequence)
                    .map(|(event, _)| event.clone());
                let Some(oldest) = oldest else { break };
                self.recent_events.remove(&oldest);
            }
        }
        if self
            .last_complete
            .as_ref()
            .is_none_or(|last| last.sequence < run.sequence)
        {
            self.last_complete = Some(run);
        }
    }
}
