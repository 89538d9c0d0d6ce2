//! The function's binary under AWS's Lambda runtime interface emulator.
//!
//! `TEST_FUNCTION` selects another program, such as the deployed one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::test_env::{self, ACCOUNT, REGION, TestEnv};
use super::{free_port, tools, until};

const BUILT: &str = env!("CARGO_BIN_EXE_codeconnections-inventory");
/// The path of the program of the function of dependencies.
pub const DEPENDENCIES: &str = env!("CARGO_BIN_EXE_codeconnections-dependencies");
/// The path of the program of the function of findings.
pub const COMPLIANCE: &str = env!("CARGO_BIN_EXE_codeconnections-compliance");
/// The path of the program of the function of checkpoints.
pub const CHECKPOINT: &str = env!("CARGO_BIN_EXE_codeconnections-checkpoint");
const INVOKE: &str = "2015-03-31/functions/function/invocations";

/// Returns the path of the function's program.
pub fn function() -> String {
    test_env::environment("TEST_FUNCTION").unwrap_or_else(|| BUILT.to_owned())
}

/// Secrets that the function must never print.
pub const SECRET_KEY: &str = "SecretKeyThatNobodyMayEverRead";
pub const SESSION_TOKEN: &str = "SessionTokenThatNobodyMayEverRead";

/// All environment variables of the function: only those that a test sets.
#[derive(Debug, Clone)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Returns the variables of the template, with the endpoints of the test environment.
    pub fn of(env: &TestEnv) -> Self {
        let variables = [
            ("TABLE_NAME", env.table.name().as_str()),
            ("REGIONS", REGION),
            // The function's ARN in the emulator is of another account.
            ("AWS_ACCOUNT_ID", ACCOUNT),
            ("AWS_REGION", REGION),
            // The access key is the account for the CodeConnections emulator.
            ("AWS_ACCESS_KEY_ID", ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN),
            ("AWS_ENDPOINT_URL_CODECONNECTIONS", env.service.endpoint()),
            ("AWS_ENDPOINT_URL_DYNAMODB", env.table_endpoint.as_str()),
            ("AWS_LAMBDA_FUNCTION_TIMEOUT", "60"),
        ];
        Self(variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into())
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }
}

/// The result of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Invoked {
    /// The function answered.
    Answer(Value),
    /// The function returned an error.
    Error { error_type: String, message: String },
    /// The function did not end in time.
    TimedOut,
    /// The function's process ended.
    Crashed,
}

impl Invoked {
    #[track_caller]
    pub fn answer(self) -> Value {
        match self {
            Self::Answer(answer) => answer,
            other => panic!("an answer, not {other:?}"),
        }
    }

    #[track_caller]
    pub fn error(self) -> (String, String) {
        match self {
            Self::Error {
                error_type,
                message,
            } => (error_type, message),
            other => panic!("a function error, not {other:?}"),
        }
    }
}

/// A runtime emulator with one function. Both end when this value is dropped.
pub struct Emulator {
    process: Child,
    url: String,
    /// Standard output and standard error of the function and the emulator, by line.
    output: [Printed; 2],
}

impl Emulator {
    pub async fn start(environment: Environment) -> Self {
        Self::start_function(environment, None).await
    }

    /// Starts an emulator with a program that starts the function.
    pub async fn start_function(environment: Environment, program: Option<&Path>) -> Self {
        let function = program.map_or_else(function, |program| program.display().to_string());
        let program = tools::runtime_emulator();
        let Environment(mut variables) = environment;
        // The emulator would apply this variable to itself.
        let log_level = variables.remove("LOG_LEVEL");
        let log_level = log_level.map(|level| format!("LOG_LEVEL={level}"));
        // Another process may take one of its ports first. Then it ends, and is started
        // with other ports.
        for _ in 0..10 {
            let [invoke, runtime] = free_addresses();
            let mut process = Command::new(&program)
                .args(["--runtime-interface-emulator-address", &invoke])
                .args(["--runtime-api-address", &runtime, "/usr/bin/env"])
                .args(&log_level)
                .arg(&function)
                .env_clear()
                .envs(&variables)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the emulator starts");
            let stdout = gather(process.stdout.take().expect("piped"));
            let stderr = gather(process.stderr.take().expect("piped"));
            let mut emulator = Self {
                process,
                url: format!("http://{invoke}/{INVOKE}"),
                output: [stdout, stderr],
            };
            let mut ended = false;
            until("the emulator listens", || {
                ended = emulator.process.try_wait().expect("a state").is_some();
                let listens = [&invoke, &runtime]
                    .into_iter()
                    .all(|address| std::net::TcpStream::connect(address).is_ok());
                ended || listens
            })
            .await;
            if !ended {
                return emulator;
            }
        }
        panic!("the emulator ends as soon as it is started");
    }

