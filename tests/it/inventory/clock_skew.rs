//! Runs whose clock is wrong, or is changed during the run, lose no change,
//! record none twice and never go back in time. A run that cannot record its
//! observations reports that.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::proxy::{Act, Proxy};
use crate::support::scripted_service::{Reply, Script, arn, entry, last};
use crate::support::test_env::{self, REGION, TestEnv};
use codeconnections_inventory::audit::runs::{RunById, Runs};
use codeconnections_inventory::audit::verify::verify;
use codeconnections_inventory::audit::{Audit, RunBasis};
use codeconnections_inventory::domain::{Clock, Outcome, Timestamp};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::local::ManualClock;
use serde_json::json;

const MINUTE: i64 = 60_000;

/// Sets the clock to the right time plus an error in milliseconds.
fn set(clock: &ManualClock, right: Timestamp, wrong_by: i64) {
    clock.set(Timestamp::from_millis(right.millis() + wrong_by));
}

/// An account that keeps changing, and the right time.
struct Life {
    env: TestEnv,
    right: Timestamp,
    steady: String,
    turning: String,
    mortal: String,
    steps: usize,
    /// The status of each connection; `None` if it does not exist.
    truth: BTreeMap<String, Option<&'static str>>,
}

impl Life {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let [steady, turning, mortal] = ["steady", "turning", "mortal"].map(|n| env.create(n));
        let right = env.clock.now();
        let arns = [&steady, &turning, &mortal].into_iter().cloned();
        let mut life = Self {
            right,
            truth: arns.map(|arn| (arn, Some("PENDING"))).collect(),
            env,
            steady,
            turning,
            mortal,
            steps: 0,
        };
        life.run(60, 0).await;
        life
    }

    fn change(&mut self) {
        self.steps += 1;
        let status = ["AVAILABLE", "ERROR"][self.steps % 2];
        self.env.set_status(&self.turning, status);
        self.truth.insert(self.turning.clone(), Some(status));
        self.env.delete(&self.mortal);
        self.truth.insert(self.mortal.clone(), None);
        self.mortal = self.env.create(&format!("mortal-{}", self.steps));
        self.truth.insert(self.mortal.clone(), Some("PENDING"));
    }

    /// Runs `minutes` later, with a clock that is wrong by `wrong_by` minutes.
    async fn run(&mut self, minutes: i64, wrong_by: i64) -> Summary {
        self.right = Timestamp::from_millis(self.right.millis() + minutes * MINUTE);
        set(&self.env.clock, self.right, wrong_by * MINUTE);
        test_env::run(&self.env.handler(), &json!({})).await
    }

    /// Asserts what holds for any record: each history is ordered and repeats
    /// no state.
    async fn assert_consistent(&self, context: &str) {
        self.env.runs().await;
        let mut recorded = 0;
        for row in self.env.connections().await {
            let changes = self.env.changes(row.connection_arn.as_str()).await;
            recorded += changes.len();
            let steps = changes.iter().map(|c| (c.observed_at, c.observed_until));
            let steps: Vec<_> = steps.collect();
            assert!(steps.is_sorted(), "{context}: backwards: {changes:?}");
            let after = |i: usize| changes[i].after.as_ref();
            for i in 1..changes.len() {
                assert_ne!(after(i), after(i - 1), "{context}: twice: {changes:?}");
            }
        }
        assert!(recorded > 0, "{context}");
    }

    /// Asserts that every current state is recorded and that the record
    /// verifies.
    async fn assert_up_to_date(&self, context: &str) {
        self.assert_consistent(context).await;
        for (arn, truth) in &self.truth {
            let changes = self.env.changes(arn).await;
            let last = changes.last().and_then(|change| change.after.as_ref());
            let status = last.map(|attributes| attributes.status_word().to_owned());
            // No run observed a connection that was created and deleted between
            // runs.
            let missed = changes.is_empty() && truth.is_none();
            assert!(missed || status.as_deref() == *truth, "{context}: {arn}");
        }
        let steady = self.env.changes(&self.steady).await;
        assert_eq!(steady.len(), 1, "{context}: it did not change");
        let now = self.env.clock.now();
        let found = verify(&self.env.table, None, now, |_| {}).await;
        assert_eq!(found.expect("read").findings, [], "{context}");
    }
}

