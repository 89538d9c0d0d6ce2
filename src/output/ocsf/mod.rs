//! Events in the Open Cybersecurity Schema Framework
//! ([OCSF](https://schema.ocsf.io)), which security data lakes and SIEMs read.
//!
//! Pure functions from what is known to what such a reader expects: no table,
//! no clock, no output. `docs/compliance.md` says which field goes where; a test
//! holds every kind of event against the published schema.

pub mod compliance;
pub mod inventory;
mod objects;

pub use compliance::{EvaluatedConnection, EvaluatedRule, compliance_event};
pub use inventory::{CollectingRun, ConnectionRecord, inventory_event};

/// The version of the schema that the events follow. AWS Security Hub takes
/// findings in this one.
pub const SCHEMA_VERSION: &str = "1.6.0";
