//! The command line as a process, with an empty home folder and only the environment
//! variables that a test sets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::test_env::{ACCOUNT, REGION, TestEnv};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ccinv");

/// Runs commands in an empty folder, which is their home too.
pub struct Ccinv {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

/// The exit code and output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ccinv {
    /// Creates an environment without AWS.
    pub fn offline() -> Self {
        let this = Self {
            folder: TempDir::new().expect("a folder"),
            environment: BTreeMap::new(),
        };
        let home = this.folder().to_str().expect("UTF-8").to_owned();
        // No request for instance credentials.
        this.with("AWS_EC2_METADATA_DISABLED", "true")
            .with("HOME", &home)
    }

    /// Creates an environment with the endpoints of the test environment.
    pub fn at(env: &TestEnv) -> Self {
        Self::offline()
            .with("AWS_REGION", REGION)
            .with("AWS_ACCESS_KEY_ID", ACCOUNT)
            .with("AWS_SECRET_ACCESS_KEY", "secret")
            .with("AWS_ENDPOINT_URL_CODECONNECTIONS", env.service.endpoint())
            .with("AWS_ENDPOINT_URL_STS", env.service.endpoint())
            .with("AWS_ENDPOINT_URL_DYNAMODB", &env.table_endpoint)
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the files of the folder, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder()).expect("a folder");
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).output();
        let output = tokio::time::timeout(Duration::from_secs(120), output).await;
        let output = output.expect("it ends").expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Done {
            code: output.status.code().expect("it ends by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Returns the commands that `--help` lists, by group.
    pub async fn commands(&self) -> Vec<(String, Vec<String>)> {
        let help = self.fine(&["--help"]).await;
        let (_, after_usage) = help.split_once("\n\nInventory:\n").expect("groups");
        let (groups, _) = after_usage.split_once("\n\nOptions:\n").expect("options");
        let groups = format!("Inventory:\n{groups}");
        let group = |block: &str| {
            let (heading, commands) = block.split_once(":\n").expect("a heading");
            let names = commands
                .lines()
                .filter_map(|line| line.split_whitespace().next());
            (heading.to_owned(), names.map(str::to_owned).collect())
        };
        groups.split("\n\n").map(group).collect()
    }

    /// Runs a command that must succeed. Returns its standard output.
    #[track_caller]
    pub fn fine(&self, arguments: &[&str]) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let done = self.run(&arguments).await;
            assert_eq!(done.code, 0, "{caller}: ccinv {arguments:?}: {done:?}");
            done.stdout
        }
    }

    /// Runs a command that must succeed. Returns its standard output as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> impl Future<Output = Value> {
        let printed = self.fine(arguments);
        async move { serde_json::from_str(&printed.await).expect("JSON") }
    }
}

impl Done {
    /// Returns the error message. Asserts that it is one line on standard error, with
    /// nothing on standard output.
    #[track_caller]
    pub fn complaint(&self) -> &str {
        assert_eq!(self.stdout, "", "no output: {self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [line] = lines.as_slice() else {
            panic!("one line of error, not {lines:#?}");
        };
        let complaint = line.strip_prefix("ccinv: ");
        complaint.unwrap_or_else(|| panic!("an error of ccinv: {line}"))
    }
}
