//! Some runs of an account, their network, and the invariants.

use super::explorer::Model;
use super::run::{Observed, Phase, Protocol, Rules, Run};
use super::table::{Change, MOST_CONNECTIONS, Planned, Snapshot, Table, Value, Window, Write};

/// Where a reader looks for the changes of a time range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// In the changes alone, as the index by time has them.
    Changes,
    /// In the snapshots, too.
    ChangesAndSnapshots,
}

/// Some runs of an account.
#[derive(Debug, Clone)]
pub struct Account {
    pub protocol: Protocol,
    pub reader: Reader,
    pub connections: usize,
    /// The states at first; `None` for a connection that was never seen.
    pub at_first: [Option<Value>; MOST_CONNECTIONS],
    pub observed: Vec<Observed>,
    /// How many answers each run may miss.
    pub patience: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    table: Table,
    runs: Vec<Run>,
    in_flight: Vec<Request>,
}

/// A request that was sent and may still arrive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    run: usize,
    number: u8,
    writes: Vec<Write>,
}

#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// A run reads, or sends its next request.
    Step(usize),
    /// A request arrives, and its answer.
    Answer(usize),
    /// A request arrives, and its answer is lost.
    Arrive(usize),
    /// A run waits no longer. One that does nothing more has crashed.
    GiveUp(usize),
    /// What a run observed is 16 minutes old: what has not arrived never will.
    Expire(usize),
}

/// The number of the run before all others, and that of the one after them.
const FIRST: usize = usize::MAX;
const CLOSING: Window = Window {
    began: 90,
    ended: 91,
};

impl Account {
    fn rules(&self, number: usize) -> Rules {
        Rules {
            protocol: self.protocol,
            connections: self.connections,
            number,
            observed: self.observed[number],
        }
    }

    /// Returns what the record says of a connection now.
    fn view(&self, table: &Table, connection: usize) -> Option<Snapshot> {
        let there = table.snapshots[connection];
        let version = there.map_or(0, |there| there.last.version);
        match self.protocol {
            Protocol::ChangeFirst => {
                let ahead = table.change(connection, version + 1);
                ahead.map(Snapshot::after).or(there)
            }
            Protocol::Transaction | Protocol::SnapshotFirst => there,
        }
    }

    /// Returns the changes of a connection that a reader finds.
    fn changes(&self, table: &Table, connection: usize, reader: Reader) -> Vec<Change> {
        let mut changes = table.changes[connection].clone();
        if reader == Reader::ChangesAndSnapshots
            && let Some(there) = table.snapshots[connection]
            && !changes.contains(&there.last)
        {
            changes.push(there.last);
        }
        changes
    }

    /// Checks that the changes of a connection follow on each other, and leave its
    /// snapshot: what `verify` does.
    fn check_chain(&self, table: &Table, connection: usize) -> Result<(), String> {
        let reader = match self.protocol {
            Protocol::SnapshotFirst => Reader::ChangesAndSnapshots,
            Protocol::Transaction | Protocol::ChangeFirst => Reader::Changes,
        };
        let changes = self.changes(table, connection, reader);
        let mut before = None;
        for (place, change) in changes.iter().enumerate() {
            if usize::from(change.version) != place + 1 || change.before != before {
                return Err(format!(
                    "{change:?} does not follow on the change before it"
                ));
            }
            before = Some(change.after);
        }
        let view = self.view(table, connection);
        if view.map(|view| view.last) != changes.last().copied() {
            return Err(format!("{view:?} is not what its last change left"));
        }
        Ok(())
    }

    fn check_view(&self, before: &State, after: &State, connection: usize) -> Result<(), String> {
        let [was, is] = [before, after].map(|state| self.view(&state.table, connection));
        let Some(is) = is else {
            return match was {
                None => Ok(()),
                Some(was) => Err(format!("{was:?} was removed")),
            };
        };
        let seen_by = |observed: &&Observed| observed.window.began == is.seen.began;
        let seen = self.observed.iter().find(seen_by);
        let expected = match (seen, is.seen == CLOSING) {
            (Some(seen), _) => seen.values[connection],
            (None, true) => is.value,
            (None, false) => 'a',
        };
        if is.value != expected {
            return Err(format!("never observed: {is:?}"));
        }
        let Some(was) = was else {
            return Ok(());
        };
        if is.seen.began < was.seen.began
            || is.seen.ended < was.seen.ended
            || is.last.version < was.last.version
        {
            return Err(format!("backwards: from {was:?} to {is:?}"));
        }
        let change = is.last;
        if change != was.last
            && (change.previously_seen != Some(was.seen.began)
                || !was.seen.precedes(change.observed))
        {
            return Err(format!("a wrong window: {change:?} after {was:?}"));
        }
        Ok(())
    }

