//! Replays every run: its snapshot digest, its counts and its change tally must
//! follow from the changes on record by then.
//!
//! The runs are gone through in the order of their numbers. A run read all that
//! the runs before it had written, so what it stands for only grows. Changes of
//! runs that were under way at the same time, that crashed, or that did not know
//! the outcome of their writes may or may not be in it ([`replay`]).
//!
//! [`replay`]: crate::domain::replay

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::findings::{Findings, change_key, run_key, snapshot_key};
use super::records::{Account, Link, RunLink, StatusId};
use crate::domain::replay::{Effort, Line, Possible, Search, WRITTEN_WITHIN, search};
use crate::domain::run::{SnapshotsRecord, count_by_word};
use crate::domain::{AccountId, ChangeKind, ConnectionArn, Digest, RunId, Timestamp};
use crate::table::keys;

/// Lines that are put into digests at most, to find a choice that fits a run.
const MAX_LINES_HASHED: usize = 1 << 21;

/// Runs that may have been recorded while another one was under way.
const RUNS_AT_ONCE: usize = 64;

/// A connection's changes, in the order of their versions and without gaps.
struct Row<'a> {
    arn: &'a ConnectionArn,
    steps: Vec<Step<'a>>,
    /// Its snapshot was edited or removed: later runs did not read it.
    may_be_missing: bool,
}

/// A change, as far as runs stand for it.
struct Step<'a> {
    version: u32,
    digest: Digest,
    /// The change; nothing where it was edited or removed, and only its digest
    /// is known by what refers to it.
    link: Option<&'a Link>,
}

/// Where a change is: the number of its row, and of its step there.
type Place = (usize, usize);

impl Account {
    pub(super) fn verify_runs(&self, id: &AccountId, findings: &mut Findings) {
        let is_edited = |run: &RunLink| findings.names(&run_key(id, run.this.sequence));
        let known: Vec<bool> = self
            .runs
            .iter()
            .map(|run| run.knew_its_changes && !is_edited(run))
            .collect();
        let rows: Option<Vec<Row<'_>>> = self
            .arns()
            .into_iter()
            .map(|arn| self.row(id, arn, findings))
            .collect();
        let Some(rows) = rows else {
            // Changes are missing of which not even the digest is known. That
            // is a finding already.
            return;
        };
        let mut replay = Replay {
            id,
            account: self,
            statuses: self.statuses(),
            state: vec![0; rows.len()],
            made: HashMap::new(),
            by_run: HashMap::new(),
            unknown: Vec::new(),
            known,
            is_whole: !findings.names_any_of(&keys::account_pk(id))
                && rows
                    .iter()
                    .all(|row| row.steps.iter().all(|s| s.link.is_some())),
            rows,
            fitted: None,
            failing: None,
        };
        replay.index();
        // Runs of which one is edited or missing prove nothing.
        if !findings.names_any_of(&keys::runs_pk(id)) {
            self.verify_absences(id, findings);
        }
        replay.go(findings);
    }

