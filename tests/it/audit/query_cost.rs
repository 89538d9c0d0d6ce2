//! The read cost of queries: they use keys and indexes, read only what they need, and
//! never scan the table.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::support::ccinv::Ccinv;
use crate::support::proxy::{Act, Proxy};
use crate::support::test_env::{HOUR, TestEnv, account, long_run};
use codeconnections_inventory::audit::{Audit, ConnectionFilter};
use codeconnections_inventory::aws::Meter;
use codeconnections_inventory::domain::Clock;
use serde_json::json;

/// Returns the answer of a query, its read units and its requests.
async fn cost<T>(env: &TestEnv, query: impl AsyncFnOnce(Audit) -> T) -> (T, f64, u64) {
    let meter = Arc::new(Meter::default());
    let audit = Audit::new(env.table.metered(Arc::clone(&meter)));
    let answer = query(audit).await;
    (answer, meter.capacity().read_units, meter.requests().read)
}

/// Creates an environment with this many connections, three of them PENDING.
async fn env_with(connections: usize) -> (TestEnv, Vec<String>) {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..connections)
        .map(|n| env.create(&format!("c{n}")))
        .collect();
    for arn in &arns[3..] {
        env.set_status(arn, "AVAILABLE");
    }
    env.clock.advance(HOUR);
    long_run(&env.handler(), &json!({})).await;
    (env, arns)
}

fn pending() -> ConnectionFilter {
    ConnectionFilter {
        status: Some("PENDING".into()),
        ..ConnectionFilter::default()
    }
}

#[tokio::test]
async fn status_query_cost_is_independent_of_account_size() {
    let mut costs = Vec::new();
    for connections in [50, 1_000] {
        let (env, _) = env_with(connections).await;
        let (rows, units, requests) = cost(&env, async |audit| {
            audit.connections(&pending()).await.expect("read")
        })
        .await;
        assert_eq!(rows.len(), 3);
        costs.push((units.to_string(), requests));
        let at = env.clock.now();
        let (basis, units, _) = cost(&env, async |audit| {
            audit.basis(&account(), at).await.expect("read")
        })
        .await;
        assert!(basis.is_evidence());
        assert!(units <= 4.0, "the basis: {units}");
    }
    assert_eq!(costs[0], costs[1]);
    assert!(
        // Half a unit of the index, and one for each snapshot.
        costs[0].0.parse::<f64>().expect("a number") <= 3.5,
        "{costs:?}"
    );
}

#[tokio::test]
async fn history_reads_its_partition_and_the_runs_of_its_changes() {
    let (env, arns) = env_with(60).await;
    for status in ["ERROR", "AVAILABLE"] {
        env.set_status(&arns[7], status);
        env.run().await;
    }
    for _ in 0..30 {
        env.run().await;
    }
    let of_account = Some(account());
    let (history, units, requests) = cost(&env, async |audit| {
        audit
            .history(&arns[7], of_account.as_ref())
            .await
            .expect("read")
    })
    .await;
    assert_eq!(history[0].changes.len(), 3);
    // Its changes, the last run, and a binary search for each of its three runs among
    // 33: at most 6 steps each, and one more.
    assert!(requests <= 2 + 3 * 7, "{requests} requests");
    assert!(units <= f64::from(2 + 3 * 7), "{units} units");
}

#[tokio::test]
async fn as_of_reads_only_changes_up_to_that_time() {
    let (env, arns) = env_with(60).await;
    let then = env.clock.now();
    for _ in 0..4 {
        for arn in &arns {
            env.set_status(arn, "ERROR");
        }
        env.run().await;
        for arn in &arns {
            env.set_status(arn, "AVAILABLE");
        }
        env.run().await;
    }
    let everything = ConnectionFilter::default();
    let at = async |time| {
        let query = async |audit: Audit| audit.connections_as_of(&everything, time).await;
        let (rows, units, _) = cost(&env, query).await;
        assert_eq!(rows.expect("read").len(), 60);
        units
    };
    let (early, late) = (at(then).await, at(env.clock.now()).await);
    assert!(
        early * 6.0 < late,
        "{early} units for the first run, {late} for nine"
    );
}

#[tokio::test]
async fn only_verify_scans_the_table() {
    let (env, arns) = env_with(20).await;
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let kept = Arc::clone(&seen);
    let proxy = Proxy::start(&env.table_endpoint, move |request| {
        kept.lock()
            .expect("whole")
            .insert(request.operation.clone());
        Act::Pass
    })
    .await;
    let ccinv = Ccinv::at(&env).with("AWS_ENDPOINT_URL_DYNAMODB", &proxy.endpoint);
    let table = env.table.name().as_str();
    let commands: [&[&str]; 12] = [
        &["list"],
        &["list", "--status", "PENDING"],
        &["list", "--as-of", "2026-10-31"],
        &["show", "c1"],
        &["history", &arns[1]],
        &["changes", "--since", "2026-10-01"],
        &["diff", "2026-10-02", "2026-10-31"],
        &["runs"],
        &["runs", "--gaps", "--every", "1h"],
        &["export"],
        &["export", "changes"],
        &["export", "runs"],
    ];
    for command in commands {
        ccinv.fine(&[command, &["--table", table]].concat()).await;
    }
    let operations = seen.lock().expect("whole").clone();
    assert_eq!(operations, BTreeSet::from(["Query".to_owned()]));
    ccinv.fine(&["verify", "--table", table]).await;
    assert!(seen.lock().expect("whole").contains("Scan"));
}
