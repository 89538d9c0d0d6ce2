//! What became of a plan, write by write.

use std::collections::{BTreeMap, HashMap};

use crate::aws::{Fault, FaultKind};
use crate::domain::diff::{Decision, Step};
use crate::domain::{ChangeKind, ConnectionArn, Snapshot};
use crate::table::TableError;

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// How many changes of each kind this run recorded.
    pub changes: BTreeMap<ChangeKind, u64>,
    /// The snapshots that they left.
    pub recorded: Vec<Snapshot>,
    /// Snapshots that another run had written meanwhile, as read again.
    pub refreshed: Vec<Snapshot>,
    /// Writes that were not made: the table did not take them in time.
    pub unwritten: u64,
    /// Changes of which it is not known whether they were written: they were
    /// sent, and nobody said that they were refused. They may still arrive.
    pub open: Vec<Step>,
    /// Changes that were not recorded because they were observed too long
    /// ago.
    pub too_late: u64,
    /// What kept the table from taking them, if it said anything.
    pub kept_by: Option<Fault>,
    /// Writes that can't be made, each with its reason.
    pub problems: Vec<String>,
    /// Why writing was given up altogether.
    pub stopped: Option<TableError>,
}

/// What became of one connection's write.
pub(crate) enum Settled {
    Recorded(Box<Step>),
    /// It is recorded, and another run's change follows on it.
    RecordedBefore(Box<Step>, Option<Box<Snapshot>>),
    Touched,
    /// Another run has written it.
    Overtaken(Option<Box<Snapshot>>),
    /// It was not made: too little time was left, or a fault did not pass.
    Unwritten(Option<Fault>),
    /// The same of a change that was sent, and of which nobody said that it
    /// was refused.
    Open(Box<Step>, Option<Fault>),
    /// It was observed too long ago to be recorded.
    TooLate,
    Problem(String),
}

impl Settled {
    pub(crate) fn recorded_before(decision: Decision, fresh: Option<Snapshot>) -> Self {
        match decision {
            Decision::Change(step) => Self::RecordedBefore(step, fresh.map(Box::new)),
            Decision::Touch { .. } | Decision::Nothing(_) => Self::Touched,
        }
    }

    pub(crate) fn unwritten(decision: Decision, is_open: bool, fault: Option<Fault>) -> Self {
        match decision {
            Decision::Change(step) if is_open => Self::Open(step, fault),
            _ => Self::Unwritten(fault),
        }
    }
}

impl Applied {
    /// Of a plan with so many changes, before anything is written.
    pub(crate) fn of(changes: usize) -> Self {
        Self {
            // What grows as they come is twice as large in the end.
            recorded: Vec::with_capacity(changes),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, settled: Settled) {
        match settled {
            Settled::Recorded(step) => self.count(*step),
            Settled::RecordedBefore(step, fresh) => {
                self.count(*step);
                self.refreshed.extend(fresh.map(|fresh| *fresh));
            }
            Settled::Touched | Settled::Overtaken(None) => {}
            Settled::Overtaken(Some(snapshot)) => self.refreshed.push(*snapshot),
            Settled::Unwritten(fault) => {
                self.unwritten += 1;
                self.note(fault);
            }
            Settled::Open(step, fault) => {
                self.open.push(*step);
                self.note(fault);
            }
            Settled::TooLate => self.too_late += 1,
            Settled::Problem(problem) => self.problems.push(problem),
        }
    }

    /// Of a recorded change, all that is told of a run is its kind.
    fn count(&mut self, recorded: Step) {
        *self.changes.entry(recorded.change.kind).or_default() += 1;
        self.recorded.push(recorded.snapshot);
    }

    /// Keeps what kept writes from being made. Any fault says more than that
    /// time was over.
    fn note(&mut self, fault: Option<Fault>) {
        let silent = |kept: &Fault| kept.kind == FaultKind::TimedOut;
        if self.kept_by.as_ref().is_none_or(silent) {
            self.kept_by = fault.or(self.kept_by.take());
        }
    }

    /// Settles open changes by what the table holds by now.
    pub fn settle_open(&mut self, snapshots: &HashMap<ConnectionArn, Snapshot>) {
        let is_there = |step: &mut Step| {
            let there = snapshots.get(&step.change.arn);
            there.is_some_and(|there| there.digest == step.snapshot.digest)
        };
        let recorded: Vec<Step> = self.open.extract_if(.., is_there).collect();
        recorded.into_iter().for_each(|step| self.count(step));
    }
}

/// Whether a write that met a conflict needs no second comparison.
pub(crate) fn is_settled(
    arn: &ConnectionArn,
    decision: &Decision,
    known: Option<Snapshot>,
    fresh: &Option<Snapshot>,
) -> Option<Settled> {
    let altered = |what: &str| {
        let problem = format!("{arn} {what}: the table was altered; nothing was written");
        Some(Settled::Problem(problem))
    };
    let Decision::Change(step) = decision else {
        return None;
    };
    match fresh {
        // The conflict was with this very write: it was made, and its answer
        // was lost.
        Some(fresh) if fresh.digest == step.snapshot.digest => {
            Some(Settled::Recorded(step.clone()))
        }
        // No snapshot was in the way: the change itself is.
        None if known.is_none() => altered("has recorded changes but no snapshot"),
        Some(_) if *fresh == known => altered(&format!(
            "has a change {} that its snapshot does not know of",
            step.change.version
        )),
        _ => None,
    }
}
