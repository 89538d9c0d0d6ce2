//! A run of the model: it reads, compares, and sends one request after another.
//! What it does about a conflict or a lost answer is what `inventory::writer` does.

use super::table::{Change, MOST_CONNECTIONS, Planned, Snapshot, Table, Value, Window, Write};

/// In what order a change and its snapshot are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// In one transaction, with other changes of the run.
    Transaction,
    /// The change and then the snapshot. Who finds a change without its snapshot
    /// rolls the snapshot forward.
    ChangeFirst,
    /// The snapshot, which holds the whole change until the next one, and then the
    /// change. Who finds a snapshot without its change inserts the change.
    SnapshotFirst,
}

/// What a run observes, the same whenever it looks.
#[derive(Debug, Clone, Copy)]
pub struct Observed {
    pub window: Window,
    pub values: [Value; MOST_CONNECTIONS],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Task {
    /// Read the snapshot and compare.
    Compare(usize),
    /// Touch a connection that was unchanged.
    Touch {
        connection: usize,
        known: Snapshot,
    },
    /// Record changes in one transaction.
    Record(Vec<Planned>),
    /// Reads what is there instead of a change whose condition failed.
    Resolve(Planned),
    Insert(Planned),
    Move(Planned),
    /// Move the snapshot to a change that is there without it.
    RollForward {
        connection: usize,
        change: Change,
    },
    /// Insert the change that a snapshot holds and that is not there.
    Complete {
        connection: usize,
        change: Change,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Phase {
    Begun,
    Working,
    /// Waits for the answer to the request of this number.
    Waiting(u8, Task),
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    pub phase: Phase,
    /// What is left to do, the next last.
    pub tasks: Vec<Task>,
    pub requests: u8,
    /// How many more answers it may wait for in vain.
    pub patience: u8,
    /// True if something may not be written.
    pub is_partial: bool,
    /// Its observation is too old to be recorded.
    pub is_stale: bool,
}

impl Run {
    pub fn new(patience: u8) -> Self {
        Self {
            phase: Phase::Begun,
            tasks: Vec::new(),
            requests: 0,
            patience,
            is_partial: false,
            is_stale: false,
        }
    }
}

/// The rules of a run.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub protocol: Protocol,
    pub connections: usize,
    pub number: usize,
    pub observed: Observed,
}

impl Rules {
    /// Reads everything and plans.
    pub fn begin(&self, run: &mut Run, table: &Table) {
        let mut changes = Vec::new();
        run.phase = Phase::Working;
        for connection in 0..self.connections {
            match self.compare(table, connection) {
                Some(Task::Record(planned)) => changes.extend(planned),
                task => run.tasks.extend(task),
            }
        }
        if !changes.is_empty() {
            // Changes come first.
            run.tasks.push(Task::Record(changes));
        }
    }

    /// Does the next task. Returns the statements to send, if it sends any.
    pub fn step(&self, run: &mut Run, table: &Table) -> Option<Vec<Write>> {
        let Some(task) = run.tasks.pop() else {
            run.phase = Phase::Ended;
            return None;
        };
        let writes = match &task {
            Task::Compare(connection) => {
                run.tasks.extend(self.compare(table, *connection));
                return None;
            }
            Task::Resolve(planned) => {
                run.tasks.extend(self.resolve(table, *planned));
                return None;
            }
            Task::Touch { connection, known } => vec![Write::Touch {
                connection: *connection,
                known: *known,
                seen: Window {
                    began: self.observed.window.began,
                    ended: self.observed.window.ended.max(known.seen.ended),
                },
            }],
            Task::Record(planned) => planned.iter().map(|each| Write::Record(*each)).collect(),
            Task::Insert(Planned {
                connection, change, ..
            })
            | Task::Complete { connection, change } => vec![Write::Insert {
                connection: *connection,
                change: *change,
            }],
            Task::Move(planned) => vec![Write::Move(*planned)],
            Task::RollForward { connection, change } => vec![Write::RollForward {
                connection: *connection,
                change: *change,
            }],
        };
        // The send guard: a stale change of its own is not sent.
        let is_guarded = matches!(task, Task::Record(_) | Task::Insert(_) | Task::Move(_));
        if run.is_stale && is_guarded {
            run.is_partial = true;
            return None;
        }
        run.requests += 1;
        run.phase = Phase::Waiting(run.requests, task);
        Some(writes)
    }

    /// Goes on after an answer: written, or which statements fail their condition.
    pub fn answered(&self, run: &mut Run, task: Task, answer: &Result<(), Vec<bool>>) {
        run.phase = Phase::Working;
        use Protocol::{ChangeFirst, SnapshotFirst, Transaction};
        match (task, answer, self.protocol) {
            (Task::Record(planned), Err(conflicts), _) => {
                let mut left = Vec::new();
                for (planned, conflict) in planned.into_iter().zip(conflicts) {
                    match conflict {
                        true => run.tasks.push(Task::Resolve(planned)),
                        false => left.push(planned),
                    }
                }
                if !left.is_empty() {
                    run.tasks.push(Task::Record(left));
                }
            }
            (Task::Insert(planned), Ok(()), ChangeFirst) => run.tasks.push(Task::Move(planned)),
            (Task::Move(planned), Ok(()), SnapshotFirst) => run.tasks.push(Task::Insert(planned)),
            (Task::Insert(planned), Err(_), ChangeFirst)
            | (Task::Move(planned), Err(_), SnapshotFirst) => {
                run.tasks.push(Task::Resolve(planned));
            }
            (Task::Touch { connection, .. }, Err(_), _)
            | (Task::Move(Planned { connection, .. }), Err(_), Transaction | ChangeFirst)
            | (Task::RollForward { connection, .. } | Task::Complete { connection, .. }, _, _) => {
                run.tasks.push(Task::Compare(connection));
            }
            // It is done. A change that is there was inserted from its snapshot.
            _ => {}
        }
    }

    /// Compares a change whose condition failed with what is there. Returns the next
    /// task, if there is one.
    fn resolve(&self, table: &Table, planned: Planned) -> Option<Task> {
        let Planned {
            connection, change, ..
        } = planned;
        let is_left = table.snapshots[connection].is_some_and(|there| there.last == change);
        let is_inserted = table.change(connection, change.version) == Some(change);
        match self.protocol {
            Protocol::SnapshotFirst if is_left && !is_inserted => Some(Task::Insert(planned)),
            // A change without its snapshot is rolled forward.
            Protocol::ChangeFirst if !is_left => Some(Task::Compare(connection)),
            _ if is_left || is_inserted => None,
            _ => Some(Task::Compare(connection)),
        }
    }

    /// Goes on without an answer: sends it again, a transaction in halves, or gives
    /// it up.
    pub fn unanswered(&self, run: &mut Run, task: Task) {
        run.phase = Phase::Working;
        let Some(patience) = run.patience.checked_sub(1) else {
            run.is_partial = true;
            return;
        };
        run.patience = patience;
        match task {
            Task::Record(planned) => {
                let halves = planned.into_iter().map(|each| Task::Record(vec![each]));
                run.tasks.extend(halves);
            }
            task => run.tasks.push(task),
        }
    }

    /// Compares a connection. Returns what there is to do first.
    fn compare(&self, table: &Table, connection: usize) -> Option<Task> {
        let known = table.snapshots[connection];
        let version = known.map_or(0, |known| known.last.version);
        match self.protocol {
            Protocol::Transaction => {}
            Protocol::ChangeFirst => {
                if let Some(change) = table.change(connection, version + 1) {
                    return Some(Task::RollForward { connection, change });
                }
            }
            Protocol::SnapshotFirst => {
                if let Some(known) = known
                    && table.change(connection, version).is_none()
                {
                    let change = known.last;
                    return Some(Task::Complete { connection, change });
                }
            }
        }
        let Observed { window, values } = self.observed;
        let value = values[connection];
        match known {
            Some(known) if known.value == value => {
                (window.began > known.seen.began).then_some(Task::Touch { connection, known })
            }
            Some(known) if !known.seen.precedes(window) => None,
            known => {
                let change = Change {
                    version: version + 1,
                    run: self.number,
                    before: known.map(|known| known.value),
                    after: value,
                    previously_seen: known.map(|known| known.seen.began),
                    observed: window,
                };
                let planned = Planned {
                    connection,
                    known,
                    change,
                };
                Some(match self.protocol {
                    Protocol::Transaction => Task::Record(vec![planned]),
                    Protocol::ChangeFirst => Task::Insert(planned),
                    Protocol::SnapshotFirst => Task::Move(planned),
                })
            }
        }
    }
}
