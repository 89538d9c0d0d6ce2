//! Fakes of AWS for tests and benchmarks: an HTTP server on loopback, a client that forwards
//! what it receives, a scripted CodeConnections, and answers of the other services.

#![allow(
    dead_code,
    missing_docs,
    clippy::expect_used,
    reason = "each program uses a part of it"
)]

pub mod answers;
pub mod certificate;
pub mod http_server;
pub mod scripted_service;
pub mod upstream;
