//! What several front ends share: wording, escaping, and event schemas.
//!
//! Pure functions: no table, no clock, no clap, no exit codes. Called by
//! `report` and `cli`. Imports `compliance`, `audit`, `inventory` and `domain`.

pub mod escape;
pub mod graph;
pub mod ocsf;
pub mod text;
