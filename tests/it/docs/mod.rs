//! The pages and samples that users copy from.

mod controls_page;
mod published_events;
mod queries_page;
