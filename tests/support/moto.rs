//! moto, an emulator of the services that name connections.

use std::process::Stdio;

use super::ccinv::Ccinv;
use super::consumers;
use super::proxy::{Act, Proxy};
use super::running::Running;
use super::test_env::TestEnv;
use super::tools;

/// A running emulator with nothing in it. It ends when it is dropped, and also
/// when the test's process is killed.
pub struct Moto {
    pub endpoint: String,
    _running: Running,
}

impl Moto {
    pub async fn start() -> Self {
        let program = tokio::task::spawn_blocking(tools::moto);
        let program = program.await.expect("it is installed");
        let running = Running::start("moto", &program, |command, port| {
            command
                .args(["--port", &port.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
        })
        .await;
        Self {
            endpoint: running.endpoint(),
            _running: running,
        }
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
