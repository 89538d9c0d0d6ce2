//! The integration tests, as one program: a folder a topic, a module a subject.
//! `cargo test --test it audit::` runs a topic, `cargo test --test it as_of` what
//! has that in its path.

#![allow(clippy::expect_used, missing_docs, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod cli;
mod deploy;
mod docs;
mod emulator;
mod inventory;
mod lambda;
mod robustness;
mod table;
