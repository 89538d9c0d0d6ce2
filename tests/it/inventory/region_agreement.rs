//! A second region that lists the same connections confirms a listing, or shows what it
//! lacked.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::{Arc, Mutex};

use crate::support::ccinv::Ccinv;
use crate::support::scripted_service::{Reply, Script, arn, entry, last};
use crate::support::test_env::{self, ACCOUNT, TestEnv};
use codeconnections_inventory::domain::{Agreement, Outcome};
use serde_json::json;

const HOME: &str = "us-east-1";
const OTHER: &str = "eu-west-1";
/// An opt-in region, which lists its own connections.
const OPT_IN: &str = "eu-south-1";

/// An account of which a region leaves some connections out.
struct Account {
    env: TestEnv,
    script: Script,
    /// A region, and how many of the connections it lists.
    listed: Arc<Mutex<(&'static str, usize)>>,
}

impl Account {
    async fn new(connections: usize) -> Self {
        let listed = Arc::new(Mutex::new((OTHER, connections)));
        let some = Arc::clone(&listed);
        let script = Script::start(move |asked| {
            let (region, number) = *some.lock().expect("not poisoned");
            let number = match asked.region.as_str() {
                OPT_IN => 0,
                asked if asked == region => number,
                _ => connections,
            };
            let entries = (0..number).map(|n| format!("c{n:02}"));
            let entries = entries.map(|id| entry(&arn(HOME, &id), &id, "PENDING"));
            // Only the home region returns this one, which others need not return.
            let opt_in = (asked.region == HOME).then(|| arn(OPT_IN, "own"));
            let opt_in = opt_in.map(|arn| entry(&arn, "own", "PENDING"));
            match asked.input["NextToken"].is_null() {
                true => last(entries.chain(opt_in).collect()),
                false => Reply::Page(Vec::new(), None),
            }
        })
        .await;
        Self {
            env: TestEnv::new().await,
            script,
            listed,
        }
    }

    /// Lists these regions, of which one lists so many of the connections only.
    async fn run(&self, regions: &[&str], listed: (&'static str, usize)) -> Option<Agreement> {
        *self.listed.lock().expect("not poisoned") = listed;
        self.env.clock.advance(test_env::HOUR);
        let source = self.env.source_at(&self.script.endpoint);
        let handler = self.env.handler_of(source, self.env.table.clone());
        let run = test_env::run(&handler, &json!({"regions": regions})).await;
        assert_eq!(run.outcome, Outcome::Complete, "{:?}", run.problems);
        let mut runs = self.env.runs().await;
        runs.pop().expect("a run").agreement
    }

    /// Returns the lines of an answer under its rows.
    async fn notes(&self) -> String {
        let table = self.env.table.name().as_str();
        let ccinv = Ccinv::at(&self.env);
        ccinv
            .fine(&["list", "--table", table, "--account", ACCOUNT])
            .await
    }
}

#[tokio::test]
async fn regions_that_return_the_same_confirm_each_other() {
    let account = Account::new(3).await;
    let agreement = account.run(&[HOME], (OTHER, 3)).await;
    assert_eq!(agreement, None, "one region confirms nothing");
    assert!(!account.notes().await.contains("confirmed by"));
    let agreement = account.run(&[HOME, OPT_IN], (OTHER, 3)).await;
    assert_eq!(agreement, None, "an opt-in region lists others");
    let agreement = account
        .run(&[HOME, OTHER], (OTHER, 3))
        .await
        .expect("two regions");
    assert!(agreement.is_unanimous());
    let regions: Vec<&str> = agreement.regions.iter().map(|it| it.as_str()).collect();
    assert_eq!(regions, [OTHER, HOME]);
    let notes = account.notes().await;
    assert!(
        notes.contains("(COMPLETE, confirmed by 2 regions)"),
        "{notes}"
    );
    account.run(&[HOME, OTHER, OPT_IN], (OTHER, 3)).await;
    let notes = account.notes().await;
    assert!(
        notes.contains("(COMPLETE, 3 regions, confirmed by 2)"),
        "{notes}"
    );
}

#[tokio::test]
async fn what_a_region_lacked_is_named_and_not_deleted() {
    let account = Account::new(15).await;
    account.run(&[HOME, OTHER], (OTHER, 15)).await;
    let agreement = account
        .run(&[HOME, OTHER], (OTHER, 14))
        .await
        .expect("two regions");
    assert_eq!(
        serde_json::to_value(&agreement).expect("JSON"),
        json!({"regions": [OTHER, HOME], "lacked": {OTHER: [arn(HOME, "c14")]}})
    );
    let notes = account.notes().await;
    let expected = format!(
        "regions that list the same connections disagree: {OTHER} lacked {}",
        arn(HOME, "c14")
    );
    assert!(notes.contains(&expected), "{notes}");
    assert!(notes.contains("16 connections"), "none is deleted: {notes}");
    let ccinv = Ccinv::at(&account.env);
    let runs = ccinv
        .fine(&["runs", "--table", account.env.table.name().as_str()])
        .await;
    assert!(runs.contains(&expected), "{runs}");
    // The home region can lack some, too. Only some are named.
    let agreement = account
        .run(&[HOME, OTHER], (HOME, 3))
        .await
        .expect("two regions");
    let lacked = &agreement.lacked[&test_env::region(HOME)];
    assert_eq!((lacked.len(), agreement.unnamed), (10, 2));
    assert!(account.notes().await.contains("and 2 more"));
    let agreement = account
        .run(&[HOME, OTHER], (OTHER, 15))
        .await
        .expect("two regions");
    assert!(agreement.is_unanimous());
}
