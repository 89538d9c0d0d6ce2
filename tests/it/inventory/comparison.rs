//! The comparison, a pure function: what holds for any account, any listings
//! and any order of them.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::HashMap;

use crate::support::cases::cases;
use crate::support::test_env::{account, region};
use codeconnections_inventory::domain::diff::{DiffContext, Transition};
use codeconnections_inventory::domain::listing::AccountListing;
use codeconnections_inventory::domain::plan::{Plan, PreviousSnapshots, TombstoneGuard, plan};
use codeconnections_inventory::domain::{
    Attributes, ChangeKind, ConnectionArn, ConnectionStatus, Filter, Listing, ListingEnd, Region,
    RunId, Timestamp,
};
use proptest::prelude::*;

const REGIONS: [&str; 3] = ["eu-south-1", "eu-west-1", "us-east-1"];

/// Every third connection lives in a region that keeps its own to itself.
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
/// complete, and which connections it has in which status.
#[derive(Debug, Clone)]
struct Said {
    region: usize,
    began: i64,
    took: i64,
    complete: bool,
    entries: Vec<(u8, u8)>,
}

#[derive(Debug, Clone)]
struct Look {
    filtered: bool,
    listings: Vec<Said>,
}

fn look() -> impl Strategy<Value = Look> {
    let said = (
        0..100i64,
        0..20i64,
        prop::bool::weighted(0.8),
        prop::collection::vec((0..6u8, 0..4u8), 0..6),
    );
    let listings = prop::collection::vec(prop::option::weighted(0.8, said), REGIONS.len());
    (prop::bool::weighted(0.2), listings).prop_map(|(filtered, listings)| Look {
        filtered,
        listings: listings
            .into_iter()
            .enumerate()
            .filter_map(|(region, said)| {
                let (began, took, complete, entries) = said?;
                Some(Said {
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

fn observation(look: &Look) -> AccountListing {
    let filter = Filter {
        provider_type: look.filtered.then(|| "GitHub".into()),
        host_arn: None,
    };
    let listing = |said: &Said| Listing {
        scope: region(REGIONS[said.region]),
        began_at: Timestamp::from_millis(said.began),
        ended_at: Timestamp::from_millis(said.began + said.took),
        pages: 1,
        end: if said.complete {
            ListingEnd::Complete
        } else {
            ListingEnd::Incomplete {
                code: "X".into(),
                reason: "x".into(),
            }
        },
        resources: said
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
    AccountListing::new(filter, look.listings.iter().map(listing).collect())
}

fn compare<'a>(
    known: &'a PreviousSnapshots,
    observation: &AccountListing,
    guard: TombstoneGuard,
) -> Plan<'a> {
    let (account, run_id) = (account(), run_id());
    let comparison = DiffContext {
        account: &account,
        run_id: &run_id,
        event_id: None,
        calls: &[],
    };
    plan(&comparison, known, observation, guard)
}

/// What is known once the plan is written.
fn written(known: &PreviousSnapshots, observation: &AccountListing) -> PreviousSnapshots {
    let plan = compare(known, observation, TombstoneGuard::Off);
    let mut snapshots = known.snapshots.clone();
    for touch in &plan.touches {
        let snapshot = snapshots.get_mut(&touch.snapshot.arn).expect("known");
        snapshot.last_seen = touch.window;
        if let Some(regions) = &touch.listed_in {
            snapshot.listed_in.clone_from(regions);
        }
    }
    for Transition { snapshot, .. } in plan.changes {
        snapshots.insert(snapshot.arn.clone(), snapshot);
    }
    let mut coverage = known.coverage.clone();
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

/// What is known after some looks.
fn after(looks: &[Look]) -> PreviousSnapshots {
    let mut known = PreviousSnapshots {
        snapshots: HashMap::new(),
        ..PreviousSnapshots::default()
    };
    for look in looks {
        known = written(&known, &observation(look));
    }
    known
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases(64))
    })]

    #[test]
    fn the_same_look_twice_finds_nothing_the_second_time(
        before in prop::collection::vec(look(), 0..4),
        look in look(),
    ) {
        let observation = observation(&look);
        let known = written(&after(&before), &observation);
        let again = compare(&known, &observation, TombstoneGuard::Off);
        prop_assert!(again.changes.is_empty(), "{:?}", again.changes);
        prop_assert!(again.touches.is_empty(), "{:?}", again.touches);
    }

    #[test]
    fn each_step_follows_the_one_before_and_is_ordered(
        before in prop::collection::vec(look(), 0..4),
        look in look(),
    ) {
        let known = after(&before);
        let plan = compare(&known, &observation(&look), TombstoneGuard::Off);
        for step in &plan.changes {
            let previous = known.snapshots.get(&step.change.arn);
            prop_assert_eq!(step.change.version, previous.map_or(1, |p| p.version + 1));
            prop_assert_eq!(step.change.previous_digest, previous.map(|p| p.digest));
            prop_assert_eq!(step.snapshot.digest, step.change.digest());
            prop_assert_eq!(step.snapshot.version, step.change.version);
            prop_assert_eq!(previous.is_none(), step.change.kind == ChangeKind::FirstSeen);
            // Never backwards.
            if let Some(previous) = previous {
                prop_assert!(previous.rests_on().ended_at <= step.change.observed_at);
            }
            if let Some(from) = step.change.previously_seen_at {
                prop_assert!(from <= step.change.observed_at);
            }
        }
        let arns: Vec<_> = plan.changes.iter().map(|step| &step.change.arn).collect();
        prop_assert!(arns.is_sorted());
        for touch in &plan.touches {
            prop_assert!(touch.window.began_at > touch.snapshot.last_seen.began_at);
            prop_assert!(touch.window.ended_at >= touch.snapshot.last_seen.ended_at);
        }
    }

    #[test]
    fn nothing_is_gone_but_what_the_regions_that_would_list_it_completely_lack(
        before in prop::collection::vec(look(), 0..4),
        look in look(),
    ) {
        let known = after(&before);
        let seen = observation(&look);
        let plan = compare(&known, &seen, TombstoneGuard::Off);
        let gone = plan.changes.iter().filter(|s| s.change.kind == ChangeKind::Deleted);
        for step in gone {
            prop_assert!(!look.filtered);
            prop_assert!(seen.ids().all(|arn| *arn != step.change.arn));
            let lacks = |region: &Region| {
                let listing = seen.listings().iter().find(|l| l.scope == *region);
                listing.is_some_and(Listing::is_complete)
            };
            let mut listed_in = known.snapshots[&step.change.arn].listed_in.iter();
            let is_global = |region: &str| !region.starts_with("eu-south");
            let mut complete = seen.listings().iter().filter(|l| l.is_complete());
            let one = is_global(step.change.arn.region())
                && complete.any(|l| is_global(l.scope.as_str()));
            prop_assert!(listed_in.all(lacks) || one);
        }
    }

    #[test]
    fn the_order_in_which_regions_answer_does_not_matter(
        before in prop::collection::vec(look(), 0..3),
        look in look(),
    ) {
        let known = after(&before);
        let mut turned = look.clone();
        turned.listings.reverse();
        let one = compare(&known, &observation(&look), TombstoneGuard::Off);
        let other = compare(&known, &observation(&turned), TombstoneGuard::Off);
        prop_assert_eq!(one.changes, other.changes);
        prop_assert_eq!(one.touches, other.touches);
    }

    #[test]
    fn the_guard_takes_out_deletions_and_nothing_else(
        before in prop::collection::vec(look(), 0..4),
        look in look(),
    ) {
        // No account here is large enough for the guard: it takes out nothing.
        let known = after(&before);
        let seen = observation(&look);
        let open = compare(&known, &seen, TombstoneGuard::Off);
        let guarded = compare(&known, &seen, TombstoneGuard::Share(0.0));
        prop_assert!(guarded.held_back.is_empty());
        prop_assert_eq!(open.changes, guarded.changes);
    }
}

#[test]
fn a_guarded_plan_holds_back_every_deletion_and_keeps_the_rest() {
    let said = |entries: Vec<(u8, u8)>, began| Look {
        filtered: false,
        listings: vec![Said {
            region: 1,
            began,
            took: 1,
            complete: true,
            entries,
        }],
    };
    let known = after(&[said((0..20).map(|n| (n, 1)).collect(), 0)]);
    let seen = observation(&said(vec![(0, 1), (1, 2), (30, 1)], 10));
    let plan = compare(&known, &seen, TombstoneGuard::Share(0.5));
    assert_eq!(plan.held_back.len(), 18);
    assert!(plan.held_back.is_sorted());
    // By ARN: the new one lives in a region that sorts first.
    let kinds: Vec<_> = plan.changes.iter().map(|step| step.change.kind).collect();
    assert_eq!(kinds, [ChangeKind::FirstSeen, ChangeKind::StatusChanged]);
    assert_eq!(plan.touches.len(), 1);
}

#[test]
fn what_a_listing_lacked_that_was_still_going_on_says_nothing_of_before() {
    let look = |began, took, entries| Look {
        filtered: false,
        listings: vec![Said {
            region: 1,
            began,
            took,
            complete: true,
            entries,
        }],
    };
    // It may have looked after the other one, when the connection was gone again.
    for (ended, since) in [(10, Some(0)), (11, None), (30, None)] {
        let known = after(&[look(0, ended, Vec::new())]);
        let plan = compare(
            &known,
            &observation(&look(10, 1, vec![(1, 1)])),
            TombstoneGuard::Off,
        );
        let change = &plan.changes[0].change;
        assert_eq!(change.kind, ChangeKind::FirstSeen);
        let since = since.map(Timestamp::from_millis);
        assert_eq!(change.previously_seen_at, since, "ended at {ended}");
    }
}
