//! The table of the model: snapshots and changes, and the conditional writes
//! that a run sends. A write's conditions are those of `table::write::statements`.

/// The most connections of an account.
pub const MOST_CONNECTIONS: usize = 2;

/// The state of a connection, as its attributes say.
pub type Value = char;

/// When a listing began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    pub began: u8,
    pub ended: u8,
}

impl Window {
    pub fn precedes(self, later: Self) -> bool {
        self.ended <= later.began
    }
}

/// A change. It stands for its digest, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    pub version: u8,
    pub run: usize,
    pub before: Option<Value>,
    pub after: Value,
    /// When the state before was last seen.
    pub previously_seen: Option<u8>,
    pub observed: Window,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Snapshot {
    pub value: Value,
    pub seen: Window,
    /// The last change. A snapshot holds only its digest, except where a
    /// protocol says otherwise.
    pub last: Change,
}

impl Snapshot {
    /// Returns the snapshot that a change leaves.
    pub fn after(change: Change) -> Self {
        Self {
            value: change.after,
            seen: change.observed,
            last: change,
        }
    }
}

/// A change that a run means to record, and the snapshot that it compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Planned {
    pub connection: usize,
    pub known: Option<Snapshot>,
    pub change: Change,
}

/// A statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Write {
    /// An unchanged connection was seen.
    Touch {
        connection: usize,
        known: Snapshot,
        seen: Window,
    },
    /// A change and its snapshot, both or neither.
    Record(Planned),
    /// The change alone, which must not exist.
    Insert { connection: usize, change: Change },
    /// The snapshot alone, if it is the compared one.
    Move(Planned),
    /// The snapshot alone, if it has the version before the change.
    RollForward { connection: usize, change: Change },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Table {
    pub snapshots: [Option<Snapshot>; MOST_CONNECTIONS],
    /// By version.
    pub changes: [Vec<Change>; MOST_CONNECTIONS],
}

impl Table {
    /// Carries out all of the writes or none. Returns which ones fail their
    /// conditions.
    pub fn write(&mut self, writes: &[Write]) -> Result<(), Vec<bool>> {
        let conflicts: Vec<bool> = writes.iter().map(|write| !self.holds(write)).collect();
        if conflicts.contains(&true) {
            return Err(conflicts);
        }
        writes.iter().for_each(|write| self.apply(write));
        Ok(())
    }

    fn holds(&self, write: &Write) -> bool {
        match *write {
            Write::Touch {
                connection,
                known,
                seen,
            } => self.snapshots[connection].is_some_and(|there| {
                there.last.version == known.last.version
                    && there.seen.began < seen.began
                    && there.seen.ended <= seen.ended
            }),
            Write::Record(planned) => {
                self.is_as_compared(&planned)
                    && self
                        .change(planned.connection, planned.change.version)
                        .is_none()
            }
            Write::Insert { connection, change } => {
                self.change(connection, change.version).is_none()
            }
            Write::Move(planned) => self.is_as_compared(&planned),
            Write::RollForward { connection, change } => {
                let version = self.snapshots[connection].map_or(0, |there| there.last.version);
                version + 1 == change.version
            }
        }
    }

    fn is_as_compared(&self, planned: &Planned) -> bool {
        match (self.snapshots[planned.connection], planned.known) {
            (None, None) => true,
            (Some(there), Some(known)) => {
                there.last.version == known.last.version
                    && there.seen.ended <= planned.change.observed.began
                    && there.seen.began == known.seen.began
            }
            _ => false,
        }
    }

    fn apply(&mut self, write: &Write) {
        match *write {
            Write::Touch {
                connection, seen, ..
            } => {
                if let Some(there) = &mut self.snapshots[connection] {
                    there.seen = seen;
                }
            }
            Write::Record(planned) => {
                self.snapshots[planned.connection] = Some(Snapshot::after(planned.change));
                self.changes[planned.connection].push(planned.change);
            }
            Write::Insert { connection, change } => {
                let changes = &mut self.changes[connection];
                changes.push(change);
                changes.sort_by_key(|change| change.version);
            }
            Write::Move(Planned {
                connection, change, ..
            })
            | Write::RollForward { connection, change } => {
                self.snapshots[connection] = Some(Snapshot::after(change));
            }
        }
    }

    pub fn change(&self, connection: usize, version: u8) -> Option<Change> {
        let mut changes = self.changes[connection].iter();
        changes.find(|change| change.version == version).copied()
    }
}
