//! Calculates the duration by latency alone: the measured requests of a run, sequential and
//! concurrent as a run sends them, with a given CPU time. Not a measurement.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::options::Options;

/// The requests and CPU time of one run.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Pages of the listing, sequential.
    pub pages: u64,
    /// Batches of writes, `concurrency` of them concurrent.
    pub batches: u64,
    /// Write units of one batch.
    pub batch_units: f64,
    /// CPU time of one run in microseconds.
    pub processor_us: u64,
}

/// The calculated durations.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Schedule {
    pub seconds: f64,
    pub mean_run_seconds: f64,
    pub longest_run_seconds: f64,
    pub units_a_second: f64,
}

/// The stage of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Listing { left: u64 },
    Batch,
    Record,
    AccountRecord,
    Done,
}

struct Run {
    began: u64,
    batches_left: u64,
    under_way: u64,
}

/// Calculates the runs of all accounts, in microseconds. `units_a_second` is the throughput
/// of the table. Writes above it are queued, which is faster than throttling and retries.
pub fn calculate(options: &Options, shape: Shape, units_a_second: Option<f64>) -> Schedule {
    let mut random = fastrand::Rng::with_seed(1);
    let mut between = |(least, most): (u64, u64)| random.u64(least * 1_000..=most * 1_000);
    let mut table = Throughput::new(units_a_second);
    let mut events = BinaryHeap::new();
    let mut runs: Vec<Run> = Vec::with_capacity(options.accounts);
    let begin = |at: u64, runs: &mut Vec<Run>, wait: u64| {
        runs.push(Run {
            began: at,
            batches_left: shape.batches,
            under_way: 0,
        });
        let listing = Stage::Listing { left: shape.pages };
        Reverse((at + wait + shape.processor_us, runs.len() - 1, listing))
    };
    for _ in 0..options.at_once.min(options.accounts) {
        let wait = between(options.sts_ms);
        events.push(begin(0, &mut runs, wait));
    }
    let (mut end, mut longest, mut sum) = (0, 0, 0);
    while let Some(Reverse((now, number, stage))) = events.pop() {
        match stage {
            Stage::Listing { left: 0 } => {
                for _ in 0..(options.concurrency as u64).min(shape.batches).max(1) {
                    runs[number].under_way += 1;
                    events.push(Reverse((now, number, Stage::Batch)));
                }
            }
            Stage::Listing { left } => {
                let at = now + between(options.listing_ms);
                events.push(Reverse((at, number, Stage::Listing { left: left - 1 })));
            }
            Stage::Batch => {
                let run = &mut runs[number];
                if run.batches_left > 0 {
                    run.batches_left -= 1;
                    let at = table.admits(now, shape.batch_units) + between(options.table_ms);
                    events.push(Reverse((at, number, Stage::Batch)));
                } else {
                    run.under_way -= 1;
                    if run.under_way == 0 {
                        events.push(Reverse((now, number, Stage::Record)));
                    }
                }
            }
            Stage::Record | Stage::AccountRecord => {
                let next = match stage {
                    Stage::Record => Stage::AccountRecord,
                    _ => Stage::Done,
                };
                let at = table.admits(now, 1.0) + between(options.table_ms);
                events.push(Reverse((at, number, next)));
            }
            Stage::Done => {
                let lasted = now - runs[number].began;
                (end, longest, sum) = (now, longest.max(lasted), sum + lasted);
                if runs.len() < options.accounts {
                    let wait = between(options.sts_ms);
                    events.push(begin(now, &mut runs, wait));
                }
            }
        }
    }
    let seconds = |us: u64| us as f64 / 1e6;
    Schedule {
        seconds: seconds(end),
        mean_run_seconds: seconds(sum) / options.accounts as f64,
        longest_run_seconds: seconds(longest),
        units_a_second: table.taken / seconds(end),
    }
}

/// A table with a sequential throughput.
struct Throughput {
    rate: Option<f64>,
    free_at: f64,
    taken: f64,
}

impl Throughput {
    fn new(rate: Option<f64>) -> Self {
        Self {
            rate,
            free_at: 0.0,
            taken: 0.0,
        }
    }

    /// Returns when a write of `units` that arrives at `now` is accepted.
    fn admits(&mut self, now: u64, units: f64) -> u64 {
        self.taken += units;
        let Some(rate) = self.rate else { return now };
        let at = self.free_at.max(now as f64);
        self.free_at = at + units / rate * 1e6;
        at as u64
    }
}
