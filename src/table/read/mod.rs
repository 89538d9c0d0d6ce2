//! Queries: [`account`] and [`previous_state`] for a run, [`audit`] for
//! questions. `query` is one query with its pages.

pub mod account;
pub mod audit;
mod dependencies;
pub mod previous_state;
mod query;
mod throttled;

/// Items of an account in one page. A page of 1 MB, the longest, takes 9 MB of
/// memory once it is parsed. Shorter pages take no more time, because the
/// listing takes longer, and 2 % more read units.
pub const READ_AT_ONCE: u16 = 128;
