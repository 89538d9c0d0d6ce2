//! A listing: all pages of one region of one account, complete or not.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::ProviderType;
use super::kind::Kind;
use super::{Closing, Connection, EvaluationBasis, Timestamp};

/// The greatest age, from its start, at which an observation may still be
/// recorded.
///
/// Once a time range is final, its changes must never vary. Lambda limits a run
/// to this time, so the limit only discards observations of runs that were
/// suspended (a laptop that slept, a clock that was set). The next run observes
/// again and records that.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const MAX_OBSERVATION_AGE: Duration = Duration::from_mins(15);

/// The code of a listing whose service says that it is not enabled for the account.
/// Nothing was observed, but a run that repeats this for ever is not incomplete.
pub const NOT_ENABLED: &str = "NotEnabled";

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

/// The listing of one region, or of one region of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<K: Kind = Connection> {
    /// What was listed. A connection's own region is in its ARN.
    pub scope: K::Scope,
    /// The time before the first request.
    pub began_at: Timestamp,
    /// The time after the last response. What the listing shows was true at
    /// some time from `began_at` to here.
    pub ended_at: Timestamp,
    /// Pages received.
    pub pages: u32,
    /// Its end: complete or not.
    pub end: ListingEnd,
    /// The resources, each once.
    pub resources: HashMap<K::Id, K::Attributes>,
}

impl<K: Kind> Listing<K> {
    /// Returns true if every page was received.
    pub fn is_complete(&self) -> bool {
        self.end == ListingEnd::Complete
    }

    /// Returns true if its service is not enabled for the account.
    pub fn is_not_enabled(&self) -> bool {
        matches!(&self.end, ListingEnd::Incomplete { code, .. } if **code == *NOT_ENABLED)
    }
}

/// An account's listings of one run, merged: what they prove about each
/// resource, and what they don't.
#[derive(Debug)]
pub struct AccountListing<K: Kind = Connection> {
    filter: Filter,
    listings: Vec<Listing<K>>,
    evaluation: Option<EvaluationBasis>,
    closings: HashMap<K::Id, Closing>,
}

