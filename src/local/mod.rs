//! Local AWS: an embedded DynamoDB, a CodeConnections emulator, a small one of the
//! services that use connections, and a demo account. The deployed function is built
//! without it (feature `local`).
//!
//! Called by `cli`, tests and benchmarks. Imports `aws`, `table` and `domain`.

pub mod clock;
pub mod codeconnections;
mod database_file;
pub mod demo_account;
pub mod dependency_services;
pub mod embedded;
mod embedded_error;
pub mod emulator_service;

pub use clock::ManualClock;
pub use dependency_services::DependencyServices;
pub use embedded::EmbeddedTable;
pub use embedded_error::EmbeddedError;
pub use emulator_service::EmulatorService;
