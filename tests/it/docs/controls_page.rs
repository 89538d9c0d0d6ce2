//! The commands of `docs/controls.md`: each is one that there is, and answers.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support;

use std::collections::BTreeSet;
use std::sync::Arc;

use codeconnections_inventory::local::ManualClock;
use regex_lite::Regex;
use serde_json::json;
use support::ccinv::Ccinv;
use support::test_env::{HOUR, TestEnv, run};

const PAGE: &str = include_str!("../../../docs/controls.md");

#[tokio::test]
async fn every_command_of_the_page_answers() {
    let mut env = TestEnv::new().await;
    // From before the times that the page asks about to after them.
    let september = "2026-09-29T00:00:00Z".parse().expect("a time");
    env.clock = Arc::new(ManualClock::at(september));
    env.create("payments-api");
    for _ in 0..40 {
        env.clock.advance(HOUR * 24);
        run(&env.handler(), &json!({})).await;
    }
    let head = env.runs().await.last().expect("a run").digest().to_string();
    let command = Regex::new("`ccinv ([^`]+)`").expect("a pattern");
    let commands: BTreeSet<&str> = command
        .captures_iter(PAGE)
        .map(|found| found.get(1).expect("a command").as_str())
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    let ccinv = Ccinv::at(&env);
    for command in commands {
        let command = command.replace("DIGEST", &head);
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(["--table", env.table.name().as_str()]);
        let done = ccinv.run(&arguments).await;
        // The record ends weeks ago: of the last 30 days, or of now, that is
        // said, too. Wrong usage and failures would be 2 and 1.
        let answered = [0, 3, 4].contains(&done.code);
        assert!(answered, "ccinv {command}: {done:?}");
    }
}

#[test]
fn the_page_has_the_controls_that_auditors_ask_for() {
    for control in [
        "CM-8", "CM-3", "AU-9", "AU-10", "12.5.1", "10.2", "A.5.9", "A.8.15", "CC6.1", "CC7.2",
        "CC8.1",
    ] {
        assert!(PAGE.contains(&format!("| {control} ")), "{control}");
    }
}
