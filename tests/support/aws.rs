//! boto3, AWS's own client, for an endpoint and an account (`tests/python/aws.py`).

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::tools;

/// An error response: its code and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: String,
    pub message: String,
}

pub struct Aws {
    pub account: String,
    wire: Mutex<Wire>,
    _process: Child,
    _home: TempDir,
}

struct Wire {
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Aws {
    pub async fn new(endpoint: &str, region: &str, account: &str) -> Self {
        let python = tokio::task::spawn_blocking(tools::python);
        let home = TempDir::new().expect("a folder");
        let mut process = Command::new(python.await.expect("python"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/aws.py"))
            .args([endpoint, region, account])
            // No profile, proxy or certificates of the user.
            .env_clear()
            .env("HOME", home.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONIOENCODING", "utf-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let wire = Wire {
            calls: process.stdin.take().expect("piped"),
            answers: BufReader::new(process.stdout.take().expect("piped")).lines(),
        };
        Self {
            account: account.to_owned(),
            wire: Mutex::new(wire),
            _process: process,
            _home: home,
        }
    }

    /// Calls an operation by its boto3 name.
    pub async fn try_call(
        &self,
        service: &str,
        operation: &str,
        parameters: Value,
    ) -> Result<Value, Refused> {
        let call = json!({"service": service, "operation": operation, "parameters": parameters});
        let mut wire = self.wire.lock().await;
        let line = format!("{call}\n");
        wire.calls.write_all(line.as_bytes()).await.expect("sent");
        let line = wire.answers.next_line().await.expect("read");
        let line = line.expect("an answer to each call");
        let mut answer: Value = serde_json::from_str(&line).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        match answer.get("error") {
            Some(error) => Err(Refused {
                code: text(&error["code"]),
                message: text(&error["message"]),
            }),
            None => Ok(answer["answer"].take()),
        }
    }

    /// Calls an operation that must succeed.
    pub async fn call(&self, service: &str, operation: &str, parameters: Value) -> Value {
        let answer = self.try_call(service, operation, parameters.clone()).await;
        answer
            .unwrap_or_else(|refused| panic!("{service}:{operation} of {parameters}: {refused:?}"))
    }
}
