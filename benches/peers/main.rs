//! Compares the function with alternatives: an idiomatic and an optimized Python
//! function for the same task, a Rust function that does nothing, and one that sends
//! the same bytes without the AWS SDK.
//!
//!     cargo bench --bench peers                          # all; some 20 minutes
//!     cargo bench --bench peers -- --connections 250
//!     cargo bench --bench peers -- --connections 100000   # an hour
//!     cargo bench --bench peers -- --connections 100000 --changed 1,100 --only idiomatic
//!     cargo bench --bench peers -- --write               # and into README.md
//!     cargo bench --bench peers -- --builds before,after # two builds of the function
//!     cargo bench --bench peers -- --concurrency 1,2,4,8,16
//!     cargo bench --bench peers -- --away                # changes with added latency, too
//!     cargo bench --bench peers -- --tls                 # also the cost of TLS connections
//!     cargo bench --bench peers -- --baseline            # the functions alone, against baseline.json
//!
//! Each is a separate process that uses a runtime API, a service and tables of this
//! one. CPU time and memory are those of the process alone. Lambda, TLS and the
//! network are not measured, except for the added latency where the output says so.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a benchmark: counts are far below 2^52, and it stops at errors"
)]

mod baseline;
mod contestant;
#[path = "../../tests/support/fakes/mod.rs"]
mod fakes;
mod front;
mod function;
#[path = "../support/group.rs"]
mod group;
mod instructions;
#[path = "../support/process.rs"]
mod process;
mod programs;
mod report;
mod runtime;
#[path = "../../tests/support/tools.rs"]
mod tools;
mod waited;
mod world;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use baseline::Baseline;
use contestant::Contestant;
use fakes::certificate::Certificate;
use function::{Function, Program};
use group::Group;
use programs::{Beside, IDIOMATIC, Programs};
use report::{Figures, Report, Row, Start};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use waited::{FEW, Recorded, floor, waited};
use world::World;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Sequential updates of more connections take many minutes.
const MANY: usize = 10_000;

/// A run over unchanged connections.
const UNCHANGED: Recorded = Recorded::Changed(0);

/// Percentages of changed connections.
const CHANGED: [usize; 3] = [0, 1, 100];

struct Options {
    connections: Vec<usize>,
    /// Percentages of connections that change in the runs after the first one.
    changed: Vec<usize>,
    /// Measures over `connections` only programs whose name contains this text.
    only: String,
    /// Measured starts of each program.
    starts: usize,
    /// The number of connections of the runs with added latency.
    waited: usize,
    /// Durations are also measured with 1/`share` of a CPU. On Lambda 1,769 MB have one
    /// CPU.
    share: u64,
    /// Whether first runs and those over `changed` are measured with added latency, too.
    away: bool,
    /// Whether to measure runs over TLS too.
    tls: bool,
    /// The number of unchanged connections for counting instructions.
    instructions: usize,
    write: bool,
    beside: Beside,
    /// Compares the machine-independent values with `baseline.json`.
    baseline: bool,
}

const USAGE: &str = "\
cargo bench --bench peers -- [--connections N,N] [--changed PERCENT,PERCENT] [--only NAME]
    [--starts N] [--waited CONNECTIONS] [--share PARTS] [--away] [--tls]
    [--instructions CONNECTIONS]
    [--builds PROGRAM,PROGRAM | --concurrency N,N | --write]
cargo bench --bench peers -- --baseline [--write]";