    /// Invokes the function and waits for the result.
    pub async fn invoke(&self, event: &Value) -> Invoked {
        self.invocation(event).await
    }

    /// Invokes the function concurrently.
    pub fn invocation(&self, event: &Value) -> impl Future<Output = Invoked> + Send + 'static {
        let request = Request::post(&self.url)
            .body(Body::from(event.to_string()))
            .expect("a request");
        async move {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let answer = client.request(request).await.expect("the emulator answers");
            let status = answer.status();
            let body = answer
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes();
            understand(status, &body)
        }
    }

    /// Returns the function's process if it is running.
    pub fn function(&self) -> Option<Function> {
        children(self.process.id()).into_iter().next().map(Function)
    }

    /// Returns the lines of the function, without those of the emulator, once `number` of
    /// them are `wanted`. An answer may arrive before the lines that were printed first.
    pub async fn lines(&self, number: usize, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        until("the function's lines are here", || {
            lines = self.lines_so_far();
            lines.iter().filter(|line| wanted(line)).count() >= number
        })
        .await;
        lines
    }

    fn lines_so_far(&self) -> Vec<String> {
        let stdout = self.output[0].lines.lock().expect("no panic");
        let own = |line: &&String| {
            ["START RequestId: ", "END RequestId: ", "REPORT RequestId: "]
                .iter()
                .any(|start| line.starts_with(start))
        };
        stdout
            .iter()
            .filter(|line| !line.is_empty() && !own(line))
            .cloned()
            .collect()
    }

    /// Ends the emulator. Returns everything that it and the function printed.
    pub fn end(mut self) -> Vec<String> {
        self.stop();
        let mut all = Vec::new();
        for Printed { lines, reader } in &mut self.output {
            reader
                .take()
                .expect("not joined yet")
                .join()
                .expect("no panic");
            all.append(&mut lines.lock().expect("no panic"));
        }
        all
    }

    fn stop(&mut self) {
        let functions = children(self.process.id());
        // Fails only for a process that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
        for function in functions {
            Function(function).signal("KILL");
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The lines of a stream, and the thread that reads them.
struct Printed {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

/// The process of the function.
#[derive(Debug, Clone, Copy)]
pub struct Function(u32);

impl Function {
    /// Returns the process id.
    pub fn pid(self) -> u32 {
        self.0
    }

    /// Kills the process, like a crash.
    pub fn kill(self) {
        assert!(self.signal("KILL"), "the function's process was running");
    }

    /// Suspends the process.
    pub fn freeze(self) {
        assert!(self.signal("STOP"), "the function's process was running");
    }

    /// Resumes the process.
    pub fn thaw(self) {
        assert!(self.signal("CONT"), "the function's process was running");
    }

    /// Returns the peak resident memory (`VmHWM`).
    pub fn peak_bytes(self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0));
        let status = status.expect("the function's process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes.expect("VmHWM").parse().expect("a number");
        kibibytes * 1024
    }

    fn signal(self, signal: &str) -> bool {
        let command = format!("kill -{signal} {}", self.0);
        let done = Command::new("sh").args(["-c", &command]).output();
        done.expect("a shell").status.success()
    }
}

fn understand(status: StatusCode, body: &[u8]) -> Invoked {
    let text = String::from_utf8_lossy(body);
    if status == StatusCode::BAD_GATEWAY {
        return Invoked::Crashed;
    }
    assert_eq!(status, StatusCode::OK, "{text}");
    match serde_json::from_slice::<Value>(body) {
        Ok(answer) => match answer.get("errorType").and_then(Value::as_str) {
            Some(error_type) => Invoked::Error {
                error_type: error_type.to_owned(),
                message: answer["errorMessage"]
                    .as_str()
                    .expect("a message")
                    .to_owned(),
            },
            None => Invoked::Answer(answer),
        },
        Err(_) if text.contains("Task timed out after") => Invoked::TimedOut,
        Err(_) => panic!("neither an answer nor an error: {text:?}"),
    }
}

fn free_addresses() -> [String; 2] {
    [(); 2].map(|()| format!("127.0.0.1:{}", free_port()))
}

fn gather(stream: impl Read + Send + 'static) -> Printed {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let gathered = Arc::clone(&lines);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            gathered.lock().expect("no panic").push(line);
        }
    });
    Printed {
        lines,
        reader: Some(reader),
    }
}

/// Returns the running child processes of `parent`.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc, as on Linux");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // pid (name) state parent …: the name may hold anything.
            let mut rest = stat.rsplit(')').next().unwrap_or("").split_whitespace();
            let state = rest.next();
            rest.next() == Some(&parent.to_string()) && !matches!(state, None | Some("Z" | "X"))
        })
        .collect()
}
