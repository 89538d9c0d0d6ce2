//! The process that simulates AWS, and its control.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use codeconnections_inventory::local::EmbeddedTable;
use serde_json::{Value, json};

use crate::fakes::http_server::{HttpServer, whole};
use crate::front::Front;
use crate::options::Options;
use crate::service::Service;
use crate::support::{Result, process::peak_bytes};

/// Serves, and executes each line of standard input: `fill` (creates the
/// connections), `change`, `calm`, `busy`, `counts`. Responds with one line each.
#[tokio::main]
pub async fn serve(options: Options) -> Result<()> {
    let calm = Arc::new(AtomicBool::new(true));
    let mut tables = Vec::new();
    for _ in 0..options.shards {
        tables.push(EmbeddedTable::in_memory().await?);
    }
    let shards = tables.iter().map(|table| table.endpoint().to_owned());
    let front = Front::new(options.clone(), shards.collect(), Arc::clone(&calm));
    let front = Arc::new(front);
    let service = Arc::new(Service::new(options, Arc::clone(&calm)));
    let served = Arc::clone(&service);
    let of_service = HttpServer::start(move |seen| {
        let service = Arc::clone(&served);
        async move { whole(service.answer(&seen).await) }
    })
    .await;
    let served = Arc::clone(&front);
    let of_table = HttpServer::start(move |seen| {
        let front = Arc::clone(&served);
        async move { whole(front.answer(&seen).await) }
    })
    .await;
    println!("{} {}", of_service.endpoint, of_table.endpoint);
    let commands = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lines() {
            match line.expect("a line").as_str() {
                "fill" => service.fill(),
                "change" => service.change(),
                "calm" => calm.store(true, Ordering::SeqCst),
                "busy" => calm.store(false, Ordering::SeqCst),
                "counts" => {}
                other => panic!("{other:?} is not known"),
            }
            let counts = json!({
                "service": service.take_counts(),
                "table": front.take_counts(),
                "peak_bytes": peak_bytes("self").expect("counted"),
            });
            println!("{counts}");
        }
    });
    commands.await?;
    drop((tables, of_service, of_table));
    Ok(())
}

/// The server process. It ends when this value is dropped.
pub struct Server {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub service: String,
    pub table: String,
}

impl Server {
    pub fn start(options: &Options) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", &serde_json::to_string(options)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take();
        let mut stdout = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut endpoints = String::new();
        stdout.read_line(&mut endpoints)?;
        let (service, table) = endpoints
            .trim()
            .split_once(' ')
            .ok_or("the server did not start")?;
        Ok(Self {
            service: service.to_owned(),
            table: table.to_owned(),
            process,
            stdin,
            stdout,
        })
    }

    /// Sends a command. Returns the counts since the last one.
    pub fn send(&mut self, word: &str) -> Result<Value> {
        let stdin = self.stdin.as_mut().ok_or("the server has ended")?;
        writeln!(stdin, "{word}")?;
        let mut answer = String::new();
        self.stdout.read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Executes `role` in a separate process. Returns its output.
    pub fn child(&self, role: &str, options: &Options) -> Result<Value> {
        let options = serde_json::to_string(options)?;
        let output = Command::new(std::env::current_exe()?)
            .args([role, &options, &self.service, &self.table])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("{role}: {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.process.wait();
    }
}