#[tokio::test]
async fn runs_with_correct_clock_catch_up_after_wrong_clock() {
    for wrong_by in [-180, -14, -5, -1, 1, 5, 14, 180] {
        let context = format!("wrong by {wrong_by} minutes");
        let mut life = Life::new().await;
        life.change();
        let wrong = life.run(60, wrong_by).await;
        life.assert_consistent(&context).await;
        // A clock that is behind the record makes an observation old, whichever
        // of the two runs has it.
        let is_reported = |run: &Summary| {
            run.outcome == Outcome::Partial
                && run.problems.iter().any(|p| p.contains("still to come"))
                && run.unwritten > 0
        };
        if wrong_by < -60 {
            assert!(is_reported(&wrong), "{context}: {wrong:?}");
        } else {
            assert_eq!(wrong.outcome, Outcome::Complete, "{context}: {wrong:?}");
        }
        life.change();
        let right = life.run(2, 0).await;
        life.assert_consistent(&context).await;
        if wrong_by > 2 {
            assert!(is_reported(&right), "{context}: {right:?}");
        } else {
            assert_eq!(right.outcome, Outcome::Complete, "{context}: {right:?}");
            life.assert_up_to_date(&context).await;
        }
        let later = life.run(240, 0).await;
        assert_eq!(later.outcome, Outcome::Complete, "{context}: {later:?}");
        life.assert_up_to_date(&context).await;
        life.change();
        assert_eq!(life.run(60, 0).await.changes.len(), 3, "{context}");
        life.assert_up_to_date(&context).await;
    }
}

#[tokio::test]
async fn clock_set_back_during_listing_keeps_windows_ordered() {
    for back_by in [1, 20, 300] {
        let env = TestEnv::new().await;
        let id = arn(REGION, "c");
        let began = env.clock.now();
        let (clock, listed) = (Arc::clone(&env.clock), id.clone());
        let script = Script::start(move |asked| match asked.token {
            None => Reply::Page(vec![], Some("2".into())),
            Some(_) => {
                set(&clock, began, -back_by * MINUTE);
                last(vec![entry(&listed, "c", "PENDING")])
            }
        })
        .await;
        let summary = env.run_with(&script.endpoint, &json!({})).await;
        assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
        let run = &env.runs().await[0];
        assert!(run.started_at <= run.finished_at, "{run:?}");
        let listing = &run.listings[0];
        assert!(listing.began_at <= listing.ended_at, "{listing:?}");
        let change = &env.changes(&id).await[0];
        assert!(change.observed_at <= change.observed_until, "{change:?}");
        set(&env.clock, began, 60 * MINUTE);
        let found = verify(&env.table, None, env.clock.now(), |_| {}).await;
        assert_eq!(found.expect("read").findings, []);
    }
}

#[tokio::test]
async fn clock_set_during_run_loses_no_change() {
    for by in [-300, -20, -1, 1, 20, 300] {
        let mut life = Life::new().await;
        life.change();
        // Sets the clock when the first change is to be written.
        let (clock, right) = (Arc::clone(&life.env.clock), life.right);
        let is_set = AtomicBool::new(false);
        let proxy = Proxy::start(&life.env.table_endpoint, move |seen| {
            let writes = seen.operation == "ExecuteTransaction";
            if writes && !is_set.swap(true, Ordering::SeqCst) {
                set(&clock, right, (60 + by) * MINUTE);
                return Act::fault(400, "ThrottlingException");
            }
            Act::Pass
        })
        .await;
        set(&life.env.clock, life.right, 60 * MINUTE);
        let source = life.env.source_at(life.env.service.endpoint());
        let handler = life
            .env
            .handler_of(source, life.env.table_at(&proxy.endpoint));
        test_env::run(&handler, &json!({})).await;
        let context = format!("set by {by} minutes within a run");
        life.assert_consistent(&context).await;
        let run = &life.env.runs().await[1];
        assert!(run.started_at <= run.finished_at, "{context}: {run:?}");
        let next = life.run(720, 0).await;
        assert_eq!(next.outcome, Outcome::Complete, "{context}: {next:?}");
        life.assert_up_to_date(&context).await;
        assert_eq!(life.env.story(&life.turning).await.len(), 2, "{context}");
    }
}

