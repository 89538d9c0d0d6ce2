//! Tests properties of the comparison, a pure function, that hold for any
//! account and any listings in any order.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::HashMap;

use crate::support::cases::cases;
use crate::support::test_env::{account, region};
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::domain::diff::{DiffContext, PlannedChange, Transition};
use codeconnections_inventory::domain::listing::AccountListing;
use codeconnections_inventory::domain::plan::{Plan, PreviousSnapshots, plan};
use codeconnections_inventory::domain::{
    Attributes, ChangeKind, ConnectionArn, ConnectionStatus, Filter, Listing, ListingEnd, Region,
    RunId, Timestamp,
};
use proptest::prelude::*;

const REGIONS: [&str; 3] = ["eu-south-1", "eu-west-1", "us-east-1"];

/// Returns the ARN of connection `n`. Every third connection is in an opt-in
/// region, whose connections other regions need not list.
fn arn(n: u8) -> ConnectionArn {
    let home = REGIONS[usize::from(n) % REGIONS.len()];
    format!("arn:aws:codeconnections:{home}:123456789012:connection/c{n}")
        .parse()
        .expect("an ARN")
}

fn run_id() -> RunId {
    RunId::new(Timestamp::from_millis(0), 7)
}

/// One region's listing: when it began, how long it took, whether it is
/// complete, and its connections with their statuses.
#[derive(Debug, Clone)]
struct ListingCase {
    region: usize,
    began: i64,
    took: i64,
    complete: bool,
    entries: Vec<(u8, u8)>,
}

#[derive(Debug, Clone)]
struct ListingsCase {
    filtered: bool,
    listings: Vec<ListingCase>,
}

fn case() -> impl Strategy<Value = ListingsCase> {
    let listing = (
        0..100i64,
        0..20i64,
        prop::bool::weighted(0.8),
        prop::collection::vec((0..6u8, 0..4u8), 0..6),
    );
    let listings = prop::collection::vec(prop::option::weighted(0.8, listing), REGIONS.len());
    (prop::bool::weighted(0.2), listings).prop_map(|(filtered, listings)| ListingsCase {
        filtered,
        listings: listings
            .into_iter()
            .enumerate()
            .filter_map(|(region, listing)| {
                let (began, took, complete, entries) = listing?;
                Some(ListingCase {
                    region,
                    began,
                    took,
                    complete,
                    entries,
                })
            })
            .collect(),
    })
}

fn observation(case: &ListingsCase) -> AccountListing {
    let filter = Filter {
        provider_type: case.filtered.then(|| "GitHub".into()),
        host_arn: None,
    };
    let listing = |case: &ListingCase| Listing {
        scope: region(REGIONS[case.region]),
        began_at: Timestamp::from_millis(case.began),
        ended_at: Timestamp::from_millis(case.began + case.took),
        pages: 1,
        end: if case.complete {
            ListingEnd::Complete
        } else {
            ListingEnd::Incomplete {
                code: "X".into(),
                reason: "x".into(),
            }
        },
        resources: case
            .entries
            .iter()
            .map(|(n, status)| {
                let status = match status {
                    0 => None,
                    1 => Some(ConnectionStatus::Pending),
                    2 => Some(ConnectionStatus::Available),
                    _ => Some(ConnectionStatus::from("SOMETHING_NEW")),
                };
                let attributes = Attributes {
                    connection_status: status,
                    ..Attributes::default()
                };
                (arn(*n), attributes)
            })
            .collect(),
    };
    AccountListing::new(filter, case.listings.iter().map(listing).collect())
}

fn compare<'a>(
    previous: &'a PreviousSnapshots,
    observation: &'a AccountListing,
    guard: TombstoneGuard,
) -> Plan<'a> {
    plan(previous, observation, guard)
}