fn options() -> Option<Options> {
    let mut options = Options {
        connections: vec![250, 10_000],
        changed: CHANGED.to_vec(),
        only: String::new(),
        starts: 15,
        waited: 10_000,
        share: 8,
        away: false,
        tls: false,
        instructions: 250,
        write: false,
        beside: Beside::Peers,
        baseline: false,
    };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--connections" => options.connections = numbers(&words.next()?)?,
            "--changed" => options.changed = numbers(&words.next()?)?,
            "--only" => options.only = words.next()?,
            "--starts" => options.starts = words.next()?.parse().ok()?,
            "--waited" => options.waited = words.next()?.parse().ok()?,
            "--share" => options.share = words.next()?.parse().ok()?,
            "--instructions" => options.instructions = words.next()?.parse().ok()?,
            "--builds" => {
                let builds = words.next()?.split(',').map(PathBuf::from).collect();
                options.beside = Beside::Builds(builds);
            }
            "--concurrency" => options.beside = Beside::Concurrency(numbers(&words.next()?)?),
            "--away" => options.away = true,
            "--tls" => options.tls = true,
            "--write" => options.write = true,
            "--baseline" => options.baseline = true,
            _ => return None,
        }
    }
    if options.changed.iter().any(|percent| *percent > 100) {
        return None;
    }
    // README has all results, and the baseline is of this build of the function.
    let is_all = options.changed == CHANGED && options.only.is_empty() && !options.away;
    let writes_or_compares = options.write || options.baseline;
    (!writes_or_compares || (options.beside == Beside::Peers && is_all)).then_some(options)
}

/// Parses numbers separated by commas.
fn numbers<N: FromStr>(text: &str) -> Option<Vec<N>> {
    text.split(',').map(|number| number.parse().ok()).collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    let mut ended = signal(SignalKind::terminate())?;
    tokio::select! {
        result = measure(options) => result,
        // Dropping the measurement ends its processes. Otherwise a function would continue
        // its run against a port that another program may have by then.
        _ = ended.recv() => Err("ended by a signal".into()),
    }
}

async fn measure(options: Options) -> Result<()> {
    if options.baseline {
        let measured =
            Baseline::measure(&programs::function()?, &programs::dependencies()?).await?;
        return if options.write {
            measured.write()
        } else {
            measured.compare_with_file()
        };
    }
    let programs = Programs::build(&options.beside)?;
    let mut report = Report {
        sizes: programs.sizes()?,
        starts: starts(&programs, options.starts, None).await?,
        ..Report::default()
    };
    report.print_sizes();
    report::print_starts(&report.starts);
    for connections in &options.connections {
        let rows = rows(&programs, *connections, &options).await?;
        report.rows.extend(rows);
    }
    if options.waited > 0 {
        waited(&programs, UNCHANGED, options.waited, "", None).await?;
    }
    if options.away {
        // Unchanged connections were measured above.
        let changed = options.changed.iter().filter(|percent| **percent > 0);
        let later = changed.map(|percent| Recorded::Changed(*percent));
        for run in [Recorded::First].into_iter().chain(later) {
            for connections in &options.connections {
                waited(&programs, run, *connections, &options.only, None).await?;
            }
        }
    }
    if options.tls {
        over_tls(&programs, options.share).await?;
    }
    if options.share > 0 {
        with_share(&programs, &options).await?;
    }
    if options.instructions > 0 {
        report.instructions = instructions::of_all(&programs, options.instructions).await?;
    }
    if options.write {
        report.write()?;
    }
    Ok(())
}

/// Measures the duration from the start of a process to its first request for an event, for
/// all programs in turn.
async fn starts(programs: &Programs, number: usize, group: Option<&Group>) -> Result<Vec<Start>> {
    let world = World::new(0).await?;
    let mut starts: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    // The first start of each reads its files from disk.
    for round in 0..=number {
        for program in programs.all_that_start() {
            let function = Function::start_in(group, program, &world).await?;
            if round > 0 {
                let took = (function.start.as_secs_f64(), function.start_processor);
                starts.entry(program.name).or_default().push(took);
            }
        }
    }
    let start = |(name, took): (&'static str, Vec<(f64, f64)>)| Start {
        name,
        seconds: Figures::of(took.iter().map(|(seconds, _)| *seconds)),
        processor: Figures::of(took.iter().map(|(_, processor)| *processor)),
    };
    Ok(starts.into_iter().map(start).collect())
}

