//! ministack, the emulator of AWS for deployed templates.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Weak};

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::test_env::REGION;
use super::{free_port, tools, until};

/// A running emulator. It ends, with every function that it started, when the last
/// reference is dropped, or when the test's process is killed.
pub struct Ministack {
    pub endpoint: String,
    folder: TempDir,
    process: Child,
    /// The emulator runs while this is open (`while_open.py`).
    open: Option<ChildStdin>,
}

/// The emulator that the tests of a program share. Each test has its own account, and the
/// emulator separates accounts.
static SHARED: Mutex<Weak<Ministack>> = Mutex::const_new(Weak::new());

impl Ministack {
    /// Returns the emulator that the tests of this program share.
    pub async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&started);
        started
    }

    async fn start() -> Self {
        let tools = tokio::task::spawn_blocking(|| (tools::python(), tools::ministack()));
        let (python, program) = tools.await.expect("they are installed");
        // Another process may take its port first. Then it ends, and is started with
        // another port.
        for _ in 0..10 {
            let mut started = Self::start_once(&python, &program);
            let address = started.endpoint.trim_start_matches("http://").to_owned();
            let mut ended = false;
            until("ministack listens", || {
                ended = started.process.try_wait().expect("a state").is_some();
                ended || TcpStream::connect(&address).is_ok()
            })
            .await;
            if !ended {
                return started;
            }
        }
        panic!("ministack ends as soon as it is started");
    }

    fn start_once(python: &Path, program: &Path) -> Self {
        let folder = TempDir::new().expect("a folder");
        let port = free_port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let log = File::create(log_of(&folder)).expect("a file");
        let mut command = Command::new(python);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/while_open.py"))
            .arg(program)
            // Its functions inherit this environment: no profile, proxy or certificates of
            // the user.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", REGION)
            // The endpoint of AWS for its functions.
            .env("AWS_ENDPOINT_URL", &endpoint)
            // It would listen on another port.
            .env("IOT_MTLS_ENABLED", "0")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // A state machine retries a step immediately.
            .env("SFN_WAIT_SCALE", "0")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log);
        let mut process = command.spawn().expect("ministack starts");
        let open = process.stdin.take();
        Self {
            endpoint,
            folder,
            process,
            open,
        }
    }

    /// Returns the output so far, including that of functions.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_of(&self.folder)).expect("its log")
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        drop(self.open.take());
        let _ = self.process.wait();
        if std::thread::panicking() {
            // Shown with the failed test.
            eprintln!("output of ministack:\n{}", self.log());
        }
    }
}

fn log_of(folder: &TempDir) -> PathBuf {
    folder.path().join("ministack.log")
}
