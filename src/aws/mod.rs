//! What is common to all calls of AWS: the clients' configuration, what a
//! failed call means, and when to try again.

pub mod bounded;
pub mod clients;
mod endpoints;
pub mod fault;
mod foreign;
pub mod meter;
pub mod patience;
pub(crate) mod reader;
pub mod shared_config;
mod trust;
pub mod watch;

pub use fault::{Fault, FaultKind};
pub use meter::Meter;
pub use patience::{Deadline, Patience};
