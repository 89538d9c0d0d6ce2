//! Running without AWS: an embedded DynamoDB, a stand-in CodeConnections, and
//! an account that changes. The deployed function is built without all this.

pub mod clock;
pub mod codeconnections;
pub mod demo_account;
pub mod embedded;
pub mod service;

pub use clock::ManualClock;
pub use embedded::{EmbeddedError, EmbeddedTable};
pub use service::StandInService;
