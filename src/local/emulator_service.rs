//! The emulators of CodeConnections and of the services that use connections, served
//! on a loopback port.

use std::io;

use aws_config::SdkConfig;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::codeconnections::{CodeConnectionsEmulator, router, serve};
use super::dependency_services::{DependencyServices, answer_or_pass_on};
use super::embedded::local_config;

/// An emulator that is served until this value is dropped.
#[derive(Debug)]
pub struct EmulatorService {
    endpoint: String,
    server: JoinHandle<io::Result<()>>,
}

impl EmulatorService {
    /// Serves an emulator on a port of the loopback address. Port 0 selects a free
    /// one. The other services have no resources.
    ///
    /// # Errors
    /// If the port can't be bound.
    pub async fn start(codeconnections: CodeConnectionsEmulator, port: u16) -> io::Result<Self> {
        Self::start_with(codeconnections, DependencyServices::default(), port).await
    }

    /// Serves an emulator and the services that use its connections, as
    /// [`start`](Self::start) does.
    ///
    /// # Errors
    /// If the port can't be bound.
    pub async fn start_with(
        codeconnections: CodeConnectionsEmulator,
        services: DependencyServices,
        port: u16,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let others = from_fn_with_state((services, codeconnections.clone()), answer_or_pass_on);
        let router = router(codeconnections).layer(others);
        let server = tokio::spawn(serve(listener, router));
        Ok(Self { endpoint, server })
    }

    /// Returns the URL of the emulator.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns a client configuration for the emulator.
    pub fn config(&self) -> SdkConfig {
        local_config(&self.endpoint)
    }
}

impl Drop for EmulatorService {
    fn drop(&mut self) {
        self.server.abort();
    }
}
