//! moto, an emulator of the services that name connections.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::ccinv::Ccinv;
use super::consumers;
use super::proxy::{Act, Proxy};
use super::test_env::TestEnv;
use super::{free_port, tools, until};

/// A running emulator with nothing in it. It ends when it is dropped, and also
/// when the test's process is killed.
pub struct Moto {
    pub endpoint: String,
    process: Child,
    /// Open as long as it shall run: see `while_open.py`.
    open: Option<ChildStdin>,
}

impl Moto {
    pub async fn start() -> Self {
        let tools = tokio::task::spawn_blocking(|| (tools::python(), tools::moto()));
        let (python, program) = tools.await.expect("they are installed");
        // It must be told its port, so another process can take it first.
        for _ in 0..10 {
            let mut started = Self::start_once(&python, &program);
            let address = started.endpoint.trim_start_matches("http://").to_owned();
            let mut ended = false;
            until("moto listens", || {
                ended = started.process.try_wait().expect("a state").is_some();
                ended || TcpStream::connect(&address).is_ok()
            })
            .await;
            if !ended {
                return started;
            }
        }
        panic!("moto ends as soon as it is started");
    }

    fn start_once(python: &Path, program: &Path) -> Self {
        let port = free_port();
        let mut process = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/while_open.py"))
            .arg(program)
            .args(["--port", &port.to_string()])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            open: process.stdin.take(),
            process,
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.open.take());
        // It ends by itself then.
        let _ = self.process.wait();
    }
}

/// Returns services in which nothing depends on a connection, and the command line that asks
/// them.
pub async fn without_dependencies(env: &TestEnv) -> (Proxy, Ccinv) {
    let services = Proxy::start(env.service.endpoint(), |seen| {
        consumers::none(seen).unwrap_or(Act::Pass)
    })
    .await;
    let ccinv = consumers::ccinv_at(env, &services.endpoint);
    (services, ccinv)
}
