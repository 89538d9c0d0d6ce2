//! Events in the Open Cybersecurity Schema Framework
//! ([OCSF](https://schema.ocsf.io)), which security data lakes and SIEMs read.
//!
//! Pure functions: no table, no clock, no output. `docs/compliance.md` maps the fields;
//! a test validates every kind of event against the published schema.

pub mod compliance;
pub mod inventory;
mod objects;

pub use compliance::{EvaluatedRule, compliance_event};
pub use inventory::{ConnectionRecord, inventory_event};

/// The schema version of the events. AWS Security Hub accepts findings in it.
pub const SCHEMA_VERSION: &str = "1.6.0";
