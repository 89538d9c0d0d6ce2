//! Runs of any account whose listings a test sets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use codeconnections_inventory::aws::{Deadline, Meter};
use codeconnections_inventory::domain::listing::AccountListing;
use codeconnections_inventory::domain::{
    AccountId, Clock, DependencyAttributes, DependencyId, DependencyType, Filter, Kind, Listing,
    ListingEnd, Outcome, Region, RunId, Trigger, UnknownMembers,
};
use codeconnections_inventory::inventory::{Inventory, RunSpec};
use codeconnections_inventory::listing::{ListingRequest, Lists};
use codeconnections_inventory::table::StoredKind;

use super::test_env::{self, REGION, TestEnv, options};

/// What one scope lists; `None` if it is denied.
pub type Listed<K> = Option<HashMap<<K as Kind>::Id, <K as Kind>::Attributes>>;

/// What each scope of an account lists.
pub struct Listings<K: Kind>(pub Vec<(K::Scope, Listed<K>)>);

impl<K: Kind> Lists<K> for Listings<K> {
    async fn list(&self, request: &ListingRequest<'_>) -> AccountListing<K> {
        let now = request.clock.now();
        let listings = self.0.iter().map(|(scope, listed)| Listing {
            scope: scope.clone(),
            began_at: now,
            ended_at: now,
            pages: 1,
            end: match listed {
                Some(_) => ListingEnd::Complete,
                None => ListingEnd::Incomplete {
                    code: "AccessDeniedException".into(),
                    reason: "refused by the test".into(),
                },
            },
            resources: listed.clone().unwrap_or_default(),
        });
        AccountListing::new(Filter::default(), listings.collect())
    }
}

/// Makes a run of an account. Returns its outcome.
pub async fn run<K: StoredKind>(
    env: &TestEnv,
    account: &AccountId,
    listings: Vec<(K::Scope, Listed<K>)>,
) -> Outcome {
    let inventory: Inventory<_, _, K> = Inventory {
        source: Listings(listings),
        table: env.table.of_kind(),
        clock: Arc::clone(&env.clock),
        options: options(),
    };
    let region: Region = test_env::region(REGION);
    let spec = RunSpec {
        run_id: RunId::new(env.clock.now(), fastrand::u128(..)),
        account: account.clone(),
        regions: vec![region],
        filter: Filter::default(),
        accept_deletions: true,
        trigger: Trigger::Request,
        retired_regions: Vec::new(),
    };
    let deadline = Deadline::after(Duration::from_secs(60));
    let summary = inventory.run(&spec, deadline, Arc::new(Meter::default()));
    summary.await.outcome
}

/// Returns a dependency as a source lists it.
pub fn dependency(
    kind: DependencyType,
    arn: &str,
    detail: Option<&str>,
    uses: Option<&str>,
    members: &serde_json::Value,
) -> (DependencyId, DependencyAttributes) {
    let members = members.as_object().expect("members").clone().into_iter();
    let attributes = DependencyAttributes {
        dependency_type: kind,
        name: Some("it".into()),
        status: None,
        uses: uses.map(Into::into),
        members: UnknownMembers::new(members.map(|(k, v)| (k.into(), v)).collect()),
    };
    (
        DependencyId::of(kind, arn, detail).expect("an id"),
        attributes,
    )
}
