//! Outcomes of writes: of one connection's write, and of a whole plan.

use std::collections::{BTreeMap, HashMap};

use crate::aws::{CallError, CallErrorKind};
use crate::domain::diff::{Decision, Transition};
use crate::domain::{ChangeKind, Connection, Digest, Kind, Snapshot};
use crate::table::TableError;

/// The outcome of applying a write plan.
#[derive(Debug)]
pub struct WriteReport<K: Kind = Connection> {
    /// The number of recorded changes of each kind.
    pub changes: BTreeMap<ChangeKind, u64>,
    /// What results from them.
    pub recorded: Vec<RecordedSnapshot<K>>,
    /// Snapshots that another run had written meanwhile, as read again.
    pub refreshed: Vec<Snapshot<K>>,
    /// Writes that were not made: the table did not accept them in time.
    pub unwritten: u64,
    /// Changes with an indeterminate outcome: they were sent and not refused,
    /// and may still arrive.
    pub indeterminate: Vec<Transition<K>>,
    /// Changes that were not recorded because their observation is too old.
    pub stale: u64,
    /// The error that kept the table from accepting them, if there was one.
    pub blocked_by: Option<CallError>,
    /// Writes that can't be made, each with its reason.
    pub problems: Vec<String>,
    /// The error that stopped all writing.
    pub stopped: Option<TableError>,
}

/// A snapshot that a run has written, as far as its record needs it.
#[derive(Debug)]
pub struct RecordedSnapshot<K: Kind = Connection> {
    /// The connection.
    pub arn: K::Id,
    /// The number of changes recorded of it.
    pub version: u32,
    /// The digest of the last one.
    pub digest: Digest,
    /// Its status; `None` for a tombstone.
    pub status: Option<Box<str>>,
}

impl<K: Kind> From<Snapshot<K>> for RecordedSnapshot<K> {
    fn from(snapshot: Snapshot<K>) -> Self {
        let is_there = !snapshot.is_deleted();
        Self {
            status: is_there.then(|| K::status_word(&snapshot.attributes).into()),
            arn: snapshot.arn,
            version: snapshot.version,
            digest: snapshot.digest,
        }
    }
}

/// The outcome of one connection's write.
pub(crate) enum WriteOutcome<K: Kind> {
    Recorded(Box<Transition<K>>),
    /// It was recorded, and another run's change follows on it.
    RecordedBefore(Box<Transition<K>>, Option<Box<Snapshot<K>>>),
    Touched,
    /// Another run has written it.
    Superseded(Option<Box<Snapshot<K>>>),
    /// It was not made: time ran out, or an error persisted.
    Unwritten(Option<CallError>),
    /// The same, of a change that was sent and not refused.
    Indeterminate(Box<Transition<K>>, Option<CallError>),
    /// Its observation is too old to be recorded.
    Stale,
    Problem(String),
}

impl<K: Kind> WriteOutcome<K> {
    pub(crate) fn recorded_before(decision: Decision<K>, fresh: Option<Snapshot<K>>) -> Self {
        match decision {
            Decision::Change(transition) => Self::RecordedBefore(transition, fresh.map(Box::new)),
            Decision::Touch { .. } | Decision::Nothing(_) => Self::Touched,
        }
    }

    pub(crate) fn unwritten(
        decision: Decision<K>,
        is_indeterminate: bool,
        call_error: Option<CallError>,
    ) -> Self {
        match decision {
            Decision::Change(transition) if is_indeterminate => {
                Self::Indeterminate(transition, call_error)
            }
            _ => Self::Unwritten(call_error),
        }
    }
}

impl<K: Kind> Default for WriteReport<K> {
    fn default() -> Self {
        Self {
            changes: BTreeMap::new(),
            recorded: Vec::new(),
            refreshed: Vec::new(),
            unwritten: 0,
            indeterminate: Vec::new(),
            stale: 0,
            blocked_by: None,
            problems: Vec::new(),
            stopped: None,
        }
    }
}

impl<K: Kind> WriteReport<K> {
    /// Returns the report of a plan with this many changes, before anything is
    /// written.
    pub(crate) fn of(changes: usize) -> Self {
        Self {
            // What grows as they come is twice as large in the end.
            recorded: Vec::with_capacity(changes),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, outcome: WriteOutcome<K>) {
        match outcome {
            WriteOutcome::Recorded(transition) => self.count(*transition),
            WriteOutcome::RecordedBefore(transition, fresh) => {
                self.count(*transition);
                self.refreshed.extend(fresh.map(|fresh| *fresh));
            }
            WriteOutcome::Touched | WriteOutcome::Superseded(None) => {}
            WriteOutcome::Superseded(Some(snapshot)) => self.refreshed.push(*snapshot),
            WriteOutcome::Unwritten(call_error) => {
                self.unwritten += 1;
                self.note(call_error);
            }
            WriteOutcome::Indeterminate(transition, call_error) => {
                self.indeterminate.push(*transition);
                self.note(call_error);
            }
            WriteOutcome::Stale => self.stale += 1,
            WriteOutcome::Problem(problem) => self.problems.push(problem),
        }
    }

    /// Counts a recorded change and keeps its snapshot.
    fn count(&mut self, recorded: Transition<K>) {
        *self.changes.entry(recorded.change.kind).or_default() += 1;
        self.recorded.push(recorded.snapshot.into());
    }

    /// Keeps the first error that blocked writes. Any error says more than a
    /// timeout.
    fn note(&mut self, call_error: Option<CallError>) {
        let silent = |kept: &CallError| kept.kind == CallErrorKind::TimedOut;
        if self.blocked_by.as_ref().is_none_or(silent) {
            self.blocked_by = call_error.or(self.blocked_by.take());
        }
    }

    /// Resolves indeterminate changes by the present state of the table.
    pub fn resolve_indeterminate(&mut self, snapshots: &HashMap<K::Id, Snapshot<K>>) {
        let is_there = |transition: &mut Transition<K>| {
            let there = snapshots.get(&transition.change.arn);
            there.is_some_and(|there| there.digest == transition.snapshot.digest)
        };
        let recorded: Vec<Transition<K>> = self.indeterminate.extract_if(.., is_there).collect();
        recorded
            .into_iter()
            .for_each(|transition| self.count(transition));
    }
}

/// Returns the outcome of a write that met a conflict, if it needs no second
/// comparison.
pub(crate) fn outcome_of_conflict<K: Kind>(
    arn: &K::Id,
    decision: &Decision<K>,
    known: Option<Snapshot<K>>,
    fresh: &Option<Snapshot<K>>,
) -> Option<WriteOutcome<K>> {
    let altered = |what: &str| {
        let problem = format!("{arn} {what}: the table was altered; nothing was written");
        Some(WriteOutcome::Problem(problem))
    };
    let Decision::Change(transition) = decision else {
        return None;
    };
    match fresh {
        // The conflict was with this very write: it was made, and its answer
        // was lost.
        Some(fresh) if fresh.digest == transition.snapshot.digest => {
            Some(WriteOutcome::Recorded(transition.clone()))
        }
        // No snapshot was in the way: the change itself is.
        None if known.is_none() => altered("has recorded changes but no snapshot"),
        Some(_) if *fresh == known => altered(&format!(
            "has a change {} that its snapshot does not know of",
            transition.change.version
        )),
        _ => None,
    }
}
