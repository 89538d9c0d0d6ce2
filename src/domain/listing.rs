//! A listing: all pages of one region of one account, complete or not.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, ProviderType};
use super::{ConnectionArn, Region, Timestamp};

/// The greatest age, from its start, at which an observation may still be
/// recorded.
///
/// Once a time range is final, its changes must never vary. Lambda limits a run
/// to this time, so the limit only discards observations of runs that were
/// suspended (a laptop that slept, a clock that was set). The next run observes
/// again and records that.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const MAX_OBSERVATION_AGE: Duration = Duration::from_mins(15);

/// Returns true if an observation of `observed_at` is too old to be recorded at
/// `now`.
pub fn is_stale(observed_at: Timestamp, now: Timestamp) -> bool {
    u128::from(now.millis_since(observed_at)) > MAX_OBSERVATION_AGE.as_millis()
}

/// The filter of a listing, as the API's own parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Only connections of this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_type: Option<ProviderType>,
    /// Only connections through this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_arn: Option<Box<str>>,
}

impl Filter {
    /// Returns true if nothing is filtered. Only an unfiltered listing can
    /// prove absence.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The end of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListingEnd {
    /// Every page to the last token.
    Complete,
    /// It broke off. What it showed is true; what it did not show may still be
    /// there.
    Incomplete {
        /// A stable word for machines: `AccessDeniedException`,
        /// `TokenRepeated`, `PageLimit`, …
        code: Box<str>,
        /// The reason, for people, in a line.
        reason: Box<str>,
    },
}

/// The listing of one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The region that was listed. A connection's own region is in its ARN.
    pub region: Region,
    /// The time before the first request.
    pub began_at: Timestamp,
    /// The time after the last response. What the listing shows was true at
    /// some time from `began_at` to here.
    pub ended_at: Timestamp,
    /// Pages received.
    pub pages: u32,
    /// Its end: complete or not.
    pub end: ListingEnd,
    /// The connections, each ARN once.
    pub connections: HashMap<ConnectionArn, Attributes>,
}

impl Listing {
    /// Returns true if every page was received.
    pub fn is_complete(&self) -> bool {
        self.end == ListingEnd::Complete
    }
}

/// An account's listings of one run, merged: what they prove about each
/// connection, and what they don't.
#[derive(Debug)]
pub struct AccountListing {
    filter: Filter,
    listings: Vec<Listing>,
}

/// The observation of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation<'a> {
    /// At least one region listed it.
    Present {
        /// Its attributes.
        attributes: &'a Attributes,
        /// The window of the listing that counts.
        window: Window,
        /// The regions that listed it, sorted.
        listed_in: Vec<Region>,
    },
    /// No region listed it, and complete and unfiltered listings prove its
    /// absence: of every region that used to list it, or of one of the regions
    /// that list the connections of all, if it lives in one of those.
    Absent {
        /// From the beginning of the first of those listings to the end of
        /// the last.
        window: Window,
    },
    /// It was not listed, which proves nothing: the listings that would show it
    /// were filtered, not requested, or incomplete.
    NotObserved,
}

/// The window of an observation: it was true at some moment from `began_at` to
/// `ended_at`. The API returns no timestamps, so nothing narrower is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The time before the first request of the listing.
    pub began_at: Timestamp,
    /// The time after its last response.
    pub ended_at: Timestamp,
}

impl Window {
    /// Returns true if this was over when `later` began. Only then is their
    /// order known.
    pub fn precedes(self, later: Self) -> bool {
        self.ended_at <= later.began_at
    }
}

impl AccountListing {
    /// Merges one run's listings, which were all made with `filter`.
    pub fn new(filter: Filter, mut listings: Vec<Listing>) -> Self {
        listings.sort_by(|a, b| a.region.cmp(&b.region));
        Self { filter, listings }
    }

