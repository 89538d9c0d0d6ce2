//! What one run is to do.

use crate::domain::{AccountId, Filter, Region, RunId, Trigger};

/// The specification of one run.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The run's id.
    pub run_id: RunId,
    /// The account to list.
    pub account: AccountId,
    /// The regions to list.
    pub regions: Vec<Region>,
    /// The filter of the listings.
    pub filter: Filter,
    /// Whether deletions beyond the guard are accepted.
    pub accept_deletions: bool,
    /// The event that started it.
    pub trigger: Trigger,
    /// Regions that are not inventoried any more: that only they list a
    /// connection is no reason for a run not to be complete.
    pub retired_regions: Vec<Region>,
}

/// The version that a run's record names.
pub const CODE_VERSION: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
