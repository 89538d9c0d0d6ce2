//! The schedule of a life: how the account changes, which runs list it, and
//! which faults occur. All of it comes from a seed and can be shrunk.

use std::time::Duration;

use proptest::prelude::*;

pub const REGIONS: [&str; 3] = ["eu-south-1", "eu-west-1", "us-east-1"];
pub const STATUSES: [&str; 3] = ["PENDING", "AVAILABLE", "ERROR"];

/// The state of a connection while it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    pub status: usize,
    pub host: u8,
}

/// The schedule of a whole life.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The initial status of each connection; `None` if it does not exist yet.
    pub at_first: Vec<Option<usize>>,
    pub steps: Vec<Step>,
}

/// A step. A run continues during the steps that follow it.
#[derive(Debug, Clone)]
pub enum Step {
    /// The connection exists, with this status.
    Show(usize, usize),
    /// Its host changes.
    Rehost(usize, u8),
    /// It is deleted.
    Hide(usize),
    /// All connections are deleted.
    HideAll,
    Run(Run),
    Wait(Wait),
}

#[derive(Debug, Clone, Copy)]
pub enum Wait {
    /// A part of a run.
    Millis(u64),
    /// As long as runs take.
    Seconds(u64),
    /// Until the next scheduled run. Earlier runs may still be active.
    Minutes(u64),
}

impl Wait {
    pub fn duration(self) -> Duration {
        match self {
            Self::Millis(n) => Duration::from_millis(n),
            Self::Seconds(n) => Duration::from_secs(n),
            Self::Minutes(n) => Duration::from_mins(n),
        }
    }
}

/// One invocation of the function, in a process of its own.
#[derive(Debug, Clone)]
pub struct Run {
    pub event: Event,
    /// Whether listing is denied, by region.
    pub denied: Vec<bool>,
    /// Whether only connections of one provider are listed.
    pub filtered: bool,
    pub accept_deletions: bool,
    /// The time limit in seconds.
    pub seconds: u64,
    pub line: Line,
    /// The request at which the process ends, before or after the request
    /// arrives.
    pub killed: Option<Kill>,
    /// The error of its clock in seconds.
    pub clock_off: i64,
}

/// What starts a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A schedule's tick.
    Tick,
    /// A second delivery of the last tick.
    Again,
    /// The event of an API call about this connection.
    Call(usize),
    /// The same, through the queue.
    Queued(usize),
    /// A manual request for some regions, or for all if it names none.
    Manual([bool; REGIONS.len()]),
}

impl Event {
    /// Returns the connection that a call was about.
    pub fn call(self) -> Option<usize> {
        match self {
            Self::Call(connection) | Self::Queued(connection) => Some(connection),
            Self::Tick | Self::Again | Self::Manual(_) => None,
        }
    }
}

/// The quality of the network between a process and the two services.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// The number of faults per thousand requests.
    pub faults: u16,
    /// The longest delay of a request or response in milliseconds.
    pub slowest: u64,
    /// The seed that decides about each request.
    pub seed: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Kill {
    pub at: u32,
    pub after: bool,
}

impl Run {
    /// Returns an undisturbed run of all regions.
    pub fn undisturbed() -> Self {
        Self {
            event: Event::Manual([false; REGIONS.len()]),
            denied: vec![false; REGIONS.len()],
            filtered: false,
            accept_deletions: true,
            seconds: 60,
            line: Line {
                faults: 0,
                slowest: 1,
                seed: 0,
            },
            killed: None,
            clock_off: 0,
        }
    }

    /// Returns true if nothing of its own prevents it from being complete.
    pub fn is_undisturbed(&self) -> bool {
        let Line {
            faults, slowest, ..
        } = self.line;
        faults == 0 && slowest <= 50 && self.killed.is_none() && self.clock_off == 0
    }

    /// Returns true if it lists this region.
    pub fn asks(&self, region: usize) -> bool {
        match self.event {
            Event::Manual(regions) => regions[region] || !regions.contains(&true),
            _ => true,
        }
    }
}

/// Returns the regions that list a connection. It never changes: one connection
/// is global, one is listed by an opt-in region only, …
pub fn listed_by(connection: usize) -> &'static [usize] {
    match connection % 5 {
        0 => &[0],
        1 => &[1, 2],
        2 => &[1],
        3 => &[0, 1, 2],
        _ => &[2],
    }
}

/// Returns true if the filter matches a connection: only those with even
/// numbers have its provider.
pub fn passes_filter(connection: usize) -> bool {
    connection.is_multiple_of(2)
}

pub fn schedules() -> impl Strategy<Value = Schedule> {
    // Most lives are small; some have enough connections for the guard.
    let connections = prop_oneof![6 => 1..6usize, 1 => Just(14usize)];
    connections.prop_flat_map(|connections| {
        let status = prop::option::weighted(0.7, 0..STATUSES.len());
        let at_first = prop::collection::vec(status, connections);
        let steps = prop::collection::vec(step(connections), 1..40);
        (at_first, steps).prop_map(|(at_first, steps)| Schedule { at_first, steps })
    })
}

fn step(connections: usize) -> impl Strategy<Value = Step> {
    let connection = 0..connections;
    prop_oneof![
        9 => (connection.clone(), 0..STATUSES.len()).prop_map(|(c, s)| Step::Show(c, s)),
        1 => (connection.clone(), 1..3u8).prop_map(|(c, h)| Step::Rehost(c, h)),
        2 => connection.prop_map(Step::Hide),
        1 => Just(Step::HideAll),
        9 => run(connections).prop_map(Step::Run),
        3 => (1..400u64).prop_map(|n| Step::Wait(Wait::Millis(n))),
        3 => (1..70u64).prop_map(|n| Step::Wait(Wait::Seconds(n))),
        3 => (1..60u64).prop_map(|n| Step::Wait(Wait::Minutes(n))),
    ]
}

fn run(connections: usize) -> impl Strategy<Value = Run> {
    let connection = 0..connections;
    let event = prop_oneof![
        6 => Just(Event::Tick),
        2 => Just(Event::Again),
        1 => connection.clone().prop_map(Event::Call),
        1 => connection.prop_map(Event::Queued),
        1 => any::<[bool; REGIONS.len()]>().prop_map(Event::Manual),
    ];
    let denied = prop_oneof![
        4 => Just(vec![false; REGIONS.len()]),
        1 => prop::collection::vec(any::<bool>(), REGIONS.len()),
    ];
    let line = (
        prop_oneof![3 => Just(0u16), 2 => 1..120u16, 1 => 120..600u16],
        // Longer than the SDK waits for a response, but not so long that the
        // signature of a request expires.
        prop_oneof![5 => 1..50u64, 2 => 50..5_000u64, 1 => 5_000..50_000u64],
        any::<u64>(),
    );
    let line = line.prop_map(|(faults, slowest, seed)| Line {
        faults,
        slowest,
        seed,
    });
    let killed = (1..16u32, any::<bool>()).prop_map(|(at, after)| Kill { at, after });
    (
        event,
        denied,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        prop_oneof![1 => Just(5u64), 5 => Just(60u64), 1 => Just(900u64)],
        line,
        prop::option::weighted(0.2, killed),
        prop_oneof![20 => Just(0i64), 1 => -600..600i64],
    )
        .prop_map(
            |(event, denied, filtered, accept_deletions, seconds, line, killed, clock_off)| Run {
                event,
                denied,
                filtered,
                accept_deletions,
                seconds,
                line,
                killed,
                clock_off,
            },
        )
}