    /// A connection's changes. Nothing if some are missing of which nothing
    /// says what they were.
    fn row<'a>(
        &'a self,
        id: &AccountId,
        arn: &'a ConnectionArn,
        findings: &Findings,
    ) -> Option<Row<'a>> {
        let links = self.chains.get(arn).map_or(&[][..], |chain| &chain.links);
        let may_be_missing = findings.names(&snapshot_key(id, arn));
        let snapshot = self.snapshots.get(arn).filter(|_| !may_be_missing);
        let snapshot = snapshot.map(|read| (read.snapshot.version, read.snapshot.digest));
        let is_edited = |link: &Link| findings.names(&change_key(id, arn, link.version.into()));
        let mut steps: Vec<Step<'_>> = Vec::with_capacity(links.len());
        let mut next = 1;
        for (i, link) in links.iter().enumerate() {
            match link.version.checked_sub(next) {
                Some(0) => {}
                // Removed: the one after it says what it was.
                Some(1) => steps.push(Step {
                    version: next,
                    digest: link.previous_digest?,
                    link: None,
                }),
                Some(_) | None => return None,
            }
            let after = links.get(i + 1).filter(|after| !is_edited(after));
            let referred_to = match after {
                Some(after) => after.previous_digest,
                None => snapshot
                    .filter(|(version, _)| *version == link.version)
                    .map(|s| s.1),
            };
            let is_edited = is_edited(link);
            steps.push(Step {
                version: link.version,
                digest: referred_to.filter(|_| is_edited).unwrap_or(link.digest),
                link: (!is_edited).then_some(link),
            });
            next = link.version.checked_add(1)?;
        }
        match snapshot {
            Some((version, digest)) if version == next => steps.push(Step {
                version,
                digest,
                link: None,
            }),
            Some((version, _)) if version > next => return None,
            _ => {}
        }
        Some(Row {
            arn,
            steps,
            may_be_missing,
        })
    }

    /// When a listing lacked a connection before it was there is what a run
    /// says of its listings.
    fn verify_absences(&self, id: &AccountId, findings: &mut Findings) {
        let covered = self.runs.iter().flat_map(|run| &run.covered);
        let covered: HashSet<Timestamp> = covered.map(|(_, window)| window.began_at).collect();
        for (arn, chain) in &self.chains {
            let mut gone_at = None;
            for link in &chain.links {
                let key = change_key(id, arn, link.version.into());
                let last_absent_at = link.last_absent_at.filter(|_| !findings.names(&key));
                if last_absent_at
                    .is_some_and(|at| !covered.contains(&at) && gone_at != last_absent_at)
                {
                    let problem = "was edited: its previously_seen_at is no listing of a run";
                    findings.add(key, problem);
                }
                gone_at = Some(link.observed_at);
            }
        }
    }
}

/// How far an account's runs were gone through.
struct Replay<'a> {
    id: &'a AccountId,
    account: &'a Account,
    statuses: HashMap<StatusId, &'a str>,
    rows: Vec<Row<'a>>,
    /// For each row, how many of its steps the runs so far stand for.
    state: Vec<usize>,
    /// How many changes of each kind a run made, by what they say.
    made: HashMap<&'a RunId, BTreeMap<ChangeKind, u64>>,
    /// Changes of runs that knew of them.
    by_run: HashMap<&'a RunId, Vec<Place>>,
    /// Changes of which no run knows, that none was found to stand for yet.
    unknown: Vec<Place>,
    /// Which of the runs knew their changes.
    known: Vec<bool>,
    /// Whether nothing is wrong with any snapshot or change.
    is_whole: bool,
    /// What the last run stood for of which that was compared, if nothing came
    /// since.
    fitted: Option<&'a SnapshotsRecord>,
    /// The first and the last of the runs that do not fit, and how many there
    /// are.
    failing: Option<(u64, u64, u64)>,
}

impl<'a> Replay<'a> {
    fn index(&mut self) {
        let runs = self.account.runs.iter().zip(&self.known);
        let known: HashSet<&RunId> = runs
            .filter(|(_, known)| **known)
            .map(|(run, _)| &run.this.run_id)
            .collect();
        for (r, row) in self.rows.iter().enumerate() {
            for (s, step) in row.steps.iter().enumerate() {
                if let Some(link) = step.link {
                    let made = self.made.entry(&link.run_id).or_default();
                    *made.entry(link.kind).or_default() += 1;
                }
                match step.link.filter(|link| known.contains(&link.run_id)) {
                    Some(link) => self.by_run.entry(&link.run_id).or_default().push((r, s)),
                    None => self.unknown.push((r, s)),
                }
            }
        }
    }

    fn go(&mut self, findings: &mut Findings) {
        let overlapping = self.overlapping();
        for (i, run) in self.account.runs.iter().enumerate() {
            let places = self
                .by_run
                .get(&run.this.run_id)
                .cloned()
                .unwrap_or_default();
            if self.known[i] {
                for (row, step) in &places {
                    if self.state[*row] <= *step {
                        self.state[*row] = step + 1;
                        self.fitted = None;
                    }
                }
            }
            let key = run_key(self.id, run.this.sequence);
            if findings.names(&key) {
                continue;
            }
            if let Some(problem) = self.tells_otherwise(i, run) {
                findings.add(key, problem);
            } else if let Some(told) = &run.snapshots {
                self.compare(run, told, &overlapping[i], findings);
            }
        }
        self.tell_failing(findings);
    }

