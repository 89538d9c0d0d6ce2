//! Tests the pages and samples that users copy from.

mod compliance_page;
mod published_events;
mod queries_page;
