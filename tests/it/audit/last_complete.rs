//! When a scope was last listed completely, if more runs came since than an answer reads.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::HashMap;

use crate::support::ccinv::{Ccinv, Done};
use crate::support::recorded_accounts::run;
use crate::support::test_env::{HOUR, REGION, TestEnv, account, region};
use codeconnections_inventory::domain::{Clock, Connection, Dependency, Finding, Kind};
use codeconnections_inventory::table::StoredKind;
use codeconnections_inventory::table::read::audit::MAX_RUNS_READ;
use serde_json::{Value, json};

/// Makes a run an hour later. Only the first of the scopes may be listed.
async fn list<K: StoredKind>(env: &TestEnv, scopes: [&str; 2], is_listed: bool)
where
    <K as Kind>::Scope: std::str::FromStr<Err: std::fmt::Debug>,
{
    env.clock.advance(HOUR);
    let [first, never] = scopes.map(|scope| scope.parse().expect("a scope"));
    let listings = vec![(first, is_listed.then(HashMap::new)), (never, None)];
    run::<K>(env, &account(), listings).await;
}

/// Returns a table in which the first scope was listed by the first run, and by none of the
/// runs that an answer reads.
async fn recorded<K: StoredKind>(scopes: [&str; 2]) -> TestEnv
where
    <K as Kind>::Scope: std::str::FromStr<Err: std::fmt::Debug>,
{
    let env = TestEnv::new().await;
    let connections = vec![(region(REGION), Some(HashMap::new()))];
    run::<Connection>(&env, &account(), connections).await;
    list::<K>(&env, scopes, true).await;
    for _ in 0..MAX_RUNS_READ {
        list::<K>(&env, scopes, false).await;
    }
    env
}

async fn ask(env: &TestEnv, arguments: &[&str]) -> Done {
    let table = env.table.name().as_str();
    let arguments = [arguments, &["--table", table]].concat();
    Ccinv::at(env).run(&arguments).await
}

async fn json_of(env: &TestEnv, arguments: &[&str]) -> Value {
    let done = ask(env, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"))
}

#[tokio::test]
async fn rule_was_evaluated_completely_before_the_runs_that_are_read() {
    let rules = ["in-error", "never"];
    let env = recorded::<Finding>(rules).await;
    let first =
        "  in-error: refused by the test; last evaluated completely at 2026-10-01T10:00:00Z";
    let done = ask(&env, &["findings", "--rule", "in-error"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains(first), "{done:?}");
    let done = ask(&env, &["findings"]).await;
    let never = "  never: refused by the test; never evaluated completely\n";
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stdout.contains(never), "{done:?}");

    // The record has the last complete evaluation only, and it is later now.
    let then = env.clock.now().to_string();
    let earlier = ["findings", "--rule", "in-error", "--as-of", &then];
    let done = ask(&env, &earlier).await;
    assert!(done.stdout.contains(first), "{done:?}");
    list::<Finding>(&env, rules, true).await;
    let done = ask(&env, &earlier).await;
    assert_eq!(done.code, 4, "{done:?}");
    let unknown = "in-error: refused by the test; not evaluated completely in the last 100 runs";
    assert!(done.stdout.contains(unknown), "{done:?}");
    let answer = json_of(&env, &earlier).await;
    let rule = &answer["rests_on"][0]["insufficient"][0];
    assert_eq!(rule["complete_at"], Value::Null, "{answer}");
    assert_eq!(rule["complete_at_unknown"], true, "{answer}");
}

#[tokio::test]
async fn source_was_listed_completely_before_the_runs_that_are_read() {
    let sources = ["ram/eu-west-1", "codepipeline/eu-west-1"];
    let env = recorded::<Dependency>(sources).await;
    let first = "ram in eu-west-1: refused by the test; last listed completely at 2026-10-01";
    let done = ask(&env, &["shares"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains(first), "{done:?}");
    let done = ask(&env, &["sql", "select name from consumers"]).await;
    let never = "codepipeline in eu-west-1: refused by the test; never listed completely\n";
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stdout.contains(never), "{done:?}");
    let statement = "select source, complete_at is null as lacks from sources order by 1";
    let answer = json_of(&env, &["sql", statement]).await;
    let expected = json!([
        {"source": "codepipeline", "lacks": 1}, {"source": "ram", "lacks": 0},
    ]);
    assert_eq!(answer["rows"], expected);

    let then = env.clock.now().to_string();
    list::<Dependency>(&env, sources, true).await;
    let done = ask(&env, &["shares", "--as-of", &then]).await;
    assert_eq!(done.code, 4, "{done:?}");
    let unknown = "refused by the test; not listed completely in the last 100 runs by then";
    assert!(done.stdout.contains(unknown), "{done:?}");
}
