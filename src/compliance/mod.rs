//! Compliance: rules, and whether an inventory keeps them.
//!
//! [`rule`] is what a rule is and [`requirement`] what it asks; [`gather`] reads
//! the [`evidence`] once for all rules; [`evaluate`] is the pure evaluation of
//! one rule for one connection; [`check`] evaluates all of them.
//!
//! Called by `report` and `cli`. Imports `audit`, `table` and `domain`.

pub mod check;
pub mod evaluate;
pub mod evidence;
mod first_violation;
mod gather;
pub mod requirement;
pub mod rule;
