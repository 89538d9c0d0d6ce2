//! Peak memory of the function's binary under AWS's runtime emulator, by the number of
//! connections: in a first run, and in a run without changes.
//!
//!     cargo bench --bench limits                     # 250, 10,000 and 100,000
//!     cargo bench --bench limits -- 40000 --memory 128
//!     cargo bench --bench limits -- 250 --memory 256 --tombstones 500000
//!
//! `--memory` sets the memory size of the function in MB, as on Lambda. A writable control
//! group enforces it: a process that needs more is killed. Without it there is no limit.
//! `--tombstones` sets the number of deleted connections in the table.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark")]

#[path = "support/group.rs"]
mod group;
#[path = "../tests/support/mod.rs"]
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use codeconnections_inventory::domain::listing::Window;
use codeconnections_inventory::domain::{
    Attributes, ConnectionStatus, Digest, Presence, ProviderType, SchemaVersion, Snapshot,
    Timestamp,
};
use codeconnections_inventory::table::codec::snapshot::snapshot_item;
use futures_util::stream::{self, StreamExt};
use group::Group;
use serde_json::{Value, json};
use support::TestEnv;
use support::runtime_emulator::{Emulator, Environment, Invoked};
use support::scripted_service::{Script, arn, entry};
use support::test_env::{REGION, account, region};

/// Maximum timeout of a Lambda function, in seconds.
const LONGEST: &str = "900";

struct Options {
    connections: Vec<usize>,
    memory: Option<u64>,
    tombstones: usize,
}

fn options() -> Options {
    let mut options = Options {
        connections: Vec::new(),
        memory: None,
        tombstones: 0,
    };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let number = |word: &str| word.replace(',', "").parse::<usize>();
        if word == "--memory" {
            let megabytes = words.next().and_then(|word| number(&word).ok());
            options.memory = Some(megabytes.expect("--memory MB") as u64);
        } else if word == "--tombstones" {
            let tombstones = words.next().and_then(|word| number(&word).ok());
            options.tombstones = tombstones.expect("--tombstones NUMBER");
        } else {
            options
                .connections
                .push(number(&word).expect("a number of connections"));
        }
    }
    if options.connections.is_empty() {
        options.connections = vec![250, 10_000, 100_000];
    }
    options
}

#[tokio::main]
async fn main() {
    let options = options();
    println!(
        "connections  run        outcome   seconds  peak MiB  more bytes each  writes  problem"
    );
    let mut before: [Option<(usize, u64)>; 2] = [None; 2];
    for connections in &options.connections {
        let env = TestEnv::new().await;
        put_tombstones(&env, options.tombstones).await;
        let service = serve(*connections).await;
        for (run, before) in ["first", "unchanged"].iter().zip(&mut before) {
            let measured = measure(&env, &service, options.memory).await;
            let Some(peak) = measured.peak else {
                println!("{connections:>11}  {run:9}  KILLED");
                continue;
            };
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
            let mebibytes = peak as f64 / (1 << 20) as f64;
            let more = before.map(|(fewer, less)| {
                peak.saturating_sub(less) / (connections.saturating_sub(fewer)).max(1) as u64
            });
            println!(
                "{connections:>11}  {run:9}  {:8}  {:7.1}  {mebibytes:8.1}  {:>15}  {:>6}  {}",
                measured.answer["outcome"].as_str().unwrap_or("?"),
                measured.seconds,
                more.map(|bytes| bytes.to_string()).unwrap_or_default(),
                measured.answer["requests"]["write"],
                measured.answer["problems"][0].as_str().unwrap_or(""),
            );
            *before = Some((*connections, peak));
        }
    }
}

/// Starts a service that lists this many connections.
async fn serve(connections: usize) -> Script {
    Script::start(move |asked| {
        asked.page(connections, |number| {
            let arn = arn(REGION, &format!("8c0a5f2e-3b41-4d0e-9a77-{number:012}"));
            entry(&arn, &format!("connection-{number}"), "AVAILABLE")
        })
    })
    .await
}

/// Writes this many tombstones into the table.
async fn put_tombstones(env: &TestEnv, tombstones: usize) {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let window = Window {
        began_at: at,
        ended_at: at,
    };
    let request = |number: usize| {
        let id = format!("00000000-3b41-4d0e-9a77-{number:012}");
        let snapshot: Snapshot = Snapshot {
            arn: arn(REGION, &id).parse().expect("an ARN"),
            attributes: Attributes {
                connection_name: Some(format!("connection-{number}").into()),
                connection_status: Some(ConnectionStatus::Available),
                provider_type: Some(ProviderType::GitHub),
                owner_account_id: Some("example".into()),
                ..Attributes::default()
            },
            presence: Presence::Deleted { seen_gone: window },
            first_seen_at: at,
            last_seen: window,
            status_since: at,
            version: 2,
            listed_in: vec![region(REGION)],
            digest: Digest::of(&number),
        };
        let item = snapshot_item(&account(), &snapshot, SchemaVersion::CURRENT);
        let put = PutRequest::builder().set_item(Some(item)).build();
        WriteRequest::builder()
            .put_request(put.expect("an item"))
            .build()
    };
    let numbers: Vec<usize> = (0..tombstones).collect();
    let mut batches = stream::iter(numbers.chunks(25))
        .map(|batch| {
            let requests = batch.iter().map(|number| request(*number)).collect();
            let write = env.table.client().batch_write_item();
            write
                .request_items(env.table.name().as_str(), requests)
                .send()
        })
        .buffer_unordered(4);
    while let Some(written) = batches.next().await {
        let left = written.expect("written").unprocessed_items;
        assert!(left.is_none_or(|left| left.is_empty()), "all are written");
    }
}

struct Measured {
    seconds: f64,
    /// None if the process was killed.
    peak: Option<u64>,
    answer: Value,
}

/// Measures one run in a new process.
async fn measure(env: &TestEnv, service: &Script, memory: Option<u64>) -> Measured {
    let limited = memory.map(Limited::to);
    let mut environment = Environment::of(env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
        .with(
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            &memory.unwrap_or(1 << 30).to_string(),
        )
        .with("AWS_LAMBDA_FUNCTION_TIMEOUT", LONGEST);
    if let Some(limited) = &limited {
        let processes = limited.group.processes();
        environment = environment.with("GROUP", processes.to_str().expect("text"));
    }
    let function = limited.as_ref().map(|limited| limited.script.as_path());
    let emulator = Emulator::start_function(environment, function).await;
    let began = Instant::now();
    let invoked = emulator.invoke(&json!({})).await;
    let seconds = began.elapsed().as_secs_f64();
    let peak = match invoked {
        Invoked::Crashed => None,
        _ => emulator.function().map(|function| function.peak_bytes()),
    };
    let answer = match invoked {
        Invoked::Answer(answer) => answer,
        other => json!({"outcome": "ERROR", "problems": [format!("{other:?}")]}),
    };
    Measured {
        seconds,
        peak,
        answer,
    }
}

/// A script that starts the function in a control group with limited memory.
struct Limited {
    group: Group,
    script: PathBuf,
}

impl Limited {
    fn to(megabytes: u64) -> Self {
        let group = Group::of_memory(megabytes).expect("control groups that can be written");
        // Only one function runs at a time.
        let script = std::env::temp_dir().join(format!("ccinv-limits-{}", std::process::id()));
        let text = format!(
            "#!/bin/sh\necho $$ > \"$GROUP\"\nexec {}\n",
            support::runtime_emulator::function()
        );
        std::fs::write(&script, text).expect("a script");
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).expect("a mode");
        Self { group, script }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.script);
    }
}
