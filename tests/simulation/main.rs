//! Simulates random lives of an account. Each life comes from a seed and runs
//! in virtual time, with the real handler and the SDK's real clients, and with
//! faults, crashes, late and repeated runs. Its record is compared with a
//! reference.
//!
//!     cargo test --test simulation
//!     cargo test --profile simulation --test simulation -- --lives 100000
//!     cargo test --test simulation -- --seed 4711 --trace
//!
//! The same seed gives the same life, request by request: virtual time passes
//! only while all tasks wait, and all randomness comes from the seed. The
//! printed digest covers all requests, so lives of two processes can be
//! compared. A failing life is shrunk.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test"
)]

mod life;
mod network;
mod reference;
mod schedule;
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use life::Counts;
use schedule::Schedule;
use support::cases::cases;

/// The number of lives in `cargo test`, times `TEST_CASES`.
const USUAL: u32 = 40;

/// Seeds of lives that once failed.
const FOUND: [u64; 7] = [149, 438, 954, 2043, 5677, 70_244, 71_925];

/// The number of lives that are repeated, here and in another process, to check
/// that they are deterministic.
const REPEATED: u64 = 10;

const USAGE: &str = "\
cargo test --test simulation -- [OPTIONS]

  --lives N      lives [40, times TEST_CASES]
  --seed N       the first one's seed [0]; with no --lives, this one alone
  --threads N    at the same time [one for each processor]
  --trace        print the first life, and what happens to each request
  --digest       print the digest of the lives, and nothing else";

struct Options {
    lives: u64,
    seed: u64,
    threads: usize,
    trace: bool,
    digest: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = match options(&words) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // A life that panics is reported as a failed one.
    std::panic::set_hook(Box::new(|_| {}));
    if options.digest {
        println!("{:016x}", digest(options.seed, options.lives));
        return ExitCode::SUCCESS;
    }
    if let Err(problem) = check_determinism(options.seed, REPEATED.min(options.lives)) {
        println!("{problem}");
        return ExitCode::FAILURE;
    }
    if options.trace {
        let schedule = tree(options.seed).current();
        println!("{schedule:#?}\n");
        simulate(&schedule)
            .0
            .log
            .iter()
            .for_each(|line| println!("{line}"));
    }
    for seed in FOUND {
        if let Err(problem) = simulate(&tree(seed).current()).1 {
            println!("seed {seed}, as once before: {problem}");
            return ExitCode::FAILURE;
        }
    }
    match search(&options) {
        None => {
            println!("test result: ok. 1 passed; 0 failed; 0 ignored");
            ExitCode::SUCCESS
        }
        Some((seed, problem)) => {
            println!("seed {seed}: {problem}\n");
            let (smallest, problem) = shrink(seed);
            println!("made smaller: {smallest:#?}\n\n{problem}\n");
            let log = simulate(&smallest).0.log;
            log.iter().for_each(|line| println!("{line}"));
            if options.trace {
                simulate(&smallest)
                    .0
                    .log
                    .iter()
                    .for_each(|line| println!("{line}"));
            }
            println!(
                "\ncargo test --test simulation -- --seed {seed} --trace\n\ntest result: FAILED"
            );
            ExitCode::FAILURE
        }
    }
}

/// Parses the arguments. Returns `None` if there is nothing to do.
fn options(words: &[String]) -> Result<Option<Options>, String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        lives: 0,
        seed: 0,
        threads: processors,
        trace: false,
        digest: false,
    };
    let mut lives = None;
    let mut seed = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--lives" => lives = Some(number()?),
            "--seed" => seed = Some(number()?),
            "--threads" => options.threads = usize::try_from(number()?).unwrap_or(1).max(1),
            "--trace" => options.trace = true,
            "--digest" => options.digest = true,
            // Arguments of the usual test harness.
            "--list" => return Ok(None),
            "--nocapture" | "--quiet" | "-q" | "--exact" => {}
            name if name.starts_with('-') => return Err(format!("{name} is not known")),
            name if "simulation".contains(name) => {}
            _ => return Ok(None),
        }
    }
    options.seed = seed.unwrap_or(0);
    options.lives = lives.unwrap_or_else(|| match seed {
        Some(_) => 1,
        None => u64::from(cases(USUAL)),
    });
    Ok(Some(options))
}

