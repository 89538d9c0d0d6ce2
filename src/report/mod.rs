//! The evidence report: one self-contained HTML page about a period.
//!
//! [`data`] gathers its content, [`page`] renders it with the files in `templates/`.
//!
//! Called by `cli`. Imports `compliance`, `audit`, `output` and `domain`.

mod compliance;
mod connections;
pub mod data;
mod dependencies;
mod format;
pub mod page;
mod view;

pub use connections::ConnectionReport;
pub use data::{AccountReport, Every, Report, ReportRequest};
