//! What one run is to do.

use crate::domain::{AccountId, Filter, Region, RunId, Trigger};

/// What one run is to do.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The run's id.
    pub run_id: RunId,
    /// The account to list.
    pub account: AccountId,
    /// The regions to list.
    pub regions: Vec<Region>,
    /// What to restrict the listings to.
    pub filter: Filter,
    /// Whether the guard is set aside.
    pub accept_deletions: bool,
    /// What started it.
    pub trigger: Trigger,
    /// Regions that are not inventoried any more: that only they list a
    /// connection is no reason for a run not to be complete.
    pub retired_regions: Vec<Region>,
}

/// The version that a run's record names.
pub const CODE_VERSION: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