#[tokio::test]
async fn runs_are_found_by_id_around_a_run_with_wrong_clock() {
    for wrong_by in [-180, -14, 14, 180] {
        let mut life = Life::new().await;
        for _ in 0..3 {
            life.change();
            life.run(60, 0).await;
        }
        life.change();
        life.run(60, wrong_by).await;
        for _ in 0..8 {
            life.change();
            life.run(60, 0).await;
        }
        let runs = life.env.runs().await;
        let account = test_env::account();
        for run in &runs {
            let mut found = Runs::of(&life.env.table, &account);
            let found = found.by_id(&run.run_id).await.expect("read");
            assert_eq!(found, RunById::Recorded(run), "wrong by {wrong_by}");
        }
    }
}

/// Covers a failed run whose clock is days ahead, between runs with a right
/// clock.
#[tokio::test]
async fn failed_run_with_a_future_clock_hides_no_later_run() {
    const DAYS: i64 = 3 * 24 * 60;
    for (before, after) in [(1, 9), (9, 1), (3, 3), (20, 2), (2, 20)] {
        let context = format!("{before} runs before, {after} after");
        let mut life = Life::new().await;
        for _ in 1..before {
            life.change();
            life.run(60, 0).await;
        }
        let refuses = Script::start(|_| Reply::Error(403, "AccessDeniedException")).await;
        life.right = Timestamp::from_millis(life.right.millis() + 60 * MINUTE);
        set(&life.env.clock, life.right, DAYS * MINUTE);
        let failed = life.env.run_with(&refuses.endpoint, &json!({})).await;
        assert_eq!(failed.outcome, Outcome::Failed, "{context}");
        let mut ends = Vec::new();
        for _ in 0..after {
            life.change();
            let run = life.run(60, 0).await;
            assert_eq!(run.outcome, Outcome::Complete, "{context}: {run:?}");
            ends.push(life.right);
        }
        let audit = Audit::new(life.env.table.clone());
        let account = test_env::account();
        // At once, and after the time that the failed run recorded.
        for later in [1, 2 * DAYS] {
            let now = Timestamp::from_millis(life.right.millis() + later * MINUTE);
            let basis = audit.basis(&account, now).await.expect("read");
            let complete = basis.last_complete_run.expect("a run");
            assert_eq!(complete.sequence, before + 1 + after, "{context}");
        }
        let now = Timestamp::from_millis(life.right.millis() + MINUTE);
        let every = 60 * MINUTE;
        let first = life.env.runs().await[0].started_at;
        let gaps = audit.gaps(&account, first, now, every).await.expect("read");
        let missed: Vec<u64> = gaps.iter().map(|gap| gap.missed).collect();
        assert_eq!(missed, [1], "{context}: only the failed one: {gaps:?}");
        // As of each later run.
        for (i, end) in (1..).zip(&ends) {
            let at = Timestamp::from_millis(end.millis() + MINUTE);
            let basis = audit.basis(&account, at).await.expect("read");
            let complete = basis.last_complete_run.as_ref().expect("a run");
            assert_eq!(complete.sequence, before + 1 + i, "{context}");
            assert_eq!(basis.last_run.as_ref(), Some(complete), "{context}");
        }
        // After another failed run, the basis is still the last complete run.
        life.right = Timestamp::from_millis(life.right.millis() + 60 * MINUTE);
        set(&life.env.clock, life.right, 0);
        life.env.run_with(&refuses.endpoint, &json!({})).await;
        let now = Timestamp::from_millis(life.right.millis() + MINUTE);
        let basis = audit.basis(&account, now).await.expect("read");
        let complete = basis.last_complete_run.expect("a run");
        assert_eq!(complete.sequence, before + 1 + after, "{context}");
    }
}

#[tokio::test]
async fn run_with_an_impossible_time_is_named_in_the_basis() {
    let mut life = Life::new().await;
    let refuses = Script::start(|_| Reply::Error(403, "AccessDeniedException")).await;
    for wrong_by in [3 * 24 * 60, 0] {
        life.right = Timestamp::from_millis(life.right.millis() + 60 * MINUTE);
        set(&life.env.clock, life.right, wrong_by * MINUTE);
        life.env.run_with(&refuses.endpoint, &json!({})).await;
    }
    let now = Timestamp::from_millis(life.right.millis() + MINUTE);
    let audit = Audit::new(life.env.table.clone());
    let basis = audit.basis(&test_env::account(), now).await.expect("read");
    let sequence = |run: &RunBasis| run.sequence;
    assert_eq!(basis.last_run.as_ref().map(sequence), Some(3));
    assert_eq!(basis.last_complete_run.as_ref().map(sequence), Some(1));
    let impossible: Vec<u64> = basis.impossible_times.iter().map(sequence).collect();
    assert_eq!(impossible, [2]);
}
