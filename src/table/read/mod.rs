//! Queries: [`account`] and [`previous_state`] for a run, [`audit`] for
//! questions. `query` is one query with its pages.

pub mod account;
pub mod audit;
pub mod previous_state;
mod query;

/// Items of an account that are read at once. A page of 1 MB, the longest,
/// takes 9 MB of memory once it is taken apart; more and shorter ones cost no
/// time, since the listing takes longer, and two hundredths more to read.
pub const READ_AT_ONCE: u16 = 128;
