//! Regions that are listed once, or no longer: deletions are still recorded,
//! and unconfirmed connections are reported.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::support::scripted_service::{Reply, Script, arn, entry, last};
use crate::support::test_env::{self, TestEnv, region};
use codeconnections_inventory::domain::{ChangeKind, Clock, Outcome};
use codeconnections_inventory::inventory::summary::Summary;
use serde_json::json;

const HOME: &str = "us-east-1";
const OTHER: &str = "eu-west-1";
/// An opt-in region.
const OPT_IN: &str = "eu-south-1";

/// An account whose default regions list each other's connections, and whose
/// opt-in region lists its own.
struct Account {
    env: TestEnv,
    script: Script,
    shown: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl Account {
    async fn new(connections: &[(&str, &str)]) -> Self {
        let own = |(home, id): &(&str, &str)| ((*home).to_owned(), (*id).to_owned());
        let shown: Arc<Mutex<BTreeSet<_>>> =
            Arc::new(Mutex::new(connections.iter().map(own).collect()));
        let listable = Arc::clone(&shown);
        let script = Script::start(move |asked| {
            let shown = listable.lock().expect("not poisoned");
            let lists = |home: &str| (home == OPT_IN) == (asked.region == OPT_IN);
            let listed = shown.iter().filter(|(home, _)| lists(home));
            last(
                listed
                    .map(|(home, id)| entry(&arn(home, id), id, "PENDING"))
                    .collect(),
            )
        })
        .await;
        let env = TestEnv::new().await;
        Self { env, script, shown }
    }

    fn delete(&self, id: &str) {
        let mut shown = self.shown.lock().expect("not poisoned");
        shown.retain(|(_, shown)| shown != id);
    }

    async fn run(&self, regions: &[&str], retired: &[&str]) -> Summary {
        self.env.clock.advance(test_env::HOUR);
        let source = self.env.source_at(&self.script.endpoint);
        let mut handler = self.env.handler_of(source, self.env.table.clone());
        handler.retired_regions = retired.iter().map(|name| region(name)).collect();
        test_env::run(&handler, &json!({"regions": regions})).await
    }
}

fn deleted(run: &Summary) -> u64 {
    run.changes.get(&ChangeKind::Deleted).copied().unwrap_or(0)
}

#[tokio::test]
async fn region_listed_once_does_not_hide_later_deletions() {
    let account = Account::new(&[(HOME, "a"), (HOME, "b"), (OTHER, "c")]).await;
    account.run(&[HOME], &[]).await;
    account.run(&[HOME, OTHER], &[]).await;
    account.delete("a");
    account.delete("c");
    let run = account.run(&[HOME], &[]).await;
    assert_eq!((run.outcome, deleted(&run)), (Outcome::Complete, 2));
}

#[tokio::test]
async fn deletion_is_unconfirmed_until_the_replaced_region_is_listed_again() {
    let account = Account::new(&[(HOME, "a"), (HOME, "b")]).await;
    account.run(&[HOME], &[]).await;
    account.delete("a");
    let run = account.run(&[OTHER], &[]).await;
    assert_eq!((run.outcome, deleted(&run)), (Outcome::Partial, 0));
    assert_eq!(run.unconfirmed, 1);
    // From now on the other region counts as one that lists these connections.
    account.delete("b");
    let run = account.run(&[OTHER], &[]).await;
    assert_eq!((run.outcome, deleted(&run)), (Outcome::Partial, 1));
    let run = account.run(&[HOME], &[]).await;
    assert_eq!((run.outcome, deleted(&run)), (Outcome::Complete, 1));
}

#[tokio::test]
async fn connection_of_unlisted_opt_in_region_is_reported_as_unconfirmed() {
    let account = Account::new(&[(HOME, "a"), (OPT_IN, "b"), (OPT_IN, "c")]).await;
    account.run(&[HOME, OPT_IN], &[]).await;
    let seen = account.env.clock.now();
    account.delete("b");
    let run = account.run(&[HOME], &[]).await;
    assert_eq!((run.outcome, deleted(&run)), (Outcome::Partial, 0));
    assert_eq!(run.unconfirmed, 2);
    assert_eq!(run.problems.len(), 1, "{:?}", run.problems);
    let problem = &run.problems[0];
    for expected in [
        "2 connections not confirmed",
        "listed before by eu-south-1",
        "RETIRED_REGIONS",
        &format!("{}, last seen {seen}", arn(OPT_IN, "b")),
        &format!("{}, last seen {seen}", arn(OPT_IN, "c")),
    ] {
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    let record = account.env.runs().await.pop().expect("a run");
    assert_eq!(record.unconfirmed, 2);
    // The deletion is recorded once the region is listed again.
    let run = account.run(&[HOME, OPT_IN], &[]).await;
    assert_eq!((run.outcome, deleted(&run)), (Outcome::Complete, 1));
    assert_eq!(run.unconfirmed, 0);
}

#[tokio::test]
async fn retired_region_leaves_runs_complete_and_its_connections_on_record() {
    let account = Account::new(&[(HOME, "a"), (OPT_IN, "b")]).await;
    account.run(&[HOME, OPT_IN], &[]).await;
    let run = account.run(&[HOME], &[OPT_IN]).await;
    assert_eq!((run.outcome, deleted(&run)), (Outcome::Complete, 0));
    assert_eq!(run.unconfirmed, 1);
    let record = account.env.runs().await.pop().expect("a run");
    assert_eq!(record.unconfirmed, 1);
    assert_eq!(record.retired_regions, [region(OPT_IN)]);
    assert_eq!(account.env.connections().await.len(), 2);
}

#[tokio::test]
async fn region_that_never_listed_a_connection_is_no_evidence_of_deletion() {
    // Listings are regional here: each region lists only its own connections.
    let env = TestEnv::new().await;
    let script = Script::start(|asked| {
        let shown = [(HOME, "a"), (OTHER, "b")];
        let own = shown.iter().filter(|(home, _)| *home == asked.region);
        last(
            own.map(|(home, id)| entry(&arn(home, id), id, "PENDING"))
                .collect(),
        )
    })
    .await;
    let run = async |regions: &[&str]| {
        env.clock.advance(test_env::HOUR);
        let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
        test_env::run(&handler, &json!({"regions": regions})).await
    };
    run(&[HOME, OTHER]).await;
    run(&[HOME, OTHER]).await;
    for _ in 0..3 {
        let one = run(&[HOME]).await;
        assert_eq!((one.outcome, deleted(&one)), (Outcome::Partial, 0));
        assert_eq!(one.unconfirmed, 1);
    }
}

#[tokio::test]
async fn deletion_is_unconfirmed_while_a_region_does_not_answer() {
    let env = TestEnv::new().await;
    let script = Script::start(|asked| match asked.region.as_str() {
        HOME => Reply::Error(400, "AccessDeniedException"),
        _ => last(vec![]),
    })
    .await;
    let lists = Script::start(|_| last(vec![entry(&arn(HOME, "a"), "a", "PENDING")])).await;
    let run = async |script: &Script, regions: &[&str]| {
        env.clock.advance(test_env::HOUR);
        let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
        test_env::run(&handler, &json!({"regions": regions})).await
    };
    run(&lists, &[HOME]).await;
    let waiting = run(&script, &[HOME, OTHER]).await;
    assert_eq!((waiting.outcome, deleted(&waiting)), (Outcome::Partial, 0));
    assert_eq!(waiting.unconfirmed, 1);
}
