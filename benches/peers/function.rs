//! The process of one function: its start, its invocations, and its resource use.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::group::Group;
use crate::process::{peak_bytes, running_seconds};
use crate::runtime::Runtime;
use crate::world::{PEER_HISTORY, PEER_TABLE, REGION, World};

/// A program that can be started as a function.
#[derive(Debug, Clone)]
pub struct Program {
    pub name: &'static str,
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
    /// Environment variables besides those of all programs.
    pub variables: Vec<(&'static str, String)>,
}

impl Program {
    /// Returns true for the function or a build of it, false for a peer.
    pub fn is_the_function(&self) -> bool {
        // The peers are modules, which are arguments of an interpreter.
        self.arguments.is_empty()
    }
}

pub struct Function {
    process: Child,
    runtime: Runtime,
    /// From the start of the process to its first request for an event.
    pub start: Duration,
    /// CPU seconds of the start.
    pub start_processor: f64,
}

/// One invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub seconds: f64,
    /// CPU seconds of the function's process, user and system.
    pub processor: f64,
    pub answer: Value,
}

impl Function {
    /// Starts a program in `world` and waits until it requests an event.
    pub async fn start(program: &Program, world: &World) -> Result<Self> {
        Self::start_in(None, program, world).await
    }

    /// Starts a program in a control group if given.
    pub async fn start_in(group: Option<&Group>, program: &Program, world: &World) -> Result<Self> {
        let mut runtime = Runtime::start().await;
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(environment(world, &runtime.address))
            .envs(program.variables.iter().cloned())
            .envs(world.certificate.iter().map(|file| ("SSL_CERT_FILE", file)))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let began = Instant::now();
        let process = match group {
            Some(group) => group.spawn(command)?,
            None => command.spawn()?,
        };
        let start = runtime.polled().await? - began;
        let start_processor = running_seconds(process.id())?;
        Ok(Self {
            process,
            runtime,
            start,
            start_processor,
        })
    }

    /// Invokes the function. Measures until it requests the next event.
    pub async fn invoke(&mut self, event: &Value) -> Result<Invocation> {
        let before = running_seconds(self.process.id())?;
        let (answer, took) = self.runtime.invoke(event).await?;
        self.runtime.polled().await?;
        Ok(Invocation {
            seconds: took.as_secs_f64(),
            processor: running_seconds(self.process.id())? - before,
            answer,
        })
    }

    /// Terminates the process with SIGTERM and waits until it has ended.
    pub fn end(mut self) -> Result<()> {
        let number = self.process.id().to_string();
        let killed = Command::new("kill").arg(number).status()?;
        if !killed.success() {
            return Err("the function had already ended".into());
        }
        self.process.wait()?;
        Ok(())
    }

    /// Returns the peak memory of the process.
    pub fn peak_bytes(&self) -> Result<u64> {
        peak_bytes(&self.process.id().to_string())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn environment(world: &World, runtime: &str) -> BTreeMap<&'static str, String> {
    let table = codeconnections_inventory::local::embedded::TABLE;
    let text = |name: &str| name.to_owned();
    [
        ("AWS_LAMBDA_RUNTIME_API", runtime.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", text("inventory")),
        ("AWS_LAMBDA_FUNCTION_VERSION", text("1")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", text("1769")),
        ("AWS_LAMBDA_FUNCTION_TIMEOUT", text("900")),
        ("AWS_LAMBDA_LOG_GROUP_NAME", text("g")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", text("s")),
        ("AWS_REGION", text(REGION)),
        ("AWS_DEFAULT_REGION", text(REGION)),
        ("AWS_ACCESS_KEY_ID", text("AKIAEXAMPLE")),
        ("AWS_SECRET_ACCESS_KEY", text("secret")),
        ("AWS_SESSION_TOKEN", text("session")),
        (
            "AWS_ENDPOINT_URL_CODECONNECTIONS",
            world.service.endpoint.clone(),
        ),
        ("AWS_ENDPOINT_URL_DYNAMODB", world.table.endpoint.clone()),
        ("PYTHONDONTWRITEBYTECODE", text("1")),
        ("PATH", text("/usr/bin:/bin")),
        ("TABLE_NAME", text(table)),
        ("PEER_TABLE_NAME", text(PEER_TABLE)),
        ("PEER_HISTORY_NAME", text(PEER_HISTORY)),
        ("REGIONS", text(REGION)),
    ]
    .into()
}
