//! Checks an account's record against the runs that it repeats.
//!
//! The record may be older than the last run: a run that crashed did not write
//! it, and the next run knows only its own. But it only grows, and each run
//! records which version of it the run read. So it must repeat these runs, and
//! nothing that no run says.

use std::collections::{BTreeSet, HashSet};

use super::alterations::{Alterations, account_key, run_key};
use super::records::{Account, RunLink};
use crate::domain::account::EVENTS_REMEMBERED;
use crate::domain::listing::Window;
use crate::domain::{AccountId, AccountRecord, Kind, SchemaVersion, Timestamp};
use crate::table::StoredKind;

impl<K: StoredKind> Account<K> {
    pub(super) fn verify_record(&self, id: &AccountId, alterations: &mut Alterations) {
        let key = account_key::<K>(id);
        if alterations.names(&key) {
            return;
        }
        // The newest version of the record that a run read.
        let read = self
            .runs
            .iter()
            .filter_map(|run| Some((run.account_sequence?, run)))
            .max_by_key(|(sequence, _)| *sequence);
        let Some(record) = &self.record else {
            if let Some((sequence, run)) = read {
                let reader = run.this.sequence;
                let problem =
                    format!("was removed: run {reader} read it when it named run {sequence}");
                alterations.add(key, problem);
            }
            return;
        };
        let Some(last) = self.runs.last() else {
            return alterations.add(run_key::<K>(id, 1), "all runs were removed");
        };
        if last.this.sequence < record.sequence {
            return report_removed_run(id, last, record, alterations);
        }
        if let Some((sequence, run)) = read.filter(|(sequence, _)| *sequence > record.sequence) {
            let problem = format!(
                "was rolled back: it names run {}, and run {} read it when it named run {sequence}",
                record.sequence, run.this.sequence
            );
            return alterations.add(key, problem);
        }
        // An edited or missing run is no evidence against the record.
        if alterations.names_any_of(&K::KEYS.runs_pk(id)) {
            return;
        }
        let Some(run) = self.run(record.sequence) else {
            return;
        };
        if run.digest != record.head && run.this.sequence == last.this.sequence {
            let named = run_key::<K>(id, record.sequence);
            return alterations.add(named, "is not the one that the account's record refers to");
        }
        if let Some(field) = Claims::new(self, record, run).first_false() {
            let problem = format!("was edited: its {field} is not what the runs say");
            alterations.add(key, problem);
        }
    }
}

/// Reports the run after the last one: the account's record names a later one.
fn report_removed_run<K: StoredKind>(
    id: &AccountId,
    last: &RunLink<K>,
    record: &AccountRecord<K>,
    alterations: &mut Alterations,
) {
    let next = run_key::<K>(id, last.this.sequence + 1);
    if !alterations.names(&next) {
        let named = record.sequence;
        let problem = format!("was removed: the account's record names run {named}");
        alterations.add(next, problem);
    }
}

/// What an account's record claims, and the runs that must show it.
struct Claims<'a, K: StoredKind> {
    account: &'a Account<K>,
    record: &'a AccountRecord<K>,
    /// The run that the record names.
    run: &'a RunLink<K>,
    /// The runs that the record must repeat: those whose writing it was read or
    /// written after.
    repeated: Vec<&'a RunLink<K>>,
}

/// Returns true if the runs show what a field claims.
type IsTrue<'a, K> = fn(&Claims<'a, K>) -> bool;

impl<'a, K: StoredKind> Claims<'a, K> {
    fn new(account: &'a Account<K>, record: &'a AccountRecord<K>, run: &'a RunLink<K>) -> Self {
        let read = account
            .runs
            .iter()
            .filter(|run| run.this.sequence <= record.sequence)
            .filter_map(|run| run.account_sequence);
        let repeated: BTreeSet<u64> = read.chain([record.sequence]).collect();
        Self {
            account,
            record,
            run,
            repeated: repeated
                .into_iter()
                .filter_map(|sequence| account.run(sequence))
                .collect(),
        }
    }

    /// Returns the first field that claims what no run shows, or lacks what a
    /// repeated run shows.
    fn first_false(&self) -> Option<&'static str> {
        let fields: [(&str, IsTrue<'a, K>); 7] = [
            ("head", Self::is_head_true),
            ("last_attempt", Self::is_last_attempt_true),
            ("connections", Self::are_connections_true),
            ("last_complete", Self::is_last_complete_true),
            ("coverage", Self::is_coverage_true),
            ("coverage_until", Self::is_coverage_until_true),
            ("recent_events", Self::are_recent_events_true),
        ];
        let false_field = fields.into_iter().find(|(_, is_true)| !is_true(self));
        false_field.map(|(field, _)| field)
    }