    /// Returns the listings, by region.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// Returns the filter of the listings.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Returns every ARN that any region listed, once.
    pub fn arns(&self) -> impl Iterator<Item = &ConnectionArn> {
        self.listings
            .iter()
            .enumerate()
            .flat_map(move |(i, listing)| {
                listing.connections.keys().filter(move |arn| {
                    !self.listings[..i]
                        .iter()
                        .any(|earlier| earlier.connections.contains_key(*arn))
                })
            })
    }

    /// Returns the window of each complete and unfiltered listing, by region: a
    /// connection that such a listing lacks was absent at some moment of it.
    pub fn coverage(&self) -> BTreeMap<Region, Window> {
        self.evidence_of_absence()
            .map(|listing| (listing.region.clone(), listing.window()))
            .collect()
    }

    fn evidence_of_absence(&self) -> impl Iterator<Item = &Listing> {
        let unfiltered = self.filter.is_empty();
        self.listings
            .iter()
            .filter(move |listing| unfiltered && listing.is_complete())
    }

    /// Returns true if `region` was listed, completely or not.
    pub fn was_asked(&self, region: &Region) -> bool {
        self.listings.iter().any(|l| l.region == *region)
    }

    /// Returns true if the listing of `region` is complete and unfiltered.
    pub fn is_covered(&self, region: &Region) -> bool {
        self.evidence_of_absence().any(|l| l.region == *region)
    }

    /// Returns the observation of the connection `arn`, which was last listed
    /// in the regions `listed_in`.
    ///
    /// Where regions disagree (its status changed between their responses), the
    /// listing that ended last counts, then the one of the region in which it
    /// lives.
    pub fn observation_of(&self, arn: &ConnectionArn, listed_in: &[Region]) -> Observation<'_> {
        let believed = self
            .listings
            .iter()
            .filter_map(|listing| Some((listing, listing.connections.get(arn)?)))
            .max_by_key(|(listing, _)| (listing.ended_at, listing.region.as_str() == arn.region()));
        if let Some((listing, attributes)) = believed {
            return Observation::Present {
                attributes,
                window: listing.window(),
                listed_in: self.now_listed_in(arn, listed_in),
            };
        }
        match self.absence_window(arn, listed_in) {
            Some(window) => Observation::Absent { window },
            None => Observation::NotObserved,
        }
    }

    /// Returns the regions that list it now, and those that did and were not
    /// shown to have stopped.
    fn now_listed_in(&self, arn: &ConnectionArn, before: &[Region]) -> Vec<Region> {
        let mut regions: Vec<Region> = self
            .listings
            .iter()
            .filter(|listing| listing.connections.contains_key(arn))
            .map(|listing| listing.region.clone())
            .collect();
        for region in before {
            let stopped = self.evidence_of_absence().any(|l| l.region == *region);
            if !stopped && !regions.contains(region) {
                regions.push(region.clone());
            }
        }
        regions.sort();
        regions
    }

    /// Returns the window of the listings that prove the absence of a
    /// connection that none of them has, if any do.
    fn absence_window(&self, arn: &ConnectionArn, listed_in: &[Region]) -> Option<Window> {
        let listed_it = |region: &Region| listed_in.contains(region);
        if !listed_in.is_empty() && listed_in.iter().all(|region| self.is_covered(region)) {
            return self.windows(listed_it);
        }
        // One of those that list the connections of all regions shows it,
        // whatever the others say. One that never listed this one shows nothing.
        let group = ListingGroup::of(arn.region())?;
        self.windows(|region| listed_it(region) && ListingGroup::of(region.as_str()) == Some(group))
    }

    /// Returns the window from the start of the first to the end of the last of
    /// the listings that are evidence and of such a region.
    fn windows(&self, is_meant: impl Fn(&Region) -> bool) -> Option<Window> {
        self.evidence_of_absence()
            .filter(|listing| is_meant(&listing.region))
            .map(Listing::window)
            .reduce(|all, this| Window {
                began_at: all.began_at.min(this.began_at),
                ended_at: all.ended_at.max(this.ended_at),
            })
    }
}

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

impl Listing {
    fn window(&self) -> Window {
        Window {
            began_at: self.began_at,
            ended_at: self.ended_at.max(self.began_at),
        }
    }
}
