//! A randomly changing account, its state at each run, and a comparison with the recorded
//! changes.

use std::collections::{BTreeMap, HashMap};

use codeconnections_inventory::domain::{
    Attributes, Change, Clock, Outcome, SystemClock, Timestamp,
};
use codeconnections_inventory::local::codeconnections::{
    CreateConnectionInput, ProviderType, RegionAccess, Scope,
};
use fastrand::Rng;

use crate::support::test_env::{REGION, TestEnv};

/// An opt-in region, which is denied at times.
pub const OPT_IN: &str = "eu-south-1";

const STATUSES: [&str; 3] = ["PENDING", "AVAILABLE", "ERROR"];

/// The listed attributes of a connection: name, status and host.
type Shown = (String, String, Option<String>);

/// The listed attributes of a connection from a run and a time on; none if it was absent.
struct Truth {
    from: usize,
    at: Timestamp,
    shown: Option<Shown>,
}

/// One account of the emulator.
pub struct Account {
    pub id: &'static str,
    /// Approximate number of connections.
    size: usize,
    histories: BTreeMap<String, Vec<Truth>>,
    /// A connection of another account, shared with this one at times.
    shared: String,
    is_denied: bool,
    made: usize,
    runs: Vec<(String, Outcome)>,
}

impl Account {
    pub fn new(env: &TestEnv, id: &'static str, size: usize) -> Self {
        let owner = Scope::new("999999999999", REGION);
        let input = CreateConnectionInput::new(&format!("for-{id}"), ProviderType::GitHub);
        let shared = env.codeconnections.state().create_connection(&owner, input);
        let mut account = Self {
            id,
            size,
            histories: BTreeMap::new(),
            shared: shared.expect("created").connection_arn,
            is_denied: false,
            made: 0,
            runs: Vec::new(),
        };
        for n in 0..size {
            account.create(env, if n % 8 == 0 { OPT_IN } else { REGION });
        }
        account
    }

    /// Returns the number of runs so far.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Records a run and its outcome.
    pub fn ran(&mut self, run_id: &str, outcome: Outcome) {
        self.runs.push((run_id.to_owned(), outcome));
    }

    /// Makes a few random changes.
    pub fn change(&mut self, env: &TestEnv, random: &mut Rng) {
        for _ in 0..random.usize(0..4) {
            let there = self.there();
            let any = there.get(random.usize(0..there.len().max(1))).cloned();
            match (random.u8(0..20), any) {
                // Tombstones stay in the table, and each run reads them. Their number is
                // limited, so that they do not look like a memory leak.
                (0..3, _) if self.made < 2 * self.size => {
                    self.create(env, if random.bool() { REGION } else { OPT_IN });
                }
                (3..5, Some(arn)) if there.len() > self.size / 2 && arn != self.shared => {
                    env.delete(&arn);
                    self.note(env, &arn);
                }
                (5..7, _) => self.share(env, !there.contains(&self.shared)),
                (7, _) => self.deny(env, !self.is_denied),
                (8, Some(arn)) => {
                    let host = format!(
                        "arn:aws:codeconnections:{REGION}:{}:host/h-{}",
                        self.id,
                        random.u8(..3)
                    );
                    let mut world = env.codeconnections.state();
                    world.set_connection_host(&arn, Some(host)).expect("moved");
                    drop(world);
                    self.note(env, &arn);
                }
                (9, Some(arn)) => {
                    let name = format!("renamed-{}", random.u8(..));
                    let renamed = env.codeconnections.state().rename_connection(&arn, &name);
                    renamed.expect("renamed");
                    self.note(env, &arn);
                }
                (_, Some(arn)) => {
                    env.set_status(&arn, STATUSES[random.usize(0..STATUSES.len())]);
                    self.note(env, &arn);
                }
                (_, None) => {}
            }
        }
    }

    /// Allows access to every region again.
    pub fn allow(&mut self, env: &TestEnv) {
        self.deny(env, false);
    }

    fn deny(&mut self, env: &TestEnv, denies: bool) {
        let restriction = denies.then_some(RegionAccess::Denied);
        let mut world = env.codeconnections.state();
        world.set_region_access(self.id, OPT_IN, restriction);
        self.is_denied = denies;
    }

    fn create(&mut self, env: &TestEnv, region: &str) {
        self.made += 1;
        let scope = Scope::new(self.id, region);
        let name = format!("connection-{}", self.made);
        let input = CreateConnectionInput::new(&name, ProviderType::GitHub);
        let made = env.codeconnections.state().create_connection(&scope, input);
        self.note(env, &made.expect("created").connection_arn);
    }

