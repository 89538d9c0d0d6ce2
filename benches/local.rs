//! The cost of an inventory in a local file: duration, CPU time and peak memory of the
//! command line's process.
//!
//!     cargo bench --bench local                      # 100,000 connections
//!     cargo bench --bench local -- 10000

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark")]

use std::process::Command;

#[path = "../tests/support/fakes/mod.rs"]
mod fakes;
#[path = "support/process.rs"]
mod process;

use fakes::scripted_service::{Script, arn, entry};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";

#[tokio::main]
async fn main() -> Result<()> {
    let number = std::env::args().skip(1).find(|word| word != "--bench");
    let connections: usize = number.as_deref().unwrap_or("100000").parse()?;
    let service = Script::start(move |asked| {
        asked.page(connections, |number| {
            let arn = arn(REGION, &format!("8c0a5f2e-3b41-4d0e-9a77-{number:012}"));
            entry(&arn, &format!("connection-{number}"), "AVAILABLE")
        })
    })
    .await;
    let folder = tempfile::tempdir()?;
    println!("{connections} connections in a local file\n");
    println!(
        "{:<28} {:>9} {:>9} {:>9}",
        "ccinv", "seconds", "CPU s", "peak MiB"
    );
    let scan = ["scan", "--account", ACCOUNT, "--timeout", "15m"];
    for (what, words) in [
        ("scan, the first", &scan[..]),
        ("scan, nothing changed", &scan),
        ("list", &["list"]),
        ("list --format jsonl", &["list", "--format", "jsonl"]),
        ("changes --format jsonl", &["changes", "--format", "jsonl"]),
        ("verify", &["verify"]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ccinv"));
        command
            .args(words)
            .args(["--db", "inventory.db"])
            .current_dir(folder.path())
            .env_clear()
            .env("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        let (status, took) = process::watch(&mut command).await?;
        if !status.success() {
            return Err(format!("{what}: {status}").into());
        }
        println!(
            "{what:<28} {:>9.2} {:>9.2} {:>9.1}",
            took.seconds, took.processor_seconds, took.peak_mebibytes
        );
    }
    Ok(())
}
