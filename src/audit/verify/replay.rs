//! Replays every run: its snapshot digest, its counts and its change tally must
//! follow from the changes recorded by then.
//!
//! Runs are replayed by number. A run read everything that the runs before it
//! had written, so the changes that it covers only grow. It may or may not cover
//! changes of runs that were in progress at the same time, that crashed, or that
//! did not learn the outcome of their writes ([`replay`]).
//!
//! [`replay`]: crate::domain::replay

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::alterations::{Alterations, change_key, run_key};
use super::records::{Account, RunLink};
use super::resource::StatusId;
use super::rows::{Row, Step};
use crate::domain::replay::{Effort, Line, Possible, Search, WRITTEN_WITHIN, search};
use crate::domain::run::{SnapshotsRecord, count_by_word};
use crate::domain::{AccountId, ChangeKind, Identifier, RunId, Timestamp};
use crate::table::StoredKind;

/// The most lines to hash in search of a choice that fits a run.
const MAX_LINES_HASHED: usize = 1 << 21;

/// The most runs that may have been recorded while another one was in progress.
const MAX_CONCURRENT_RUNS: usize = 64;

/// The place of a change: the index of its row, and of its step there.
type Place = (usize, usize);

impl<K: StoredKind> Account<K> {
    pub(super) fn verify_runs(&self, id: &AccountId, alterations: &mut Alterations) {
        let Some(mut replay) = Replay::new(self, id, alterations) else {
            return;
        };
        // An edited or missing run is no evidence against the changes.
        if !alterations.names_any_of(&K::KEYS.runs_pk(id)) {
            self.verify_absences(id, alterations);
        }
        replay.run(alterations);
    }

    /// Does the same for the runs of a period. Listings of the runs before it, which
    /// their changes refer to, are not known.
    pub(super) fn verify_runs_of_period(&self, id: &AccountId, alterations: &mut Alterations) {
        if let Some(mut replay) = Replay::new(self, id, alterations) {
            replay.cover_earlier();
            replay.run(alterations);
        }
    }

    /// Checks that a listing of a run lacked a connection when its change says
    /// so.
    fn verify_absences(&self, id: &AccountId, alterations: &mut Alterations) {
        let covered = self.runs.iter().flat_map(|run| &run.covered);
        let covered: HashSet<Timestamp> = covered.map(|(_, window)| window.began_at).collect();
        for (arn, resource) in &self.resources {
            let mut deleted_at = None;
            for link in &resource.links {
                let key = change_key::<K>(id, arn, link.version.into());
                let last_absent_at = resource.absent_at(link.version);
                let last_absent_at = last_absent_at.filter(|_| !alterations.names(&key));
                if last_absent_at
                    .is_some_and(|at| !covered.contains(&at) && deleted_at != last_absent_at)
                {
                    let problem = "was edited: no listing of a run began at its previously_seen_at";
                    alterations.add(key, problem);
                }
                deleted_at = Some(link.observed_at);
            }
        }
    }
}

/// The replay of an account's runs.
struct Replay<'a, K: StoredKind> {
    id: &'a AccountId,
    account: &'a Account<K>,
    statuses: HashMap<StatusId, &'a str>,
    rows: Vec<Row<'a, K>>,
    /// For each row, how many of its steps the runs so far cover.
    covered: Vec<usize>,
    /// For each run, how many recorded changes of each kind name it.
    recorded: HashMap<&'a RunId, BTreeMap<ChangeKind, u64>>,
    /// The changes of runs that knew all their changes.
    by_run: HashMap<&'a RunId, Vec<Place>>,
    /// The other changes, as long as no run is found to cover them.
    unassigned: Vec<Place>,
    /// For each run, whether it knew all its changes.
    known: Vec<bool>,
    /// True if no snapshot and no change is altered.
    is_intact: bool,
    /// The snapshots of the last run that fitted, if no change was covered since.
    fitted: Option<&'a SnapshotsRecord>,
    /// The first and the last run that do not fit, and the number of them.
    failing: Option<(u64, u64, u64)>,
}

impl<'a, K: StoredKind> Replay<'a, K> {
    /// Returns the replay of an account's runs; `None` if a change is missing whose
    /// digest is unknown, which is an alteration already.
    fn new(account: &'a Account<K>, id: &'a AccountId, alterations: &Alterations) -> Option<Self> {
        let is_edited = |run: &RunLink<K>| alterations.names(&run_key::<K>(id, run.this.sequence));
        let known: Vec<bool> = account
            .runs
            .iter()
            .map(|run| run.knew_its_changes && !is_edited(run))
            .collect();
        let rows: Option<Vec<Row<'_, K>>> = account
            .sorted()
            .into_iter()
            .map(|(arn, resource)| resource.row(id, arn, alterations))
            .collect();
        let rows = rows?;
        let mut replay = Self {
            id,
            account,
            statuses: account.statuses(),
            covered: vec![0; rows.len()],
            recorded: HashMap::new(),
            by_run: HashMap::new(),
            unassigned: Vec::new(),
            known,
            is_intact: !alterations.names_any_of(&K::KEYS.account_pk(id))
                && rows
                    .iter()
                    .all(|row| row.steps.iter().all(|s| s.link.is_some())),
            rows,
            fitted: None,
            failing: None,
        };
        replay.index();
        Some(replay)
    }