/// Returns the changes of a plan as a run records them.
fn transitions(plan: &Plan<'_>) -> Vec<Transition> {
    let (account, run_id) = (account(), run_id());
    let comparison = DiffContext {
        account: &account,
        run_id: &run_id,
        event_id: None,
        calls: &[],
    };
    let changes = plan.changes.iter();
    changes
        .map(|planned| comparison.transition(planned))
        .collect()
}

/// Returns the state after the plan is written.
fn written(previous: &PreviousSnapshots, observation: &AccountListing) -> PreviousSnapshots {
    let plan = compare(previous, observation, TombstoneGuard::Off);
    let mut snapshots = previous.snapshots.clone();
    for touch in &plan.touches {
        let snapshot = snapshots.get_mut(&touch.snapshot.arn).expect("a snapshot");
        snapshot.last_seen = touch.window;
        if let Some(regions) = &touch.listed_in {
            snapshot.listed_in.clone_from(regions);
        }
    }
    for Transition { snapshot, .. } in transitions(&plan) {
        snapshots.insert(snapshot.arn.clone(), snapshot);
    }
    let mut coverage = previous.coverage.clone();
    for (region, window) in observation.coverage() {
        let latest = coverage.entry(region).or_insert(window);
        if latest.began_at < window.began_at {
            *latest = window;
        }
    }
    PreviousSnapshots {
        snapshots,
        coverage,
    }
}

/// Returns the state after these observations.
fn after(cases: &[ListingsCase]) -> PreviousSnapshots {
    let mut previous = PreviousSnapshots {
        snapshots: HashMap::new(),
        ..PreviousSnapshots::default()
    };
    for case in cases {
        previous = written(&previous, &observation(case));
    }
    previous
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases(64))
    })]

    #[test]
    fn repeated_observation_plans_no_write(
        before in prop::collection::vec(case(), 0..4),
        case in case(),
    ) {
        let observation = observation(&case);
        let previous = written(&after(&before), &observation);
        let again = compare(&previous, &observation, TombstoneGuard::Off);
        prop_assert!(again.changes.is_empty(), "{:?}", again.changes);
        prop_assert!(again.touches.is_empty(), "{:?}", again.touches);
    }

    #[test]
    fn transitions_follow_the_previous_state_in_order(
        before in prop::collection::vec(case(), 0..4),
        case in case(),
    ) {
        let previous = after(&before);
        let seen = observation(&case);
        let plan = compare(&previous, &seen, TombstoneGuard::Off);
        for (transition, planned) in transitions(&plan).iter().zip(&plan.changes) {
            prop_assert_eq!(&transition.change.arn, planned.id);
            prop_assert_eq!(transition.change.kind, planned.kind());
            let old = previous.snapshots.get(&transition.change.arn);
            prop_assert_eq!(transition.change.version, old.map_or(1, |old| old.version + 1));
            prop_assert_eq!(transition.change.previous_digest, old.map(|old| old.digest));
            prop_assert_eq!(transition.snapshot.digest, transition.change.digest());
            prop_assert_eq!(transition.snapshot.version, transition.change.version);
            prop_assert_eq!(old.is_none(), transition.change.kind == ChangeKind::FirstSeen);
            // Never backwards.
            if let Some(old) = old {
                prop_assert!(old.rests_on().ended_at <= transition.change.observed_at);
            }
            if let Some(from) = transition.change.previously_seen_at {
                prop_assert!(from <= transition.change.observed_at);
            }
        }
        let arns: Vec<_> = plan.changes.iter().map(|planned| planned.id).collect();
        prop_assert!(arns.is_sorted());
        for touch in &plan.touches {
            prop_assert!(touch.window.began_at > touch.snapshot.last_seen.began_at);
            prop_assert!(touch.window.ended_at >= touch.snapshot.last_seen.ended_at);
        }
    }

    #[test]
    fn deletion_requires_complete_listings_without_the_connection(
        before in prop::collection::vec(case(), 0..4),
        case in case(),
    ) {
        let previous = after(&before);
        let seen = observation(&case);
        let plan = compare(&previous, &seen, TombstoneGuard::Off);
        let deletions = plan.changes.iter().filter(|c| c.kind() == ChangeKind::Deleted);
        for deleted in deletions {
            prop_assert!(!case.filtered);
            prop_assert!(seen.ids().all(|arn| arn != deleted.id));
            let lacks = |region: &Region| {
                let listing = seen.listings().iter().find(|l| l.scope == *region);
                listing.is_some_and(Listing::is_complete)
            };
            let mut listed_in = previous.snapshots[deleted.id].listed_in.iter();
            let is_global = |region: &str| !region.starts_with("eu-south");
            let mut complete = seen.listings().iter().filter(|l| l.is_complete());
            let one = is_global(deleted.id.region())
                && complete.any(|l| is_global(l.scope.as_str()));
            prop_assert!(listed_in.all(lacks) || one);
        }
    }

    #[test]
    fn plan_is_independent_of_the_order_of_listings(
        before in prop::collection::vec(case(), 0..3),
        case in case(),
    ) {
        let previous = after(&before);
        let mut reversed = case.clone();
        reversed.listings.reverse();
        let (in_order, reversed) = (observation(&case), observation(&reversed));
        let one = compare(&previous, &in_order, TombstoneGuard::Off);
        let other = compare(&previous, &reversed, TombstoneGuard::Off);
        prop_assert_eq!(one.changes, other.changes);
        prop_assert_eq!(one.touches, other.touches);
    }

    #[test]
    fn tombstone_guard_ignores_small_accounts(
        before in prop::collection::vec(case(), 0..4),
        case in case(),
    ) {
        // No account here is large enough for the guard.
        let previous = after(&before);
        let seen = observation(&case);
        let unguarded = compare(&previous, &seen, TombstoneGuard::Off);
        let guarded = compare(&previous, &seen, TombstoneGuard::Share(0.0));
        prop_assert!(guarded.held_back.is_empty());
        prop_assert_eq!(unguarded.changes, guarded.changes);
    }
}

