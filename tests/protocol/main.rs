//! A model of how runs write changes: every interleaving of two or three runs of one
//! account, with crashes, lost answers and requests that arrive late.
//!
//!     cargo test --test protocol
//!     TEST_CASES=20 cargo test --test protocol    # every account, not a few
//!
//! It compares three protocols. Changes in transactions, several in each, keep every
//! promise. Two that need no transaction do not; tests find the counterexamples:
//! - **The change, then its snapshot.** Between the two, another run may see the
//!   connection unchanged. Then what it saw is overwritten by the older observation.
//! - **The snapshot with its change, then the change.** After a crash the next run
//!   inserts the change, in a time range that was final. Readers would have to look
//!   into every snapshot for the changes of a time range: with them, this protocol
//!   keeps every promise, too.
//!
//! A run that crashes is one that does nothing more.

#![allow(missing_docs, reason = "a test")]

mod account;
#[path = "../support/cases.rs"]
mod cases;
mod explorer;
mod run;
mod table;

use account::{Account, Action, Reader};
use cases::cases;
use explorer::{Counterexample, explore};
use run::{Observed, Protocol};
use table::{Value, Window};

/// Listings one after another, and one that began first and ended last.
const IN_TURN: [Window; 3] = [window(10, 11), window(20, 21), window(30, 31)];
const OVERLAPPING: [Window; 3] = [window(10, 25), window(20, 21), window(24, 31)];

const fn window(began: u8, ended: u8) -> Window {
    Window { began, ended }
}

/// What happens to one connection: its state at first, and what each run observes.
type Story = (Option<Value>, [Value; 3]);

/// Returns every account of this many connections and runs, as far as they differ: at
/// first each connection is unknown or in state `a`, and each run sees it in state `a`
/// or `b`.
fn accounts(connections: usize, runs: usize, patience: u8) -> Vec<Account> {
    let story = |case: usize| -> Story {
        let bit = |place: usize| case & (1 << place) != 0;
        let value = |run: usize| if bit(run + 1) { 'b' } else { 'a' };
        (bit(0).then_some('a'), std::array::from_fn(value))
    };
    let stories: Vec<Story> = (0..2 << runs).map(story).collect();
    let mut accounts = Vec::new();
    for windows in [IN_TURN, OVERLAPPING] {
        for (place, first) in stories.iter().enumerate() {
            // The order of connections makes no difference.
            for second in &stories[place..] {
                let both = [first, second];
                let observed = |run: usize| Observed {
                    window: windows[run],
                    values: both.map(|(_, values)| values[run]),
                };
                accounts.push(Account {
                    protocol: Protocol::Transaction,
                    reader: Reader::Changes,
                    connections,
                    at_first: std::array::from_fn(|n| both[n].0.filter(|_| n < connections)),
                    observed: (0..runs).map(observed).collect(),
                    patience,
                });
                if connections == 1 {
                    break;
                }
            }
        }
    }
    accounts
}

/// Explores `most` of the accounts, spread over all of them, on all processors. Returns
/// how many, and the number of their states.
fn explore_some(
    accounts: &[Account],
    most: usize,
) -> Result<(usize, usize), (Account, Counterexample<Action>)> {
    let some: Vec<&Account> = accounts
        .iter()
        .step_by(accounts.len().div_ceil(most).max(1))
        .collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let explored: Vec<_> = std::thread::scope(|scope| {
        let of_thread = |first: usize| {
            let mine = some.iter().skip(first).step_by(processors);
            scope.spawn(move || {
                mine.map(|account| explore(*account).map_err(|found| ((*account).clone(), found)))
                    .sum::<Result<usize, _>>()
            })
        };
        let threads: Vec<_> = (0..processors).map(of_thread).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut states = 0;
    for explored in explored {
        states += explored.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    Ok((some.len(), states))
}

/// Asserts that transactions break no invariant.
fn assert_kept(accounts: &[Account], usual: u32) {
    let most = usize::try_from(cases(usual)).unwrap_or(usize::MAX);
    match explore_some(accounts, most) {
        Ok((explored, states)) => println!("{explored} accounts, {states} states"),
        Err((account, found)) => panic!("{account:?}\n{found}"),
    }
}

#[test]
fn transactions_of_two_runs_keep_every_promise() {
    assert_kept(&accounts(2, 2, 1), 4);
}

#[test]
fn transactions_of_three_runs_keep_every_promise() {
    assert_kept(&accounts(1, 3, 0), 2);
}

/// Returns a behaviour by which a protocol breaks an invariant.
fn broken(protocol: Protocol, reader: Reader) -> Option<String> {
    let accounts = accounts(1, 2, 0);
    let accounts = accounts.into_iter().map(|account| Account {
        protocol,
        reader,
        ..account
    });
    let found = explore_some(&accounts.collect::<Vec<_>>(), usize::MAX);
    let (account, found) = found.err()?;
    println!("{account:?}\n{found}");
    Some(found.problem)
}

#[test]
fn change_first_overwrites_a_newer_observation() {
    let problem = broken(Protocol::ChangeFirst, Reader::Changes);
    assert!(problem.is_some_and(|problem| problem.starts_with("backwards")));
}

#[test]
fn snapshot_first_changes_the_past() {
    let problem = broken(Protocol::SnapshotFirst, Reader::Changes);
    assert!(problem.is_some_and(|problem| problem.contains("the past changes")));
}

#[test]
fn snapshot_first_keeps_every_promise_to_readers_of_all_snapshots() {
    assert_eq!(
        broken(Protocol::SnapshotFirst, Reader::ChangesAndSnapshots),
        None
    );
}
