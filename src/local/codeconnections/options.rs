//! Options of the emulator: quotas, visibility, denied regions.

use std::collections::{BTreeMap, BTreeSet};

use super::arn::partition;

/// Opt-in regions.
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

/// The connections that are visible in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// As AWS documents it: connections are global resources, and listing any
    /// region returns the connections of all default regions of the partition.
    /// Connections of an opt-in region are visible only in that region.
    Global {
        /// The opt-in regions.
        opt_in: BTreeSet<String>,
    },
    /// Only connections of the region itself.
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
    /// Returns true if a connection created in `home` is visible in `from`.
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

/// Quotas. The defaults are those of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// Connections per account, in all regions.
    pub connections: usize,
    /// Hosts per account, in all regions.
    pub hosts: usize,
    /// Tags per resource.
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

/// The error of a region that an account may not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionAccess {
    /// `AccessDeniedException`, as when a policy denies the region.
    Denied,
    /// `UnrecognizedClientException`, as when the account has not enabled it.
    NotEnabled,
}

/// Options of an emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The account of access keys that are no account ID.
    pub default_account: String,
    /// Seed of the ids. The same seed gives the same ids.
    pub seed: u64,
    /// The connections that are visible in a region.
    pub visibility: Visibility,
    /// The quotas.
    pub quotas: Quotas,
    /// Whether connection names must be unique in an account, as AWS documents.
    pub unique_names: bool,
    /// Whether resources created through the old API get `codestar-connections`
    /// ARNs, as before July 2024.
    pub legacy_arns: bool,
    /// Accounts that deny `AssumeRole`.
    pub deny_assume_role: BTreeSet<String>,
    /// The external ID that every role requires.
    pub external_id: Option<String>,
    /// Denied `(account, region)` pairs.
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
mod tests {
    use super::*;

    #[test]
    fn connections_of_opt_in_regions_are_visible_only_there() {
        let global = Visibility::default();
        assert!(global.shows("us-east-1", "eu-west-1"));
        assert!(global.shows("eu-south-1", "eu-west-1"));
        assert!(global.shows("eu-south-1", "eu-south-1"));
        assert!(!global.shows("eu-west-1", "eu-south-1"));
        assert!(!global.shows("us-east-1", "us-gov-west-1"));
        assert!(!Visibility::PerRegion.shows("us-east-1", "eu-west-1"));
    }
}
