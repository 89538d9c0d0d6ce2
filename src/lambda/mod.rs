//! One event in, one response out.
//!
//! [`event`] and [`sqs_batch`] parse what invokes the function, [`handler`]
//! runs one inventory for each account that the event is about, [`response`]
//! is what it returns. [`function`] connects them with Lambda, for the [`kind`]
//! of resource that a binary inventories. [`config`] reads the settings from the
//! environment; [`logging`] and [`metrics`] write what operators see. `evaluation` is
//! the function of findings, which a batch of the table's stream invokes
//! (`stream_batch`).
//!
//! Called by `main.rs` and the functions in `bin`, and by `ccinv scan`, `evaluate` and
//! `demo`, which handle one event of their own. Imports `inventory`, `listing`, `table`,
//! `aws` and `domain`; `evaluation` alone also `findings` and `audit`.

#[cfg(feature = "compliance")]
pub mod checkpointing;
pub mod config;
#[cfg(feature = "compliance")]
pub mod evaluation;
pub mod event;
pub mod function;
pub mod handler;
pub mod kind;
pub mod logging;
pub mod metrics;
pub mod response;
pub mod sqs_batch;
mod start;
#[cfg(feature = "compliance")]
pub mod stream_batch;
