//! The cost estimate of dependencies: its units match what a run of dependencies uses on
//! the embedded table, and its sizes what it writes.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test of small counts"
)]

use crate::support::ccinv::Ccinv;
use crate::support::test_env::{ACCOUNT, REGION};
use codeconnections_inventory::cost::Plan;
use codeconnections_inventory::cost::dependencies::{
    CHANGE_UNITS, read_units, schedules, write_units,
};
use codeconnections_inventory::local::codeconnections::{
    CodeConnectionsEmulator, CreateConnectionInput, Options, ProviderType, Scope,
};
use codeconnections_inventory::local::dependency_services::{Home, Pipeline};
use codeconnections_inventory::local::{DependencyServices, EmulatorService};
use serde_json::Value;

const PIPELINES: u64 = 60;

fn plan(dependencies: u64) -> Plan {
    Plan {
        accounts: 1,
        connections: 1,
        every_ms: 3_600_000,
        changes: 0,
        memory_mb: 256,
        at_once: 8,
        dependencies,
        dependencies_every_ms: 86_400_000,
        regions: 1,
        months: 12,
        emails: false,
    }
}

/// An account with pipelines that use one connection.
async fn account() -> EmulatorService {
    let codeconnections = CodeConnectionsEmulator::new(Options::default());
    let scope = Scope::new(ACCOUNT, REGION);
    let input = CreateConnectionInput::new("payments", ProviderType::GitHub);
    let made = codeconnections.state().create_connection(&scope, input);
    let connection_arn = made.expect("created").connection_arn;
    let services = DependencyServices::default();
    services.state().pipelines = (0..PIPELINES)
        .map(|number| Pipeline {
            home: Home::new(ACCOUNT, REGION),
            name: format!("a-pipeline-with-a-name-{number}"),
            connection_arn: connection_arn.clone(),
            full_repository_id: format!("an-organization/a-repository-{number}"),
            branch_name: "main".to_owned(),
        })
        .collect();
    EmulatorService::start_with(codeconnections, services, 0)
        .await
        .expect("a port")
}

/// Returns what a run of dependencies used.
fn used(scan: &Value, part: &str, name: &str) -> f64 {
    let used = &scan["dependencies"][part][name];
    used.as_f64().expect("a number")
}

#[tokio::test]
async fn dependency_run_matches_estimated_units() {
    let service = account().await;
    let ccinv = Ccinv::offline()
        .with("AWS_ENDPOINT_URL", service.endpoint())
        .with("AWS_ACCESS_KEY_ID", ACCOUNT)
        .with("AWS_SECRET_ACCESS_KEY", "any")
        .with("AWS_REGION", REGION);
    let scan = ["scan", "--dependencies", "--db", "some.db", "--json"];
    let first = ccinv.json(&scan).await;
    let mut unchanged = first.clone();
    // More runs than are in the record of the account.
    for _ in 0..9 {
        unchanged = ccinv.json(&scan).await;
    }
    assert_eq!(unchanged["dependencies"]["outcome"], "COMPLETE");
    let plan = plan(PIPELINES);
    let covers = |what: &str, estimate: f64, measured: f64, most: f64| {
        let is_near = estimate >= measured && estimate <= measured * most;
        assert!(is_near, "{what}: {measured}, estimated {estimate}");
    };
    let units = used(&unchanged, "capacity", "write_units");
    covers("write units", write_units(&plan) as f64, units, 1.1);
    let reads = used(&unchanged, "capacity", "read_units");
    covers("read units", read_units(&plan) as f64, reads, 1.5);
    assert!(units >= PIPELINES as f64, "one for each: {units}");

    let others = (write_units(&plan) - PIPELINES) as f64;
    let first = used(&first, "capacity", "write_units") - others;
    let each = first / PIPELINES as f64;
    covers("units of a change", CHANGE_UNITS as f64, each, 1.5);
}

#[test]
fn dependencies_run_once_a_day_or_never() {
    assert!((schedules(&plan(1)) - 730.0 / 24.0).abs() < 1e-9);
    assert!(schedules(&plan(0)).abs() < 1e-9);
}
