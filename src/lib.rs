//! An inventory of AWS CodeConnections that can be believed.
//!
//! A run goes one way: [event](event) → [settings](config) →
//! [listing](collect) → [plan](domain::plan) → [writes](apply) →
//! [summary](summary). [`inventory`] drives it for one account, [`handler`]
//! for one event. [`domain`] holds the rules and knows of nothing outside;
//! [`collect`] knows nothing of storing, [`table`] nothing of collecting.

pub mod applied;
pub mod apply;
pub mod audit;
pub mod aws;
pub mod batch;
#[cfg(feature = "cli")]
pub mod cli;
pub mod collect;
pub mod config;
#[cfg(feature = "cli")]
pub mod cost;
pub mod domain;
pub mod event;
mod findings;
pub mod handler;
pub mod head;
pub mod inventory;
#[cfg(feature = "local")]
pub mod local;
pub mod logging;
pub mod metrics;
#[cfg(feature = "cli")]
pub mod ocsf;
pub mod record;
#[cfg(feature = "cli")]
pub mod report;
pub mod summary;
pub mod table;
