//! An account's record against the runs that it repeats.
//!
//! It may be behind them: a run that crashed did not write it, and the next
//! one knows only its own. But it only grows, and each run says how far it was
//! when the run read it. So it must repeat those runs, and nothing that no run
//! says.

use std::collections::{BTreeSet, HashSet};

use super::findings::{Findings, account_key, run_key};
use super::records::{Account, RunLink};
use crate::domain::account::EVENTS_REMEMBERED;
use crate::domain::listing::Window;
use crate::domain::{AccountId, AccountRecord, SchemaVersion};
use crate::table::keys;

impl Account {
    pub(super) fn verify_record(&self, id: &AccountId, findings: &mut Findings) {
        let key = account_key(id);
        if findings.names(&key) {
            return;
        }
        let known = self
            .runs
            .iter()
            .filter_map(|run| Some((run.account_sequence?, run)))
            .max_by_key(|(sequence, _)| *sequence);
        let Some(record) = &self.record else {
            if let Some((sequence, run)) = known {
                let reader = run.this.sequence;
                let problem =
                    format!("was removed: run {reader} read it when it named run {sequence}");
                findings.add(key, problem);
            }
            return;
        };
        let Some(last) = self.runs.last() else {
            return findings.add(run_key(id, 1), "all runs were removed");
        };
        if last.this.sequence < record.sequence {
            let next = run_key(id, last.this.sequence + 1);
            if !findings.names(&next) {
                let problem = format!(
                    "was removed: the account's record knows run {}",
                    record.sequence
                );
                findings.add(next, problem);
            }
            return;
        }
        if let Some((sequence, run)) = known.filter(|(sequence, _)| *sequence > record.sequence) {
            let problem = format!(
                "was set back: it names run {}, and run {} read it when it named run {sequence}",
                record.sequence, run.this.sequence
            );
            return findings.add(key, problem);
        }
        // Runs of which one is edited or missing prove nothing.
        if findings.names_any_of(&keys::runs_pk(id)) {
            return;
        }
        let named = run_key(id, record.sequence);
        let Some(run) = self.run(record.sequence) else {
            return;
        };
        if run.digest != record.head && run.this.sequence == last.this.sequence {
            return findings.add(named, "is not the one that the account's record refers to");
        }
        if let Some(field) = self.claims(record, run) {
            let problem = format!("was edited: its {field} is not what the runs say");
            findings.add(key, problem);
        }
    }

    /// What the account's record claims and no run bears out, or leaves out
    /// of a run that it had repeated.
    fn claims(&self, record: &AccountRecord, run: &RunLink) -> Option<&'static str> {
        if record.head != run.digest {
            return Some("head");
        }
        if record.last_attempt != run.this {
            return Some("last_attempt");
        }
        if record.connections != run.connections {
            return Some("connections");
        }
        let until = record.sequence;
        let runs = || self.runs.iter().filter(|run| run.this.sequence <= until);
        let repeated: BTreeSet<u64> = runs()
            .filter_map(|run| run.account_sequence)
            .chain([until])
            .collect();
        let repeated: Vec<&RunLink> = repeated.into_iter().filter_map(|n| self.run(n)).collect();

        let complete = repeated.iter().filter(|run| run.is_complete());
        let least = complete.map(|run| run.this.sequence).max();
        let told = record.last_complete.as_ref();
        let is_told = |run: &RunLink| run.is_complete() && Some(&run.this) == told;
        if told.map(|run| run.sequence) < least || (told.is_some() && !runs().any(is_told)) {
            return Some("last_complete");
        }

        for (region, at) in &record.coverage {
            let until = record.coverage_until.get(region);
            let is_told = |window: &Window| until.is_none_or(|until| window.ended_at == *until);
            let covers = |run: &RunLink| {
                // Earlier versions took other runs for such as wrote all.
                let counts = match run.format {
                    SchemaVersion::V1 => true,
                    SchemaVersion::V2 => run.unwritten == 0,
                    SchemaVersion::V3 | SchemaVersion::V4 | SchemaVersion::V5 => run.wrote_all,
                };
                counts
                    && run
                        .covered
                        .iter()
                        .any(|(r, window)| r == region && window.began_at == *at && is_told(window))
            };
            if !runs().any(covers) {
                return Some("coverage");
            }
        }
        let lacks = |run: &&RunLink| {
            let mut covered = run.covered.iter();
            run.wrote_all
                && covered
                    .any(|(region, window)| record.coverage.get(region) < Some(&window.began_at))
        };
        if repeated.iter().any(lacks) {
            return Some("coverage");
        }
        let mut told = record.coverage_until.keys();
        if told.any(|region| !record.coverage.contains_key(region)) {
            return Some("coverage_until");
        }

        for (event, sequence) in &record.recent_events {
            let is_of = |run: &RunLink| run.is_complete() && run.event_id.as_ref() == Some(event);
            if *sequence > until || !self.run(*sequence).is_some_and(is_of) {
                return Some("recent_events");
            }
        }
        // The oldest are forgotten. An event that came twice at the same time
        // may be known by either of its runs, so which is the oldest is not
        // sure then.
        let with_event = || runs().filter(|run| run.is_complete() && run.event_id.is_some());
        let events: HashSet<_> = with_event().map(|run| &run.event_id).collect();
        let all_kept = events.len() <= EVENTS_REMEMBERED;
        let twice = events.len() < with_event().count();
        let forgotten = |run: &&RunLink| {
            let Some(event) = run.event_id.as_ref().filter(|_| run.is_complete()) else {
                return false;
            };
            let newer = with_event().filter(|other| other.this.sequence > run.this.sequence);
            let kept = all_kept || (!twice && newer.count() < EVENTS_REMEMBERED);
            kept && !record.recent_events.contains_key(event)
        };
        if record.recent_events.len() > EVENTS_REMEMBERED
            || repeated
                .iter()
                .rev()
                .take(2 * EVENTS_REMEMBERED)
                .any(forgotten)
        {
            return Some("recent_events");
        }
        None
    }
}
