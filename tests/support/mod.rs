//! What tests share: an environment with a table and a service on loopback, a
//! proxy that interferes, and a service that says what a test wants.
//!
//! Nothing here knows how the code under test does its work: it is reached
//! through its public interface, and reaches its parts over real HTTP.

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
pub mod doc_page;
pub mod dynamodb_local;
pub mod faults;
pub mod ministack;
pub mod pipes;
pub mod proxy;
pub mod python;
pub mod raw_http_server;
pub mod raw_items;
pub mod runtime_emulator;
pub mod scripted_listing;
pub mod scripted_service;
pub mod stack;
pub mod stream_records;
pub mod template;
pub mod test_env;
pub mod tls;
pub mod tools;
pub mod virtual_time;

pub use test_env::TestEnv;

/// Asks again and again until there is an answer, and fails the test if that
/// takes long beyond reason.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed().as_secs() < 300, "in vain until {what}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Waits until `holds`, and fails the test if that takes long beyond reason.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed().as_secs() < 60, "in vain until {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
