//! A listing: every page that one region of one account gave, complete or not.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, ProviderType};
use super::{ConnectionArn, Region, Timestamp};

/// How long after its beginning an observation may still be recorded.
///
/// A span of time that is over must give an auditor the same changes for ever.
/// No run takes longer than this (it is the longest that Lambda lets one run),
/// so nothing is lost by it but what a run that was held up (a laptop that
/// slept, a clock that was set) would slip into a past that was told already.
/// The next run sees what there is to see, and records it in its own time.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const MAX_OBSERVATION_AGE: Duration = Duration::from_mins(15);

/// Whether what was observed at `observed_at` may no longer be recorded at
/// `now`.
pub fn is_stale(observed_at: Timestamp, now: Timestamp) -> bool {
    u128::from(now.millis_since(observed_at)) > MAX_OBSERVATION_AGE.as_millis()
}

/// What a listing was restricted to, as the API's own filters do it.
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
    /// Whether nothing is filtered. Only such a listing can show that a
    /// connection is gone.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a listing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListingEnd {
    /// Every page to the last token.
    Complete,
    /// Any other way. What it did show is true; what it did not show may
    /// still be there.
    Incomplete {
        /// A stable word for machines: `AccessDeniedException`,
        /// `TokenRepeated`, `PageLimit`, …
        code: Box<str>,
        /// The reason, for people, in a line.
        reason: Box<str>,
    },
}

/// One region's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The region that was asked. Where a connection lives is in its ARN.
    pub region: Region,
    /// Before the first request was sent.
    pub began_at: Timestamp,
    /// After the last answer came. What the listing shows was true at some
    /// time from `began_at` to here.
    pub ended_at: Timestamp,
    /// Pages received.
    pub pages: u32,
    /// Whether it came to its last page.
    pub end: ListingEnd,
    /// What it showed, each ARN once.
    pub connections: HashMap<ConnectionArn, Attributes>,
}

impl Listing {
    /// Whether every page was received.
    pub fn is_complete(&self) -> bool {
        self.end == ListingEnd::Complete
    }
}

/// An account's listings of one run, merged: what they say, and what they
/// don't, about each connection.
#[derive(Debug)]
pub struct AccountListing {
    filter: Filter,
    listings: Vec<Listing>,
}

/// What an observation says about one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation<'a> {
    /// At least one region listed it.
    Present {
        /// What was told of it.
        attributes: &'a Attributes,
        /// When the listing that is believed began and ended.
        window: Window,
        /// The regions that listed it, sorted.
        listed_in: Vec<Region>,
    },
    /// No region listed it, and complete and unfiltered listings show that it
    /// is gone: of every region that used to list it, or of one of them whose
    /// listings have the connections of all regions, where it lives in one of
    /// those.
    Absent {
        /// From the beginning of the first of those listings to the end of
        /// the last.
        window: Window,
    },
    /// It was not listed, but that shows nothing: the listings that would have
    /// it were filtered, not asked for, or did not come to the end.
    NotObserved,
}

/// The time in which something was observed: it was true at some moment from
/// `began_at` to `ended_at`. The API gives no timestamps, so this is all that
/// is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Before the first request of the listing.
    pub began_at: Timestamp,
    /// After its last answer.
    pub ended_at: Timestamp,
}

impl Window {
    /// Whether this was over when `later` began. Only then is it known which of
    /// the two looked first.
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

    /// The listings, by region.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// What the listings were restricted to.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Every ARN that any region listed, once.
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

    /// When each region last gave a complete and unfiltered listing, as this
    /// observation adds to it: what was not in such a listing was not there at
    /// some moment of it.
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

    /// Whether `region` was asked, however it answered.
    pub fn was_asked(&self, region: &Region) -> bool {
        self.listings.iter().any(|l| l.region == *region)
    }

    /// Whether `region` gave a complete and unfiltered listing.
    pub fn is_covered(&self, region: &Region) -> bool {
        self.evidence_of_absence().any(|l| l.region == *region)
    }

    /// What is said about the connection `arn` that was last listed in the
    /// regions `listed_in`.
    ///
    /// Where regions disagree about it (its status changed between their
    /// answers), the listing that ended last is believed, then the one from
    /// the region in which it lives.
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

    /// The regions that list it now, and those that did and were not shown
    /// to have stopped.
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

    /// The listings that show that a connection is gone which none of this
    /// observation's has, if any do.
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

    /// From the beginning of the first to the end of the last of the listings
    /// that are evidence and of such a region.
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

/// Regions of a partition of which each lists the connections of all: those
/// that every account has. A region that has to be opted into lists its own.
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

    /// The group of `region`; nothing for a region that lists only its own.
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
