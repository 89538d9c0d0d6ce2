//! Seals: whoever writes a snapshot, from whatever they knew of it, leaves the
//! seal of what it then says.

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

/// What was read of a snapshot. One whose seal does not fit is not read.
async fn read(env: &TestEnv, arn: &ConnectionArn) -> Option<Snapshot> {
    let read = env.table.read_snapshot(&account(), arn).await;
    read.expect("it is sealed")
}

/// What writers did, of each kind.
#[derive(Debug, Default)]
struct Counts {
    touched: u32,
    moved: u32,
    changed: u32,
    conflicts: u32,
}

/// Three writers, each of which reads and writes when it likes.
async fn life(env: &TestEnv, rng: &mut fastrand::Rng, counts: &mut Counts) {
    let arn: ConnectionArn = arn(REGION, &format!("c{}", rng.u64(..)))
        .parse()
        .expect("an ARN");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let account = account();
    let mut known: [Option<Snapshot>; 3] = Default::default();
    for step in 0..24 {
        let writer = rng.usize(..known.len());
        if rng.bool() {
            known[writer] = read(env, &arn).await;
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
        let observation_of = match rng.u8(..12) {
            0 => Observation::Absent { window },
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
        let known = known[writer].as_ref();
        let written = match comparison.decide(&arn, known, &observation_of, None) {
            Decision::Nothing(_) => continue,
            Decision::Change(step) => {
                let written = env.table.record(&account, known, &step, &clock).await;
                counts.changed += 1;
                written.expect("in time")
            }
            Decision::Touch { window, listed_in } => {
                let snapshot = known.expect("it was seen before");
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
async fn of_writers_that_know_different_things_each_leaves_the_right_seal() {
    let env = TestEnv::new().await;
    let mut counts = Counts::default();
    for seed in 0..40 {
        life(&env, &mut fastrand::Rng::with_seed(seed), &mut counts).await;
    }
    let enough = counts.touched > 20 && counts.moved > 20 && counts.changed > 20;
    assert!(enough && counts.conflicts > 20, "{counts:?}");
}

/// Two runs at the same time, the older one held up before it notes what it
/// saw: the older one's regions, and the newer one's.
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
async fn of_two_runs_at_the_same_time_the_newer_ones_note_stays_whole() {
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
async fn a_run_puts_no_seal_of_its_own_on_what_somebody_edited() {
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
        assert!(left.is_err(), "{name}: it was left as it is");
    }
}