/// The observation of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation<'a, K: Kind = Connection> {
    /// At least one listing has it.
    Present {
        /// Its attributes.
        attributes: &'a K::Attributes,
        /// The window of the listing that counts.
        window: Window,
        /// The scopes that listed it, sorted.
        listed_in: Vec<K::Scope>,
    },
    /// No listing has it, and complete and unfiltered ones prove its absence: of
    /// every scope that used to list it, or of one that always lists it.
    Absent {
        /// From the beginning of the first of those listings to the end of
        /// the last.
        window: Window,
        /// Why it closes, if it is a finding.
        closing: Option<&'a Closing>,
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

impl<K: Kind> AccountListing<K> {
    /// Merges one run's listings, which were all made with `filter`.
    pub fn new(filter: Filter, mut listings: Vec<Listing<K>>) -> Self {
        listings.sort_by(|a, b| a.scope.cmp(&b.scope));
        Self {
            filter,
            listings,
            evaluation: None,
            closings: HashMap::new(),
        }
    }

    /// Returns it with why what it lacks closes, if it is an evaluation of rules.
    #[must_use]
    pub fn closing(self, closings: HashMap<K::Id, Closing>) -> Self {
        Self { closings, ..self }
    }

    /// Returns it with what it is based on, as an evaluation of rules.
    #[must_use]
    pub fn based_on(self, evaluation: EvaluationBasis) -> Self {
        Self {
            evaluation: Some(evaluation),
            ..self
        }
    }

    /// Returns what it is based on, if it is an evaluation of rules.
    pub fn evaluation(&self) -> Option<&EvaluationBasis> {
        self.evaluation.as_ref()
    }

    /// Returns the listings, by scope.
    pub fn listings(&self) -> &[Listing<K>] {
        &self.listings
    }

    /// Returns the filter of the listings.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Returns the id of every resource that is listed, once.
    pub fn ids(&self) -> impl Iterator<Item = &K::Id> {
        self.listings
            .iter()
            .enumerate()
            .flat_map(move |(i, listing)| {
                listing.resources.keys().filter(move |id| {
                    !self.listings[..i]
                        .iter()
                        .any(|earlier| earlier.resources.contains_key(*id))
                })
            })
    }

    /// Returns the window of each complete and unfiltered listing, by scope: a
    /// resource that such a listing lacks was absent at some moment of it.
    pub fn coverage(&self) -> BTreeMap<K::Scope, Window> {
        self.evidence_of_absence()
            .map(|listing| (listing.scope.clone(), listing.window()))
            .collect()
    }

    pub(super) fn evidence_of_absence(&self) -> impl Iterator<Item = &Listing<K>> {
        let unfiltered = self.filter.is_empty();
        self.listings
            .iter()
            .filter(move |listing| unfiltered && listing.is_complete())
    }

    /// Returns true if `scope` was listed, completely or not, and its service is
    /// enabled.
    pub fn was_asked(&self, scope: &K::Scope) -> bool {
        self.listings
            .iter()
            .any(|l| l.scope == *scope && !l.is_not_enabled())
    }

    /// Returns true if the listing of `scope` is complete and unfiltered.
    pub fn is_covered(&self, scope: &K::Scope) -> bool {
        self.evidence_of_absence().any(|l| l.scope == *scope)
    }

    /// Returns the observation of the resource `id`, which was last listed in
    /// the scopes `listed_in`.
    ///
    /// Where listings disagree (its status changed between their responses), the
    /// one that ended last counts, then the one of its home.
    pub fn observation_of(&self, id: &K::Id, listed_in: &[K::Scope]) -> Observation<'_, K> {
        let newest = self
            .listings
            .iter()
            .filter_map(|listing| Some((listing, listing.resources.get(id)?)))
            .max_by_key(|(listing, _)| (listing.ended_at, K::is_home(id, &listing.scope)));
        if let Some((listing, attributes)) = newest {
            return Observation::Present {
                attributes,
                window: listing.window(),
                listed_in: self.now_listed_in(id, listed_in),
            };
        }
        match self.absence_window(id, listed_in) {
            Some(window) => Observation::Absent {
                window,
                closing: self.closings.get(id),
            },
            None => Observation::NotObserved,
        }
    }

    /// Returns the scopes that list it now, and those that did and were not
    /// shown to have stopped.
    fn now_listed_in(&self, id: &K::Id, before: &[K::Scope]) -> Vec<K::Scope> {
        let mut scopes: Vec<K::Scope> = self
            .listings
            .iter()
            .filter(|listing| listing.resources.contains_key(id))
            .map(|listing| listing.scope.clone())
            .collect();
        for scope in before {
            if !self.is_covered(scope) && !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        scopes.sort();
        scopes
    }

    /// Returns the window of the listings that prove the absence of a resource
    /// that none of them has, if any do.
    fn absence_window(&self, id: &K::Id, listed_in: &[K::Scope]) -> Option<Window> {
        let listed_it = |scope: &K::Scope| listed_in.contains(scope);
        if !listed_in.is_empty() && listed_in.iter().all(|scope| self.is_covered(scope)) {
            return self.windows(listed_it);
        }
        // One that always lists it shows it, whatever the others say. One that
        // never listed this one shows nothing.
        self.windows(|scope| listed_it(scope) && K::is_always_listed_by(id, scope))
    }

    /// Returns the window from the start of the first to the end of the last of
    /// the listings that are evidence and of such a scope.
    fn windows(&self, is_meant: impl Fn(&K::Scope) -> bool) -> Option<Window> {
        self.evidence_of_absence()
            .filter(|listing| is_meant(&listing.scope))
            .map(Listing::window)
            .reduce(|all, this| Window {
                began_at: all.began_at.min(this.began_at),
                ended_at: all.ended_at.max(this.ended_at),
            })
    }
}

impl<K: Kind> Listing<K> {
    fn window(&self) -> Window {
        Window {
            began_at: self.began_at,
            ended_at: self.ended_at.max(self.began_at),
        }
    }
}
