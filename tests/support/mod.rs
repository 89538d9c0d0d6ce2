//! Helpers of the tests: an environment with a table and a service on loopback, a proxy
//! that injects faults, and a scripted service.
//!
//! They use only the public interface of the code under test, which reaches the services
//! over real HTTP.

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "every test program compiles this module and uses a part of it"
)]

pub mod aws;
pub mod cases;
pub mod ccinv;
pub mod chromium;
pub mod consumers;
pub mod doc_page;
pub mod dynamodb_local;
pub mod fakes;
pub mod faults;
pub mod keys;
pub mod ministack;
pub mod moto;
pub mod pipes;
pub mod proxy;
pub mod python;
pub mod raw_http_server;
pub mod raw_items;
pub mod recorded_accounts;
pub mod running;
pub mod runtime_emulator;
pub mod scripted_listing;
pub mod stack;
pub mod stream_records;
pub mod template;
pub mod test_env;
pub mod tls;
pub mod tools;
pub mod virtual_time;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

pub use fakes::scripted_service;
pub use test_env::TestEnv;

/// Polls until there is an answer. Fails the test after 5 minutes.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            began.elapsed().as_secs() < 300,
            "timed out waiting until {what}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Waits until `holds` returns true. Fails the test after a minute.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(
            began.elapsed().as_secs() < 60,
            "timed out waiting until {what}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Returns a free port of loopback for a program that needs a given one.
///
/// It is outside the ephemeral range (from 32768 on Linux, from 49152 elsewhere). Other
/// tests of this process use that range, and could take the port before the program does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Other processes start at another port.
        let offset = std::process::id().wrapping_mul(97).wrapping_add(number) % 12_000;
        let port = 20_000 + u16::try_from(offset).expect("less than 12,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