    /// Covers the changes that runs before the first one made, and that it read.
    fn cover_earlier(&mut self) {
        let Some(first) = self.account.runs.first() else {
            return;
        };
        let runs: HashSet<&RunId> = self.account.runs.iter().map(|it| &it.this.run_id).collect();
        let was_read = |step: &&Step<'_>| {
            step.link.is_some_and(|link| {
                let before = first.this.started_at.millis_since(link.observed_until);
                !runs.contains(&link.run_id) && u128::from(before) > WRITTEN_WITHIN.as_millis()
            })
        };
        for (row, covered) in self.rows.iter().zip(&mut self.covered) {
            *covered = row.steps.iter().take_while(was_read).count();
        }
        let covered = &self.covered;
        self.unassigned.retain(|(row, step)| covered[*row] <= *step);
    }

    fn index(&mut self) {
        let runs = self.account.runs.iter().zip(&self.known);
        let known: HashSet<&RunId> = runs
            .filter(|(_, known)| **known)
            .map(|(run, _)| &run.this.run_id)
            .collect();
        for (r, row) in self.rows.iter().enumerate() {
            for (s, step) in row.steps.iter().enumerate() {
                if let Some(link) = step.link {
                    let of_run = self.recorded.entry(&link.run_id).or_default();
                    *of_run.entry(link.kind).or_default() += 1;
                }
                match step.link.filter(|link| known.contains(&link.run_id)) {
                    Some(link) => self.by_run.entry(&link.run_id).or_default().push((r, s)),
                    None => self.unassigned.push((r, s)),
                }
            }
        }
    }

    fn run(&mut self, alterations: &mut Alterations) {
        let overlapping = self.overlapping();
        for (i, run) in self.account.runs.iter().enumerate() {
            let places = self
                .by_run
                .get(&run.this.run_id)
                .cloned()
                .unwrap_or_default();
            if self.known[i] {
                for (row, step) in &places {
                    if self.covered[*row] <= *step {
                        self.covered[*row] = step + 1;
                        self.fitted = None;
                    }
                }
            }
            let key = run_key::<K>(self.id, run.this.sequence);
            if alterations.names(&key) {
                continue;
            }
            if let Some(problem) = self.tally_problem(i, run) {
                alterations.add(key, problem);
            } else if let Some(snapshots) = &run.snapshots {
                self.compare(run, snapshots, &overlapping[i], alterations);
            }
        }
        self.report_failing(alterations);
    }

    /// Returns for each run those that were recorded after it and had not read
    /// it.
    fn overlapping(&self) -> Vec<HashSet<&'a RunId>> {
        let runs = &self.account.runs;
        let mut overlapping = vec![HashSet::new(); runs.len()];
        let longest = u64::try_from(WRITTEN_WITHIN.as_millis()).unwrap_or(u64::MAX);
        for (later, run) in runs.iter().enumerate() {
            for earlier in (later.saturating_sub(MAX_CONCURRENT_RUNS)..later).rev() {
                let before = &runs[earlier].this;
                let had_read = match run.account_sequence {
                    Some(read) => read >= before.sequence,
                    // What it read is not recorded: compare the times.
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

    /// Compares a run's change tally with the recorded changes.
    fn tally_problem(&self, i: usize, run: &RunLink<K>) -> Option<String> {
        let recorded = self.recorded.get(&run.this.run_id);
        ChangeKind::ALL.into_iter().find_map(|kind| {
            let tally = run.changes.get(&kind).copied().unwrap_or(0);
            let found = recorded.and_then(|of_run| of_run.get(&kind)).copied();
            let found = found.unwrap_or(0);
            // An edited or removed change is an alteration already. A run that did
            // not know all its changes may have made more.
            let is_less = found < tally && self.is_intact;
            let is_more = found > tally && self.known[i];
            (is_less || is_more).then(|| {
                format!(
                    "counts {tally} changes {kind}, but {found} are recorded: changes were \
                     removed or inserted"
                )
            })
        })
    }

    /// Compares the snapshots that a run covers with the changes recorded by
    /// then.
    fn compare(
        &mut self,
        run: &RunLink<K>,
        snapshots: &'a SnapshotsRecord,
        overlapping: &HashSet<&RunId>,
        alterations: &mut Alterations,
    ) {
        let open = self.possible(run, overlapping);
        if open.is_empty() && self.fitted == Some(snapshots) {
            return;
        }
        let effort = match self.failing {
            None => Effort::UpTo(MAX_LINES_HASHED),
            Some(_) => Effort::Likely,
        };
        let found = search(&self.lines(&open), snapshots, effort);
        self.fitted = None;
        match found {
            Search::Fits(choice) => {
                self.cover(choice, &open);
                self.fitted = Some(snapshots);
                self.report_late(run, alterations);
                if self.is_intact && self.counts() != run.connections {
                    let problem = "its connections are not those that the changes leave by then: \
                                   changes were removed or inserted";
                    alterations.add(run_key::<K>(self.id, run.this.sequence), problem);
                }
            }
            Search::Fails => {
                let sequence = run.this.sequence;
                let (first, _, runs) = self.failing.unwrap_or((sequence, sequence, 0));
                self.failing = Some((first, sequence, runs + 1));
            }
            Search::GivenUp => {
                let problem = format!(
                    "can't be compared with the recorded changes: {} connections have changes of \
                     runs that it may not cover",
                    open.len()
                );
                alterations.add(run_key::<K>(self.id, run.this.sequence), problem);
            }
        }
    }

    /// Covers the changes of the choice that fitted.
    fn cover(&mut self, choice: impl IntoIterator<Item = usize>, open: &BTreeMap<usize, usize>) {
        for (row, chosen) in choice.into_iter().enumerate() {
            // The last choice may be that the row is missing.
            let end = open.get(&row).copied().unwrap_or_default();
            self.covered[row] = (self.covered[row] + chosen).min(end.max(self.covered[row]));
        }
        let (rows, covered) = (&self.rows, &self.covered);
        self.unassigned
            .retain(|(row, step)| covered[*row] <= *step || rows[*row].steps[*step].link.is_none());
    }

    /// Returns the rows with changes that `run` may or may not cover, each with
    /// the end of those changes.
    fn possible(&self, run: &RunLink<K>, overlapping: &HashSet<&RunId>) -> BTreeMap<usize, usize> {
        let began = run.this.started_at;
        let is_possible = |step: &Step<'_>| match step.link {
            None => true,
            Some(link) if overlapping.contains(&link.run_id) => true,
            // A change observed after the run, and long after it began, is not covered by
            // it.
            Some(link) => {
                let is_late = link.observed_at > run.finished_at
                    && u128::from(link.observed_at.millis_since(began))
                        > WRITTEN_WITHIN.as_millis();
                !self.by_run.contains_key(&link.run_id) && !is_late
            }
        };
        let of_runs = overlapping.iter().filter_map(|id| self.by_run.get(*id));
        let places = self.unassigned.iter().chain(of_runs.flatten());
        let mut open = BTreeMap::new();
        for (row, _) in places {
            let begin = self.covered[*row];
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
            open.entry(row).or_insert(self.covered[row]);
        }
        open
    }

    fn lines(&self, open: &BTreeMap<usize, usize>) -> Vec<Line<'a>> {
        let no_run = || Cow::Owned(RunId::new(Timestamp::from_millis(0), 0));
        let mut lines = Vec::with_capacity(self.rows.len());
        for (row, (Row { arn, steps, .. }, begin)) in
            self.rows.iter().zip(&self.covered).enumerate()
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
                arn: arn.as_str(),
                certain: begin.checked_sub(1).and_then(|last| leaves(&steps[last])),
                possible,
            });
        }
        lines
    }

    /// Reports changes of no recorded run that this run should have covered.
    fn report_late(&mut self, run: &RunLink<K>, alterations: &mut Alterations) {
        let (id, rows, covered) = (self.id, &self.rows, &self.covered);
        for (row, step) in &self.unassigned {
            let Some(link) = rows[*row].steps[*step].link else {
                continue;
            };
            let after = run.this.started_at.millis_since(link.observed_at);
            let is_late = u128::from(after) > WRITTEN_WITHIN.as_millis();
            let key = change_key::<K>(id, rows[*row].arn, link.version.into());
            if covered[*row] == *step && is_late && !alterations.names(&key) {
                let problem = format!(
                    "names {} and run {} as its observation, but run {}, which began at {}, did \
                     not read it: it was inserted later, or a clock was wrong",
                    link.observed_at, link.run_id, run.this.sequence, run.this.started_at
                );
                alterations.add(key, problem);
            }
        }
    }

    /// Returns the number of present connections by status.
    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts: HashMap<StatusId, u64> = HashMap::new();
        for (row, steps) in self.rows.iter().zip(&self.covered) {
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

    fn report_failing(&self, alterations: &mut Alterations) {
        let Some((first, last, runs)) = self.failing else {
            return;
        };
        let snapshots = self
            .account
            .run(first)
            .and_then(|run| run.snapshots.as_ref());
        let more = match runs {
            1 => String::new(),
            runs => format!("; so do {} later runs, up to run {last}", runs - 1),
        };
        let problem = format!(
            "covers {} connections with other changes than those recorded by then: a \
             connection or a change was removed, inserted or rolled back{more}",
            snapshots.map_or(0, |snapshots| snapshots.count)
        );
        alterations.add(run_key::<K>(self.id, first), problem);
    }
}