    /// Checks that a run whose time is over, as far as changes go, has as many as before.
    fn check_final(&self, before: &State, after: &State, connection: usize) -> Result<(), String> {
        let [were, are] =
            [before, after].map(|state| self.changes(&state.table, connection, self.reader));
        let is_new = |change: &&Change| !were.contains(change);
        match are.iter().find(is_new) {
            Some(late) if before.runs.get(late.run).is_some_and(|run| run.is_stale) => {
                Err(format!("the past changes: {late:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Checks that a run that ends with everything written leaves nothing older than
    /// what it observed.
    fn check_ended(&self, before: &State, after: &State) -> Result<(), String> {
        for (number, (was, is)) in before.runs.iter().zip(&after.runs).enumerate() {
            if was.phase == Phase::Ended || is.phase != Phase::Ended || is.is_partial {
                continue;
            }
            let window = self.observed[number].window;
            for connection in 0..self.connections {
                let view = self.view(&after.table, connection);
                if view
                    .is_none_or(|view| view.seen.began < window.began && view.seen.precedes(window))
                {
                    return Err(format!("complete run {number} left {view:?}"));
                }
            }
        }
        Ok(())
    }

    /// Checks that a run without faults records what it observes, if the others have
    /// crashed.
    fn check_next_run(&self, state: &State) -> Result<(), String> {
        for values in [['a'; MOST_CONNECTIONS], ['b'; MOST_CONNECTIONS]] {
            let rules = Rules {
                protocol: self.protocol,
                connections: self.connections,
                number: self.observed.len(),
                observed: Observed {
                    window: CLOSING,
                    values,
                },
            };
            let mut state = state.clone();
            let mut run = Run::new(0);
            rules.begin(&mut run, &state.table);
            while run.phase != Phase::Ended {
                let before = state.clone();
                if let Some(writes) = rules.step(&mut run, &state.table)
                    && let Phase::Waiting(_, task) = run.phase.clone()
                {
                    let answer = state.table.write(&writes);
                    rules.answered(&mut run, task, &answer);
                }
                if run.requests > 20 {
                    return Err(format!("the next run does not end: {:?}", state.table));
                }
                self.check_tables(&before, &state)
                    .map_err(|problem| format!("in the next run: {problem}"))?;
            }
            for (connection, value) in values.into_iter().enumerate().take(self.connections) {
                let left = state.table.snapshots[connection];
                let is_current =
                    left.is_some_and(|left| left.seen == CLOSING && left.value == value);
                if !is_current
                    || self
                        .changes(&state.table, connection, Reader::Changes)
                        .last()
                        != left.map(|left| left.last).as_ref()
                {
                    return Err(format!("the next run left {:?}", state.table));
                }
            }
        }
        Ok(())
    }

    fn check_tables(&self, before: &State, after: &State) -> Result<(), String> {
        for connection in 0..self.connections {
            self.check_chain(&after.table, connection)?;
            self.check_view(before, after, connection)?;
            self.check_final(before, after, connection)?;
        }
        Ok(())
    }
}

impl Model for Account {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let mut table = Table::default();
        for (connection, value) in self.at_first.iter().enumerate() {
            let Some(value) = *value else { continue };
            let change = Change {
                version: 1,
                run: FIRST,
                before: None,
                after: value,
                previously_seen: None,
                observed: Window { began: 1, ended: 2 },
            };
            let planned = Planned {
                connection,
                known: None,
                change,
            };
            let written = table.write(&[Write::Record(planned)]);
            assert_eq!(written, Ok(()));
        }
        State {
            table,
            runs: vec![Run::new(self.patience); self.observed.len()],
            in_flight: Vec::new(),
        }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        for (number, run) in state.runs.iter().enumerate() {
            match run.phase {
                Phase::Begun | Phase::Working => actions.push(Action::Step(number)),
                Phase::Waiting(..) => actions.push(Action::GiveUp(number)),
                Phase::Ended => {}
            }
            if !run.is_stale && run.phase != Phase::Begun {
                actions.push(Action::Expire(number));
            }
        }
        for (place, request) in state.in_flight.iter().enumerate() {
            let is_awaited = matches!(
                state.runs[request.run].phase,
                Phase::Waiting(number, _) if number == request.number
            );
            if is_awaited {
                actions.push(Action::Answer(place));
            }
            actions.push(Action::Arrive(place));
        }
        actions
    }

    fn next(&self, state: &State, action: Action) -> State {
        let mut state = state.clone();
        match action {
            Action::Step(number) => {
                let rules = self.rules(number);
                let run = &mut state.runs[number];
                if run.phase == Phase::Begun {
                    rules.begin(run, &state.table);
                } else if let Some(writes) = rules.step(run, &state.table) {
                    state.in_flight.push(Request {
                        run: number,
                        number: run.requests,
                        writes,
                    });
                }
            }
            Action::Answer(place) => {
                let request = state.in_flight.remove(place);
                let answer = state.table.write(&request.writes);
                let run = &mut state.runs[request.run];
                if let Phase::Waiting(_, task) = run.phase.clone() {
                    self.rules(request.run).answered(run, task, &answer);
                }
            }
            Action::Arrive(place) => {
                let request = state.in_flight.remove(place);
                let _ = state.table.write(&request.writes);
            }
            Action::GiveUp(number) => {
                let run = &mut state.runs[number];
                if let Phase::Waiting(_, task) = run.phase.clone() {
                    self.rules(number).unanswered(run, task);
                }
            }
            Action::Expire(number) => {
                state.runs[number].is_stale = true;
                let is_touch = |write: &Write| matches!(write, Write::Touch { .. });
                state
                    .in_flight
                    .retain(|request| request.run != number || request.writes.iter().all(is_touch));
            }
        }
        state
    }

    fn check(&self, before: &State, after: &State) -> Result<(), String> {
        self.check_tables(before, after)?;
        self.check_ended(before, after)?;
        if after.in_flight.is_empty() && before.table != after.table {
            self.check_next_run(after)?;
        }
        Ok(())
    }
}