/// Returns the life that a seed generates.
fn tree(seed: u64) -> impl ValueTree<Value = Schedule> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let tree = schedule::schedules().new_tree(&mut runner);
    tree.expect("any seed gives a life")
}

/// Simulates a life. A panic is a failure.
fn simulate(schedule: &Schedule) -> (Counts, Result<(), String>) {
    match catch_unwind(AssertUnwindSafe(|| life::simulate(schedule))) {
        Ok(result) => result,
        Err(panic) => {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
            let problem = format!("panicked: {}", message.unwrap_or_default());
            (Counts::default(), Err(problem))
        }
    }
}

/// Checks that lives are the same if repeated, here and in another process.
fn check_determinism(seed: u64, lives: u64) -> Result<(), String> {
    let mut all = Counts::default();
    for seed in seed..seed + lives {
        let schedule = tree(seed).current();
        let (one, two) = (simulate(&schedule).0, simulate(&schedule).0);
        if one.log != two.log {
            return Err(format!("seed {seed}: not the same life twice"));
        }
        all.add(&one);
    }
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let other = Command::new(here)
        .args(["--digest", "--seed", &seed.to_string()])
        .args(["--lives", &lives.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let other = String::from_utf8_lossy(&other.stdout).trim().to_owned();
    let digest = format!("{:016x}", all.digest);
    if other != digest {
        return Err(format!(
            "{lives} lives from seed {seed}: {digest} here, and {other} in another process"
        ));
    }
    Ok(())
}

/// Returns the digest of all requests of some lives.
fn digest(seed: u64, lives: u64) -> u64 {
    let mut all = Counts::default();
    (seed..seed + lives).for_each(|seed| all.add(&simulate(&tree(seed).current()).0));
    all.digest
}

/// Simulates lives until one fails. Returns its seed and the problem.
fn search(options: &Options) -> Option<(u64, String)> {
    let began = Instant::now();
    let next = AtomicU64::new(options.seed);
    let end = options.seed + options.lives;
    let stop = AtomicBool::new(false);
    let found = Mutex::new(None);
    let total = Mutex::new((0, Counts::default()));
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let (counts, result) = simulate(&tree(seed).current());
                    if let Err(problem) = result {
                        stop.store(true, Ordering::Relaxed);
                        let mut found = found.lock().expect("no panic");
                        found.get_or_insert((seed, problem));
                    }
                    let mut total = total.lock().expect("no panic");
                    total.0 += 1;
                    total.1.add(&counts);
                    if total.0 % 5000 == 0 {
                        let rate = f64::from(total.0) / began.elapsed().as_secs_f64();
                        println!("{} lives, {rate:.0} a second", total.0);
                    }
                }
            });
        }
    });
    let (lives, counts) = total.into_inner().expect("no panic");
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{lives} lives from seed {} in {seconds:.1} s, {:.0} a second: {} runs, of which {} did not end by \
         themselves, {} requests, of which {} failed, {} changes recorded; digest {:016x}",
        options.seed,
        f64::from(lives) / seconds,
        counts.runs,
        counts.killed,
        counts.requests,
        counts.faults,
        counts.changes,
        counts.digest,
    );
    found.into_inner().expect("no panic")
}

/// Shrinks the failing life of this seed. Returns it with its problem.
fn shrink(seed: u64) -> (Schedule, String) {
    let mut tree = tree(seed);
    let mut smallest = tree.current();
    let mut problem = String::new();
    let mut tries = 0;
    let mut smaller = true;
    while smaller && tries < 2000 {
        tries += 1;
        let schedule = tree.current();
        smaller = match simulate(&schedule).1 {
            Err(found) => {
                (smallest, problem) = (schedule, found);
                tree.simplify()
            }
            Ok(()) => tree.complicate(),
        };
    }
    (smallest, problem)
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.requests += other.requests;
        self.changes += other.changes;
        self.killed += other.killed;
        self.faults += other.faults;
        // Independent of the order in which lives end.
        self.digest ^= other.digest;
    }
}
