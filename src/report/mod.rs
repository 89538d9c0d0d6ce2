//! The evidence report: what is known of a period, gathered once
//! ([`data`]) and written as one self-contained page ([`html`]).

pub mod data;
mod history;
pub mod html;
mod rules;
mod view;

pub use data::{AccountReport, ConnectionReport, Every, Report, ReportRequest};