#[test]
fn tombstone_guard_holds_back_all_deletions_and_keeps_other_changes() {
    let observe = |entries: Vec<(u8, u8)>, began| ListingsCase {
        filtered: false,
        listings: vec![ListingCase {
            region: 1,
            began,
            took: 1,
            complete: true,
            entries,
        }],
    };
    let previous = after(&[observe((0..20).map(|n| (n, 1)).collect(), 0)]);
    let seen = observation(&observe(vec![(0, 1), (1, 2), (30, 1)], 10));
    let plan = compare(&previous, &seen, TombstoneGuard::Share(0.5));
    assert_eq!(plan.held_back.len(), 18);
    assert!(plan.held_back.is_sorted());
    // Changes are sorted by ARN, and the new connection's region sorts first.
    let kinds: Vec<_> = plan.changes.iter().map(PlannedChange::kind).collect();
    assert_eq!(kinds, [ChangeKind::FirstSeen, ChangeKind::StatusChanged]);
    assert_eq!(plan.touches.len(), 1);
}

#[test]
fn overlapping_listing_is_no_evidence_of_earlier_absence() {
    let observe = |began, took, entries| ListingsCase {
        filtered: false,
        listings: vec![ListingCase {
            region: 1,
            began,
            took,
            complete: true,
            entries,
        }],
    };
    // An overlapping listing may have read the connections after the later one,
    // when this one was deleted again.
    for (ended, since) in [(10, Some(0)), (11, None), (30, None)] {
        let previous = after(&[observe(0, ended, Vec::new())]);
        let seen = observation(&observe(10, 1, vec![(1, 1)]));
        let plan = compare(&previous, &seen, TombstoneGuard::Off);
        let change = &transitions(&plan)[0].change;
        assert_eq!(change.kind, ChangeKind::FirstSeen);
        let since = since.map(Timestamp::from_millis);
        assert_eq!(change.previously_seen_at, since, "ended at {ended}");
    }
}