    fn share(&mut self, env: &TestEnv, shares: bool) {
        let arn = self.shared.clone();
        let mut world = env.codeconnections.state();
        let done = if shares {
            world.share(&arn, self.id)
        } else {
            world.unshare(&arn, self.id)
        };
        done.expect("shared, or not");
        drop(world);
        self.note(env, &arn);
    }

    fn there(&self) -> Vec<String> {
        let is_there =
            |history: &Vec<Truth>| history.last().is_some_and(|truth| truth.shown.is_some());
        let there = self
            .histories
            .iter()
            .filter(|(_, history)| is_there(history));
        there.map(|(arn, _)| arn.clone()).collect()
    }

    /// Records the listed attributes of a connection from now on.
    fn note(&mut self, env: &TestEnv, arn: &str) {
        let world = env.codeconnections.state();
        let record = world
            .connections()
            .find(|r| r.connection.connection_arn == arn);
        let owned = |owner: &str| owner == self.id;
        let shown = record
            .filter(|r| owned(&r.connection.owner_account_id) || r.shared_with.contains(self.id))
            .map(|r| {
                let c = &r.connection;
                let status = c.connection_status.as_str().to_owned();
                (c.connection_name.clone(), status, c.host_arn.clone())
            });
        let from = self.runs.len();
        let history = self.histories.entry(arn.to_owned()).or_default();
        if history.last().is_some_and(|truth| truth.shown == shown) {
            return;
        }
        let at = SystemClock.now();
        // Without a run in between, no run observed the previous state. The new state may
        // equal the one before it.
        if history.last().is_some_and(|truth| truth.from == from) {
            history.pop();
            if history.last().is_some_and(|truth| truth.shown == shown) {
                return;
            }
        }
        history.push(Truth { from, at, shown });
    }

    /// Compares the recorded changes with the true history. `changes` are those of each
    /// connection, by version.
    pub fn compare(&self, changes: &HashMap<String, Vec<Change>>) {
        let runs = self.runs.iter().enumerate();
        let numbers: HashMap<&str, usize> = runs.map(|(i, (id, _))| (id.as_str(), i)).collect();
        for arn in changes.keys() {
            assert!(self.histories.contains_key(arn), "{arn} was never there");
        }
        for (arn, history) in &self.histories {
            let changes = changes.get(arn).map_or(&[][..], Vec::as_slice);
            // Each recorded change is the true state at its run, recorded once, and within its
            // window.
            let mut steps: Vec<(usize, Option<Shown>)> = Vec::new();
            for change in changes {
                let number = *numbers
                    .get(change.run_id.as_str())
                    .unwrap_or_else(|| panic!("{arn}: a change of no run: {change:?}"));
                let truth = history.iter().rev().find(|truth| truth.from <= number);
                let truth = truth.unwrap_or_else(|| panic!("{arn} was not there: {change:?}"));
                let recorded = change.after.as_ref().map(shown);
                assert_eq!(recorded, truth.shown, "{arn}: {change:?}");
                let before = steps.last();
                assert!(before.is_none_or(|(n, _)| *n < number), "{arn}: {change:?}");
                let previous = before.and_then(|(_, shown)| shown.as_ref());
                assert_ne!(previous, recorded.as_ref(), "{arn}: twice: {change:?}");
                assert!(truth.at <= change.observed_until, "{arn}: {change:?}");
                let seen = change.previously_seen_at;
                assert!(
                    seen.is_none_or(|seen| seen <= truth.at),
                    "{arn}: {change:?}"
                );
                steps.push((number, recorded));
            }
            // Every state that a complete run observed is recorded.
            for (i, truth) in history.iter().enumerate() {
                let end = history.get(i + 1).map_or(self.runs.len(), |next| next.from);
                let complete = |n: &usize| self.runs[*n].1 == Outcome::Complete;
                let Some(saw) = (truth.from..end).find(complete) else {
                    continue;
                };
                let recorded = steps.iter().rev().find(|(number, _)| *number <= saw);
                let recorded = recorded.and_then(|(_, shown)| shown.as_ref());
                assert_eq!(recorded, truth.shown.as_ref(), "{arn}: lost, in run {saw}");
            }
        }
    }
}

fn shown(attributes: &Attributes) -> Shown {
    let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    (
        text(&attributes.connection_name).unwrap_or_default(),
        attributes.status_word().to_owned(),
        text(&attributes.host_arn),
    )
}
