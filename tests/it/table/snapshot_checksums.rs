//! Every write of a snapshot, from any previous state, leaves the checksum
//! (seal) of its new contents.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use crate::support::TestEnv;
use crate::support::scripted_listing::{Held, Stage};
use crate::support::scripted_service::{arn, entry};
use crate::support::test_env::{self, REGION, account, region};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::domain::diff::{Decision, DiffContext};
use codeconnections_inventory::domain::listing::{Observation, Window};
use codeconnections_inventory::domain::plan::Touch;
use codeconnections_inventory::domain::{
    Attributes, Clock, ConnectionArn, Outcome, Region, RunId, Snapshot, Timestamp,
};
use codeconnections_inventory::local::ManualClock;
use codeconnections_inventory::table::{WriteResult, codec};
use serde_json::json;

const REGIONS: [&str; 3] = ["eu-south-1", "eu-west-1", "us-east-1"];

/// Reads a snapshot. Fails if its seal does not match.
async fn read(env: &TestEnv, arn: &ConnectionArn) -> Option<Snapshot> {
    let read = env.table.read_snapshot(&account(), arn).await;
    read.expect("it is sealed")
}

/// The number of writes of each kind.
#[derive(Debug, Default)]
struct Counts {
    touched: u32,
    moved: u32,
    changed: u32,
    conflicts: u32,
}

/// Has three writers read and write in random order.
async fn random_writes(env: &TestEnv, rng: &mut fastrand::Rng, counts: &mut Counts) {
    let arn: ConnectionArn = arn(REGION, &format!("c{}", rng.u64(..)))
        .parse()
        .expect("an ARN");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let account = account();
    let mut previous: [Option<Snapshot>; 3] = Default::default();
    for step in 0..24 {
        let writer = rng.usize(..previous.len());
        if rng.bool() {
            previous[writer] = read(env, &arn).await;
            continue;
        }
        let began_at = Timestamp::from_millis(step * 2 + rng.i64(0..12));
        let window = Window {
            began_at,
            ended_at: Timestamp::from_millis(began_at.millis() + rng.i64(0..4)),
        };
        let listed_in: Vec<Region> = REGIONS
            .into_iter()
            .filter(|_| rng.u8(..4) > 0)
            .map(region)
            .collect();
        let attributes = Attributes {
            connection_status: Some(["PENDING", "ERROR"][usize::from(rng.u8(..8) == 0)].into()),
            ..Attributes::default()
        };
        let observation = match rng.u8(..12) {
            0 => Observation::Absent {
                window,
                closing: None,
            },
            _ => Observation::Present {
                attributes: &attributes,
                window,
                listed_in,
            },
        };
        let run_id = RunId::new(began_at, rng.u128(..));
        let comparison = DiffContext {
            account: &account,
            run_id: &run_id,
            event_id: None,
            calls: &[],
        };
        let previous = previous[writer].as_ref();
        let written = match comparison.decide(&arn, previous, &observation, None) {
            Decision::Nothing(_) => continue,
            Decision::Change(transition) => {
                let changes = [(previous, &*transition)];
                let written = env.table.record(&account, &changes, &clock).await;
                counts.changed += 1;
                written.expect("in time").into()
            }
            Decision::Touch { window, listed_in } => {
                let snapshot = previous.expect("a snapshot");
                match listed_in {
                    Some(_) => counts.moved += 1,
                    None => counts.touched += 1,
                }
                let touch = Touch {
                    snapshot,
                    window,
                    listed_in,
                };
                let written = env.table.touch(&account, &[touch]).await;
                written.into_iter().next().expect("one")
            }
        };
        match written {
            WriteResult::Written => {}
            WriteResult::Conflict => counts.conflicts += 1,
            WriteResult::Failed(fault) => panic!("{fault}"),
        }
        read(env, &arn).await;
    }
}

#[tokio::test]
async fn writers_with_different_previous_states_leave_valid_seals() {
    let env = TestEnv::new().await;
    let mut counts = Counts::default();
    for seed in 0..40 {
        random_writes(&env, &mut fastrand::Rng::with_seed(seed), &mut counts).await;
    }
    let enough = counts.touched > 20 && counts.moved > 20 && counts.changed > 20;
    assert!(enough && counts.conflicts > 20, "{counts:?}");
}

/// Runs twice at the same time, each over its own regions. The older run is
/// suspended before its touch.
async fn overlapping_touches(env: &TestEnv, older: &[&str], newer: &[&str]) -> Snapshot {
    let id = arn(REGION, "c");
    let stage = Stage::new(vec![entry(&id, "c", "PENDING")]).await;
    env.run_with(&stage.endpoint, &json!({})).await;
    env.clock.advance(test_env::HOUR);
    let held = Held::before(env, "BatchExecuteStatement").await;
    let handler = env.handler_of(env.source_at(&stage.endpoint), held.table(env));
    let event = json!({"regions": older});
    let other = async {
        held.reached().await;
        env.clock.advance(Duration::from_secs(1));
        let other = env
            .run_with(&stage.endpoint, &json!({"regions": newer}))
            .await;
        held.release();
        other
    };
    let (older, newer) = tokio::join!(test_env::run(&handler, &event), other);
    for summary in [&older, &newer] {
        assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    }
    let snapshot = read(env, &id.parse().expect("an ARN")).await;
    snapshot.expect("it is there")
}

#[tokio::test]
async fn touch_of_the_newer_of_two_concurrent_runs_stays_valid() {
    for (older, newer) in [
        (&["eu-west-1"][..], &["eu-west-1"][..]),
        (&["eu-west-1", "us-east-1"], &["eu-west-1"]),
        (&["eu-west-1"], &["eu-west-1", "us-east-1"]),
        (&["eu-south-1", "eu-west-1"], &["eu-west-1", "us-east-1"]),
    ] {
        let env = TestEnv::new().await;
        let snapshot = overlapping_touches(&env, older, newer).await;
        let at = "2026-10-01T10:00:01Z".parse().expect("a time");
        assert_eq!(snapshot.last_seen.began_at, at);
        let newer: Vec<Region> = newer.iter().copied().map(region).collect();
        assert_eq!(snapshot.listed_in, newer);
        assert!(env.run().await.problems.is_empty());
    }
}

#[tokio::test]
async fn run_does_not_seal_an_edited_snapshot_again() {
    let edits: [(&str, AttributeValue); 3] = [
        ("last_seen_at", codec::s("2026-09-01T00:00:00.000Z")),
        ("last_seen_until", codec::s("2026-12-01T00:00:00.000Z")),
        (
            "listed_in",
            AttributeValue::Ss(vec!["us-east-1".to_owned()]),
        ),
    ];
    for (name, value) in edits {
        let env = TestEnv::new().await;
        let id = env.create("c");
        env.run().await;
        let client = env.table.client();
        let table = env.table.name().as_str();
        let edit = client
            .update_item()
            .table_name(table)
            .key("pk", codec::s(format!("ACCOUNT#{}", account())))
            .key("sk", codec::s(format!("CONNECTION#{id}")))
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value);
        edit.send().await.expect("edited");
        let summary = env.run().await;
        assert_eq!(summary.outcome, Outcome::Partial, "{name}");
        let problem = summary.problems.join("\n");
        let says = "attribute seal: is not that of what the snapshot says";
        assert!(problem.contains(&id) && problem.contains(says), "{problem}");
        let arn = id.parse().expect("an ARN");
        let left = env.table.read_snapshot(&account(), &arn).await;
        assert!(left.is_err(), "{name}: it is left unchanged");
    }
}
