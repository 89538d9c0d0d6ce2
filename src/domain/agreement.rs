//! Whether regions that each list all connections returned the same ones.
//!
//! AWS documents that a listing returns the connections of all default regions. A
//! second of these regions confirms that: a listing that leaves some out is complete by
//! its last page, and differs from the other one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Region;
use super::kind::Kind;
use super::listing::AccountListing;
use super::listing_group::ListingGroup;

/// The comparison of the regions of a run that list the same connections.
///
/// A connection that was made or deleted between two responses is a difference, too;
/// the next run shows whether it was that. Differences delete nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// The regions, of which at least two were listed completely.
    pub regions: Vec<Region>,
    /// The ARNs that a region lacked and another one listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lacked: BTreeMap<Region, Vec<Box<str>>>,
    /// The number of such ARNs that are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unnamed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The most ARNs that a record names for each region.
const MAX_NAMED: usize = 10;

impl Agreement {
    /// Compares the complete and unfiltered listings of a run. `None` if no two of them
    /// list the same resources.
    pub fn of<K: Kind>(account_listing: &AccountListing<K>) -> Option<Self> {
        if !K::DEFAULT_REGIONS_AGREE {
            return None;
        }
        let listings = account_listing.evidence_of_absence();
        let grouped = listings.filter_map(|listing| {
            let region = K::region(&listing.scope)?;
            Some((ListingGroup::of(region.as_str())?, region, listing))
        });
        let mut grouped: Vec<_> = grouped.collect();
        // An account is in one partition, and so are its regions.
        let (group, _, _) = grouped.first()?;
        let group = *group;
        grouped.retain(|(other, _, _)| *other == group);
        if grouped.len() < 2 {
            return None;
        }
        let mut agreement = Self {
            regions: grouped
                .iter()
                .map(|(_, region, _)| region.clone())
                .collect(),
            lacked: BTreeMap::new(),
            unnamed: 0,
        };
        for (_, region, listing) in &grouped {
            let listed_by_others = grouped
                .iter()
                .flat_map(|(_, _, other)| other.resources.keys());
            let is_lacked = |id: &&K::Id| {
                !listing.resources.contains_key(*id) && K::is_always_listed_by(id, &listing.scope)
            };
            let mut lacked: Vec<Box<str>> = listed_by_others
                .filter(is_lacked)
                .map(|id| id.to_string().into())
                .collect();
            lacked.sort_unstable();
            lacked.dedup();
            agreement.unnamed += lacked.len().saturating_sub(MAX_NAMED) as u64;
            lacked.truncate(MAX_NAMED);
            if !lacked.is_empty() {
                agreement.lacked.insert(region.clone(), lacked);
            }
        }
        Some(agreement)
    }

    /// Returns true if each region returned the same connections.
    pub fn is_unanimous(&self) -> bool {
        self.lacked.is_empty()
    }
}