    /// For each run, those recorded after it that began before it was.
    fn overlapping(&self) -> Vec<HashSet<&'a RunId>> {
        let runs = &self.account.runs;
        let mut overlapping = vec![HashSet::new(); runs.len()];
        let longest = u64::try_from(WRITTEN_WITHIN.as_millis()).unwrap_or(u64::MAX);
        for (later, run) in runs.iter().enumerate() {
            for earlier in (later.saturating_sub(RUNS_AT_ONCE)..later).rev() {
                let before = &runs[earlier].this;
                let had_read = match run.account_sequence {
                    Some(read) => read >= before.sequence,
                    // Nothing says what it read: two that are close in time.
                    None => run.this.started_at.millis_since(before.started_at) > longest,
                };
                if had_read {
                    break;
                }
                overlapping[earlier].insert(&run.this.run_id);
            }
        }
        overlapping
    }

    /// Compares a run's change tally with the changes on record.
    fn tells_otherwise(&self, i: usize, run: &RunLink) -> Option<String> {
        let made = self.made.get(&run.this.run_id);
        ChangeKind::ALL.into_iter().find_map(|kind| {
            let told = run.changes.get(&kind).copied().unwrap_or(0);
            let made = made.and_then(|made| made.get(&kind)).copied().unwrap_or(0);
            // What is edited or removed is told by itself. A run that did not
            // know all its changes may have made more.
            let is_less = made < told && self.is_whole;
            let is_more = made > told && self.known[i];
            (is_less || is_more).then(|| {
                format!(
                    "recorded {told} changes {kind}, and {made} are there: changes were removed \
                     or put in"
                )
            })
        })
    }

    fn compare(
        &mut self,
        run: &RunLink,
        told: &'a SnapshotsRecord,
        overlapping: &HashSet<&RunId>,
        findings: &mut Findings,
    ) {
        let open = self.possible(run, overlapping);
        if open.is_empty() && self.fitted == Some(told) {
            return;
        }
        let effort = match self.failing {
            None => Effort::UpTo(MAX_LINES_HASHED),
            Some(_) => Effort::Likely,
        };
        let lines = self.lines(&open);
        match search(&lines, told, effort) {
            Search::Fits(choice) => {
                drop(lines);
                for (row, chosen) in choice.into_iter().enumerate() {
                    // The last choice may be that it is missing.
                    let end = open.get(&row).copied().unwrap_or_default();
                    self.state[row] = (self.state[row] + chosen).min(end.max(self.state[row]));
                }
                let (rows, state) = (&self.rows, &self.state);
                self.unknown.retain(|(row, step)| {
                    state[*row] <= *step || rows[*row].steps[*step].link.is_none()
                });
                self.fitted = Some(told);
                self.tell_late(run, findings);
                if self.is_whole && self.counts() != run.connections {
                    let problem = "its connections are not those that the changes leave by then: \
                                   changes were removed or put in";
                    findings.add(run_key(self.id, run.this.sequence), problem);
                }
            }
            Search::Fails => {
                self.fitted = None;
                let sequence = run.this.sequence;
                let (first, _, runs) = self.failing.unwrap_or((sequence, sequence, 0));
                self.failing = Some((first, sequence, runs + 1));
            }
            Search::GivenUp => {
                self.fitted = None;
                let problem = format!(
                    "can't be compared with what is there: {} connections have changes of runs \
                     that it may not know of",
                    open.len()
                );
                findings.add(run_key(self.id, run.this.sequence), problem);
            }
        }
    }

    /// Rows with changes that `run` may or may not stand for, each with the end
    /// of those.
    fn possible(&self, run: &RunLink, overlapping: &HashSet<&RunId>) -> BTreeMap<usize, usize> {
        let began = run.this.started_at;
        let is_possible = |step: &Step<'_>| match step.link {
            None => true,
            Some(link) if overlapping.contains(&link.run_id) => true,
            // One that was observed after the run is later than it.
            Some(link) => {
                !self.by_run.contains_key(&link.run_id)
                    && u128::from(link.observed_at.millis_since(began))
                        <= WRITTEN_WITHIN.as_millis()
            }
        };
        let of_runs = overlapping.iter().filter_map(|id| self.by_run.get(*id));
        let places = self.unknown.iter().chain(of_runs.flatten());
        let mut open = BTreeMap::new();
        for (row, _) in places {
            let begin = self.state[*row];
            let steps = self.rows[*row].steps.iter().skip(begin);
            let number = steps.take_while(|step| is_possible(step)).count();
            if number > 0 || self.rows[*row].may_be_missing {
                open.insert(*row, begin + number);
            }
        }
        for (row, _) in self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, r)| r.may_be_missing)
        {
            open.entry(row).or_insert(self.state[row]);
        }
        open
    }

    fn lines(&self, open: &BTreeMap<usize, usize>) -> Vec<Line<'a>> {
        let no_run = || Cow::Owned(RunId::new(Timestamp::from_millis(0), 0));
        let mut lines = Vec::with_capacity(self.rows.len());
        for (row, (Row { arn, steps, .. }, begin)) in self.rows.iter().zip(&self.state).enumerate()
        {
            let leaves = |step: &Step<'_>| Some((step.version, step.digest));
            let mut possible = Vec::new();
            if let Some(end) = open.get(&row) {
                possible.extend(steps[*begin..*end].iter().map(|step| {
                    Possible {
                        leaves: leaves(step),
                        run_id: step
                            .link
                            .map_or_else(no_run, |link| Cow::Borrowed(&link.run_id)),
                    }
                }));
                if self.rows[row].may_be_missing {
                    possible.push(Possible {
                        leaves: None,
                        run_id: no_run(),
                    });
                }
            }
            lines.push(Line {
                arn,
                certain: begin.checked_sub(1).and_then(|last| leaves(&steps[last])),
                possible,
            });
        }
        lines
    }

    /// Changes that no recorded run made, which this one should have known of
    /// and did not.
    fn tell_late(&mut self, run: &RunLink, findings: &mut Findings) {
        let (id, rows, state) = (self.id, &self.rows, &self.state);
        for (row, step) in &self.unknown {
            let Some(link) = rows[*row].steps[*step].link else {
                continue;
            };
            let after = run.this.started_at.millis_since(link.observed_at);
            let is_late = u128::from(after) > WRITTEN_WITHIN.as_millis();
            let key = change_key(id, rows[*row].arn, link.version.into());
            if state[*row] == *step && is_late && !findings.names(&key) {
                let problem = format!(
                    "says that it was observed at {} by run {}, and run {}, which began at {}, \
                     did not know of it: it was put in afterwards, or a clock was wrong",
                    link.observed_at, link.run_id, run.this.sequence, run.this.started_at
                );
                findings.add(key, problem);
            }
        }
    }

    /// The connections that are there, by status.
    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts: HashMap<StatusId, u64> = HashMap::new();
        for (row, steps) in self.rows.iter().zip(&self.state) {
            let last = steps.checked_sub(1).and_then(|last| row.steps[last].link);
            if let Some(status) = last.and_then(|last| last.status) {
                *counts.entry(status).or_default() += 1;
            }
        }
        let words = counts
            .into_iter()
            .filter_map(|(id, count)| Some((*self.statuses.get(&id)?, count)));
        count_by_word(words)
    }

    fn tell_failing(&self, findings: &mut Findings) {
        let Some((first, last, runs)) = self.failing else {
            return;
        };
        let told = self
            .account
            .run(first)
            .and_then(|run| run.snapshots.as_ref());
        let more = match runs {
            1 => String::new(),
            runs => format!("; so do {} later runs, to run {last}", runs - 1),
        };
        let problem = format!(
            "stands for {} connections with other changes than those on record by then: a \
             connection or a change was removed, put in, or set back{more}",
            told.map_or(0, |told| told.count)
        );
        findings.add(run_key(self.id, first), problem);
    }
}
