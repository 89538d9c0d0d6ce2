//! A program that listens on a port that it is told.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{free_port, tools, until};

/// A running program. It ends when this value is dropped, and also when the test's process
/// is killed.
pub struct Running {
    pub port: u16,
    process: Child,
    /// The program runs while this is open (`while_open.py`).
    open: Option<ChildStdin>,
}

impl Running {
    /// Starts a program without the user's environment, and waits until it listens. `set`
    /// gives it its arguments, its variables and its port.
    pub async fn start(name: &str, program: &Path, set: impl Fn(&mut Command, u16)) -> Self {
        let python = tokio::task::spawn_blocking(tools::python);
        let python = python.await.expect("it is installed");
        // Another process may take its port first. Then it ends, and is started with
        // another port.
        for _ in 0..10 {
            let port = free_port();
            let mut command = Command::new(&python);
            command
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/while_open.py"))
                .arg(program)
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .stdin(Stdio::piped());
            set(&mut command, port);
            let mut process = command.spawn().expect("Python starts");
            let mut started = Self {
                port,
                open: process.stdin.take(),
                process,
            };
            let mut ended = false;
            until(&format!("{name} listens"), || {
                ended = started.process.try_wait().expect("a state").is_some();
                ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
            })
            .await;
            if !ended {
                return started;
            }
        }
        panic!("{name} ends as soon as it is started");
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends the program and waits for it.
    pub fn end(&mut self) {
        drop(self.open.take());
        let _ = self.process.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
