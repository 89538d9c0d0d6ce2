//! Compliance: rules, and whether an inventory keeps them.
//!
//! [`rule`] is a rule: a requirement and its scope. [`kinds`] holds the kinds of
//! requirements, one file each, with what every `kind` provides. `gather`
//! reads the [`evidence`] once for all rules, and `gather_dependencies` that about
//! dependencies if a rule needs it; [`check`] evaluates them.
//!
//! Called by `report` and `cli`. Imports `audit`, `table` and `domain`.

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
pub mod severity;
pub mod subject;
pub mod values;
