//! ministack, the emulator of AWS for deployed templates.

use std::fs::File;
use std::sync::{Arc, Weak};

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::running::Running;
use super::test_env::REGION;
use super::tools;

/// A running emulator. It ends, with every function that it started, when the last
/// reference is dropped, or when the test's process is killed.
pub struct Ministack {
    pub endpoint: String,
    folder: TempDir,
    running: Running,
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
        let program = tokio::task::spawn_blocking(tools::ministack);
        let program = program.await.expect("it is installed");
        let folder = TempDir::new().expect("a folder");
        let running = Running::start("ministack", &program, |command, port| {
            let log = File::create(folder.path().join(LOG)).expect("a file");
            command
                // Its functions inherit this environment: no profile, proxy or certificates
                // of the user.
                .env("HOME", folder.path())
                .env("TMPDIR", folder.path())
                .env("GATEWAY_PORT", port.to_string())
                .env("BIND_HOST", "127.0.0.1")
                .env("MINISTACK_REGION", REGION)
                // The endpoint of AWS for its functions.
                .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
                // It would listen on another port.
                .env("IOT_MTLS_ENABLED", "0")
                .env("AWS_EC2_METADATA_DISABLED", "true")
                // A state machine retries a step immediately.
                .env("SFN_WAIT_SCALE", "0")
                .stdout(log.try_clone().expect("a file"))
                .stderr(log);
        })
        .await;
        Self {
            endpoint: running.endpoint(),
            folder,
            running,
        }
    }

    /// Returns the output so far, including that of functions.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(LOG)).expect("its log")
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        self.running.end();
        if std::thread::panicking() {
            // Shown with the failed test.
            eprintln!("output of ministack:\n{}", self.log());
        }
    }
}

const LOG: &str = "ministack.log";
