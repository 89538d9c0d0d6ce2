//! What a stand-in can be told before it starts: quotas, visibility, who is
//! refused where.

use std::collections::{BTreeMap, BTreeSet};

use super::arn::partition;

/// Regions that an account must opt in to.
pub const OPT_IN_REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];

/// Which regions' connections a request sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// As AWS documents it: connections are global resources, and a listing
    /// shows those of every region of the partition. The opt-in regions keep
    /// theirs to themselves: such a connection is seen from its own region only
    /// (while its region sees the global ones, as every region does).
    Global {
        /// The regions that keep theirs to themselves.
        opt_in: BTreeSet<String>,
    },
    /// A request sees the connections made in its own region.
    PerRegion,
}

impl Default for Visibility {
    fn default() -> Self {
        Self::Global {
            opt_in: OPT_IN_REGIONS.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Visibility {
    /// Whether a request in region `from` sees a connection made in `home`.
    #[must_use]
    pub fn shows(&self, from: &str, home: &str) -> bool {
        from == home
            || match self {
                Self::Global { opt_in } => {
                    !opt_in.contains(home) && partition(from) == partition(home)
                }
                Self::PerRegion => false,
            }
    }
}

/// How many of each thing there may be. The defaults are AWS's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// Connections an account may own, over all regions.
    pub connections: usize,
    /// Hosts an account may own, over all regions.
    pub hosts: usize,
    /// Tags on one resource.
    pub tags: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            connections: 250,
            hosts: 50,
            tags: 50,
        }
    }
}

/// What an account gets from a region it may not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionAccess {
    /// `AccessDeniedException`, as when a policy denies the region.
    Denied,
    /// `UnrecognizedClientException`, as when the account has not enabled it.
    NotEnabled,
}

/// Everything a stand-in can be told before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The account of access keys that name none.
    pub default_account: String,
    /// Where the identifiers start; the same seed gives the same ones.
    pub seed: u64,
    /// Which regions' connections a request sees.
    pub visibility: Visibility,
    /// How many of each thing there may be.
    pub quotas: Quotas,
    /// Whether connection names must be unique within an account, as AWS
    /// documents them to be.
    pub unique_names: bool,
    /// Whether resources made through the old API get `codestar-connections`
    /// ARNs, as all did before July 2024.
    pub legacy_arns: bool,
    /// Accounts whose roles nobody may assume.
    pub deny_assume_role: BTreeSet<String>,
    /// The external id that every role asks for.
    pub external_id: Option<String>,
    /// What `(account, region)` pairs are refused with.
    pub region_access: BTreeMap<(String, String), RegionAccess>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            default_account: "000000000000".to_owned(),
            seed: 0,
            visibility: Visibility::default(),
            quotas: Quotas::default(),
            unique_names: true,
            legacy_arns: false,
            deny_assume_role: BTreeSet::new(),
            external_id: None,
            region_access: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn opt_in_regions_keep_theirs_to_themselves() {
        let global = Visibility::default();
        assert!(global.shows("us-east-1", "eu-west-1"));
        assert!(global.shows("eu-south-1", "eu-west-1"));
        assert!(global.shows("eu-south-1", "eu-south-1"));
        assert!(!global.shows("eu-west-1", "eu-south-1"));
        assert!(!global.shows("us-east-1", "us-gov-west-1"));
        assert!(!Visibility::PerRegion.shows("us-east-1", "eu-west-1"));
    }
}