/// Measures all programs over this number of connections, in turn: the first run, and runs
/// with each percentage of changes.
async fn rows(programs: &Programs, connections: usize, options: &Options) -> Result<Vec<Row>> {
    let runs = (40_000 / connections.max(1)).clamp(2, 40);
    let mut contestants = Vec::new();
    let mut rows = Vec::new();
    let wanted = |program: &&Program| program.name.contains(&options.only);
    for program in programs.contestants.iter().filter(wanted) {
        let mut contestant = Contestant::new(program, connections).await?;
        let first = contestant.invoke().await?;
        rows.push(contestant.row("first run", &[first])?.printed());
        contestants.push(contestant);
    }
    if contestants.is_empty() {
        return Err(format!("no program has {:?} in its name", options.only).into());
    }
    for &percent in &options.changed {
        let runs = if percent < 100 { runs } else { 2 };
        let mut invocations: Vec<Vec<_>> = contestants.iter().map(|_| Vec::new()).collect();
        let recorded = contestants.first_mut();
        let recorded = recorded.filter(|first| percent == 0 && first.is_the_function);
        let mut floor = if let Some(recorded) = recorded {
            let kept = recorded.keep().await?;
            let mut floor = floor(programs, connections, kept, false, None).await?;
            // A first invocation opens its connections.
            floor.invoke().await?;
            Some((floor, Vec::new()))
        } else {
            None
        };
        for contestant in &contestants {
            contestant.world.change(percent);
        }
        for run in 0..runs {
            for (contestant, invocations) in contestants.iter_mut().zip(&mut invocations) {
                if run >= most_runs(contestant.name, connections) {
                    continue;
                }
                invocations.push(contestant.invoke().await?);
            }
            if let Some((floor, invocations)) = &mut floor {
                invocations.push(floor.invoke().await?);
            }
        }
        let what = format!("{percent} % changed");
        for (contestant, invocations) in contestants.iter().zip(&invocations) {
            if !invocations.is_empty() {
                rows.push(contestant.row(&what, invocations)?.printed());
            }
        }
        if let Some((floor, invocations)) = &floor {
            rows.push(floor.row(&what, invocations)?.printed());
        }
    }
    Ok(rows)
}

/// Returns the maximum number of runs of a program after its first one.
fn most_runs(name: &str, connections: usize) -> usize {
    if name != IDIOMATIC || connections <= FEW {
        usize::MAX
    } else if connections <= MANY {
        2
    } else {
        1
    }
}

fn certificate() -> Certificate {
    Certificate::in_folder(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// Measures the first and second run of a process over TLS. The peers do not trust the
/// certificate.
async fn over_tls(programs: &Programs, parts: u64) -> Result<()> {
    const CONNECTIONS: usize = 100;
    let tls = certificate();
    let small = (parts > 0).then(|| Group::of_processor(parts));
    // `with_share` reports missing control groups.
    let small = small.and_then(io::Result::ok);
    let programs = programs.contestants.iter();
    for program in programs.filter(|program| program.is_the_function()) {
        let world = World::with_tls(CONNECTIONS, Some(&tls)).await?;
        let mut recording = Function::start(program, &world).await?;
        recording.invoke(&json!({})).await?;
        for group in [None].into_iter().chain(small.as_ref().map(Some)) {
            let mut took = [Vec::new(), Vec::new()];
            for _ in 0..9 {
                let mut function = Function::start_in(group, program, &world).await?;
                for took in &mut took {
                    took.push(function.invoke(&json!({})).await?);
                }
            }
            let share = group.map_or_else(String::new, |_| {
                format!(", one of {parts} parts of a processor")
            });
            for (run, took) in ["first", "second"].iter().zip(took) {
                report::print_over_tls(program.name, CONNECTIONS, run, &share, &took);
            }
        }
    }
    Ok(())
}

/// Measures durations again with a share of a CPU.
async fn with_share(programs: &Programs, options: &Options) -> Result<()> {
    let group = match Group::of_processor(options.share) {
        Ok(group) => group,
        Err(error) => {
            println!("\nnot measured with a share of a processor: {error}");
            return Ok(());
        }
    };
    println!("\nwith one of {} parts of a processor:", options.share);
    report::print_starts(&starts(programs, options.starts.min(5), Some(&group)).await?);
    for connections in [250, options.waited] {
        waited(programs, UNCHANGED, connections, "", Some(&group)).await?;
    }
    Ok(())
}
