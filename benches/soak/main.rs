//! A soak test: many runs of the function's binary under AWS's runtime emulator, with faults
//! of every kind, while two accounts change at random. It compares the record with the true
//! history at intervals, and samples memory, files and threads of the process.
//!
//!     cargo bench --bench soak -- --minutes 60 --faults 5
//!
//! The table and the service are in this process, the function in a separate one.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a test: counts are far below 2^52, and it stops at errors"
)]

mod account;
mod process;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use account::{Account, OPT_IN};
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::domain::{Change, Clock, Outcome, SystemClock};
use codeconnections_inventory::table::codec;
use fastrand::Rng;
use process::{Course, Held};
use serde_json::{Value, json};
use support::faults::FAULTS;
use support::proxy::{Act, Proxy, Seen};
use support::runtime_emulator::{Emulator, Environment, Invoked};
use support::test_env::{ACCOUNT, REGION, TestEnv};

/// A member account, listed through a role, with more than a page of connections.
const MEMBER: (&str, usize) = ("210987654321", 110);
const OWN: (&str, usize) = (ACCOUNT, 24);

/// A value of a sample.
type Figure = fn(&Held) -> f64;

struct Options {
    minutes: f64,
    /// Minimum number of runs.
    runs: usize,
    /// Percentage of requests with a fault.
    faults: f64,
    seed: u64,
    /// Runs between comparisons.
    every: usize,
}

const USAGE: &str =
    "cargo bench --bench soak -- [--minutes N] [--faults PERCENT] [--seed N] [--every RUNS]";

