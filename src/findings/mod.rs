//! Evaluations of rules, recorded as runs of their own: which findings opened,
//! which closed, and which rules could not be evaluated.
//!
//! [`rule_source`] reads the rule file, [`evaluator`] evaluates its rules for one
//! account and presents each rule as a listing of its findings, and [`security_hub`]
//! imports them into AWS Security Hub. The rest is what
//! any run does: [`Inventory`](crate::inventory::Inventory) compares the listings
//! with the record, and writes.
//!
//! Called by `lambda` and `cli`. Imports `compliance`, `audit`, `listing`, `table`,
//! `aws` and `domain`.

pub mod evaluator;
pub mod rule_source;
pub mod security_hub;

pub use evaluator::Evaluator;
pub use rule_source::{RuleSource, RuleText};
pub use security_hub::SecurityHub;
