//! Regions that list the connections of each other.

/// Regions of a partition each of which lists the connections of all of them:
/// those that every account has. An opt-in region lists its own only.
/// <https://docs.aws.amazon.com/dtconsole/latest/userguide/welcome-connections-how-it-works-global.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingGroup {
    /// The commercial regions.
    Aws,
    /// The `GovCloud` regions.
    GovCloud,
}

impl ListingGroup {
    /// The regions that every account has. Every region that AWS opened since
    /// March 2019 has to be opted into, so the list is complete.
    /// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>
    pub const DEFAULT_REGIONS: [&str; 17] = [
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    ];

    /// Returns the group of `region`; `None` for a region that lists only its
    /// own connections.
    pub fn of(region: &str) -> Option<Self> {
        match region {
            "us-gov-east-1" | "us-gov-west-1" => Some(Self::GovCloud),
            region if Self::DEFAULT_REGIONS.contains(&region) => Some(Self::Aws),
            _ => None,
        }
    }
}
