//! Compliance: rules, and whether an inventory keeps them.
//!
//! [`rule`] is a rule: a requirement and its scope, [`rule_file`] reads them. [`kinds`] holds the kinds of
//! requirements, one file each, with what every `kind` provides. `gather`
//! reads the [`evidence`] once for all rules, and `gather_dependencies` that about
//! dependencies if a rule needs it; [`check`] evaluates them.
//!
//! Called by `findings`, `report`, `sql` and `cli`. Imports `audit`, `table` and
//! `domain`.

// What only the options of the command line need is unused in the function.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

pub mod check;
pub(crate) mod dependencies;
mod evaluation;
pub mod evidence;
mod first_violation;
mod gather;
mod gather_dependencies;
pub(crate) mod kind;
pub mod kinds;
mod missing;
pub(crate) mod parameters;
pub mod rule;
pub mod rule_file;
pub mod severity;
pub mod subject;
pub mod values;
