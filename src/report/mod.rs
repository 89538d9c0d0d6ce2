//! The evidence report: one self-contained page about a period.
//!
//! [`data`] gathers it, [`page`] writes it from the templates in `templates/`.
//!
//! Called by `cli`. Imports `compliance`, `audit`, `output` and `domain`.

mod compliance;
mod connections;
pub mod data;
pub mod page;
mod view;

pub use connections::ConnectionReport;
pub use data::{AccountReport, Every, Report, ReportRequest};
