//! Runs every `ccinv` command of the pages that have some.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::Arc;

use crate::support::moto::without_dependencies;
use crate::support::test_env::{ACCOUNT, HOUR, TestEnv, run};
use codeconnections_inventory::local::ManualClock;
use regex_lite::Regex;
use serde_json::json;

const PAGE: &str = include_str!("../../../docs/compliance.md");
const PAGES: [&str; 7] = [
    PAGE,
    include_str!("../../../docs/deploy.md"),
    include_str!("../../../docs/evidence.md"),
    include_str!("../../../docs/retention.md"),
    include_str!("../../../docs/queries.md"),
    include_str!("../../../SECURITY.md"),
    include_str!("../../../README.md"),
];

#[tokio::test]
async fn every_command_of_the_pages_runs() {
    let mut env = TestEnv::new().await;
    // The runs cover all times that the pages ask about.
    let september = "2026-09-29T00:00:00Z".parse().expect("a time");
    env.clock = Arc::new(ManualClock::at(september));
    env.create("payments-api");
    for _ in 0..40 {
        env.clock.advance(HOUR * 24);
        run(&env.handler(), &json!({})).await;
    }
    let head = env.runs().await.last().expect("a run").digest().to_string();
    // A command is in the text or a line of a block.
    let command = Regex::new("(?m)(?:`|^ {2,4})ccinv ([^`\n]+)").expect("a pattern");
    let mut commands: Vec<&str> = Vec::new();
    for page in PAGES {
        let found = command.captures_iter(page);
        let found: Vec<&str> = found
            .map(|c| c.get(1).expect("a command").as_str())
            // What it does stands behind it.
            .map(|line| line.split("  ").next().expect("a command"))
            .collect();
        assert!(!found.is_empty(), "{page}");
        for command in found {
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
    }
    let (_services, ccinv) = without_dependencies(&env).await;
    let table = env.table.name().as_str();
    std::fs::create_dir(ccinv.folder().join("old-runs")).expect("a folder");
    for command in commands {
        let (arguments, file) = match command.split_once(" > ") {
            Some((arguments, file)) => (arguments, Some(file)),
            None => (command, None),
        };
        let value = |word| match word {
            "TABLE" | "RESTORED" => table,
            "DIGEST" => head.as_str(),
            "CONNECTION" => "payments-api",
            "ID" => ACCOUNT,
            _ => word,
        };
        let mut arguments: Vec<&str> = arguments.split(' ').map(value).collect();
        let has_no_table = ["--print-sample-rules", "--db", "--bundle", "cost ", "demo"];
        let needs_table = !has_no_table.iter().any(|word| command.contains(word));
        if needs_table && !arguments.contains(&"--table") {
            arguments.extend(["--table", table]);
        }
        let done = ccinv.run(&arguments).await;
        // The record ends weeks ago, so commands about the last 30 days or
        // about now may exit with 3 or 4. Failures and wrong usage exit with 1
        // and 2.
        let answered = [0, 3, 4].contains(&done.code);
        assert!(answered, "ccinv {command}: {done:?}");
        if let Some(file) = file {
            std::fs::write(ccinv.folder().join(file), &done.stdout).expect("written");
        }
    }
}

#[test]
fn page_has_the_controls_that_auditors_ask_for() {
    for control in [
        "CM-8", "CM-3", "AU-9", "AU-10", "12.5.1", "10.2", "A.5.9", "A.8.15", "CC6.1", "CC7.2",
        "CC8.1",
    ] {
        assert!(PAGE.contains(&format!("| {control} ")), "{control}");
    }
}
