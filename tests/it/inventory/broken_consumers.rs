//! A change to ERROR and a deletion name the consumers on record, and are recorded
//! without them if they can't be looked up.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::test_env::{self, ACCOUNT, HOUR, REGION, TestEnv, account};
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::domain::diff::{Decision, DiffContext};
use codeconnections_inventory::domain::listing::{Observation, Window};
use codeconnections_inventory::domain::{
    Change, ChangeKind, Clock, Dependency, DependencyAttributes, DependencyId, DependencyType,
    EventSummary, Outcome, SourceScope, UnknownMembers,
};
use codeconnections_inventory::inventory::Summary;
use codeconnections_inventory::table::RecordResult;
use serde_json::json;

/// Puts a dependency that names a connection on record.
async fn depend(env: &TestEnv, dependency_type: DependencyType, name: &str, uses: &str) {
    let arn = format!("arn:aws:any:{REGION}:{ACCOUNT}:{name}");
    let id = DependencyId::of(dependency_type, &arn, None).expect("an id");
    let now = env.clock.now();
    let context = DiffContext {
        account: &account(),
        run_id: &"01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().expect("a run id"),
        event_id: None,
        calls: &[],
    };
    let observation: Observation<'_, Dependency> = Observation::Present {
        attributes: &DependencyAttributes {
            dependency_type,
            name: Some(name.into()),
            status: None,
            uses: Some(uses.into()),
            members: UnknownMembers::default(),
        },
        window: Window {
            began_at: now,
            ended_at: now,
        },
        listed_in: vec![SourceScope::of("any", &test_env::region(REGION)).expect("a scope")],
    };
    let Decision::Change(transition) = context.decide(&id, None, &observation, None) else {
        panic!("a new dependency is a change");
    };
    let clock: Arc<dyn Clock> = env.clock.clone();
    let table = env.table.of_kind::<Dependency>();
    let changes = [(None, &*transition)];
    let written = table.record(&account(), &changes, &clock).await;
    assert_eq!(written, Ok(RecordResult::Written));
}

/// Runs with this policy in front of the table.
async fn run_behind(
    env: &TestEnv,
    policy: impl Fn(&Seen) -> Act + Send + Sync + 'static,
) -> (Summary, usize) {
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lookups);
    let policy = move |seen: &Seen| {
        counted.fetch_add(usize::from(is_lookup(seen)), Ordering::Relaxed);
        policy(seen)
    };
    let proxy = Proxy::start(&env.table_endpoint, policy).await;
    let table = env.table_at(&proxy.endpoint);
    let handler = env.handler_of(env.source_at(env.service.endpoint()), table);
    env.clock.advance(HOUR);
    let summary = test_env::long_run(&handler, &json!({})).await;
    (summary, lookups.load(Ordering::Relaxed))
}

fn is_lookup(seen: &Seen) -> bool {
    seen.operation == "Query" && String::from_utf8_lossy(&seen.body).contains("USES#")
}

/// Returns the consumers that the last change of a connection names.
async fn last_change(env: &TestEnv, arn: &str) -> (Change, serde_json::Value) {
    let mut changes = env.changes(arn).await;
    test_env::assert_chained(&changes);
    let last = changes.pop().expect("a change");
    let consumers = serde_json::to_value(&last.consumers).expect("JSON");
    (last, consumers)
}

#[tokio::test]
async fn change_to_error_and_deletion_name_the_consumers_on_record() {
    let env = TestEnv::new().await;
    let [broken, unused] = ["broken", "unused"].map(|name| env.create(name));
    for arn in [&broken, &unused] {
        env.set_status(arn, "AVAILABLE");
    }
    env.run().await;
    // Either spelling of the service names the same connection.
    let earlier = broken.replace(":codeconnections:", ":codestar-connections:");
    depend(&env, DependencyType::PipelineSource, "deploy", &broken).await;
    depend(&env, DependencyType::PipelineSource, "test", &earlier).await;
    depend(&env, DependencyType::BuildProject, "build", &broken).await;
    // A share is a property, and uses nothing.
    depend(&env, DependencyType::Share, "share", &broken).await;

    for arn in [&broken, &unused] {
        env.set_status(arn, "ERROR");
    }
    assert_eq!(env.run().await.outcome, Outcome::Complete);
    let (change, consumers) = last_change(&env, &broken).await;
    assert_eq!(change.kind, ChangeKind::StatusChanged);
    assert_eq!(consumers, json!({"BUILD_PROJECT": 1, "PIPELINE_SOURCE": 2}));
    let summary = EventSummary::of(&change).summary;
    let used_by = "; used by 1 build project, 2 pipeline sources, as last recorded";
    assert!(summary.ends_with(used_by), "{summary}");

    // Without a record of consumers nothing is said: they may not have been listed.
    let (change, consumers) = last_change(&env, &unused).await;
    assert_eq!(consumers, json!({}));
    let summary = EventSummary::of(&change).summary;
    assert!(summary.ends_with(", in account 123456789012"), "{summary}");

    env.set_status(&broken, "AVAILABLE");
    env.run().await;
    let (_, consumers) = last_change(&env, &broken).await;
    assert_eq!(consumers, json!({}), "nothing broke");
    env.delete(&broken);
    env.run().await;
    let (change, consumers) = last_change(&env, &broken).await;
    assert_eq!(change.kind, ChangeKind::Deleted);
    assert_eq!(consumers, json!({"BUILD_PROJECT": 1, "PIPELINE_SOURCE": 2}));
    let verified = verify(&env.table, None, env.clock.now(), |_| {}).await;
    let findings = verified.expect("verified").findings.into_iter();
    let of_connections: Vec<String> = findings
        .map(|finding| format!("{finding:?}"))
        .filter(|finding| finding.contains(&broken) || finding.contains(&unused))
        .collect();
    assert_eq!(of_connections, [""; 0]);
}

#[tokio::test]
async fn change_is_recorded_without_consumers_that_can_not_be_looked_up() {
    let denied: fn() -> Act = || Act::fault(400, "AccessDeniedException");
    for act in [denied, || Act::Hang] {
        let env = TestEnv::new().await;
        let arns = ["a", "b", "c"].map(|name| env.create(name));
        env.run().await;
        for arn in &arns {
            depend(&env, DependencyType::PipelineSource, &arn[60..], arn).await;
            env.set_status(arn, "ERROR");
        }
        let policy = move |seen: &Seen| if is_lookup(seen) { act() } else { Act::Pass };
        let (summary, _) = run_behind(&env, policy).await;
        assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
        for arn in &arns {
            let (change, consumers) = last_change(&env, arn).await;
            assert_eq!(change.kind, ChangeKind::StatusChanged);
            assert_eq!(consumers, json!({}));
        }
    }
}

#[tokio::test]
async fn run_looks_up_the_consumers_of_a_hundred_connections_at_most() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..103).map(|n| env.create(&format!("c{n}"))).collect();
    let (_, lookups) = run_behind(&env, |_| Act::Pass).await;
    assert_eq!(lookups, 0, "new connections are PENDING");
    for arn in &arns {
        env.set_status(arn, "ERROR");
    }
    let (summary, lookups) = run_behind(&env, |_| Act::Pass).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    assert_eq!(lookups, 200, "two spellings of each");
}