impl Options {
    fn parse(words: &[String]) -> Option<Self> {
        let mut options = Self {
            minutes: 60.0,
            runs: 0,
            faults: 5.0,
            seed: 1,
            every: 500,
        };
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let value = words.next()?;
            match flag.as_str() {
                "--minutes" => options.minutes = value.parse().ok()?,
                "--faults" => options.faults = value.parse().ok()?,
                "--seed" => options.seed = value.parse().ok()?,
                "--every" => options.every = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(options)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` adds this flag; without it, this is a test.
    let is_bench = words.pop_if(|last| last == "--bench").is_some();
    if !is_bench {
        let options = Options {
            minutes: 0.0,
            runs: 12,
            faults: 5.0,
            seed: 1,
            every: 6,
        };
        soak(&options).await;
        return;
    }
    match Options::parse(&words) {
        Some(options) => soak(&options).await,
        None => println!("{USAGE}"),
    }
}

/// The policy of the proxies: a random fault out of those that can happen to a request.
struct Weather {
    random: Mutex<Rng>,
    percent: f64,
    calm: AtomicBool,
    requests: Mutex<BTreeMap<String, u64>>,
    faults: Mutex<BTreeMap<&'static str, u64>>,
}

impl Weather {
    fn act(&self, seen: &Seen) -> Act {
        let mut requests = self.requests.lock().expect("no panic");
        *requests.entry(seen.operation.clone()).or_default() += 1;
        drop(requests);
        let mut random = self.random.lock().expect("no panic");
        if self.calm.load(Ordering::SeqCst) || random.f64() * 100.0 >= self.percent {
            return Act::Pass;
        }
        let can: Vec<_> = FAULTS
            .iter()
            .filter(|f| f.happens_to(&seen.operation))
            .collect();
        let fault = can[random.usize(0..can.len())];
        *self
            .faults
            .lock()
            .expect("no panic")
            .entry(fault.name)
            .or_default() += 1;
        fault.act(&seen.operation)
    }

    fn faults_so_far(&self) -> u64 {
        self.faults.lock().expect("no panic").values().sum()
    }
}

struct Soak {
    env: TestEnv,
    emulator: Emulator,
    weather: Arc<Weather>,
    _proxies: [Proxy; 2],
    random: Rng,
    accounts: [Account; 2],
    outcomes: HashMap<Outcome, usize>,
    repeated: usize,
    held: Vec<(usize, Held)>,
    pid: Option<u32>,
}

impl Soak {
    async fn new(options: &Options) -> Self {
        let env = TestEnv::new().await;
        let weather = Arc::new(Weather {
            random: Mutex::new(Rng::with_seed(options.seed)),
            percent: options.faults,
            calm: AtomicBool::new(false),
            requests: Mutex::default(),
            faults: Mutex::default(),
        });
        let policy = || {
            let weather = Arc::clone(&weather);
            move |seen: &Seen| weather.act(seen)
        };
        let service = Proxy::start(env.service.endpoint(), policy()).await;
        let table = Proxy::start(&env.table_endpoint, policy()).await;
        let environment = Environment::of(&env)
            .with("REGIONS", &format!("{REGION},{OPT_IN}"))
            .with("ACCOUNTS", "any")
            .with("MEMBER_ROLE_NAME", "inventory")
            .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint)
            .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
            .with("AWS_ENDPOINT_URL_STS", &service.endpoint);
        let accounts = [OWN, MEMBER].map(|(id, size)| Account::new(&env, id, size));
        Self {
            emulator: Emulator::start(environment).await,
            env,
            weather,
            _proxies: [service, table],
            random: Rng::with_seed(options.seed),
            accounts,
            outcomes: HashMap::new(),
            repeated: 0,
            held: Vec::new(),
            pid: None,
        }
    }

    fn runs(&self) -> usize {
        self.accounts.iter().map(Account::runs).sum()
    }

    /// Runs an account after some changes. At times the event is delivered twice.
    async fn run(&mut self, which: usize) {
        self.accounts[which].change(&self.env, &mut self.random);
        let event = json!({
            "account": self.accounts[which].id,
            "execution_id": format!("event-{}", self.random.u64(..)),
        });
        let times = if self.random.u8(0..20) == 0 { 2 } else { 1 };
        for _ in 0..times {
            self.invoke(which, &event).await;
        }
    }

    async fn invoke(&mut self, which: usize, event: &Value) -> Outcome {
        let (run_id, outcome) = match self.emulator.invoke(event).await {
            Invoked::Answer(answer) if answer["already_recorded"] == true => {
                self.repeated += 1;
                return Outcome::Complete;
            }
            Invoked::Answer(answer) => {
                let text = |name: &str| answer[name].as_str().expect(name).to_owned();
                let outcome = text("outcome").parse().expect("an outcome");
                (text("run_id"), outcome)
            }
            Invoked::Error {
                error_type,
                message,
            } => {
                assert_eq!(error_type, "RunFailed", "{message}");
                let run_id = message.split_whitespace().nth(1).expect("a run's id");
                (run_id.to_owned(), Outcome::Failed)
            }
            other => panic!("run {}: {other:?}", self.runs()),
        };
        self.accounts[which].ran(&run_id, outcome);
        *self.outcomes.entry(outcome).or_default() += 1;
        let pid = self.emulator.function().expect("it runs").pid();
        let same = *self.pid.get_or_insert(pid);
        assert_eq!(pid, same, "the function is still the same process");
        self.held.push((self.runs(), Held::by(pid)));
        outcome
    }

    /// Runs each account without faults, then compares the record with the true history.
    async fn compare(&mut self) -> String {
        self.weather.calm.store(true, Ordering::SeqCst);
        for which in 0..self.accounts.len() {
            self.accounts[which].allow(&self.env);
            let id = self.accounts[which].id;
            let event = json!({"account": id, "execution_id": format!("clean-{}", self.runs())});
            let outcome = self.invoke(which, &event).await;
            assert_eq!(outcome, Outcome::Complete, "a run without faults");
        }
        let mut changes: HashMap<String, HashMap<String, Vec<Change>>> = HashMap::new();
        let mut pages = self.env.table.pages();
        while let Some(page) = pages.next().await.expect("read") {
            for item in page {
                let change = match codec::read_record::<Change>(item) {
                    Ok(change) if change.version > 0 => change,
                    _ => continue,
                };
                let of = changes.entry(change.account.to_string()).or_default();
                of.entry(change.arn.to_string()).or_default().push(change);
            }
        }
        let mut recorded = 0;
        for account in &self.accounts {
            let mut changes = changes.remove(account.id).unwrap_or_default();
            for changes in changes.values_mut() {
                changes.sort_by_key(|change| change.version);
                recorded += changes.len();
            }
            account.compare(&changes);
        }
        let found = verify(&self.env.table, None, SystemClock.now(), |_| {}).await;
        let found = found.expect("read");
        assert_eq!(found.findings, []);
        let runs: u64 = found.accounts.iter().map(|account| account.runs).sum();
        let connections: u64 = found.accounts.iter().map(|a| a.connections).sum();
        self.weather.calm.store(false, Ordering::SeqCst);
        format!(
            "{recorded} changes of {connections} connections and {runs} recorded runs compared \
             with what happened: nothing lost, nothing twice; verify finds nothing"
        )
    }

    fn line(&self, began: Instant) {
        let count = |outcome| self.outcomes.get(&outcome).copied().unwrap_or(0);
        let held = self.held.last().map(|(_, held)| *held).unwrap_or_default();
        println!(
            "{:>7.1} {:>7} {:>9} {:>8} {:>7} {:>8} {:>7} {:>9.1} {:>6} {:>8} {:>8}",
            began.elapsed().as_secs_f64() / 60.0,
            self.runs(),
            count(Outcome::Complete),
            count(Outcome::Partial),
            count(Outcome::Failed),
            self.repeated,
            self.weather.faults_so_far(),
            held.memory,
            held.files,
            held.sockets,
            held.threads,
        );
    }

    fn report(&self) {
        println!("\n{:<34} {:>9}", "requests", "");
        for (operation, count) in self.weather.requests.lock().expect("no panic").iter() {
            println!("{operation:<34} {count:>9}");
        }
        println!("\n{:<34} {:>9}", "faults", self.weather.faults_so_far());
        for (name, count) in self.weather.faults.lock().expect("no panic").iter() {
            println!("{name:<34} {count:>9}");
        }
        println!(
            "\n{:<24} {:>8} {:>8} {:>8} {:>8} {:>20}",
            "the function's process", "first", "median", "most", "last", "more in 1,000 runs"
        );
        let figures: [(&str, Figure); 4] = [
            ("resident memory, MiB", |held| held.memory),
            ("open files", |held| held.files),
            ("of them sockets", |held| held.sockets),
            ("threads", |held| held.threads),
        ];
        for (name, figure) in figures {
            let course = Course::of(&self.held, figure);
            println!(
                "{name:<24} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>20.3}",
                course.first(),
                course.median(),
                course.most(),
                course.last(),
                course.slope(),
            );
        }
    }
}

async fn soak(options: &Options) {
    println!(
        "{} minutes, faults in {} % of the requests, seed {}; {} connections in an account of \
         its own, {} in a member's\n",
        options.minutes, options.faults, options.seed, OWN.1, MEMBER.1
    );
    println!(
        "{:>7} {:>7} {:>9} {:>8} {:>7} {:>8} {:>7} {:>9} {:>6} {:>8} {:>8}",
        "minutes",
        "runs",
        "COMPLETE",
        "PARTIAL",
        "FAILED",
        "repeated",
        "faults",
        "RSS MiB",
        "files",
        "sockets",
        "threads"
    );
    let began = Instant::now();
    let mut soak = Soak::new(options).await;
    let end = Duration::from_secs_f64(options.minutes * 60.0);
    let minute = Duration::from_secs(60);
    let (mut next_line, mut next_compared) = (minute, options.every);
    let mut which = 0;
    while began.elapsed() < end || soak.runs() < options.runs {
        which = (which + 1) % soak.accounts.len();
        soak.run(which).await;
        if soak.runs() >= next_compared {
            soak.compare().await;
            next_compared = soak.runs() + options.every;
        }
        if began.elapsed() >= next_line {
            soak.line(began);
            next_line += minute;
        }
    }
    let compared = soak.compare().await;
    soak.line(began);
    soak.report();
    println!("\n{compared}");
}
