//! What all AWS calls have in common.
//!
//! [`clients`] and [`shared_config`] configure them; [`error`] classifies
//! failed calls, [`retry_policy`] says when to try again and `retry` does;
//! [`meter`] counts requests and capacity; [`response_limit`] bounds how much of a response is read.
//!
//! Called by `listing`, `table`, `inventory`, `lambda` and `cli`. Imports
//! `domain`.

mod ca_bundle;
pub mod clients;
pub mod endpoints;
pub mod error;
pub mod json_client;
pub mod meter;
pub mod observer;
pub mod response_limit;
pub(crate) mod response_reader;
pub(crate) mod retry;
pub mod retry_policy;
#[cfg(feature = "compliance")]
pub mod s3;
mod service_call;
pub mod setting;
pub mod shared_config;
mod unexpected_response;

pub use error::{CallError, CallErrorKind};
pub use meter::Meter;
pub use retry_policy::{Deadline, RetryPolicy};
