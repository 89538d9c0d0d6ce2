//! The stand-in CodeConnections, served on a loopback port.

use std::io;

use aws_config::SdkConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::codeconnections::{CodeConnectionsEmulator, serve};
use super::embedded::local_config;

/// A stand-in, served as long as this lives.
#[derive(Debug)]
pub struct EmulatorService {
    endpoint: String,
    server: JoinHandle<io::Result<()>>,
}

impl EmulatorService {
    /// Serves `stand_in` on `port` of the loopback address; 0 for any.
    ///
    /// # Errors
    /// If the port can't be had.
    pub async fn start(codeconnections: CodeConnectionsEmulator, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(serve(listener, codeconnections));
        Ok(Self { endpoint, server })
    }

    /// Where it is served.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client configuration for it.
    pub fn config(&self) -> SdkConfig {
        local_config(&self.endpoint)
    }
}

impl Drop for EmulatorService {
    fn drop(&mut self) {
        self.server.abort();
    }
}