    /// Returns the runs up to the one that the record names.
    fn runs(&self) -> impl Iterator<Item = &'a RunLink<K>> {
        let last = self.record.sequence;
        let runs = self.account.runs.iter();
        runs.filter(move |run| run.this.sequence <= last)
    }

    fn is_head_true(&self) -> bool {
        self.record.head == self.run.digest
    }

    fn is_last_attempt_true(&self) -> bool {
        self.record.last_attempt == self.run.this
    }

    fn are_connections_true(&self) -> bool {
        self.record.connections == self.run.connections
    }

    /// It is a complete run, and none that the record repeats is later.
    fn is_last_complete_true(&self) -> bool {
        let complete = self.repeated.iter().filter(|run| run.is_complete());
        let newest_repeated = complete.map(|run| run.this.sequence).max();
        let claimed = self.record.last_complete.as_ref();
        let is_claimed = |run: &RunLink<K>| run.is_complete() && Some(&run.this) == claimed;
        claimed.map(|run| run.sequence) >= newest_repeated
            && (claimed.is_none() || self.runs().any(is_claimed))
    }

    /// Each covered region was listed then, and none that the record repeats is
    /// covered later.
    fn is_coverage_true(&self) -> bool {
        let record = self.record;
        let is_shown = |(region, at): (&K::Scope, &Timestamp)| {
            let until = record.coverage_until.get(region);
            let is_claimed = |window: &Window| {
                window.began_at == *at && until.is_none_or(|until| window.ended_at == *until)
            };
            let covers = |run: &RunLink<K>| {
                let mut covered = run.covered.iter();
                counts_as_coverage(run) && covered.any(|(r, w)| r == region && is_claimed(w))
            };
            self.runs().any(covers)
        };
        let is_newer = |(region, window): &(K::Scope, Window)| {
            record.coverage.get(region) < Some(&window.began_at)
        };
        let is_missing = |run: &&RunLink<K>| run.wrote_all && run.covered.iter().any(is_newer);
        record.coverage.iter().all(is_shown) && !self.repeated.iter().any(is_missing)
    }

    fn is_coverage_until_true(&self) -> bool {
        let mut regions = self.record.coverage_until.keys();
        regions.all(|region| self.record.coverage.contains_key(region))
    }

    /// Each event is that of a complete run, and none that must be remembered
    /// is missing.
    fn are_recent_events_true(&self) -> bool {
        let events = &self.record.recent_events;
        let is_shown = |event: &str, sequence: u64| {
            let has_event =
                |run: &RunLink<K>| run.is_complete() && run.event_id.as_deref() == Some(event);
            sequence <= self.record.sequence && self.account.run(sequence).is_some_and(has_event)
        };
        events
            .iter()
            .all(|(event, sequence)| is_shown(event, *sequence))
            && events.len() <= EVENTS_REMEMBERED
            && !self.is_event_forgotten()
    }

    /// Returns true if the record lacks an event that is not among the oldest,
    /// which are dropped.
    ///
    /// An event that was delivered twice at the same time may be recorded with
    /// either run, so which event is the oldest is uncertain then.
    fn is_event_forgotten(&self) -> bool {
        let with_event = || {
            let runs = self.runs();
            runs.filter(|run| run.is_complete() && run.event_id.is_some())
        };
        let distinct: HashSet<_> = with_event().map(|run| &run.event_id).collect();
        let all_fit = distinct.len() <= EVENTS_REMEMBERED;
        let delivered_twice = distinct.len() < with_event().count();
        let is_forgotten = |run: &&RunLink<K>| {
            let Some(event) = run.event_id.as_ref().filter(|_| run.is_complete()) else {
                return false;
            };
            let newer = with_event().filter(|other| other.this.sequence > run.this.sequence);
            let is_remembered = all_fit || (!delivered_twice && newer.count() < EVENTS_REMEMBERED);
            is_remembered && !self.record.recent_events.contains_key(event)
        };
        let newest_first = self.repeated.iter().rev();
        newest_first.take(2 * EVENTS_REMEMBERED).any(is_forgotten)
    }
}

/// Returns true if a run may have covered regions. Earlier formats had other
/// rules for that.
fn counts_as_coverage<K: Kind>(run: &RunLink<K>) -> bool {
    match run.format {
        SchemaVersion::V1 => true,
        SchemaVersion::V2 => run.unwritten == 0,
        SchemaVersion::V3 | SchemaVersion::V4 | SchemaVersion::V5 => run.wrote_all,
    }
}
