//! The commands, one file each: arguments, help, and code.

pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod cost;
mod cost_table;
pub(crate) mod demo;
mod demo_steps;
pub(crate) mod dependency_table;
pub(crate) mod diff;
pub(crate) mod export;
mod export_format;
mod export_relations;
pub(crate) mod hosts;
pub(crate) mod impact;
pub(crate) mod list;
mod next_steps;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod scan;
pub(crate) mod shares;
pub(crate) mod shell;
pub(crate) mod show;
pub(crate) mod sql;
mod tags;
pub(crate) mod uses;
pub(crate) mod verify;
