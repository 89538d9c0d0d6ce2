//! The integration tests, as one program: a folder per topic, a module per subject.
//! `cargo test --test it audit::` runs one topic, `cargo test --test it as_of` the
//! tests with `as_of` in their path.
//!
//! Tests start in the order of their paths. Those of `deployed_stack` mostly wait for the
//! emulator. Its name keeps them from being the last, with nothing beside them.

#![allow(clippy::expect_used, missing_docs, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod cli;
mod deploy;
mod deployed_stack;
mod docs;
mod emulator;
mod inventory;
mod lambda;
mod robustness;
mod table;
