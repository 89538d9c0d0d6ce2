//! Auditable inventory and change history for AWS CodeConnections.
//!
//! A run goes one way: [event](lambda::event) → [config](lambda::config) →
//! [listing] → [plan](domain::plan) → [writes](inventory::writer) →
//! [response](lambda::response).
//!
//! | folder | what lives there |
//! |---|---|
//! | [`domain`] | the rules, pure: snapshots, changes, plan, digests |
//! | [`aws`] | what all AWS calls share: configuration, errors, retries |
//! | [`listing`] | ListConnections, page by page |
//! | [`table`] | the DynamoDB table: items, reads, writes |
//! | [`inventory`] | one run of one account |
//! | [`lambda`] | one event in, one response out |
//! | [`audit`] | questions about the record, and its verification |
//! | `bundle` | the evidence of a period, in one archive |
//! | `checkpoint` | signed statements of what the table held |
//! | `compliance` | rules and their evaluation |
//! | `findings` | evaluations of rules, recorded as runs |
//! | `sql` | the record as tables in SQLite |
//! | `output`, `report`, `cost`, `cli` | what people and machines read |
//! | `local` | local AWS: an embedded table and an emulator |
//!
//! Imports between folders run one way; `.ci/layout` checks them.

#[cfg(feature = "cli")]
pub mod archive;
pub mod audit;
pub mod aws;
#[cfg(feature = "cli")]
pub mod bundle;
#[cfg(feature = "compliance")]
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "compliance")]
pub mod compliance;
#[cfg(feature = "cli")]
pub mod cost;
pub mod domain;
#[cfg(feature = "compliance")]
pub mod findings;
pub mod inventory;
pub mod lambda;
pub mod listing;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "cli")]
pub mod output;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
pub mod sql;
pub mod table;
