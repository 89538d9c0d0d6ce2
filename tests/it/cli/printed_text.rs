//! Snapshots of printed text. `INSTA_UPDATE=always cargo test --test it cli::printed_text::`
//! updates them; read the difference before you commit it.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::ccinv::Ccinv;
use crate::support::test_env::{HOUR, REGION, TestEnv, call_that_made, run};
use insta::assert_snapshot;
use regex_lite::Regex;

/// A table with connections that were created, changed and deleted, a denied region, and
/// a change with its API call.
struct Fixture {
    env: TestEnv,
    ccinv: Ccinv,
}

impl Fixture {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let regions = serde_json::json!({"regions": [REGION, "eu-south-1"]});
        let both = async || {
            env.clock.advance(HOUR);
            run(&env.handler(), &regions).await;
        };
        let api = env.create("payments-api");
        let ui = env.create("payments-ui");
        env.create_in("eu-south-1", "ledger");
        both().await; // 10:00
        env.set_status(&api, "AVAILABLE");
        both().await; // 11:00
        env.deny("eu-south-1");
        both().await; // 12:00
        env.allow("eu-south-1");
        env.clock.advance(HOUR);
        let event = call_that_made(&env.create("billing"));
        run(&env.handler(), &event).await; // 13:00
        env.set_status(&api, "ERROR");
        env.delete(&ui);
        both().await; // 14:00
        Self {
            ccinv: Ccinv::at(&env),
            env,
        }
    }

    /// Returns the exit code and output of a command, without what differs between test
    /// runs.
    async fn output(&self, arguments: &[&str]) -> String {
        let table = ["--table", self.env.table.name().as_str()];
        let done = self.ccinv.run(&[arguments, &table].concat()).await;
        let mut text = format!("exit {}\n{}", done.code, done.stdout);
        if !done.stderr.is_empty() {
            text.push_str(&format!("--- stderr\n{}", done.stderr));
        }
        stable(&text)
    }
}

fn stable(text: &str) -> String {
    let rules = [
        (r"[0-9a-f]{64}", "[digest]"),
        (
            r"(2026-1[12]|20(2[7-9]|[3-9]\d)-\d\d)-\d\dT[\d:.]+Z",
            "[now]",
        ),
        (r"\d+ d( \d+ h)?|\d+ h( \d+ min)? before", "[long]"),
        (r"observed after \S+ may", "observed after [now] may"),
        (r"127\.0\.0\.1:\d+", "[endpoint]"),
    ];
    rules
        .iter()
        .fold(text.to_owned(), |text, (pattern, shown)| {
            let pattern = Regex::new(pattern).expect("a pattern");
            pattern.replace_all(&text, *shown).into_owned()
        })
}

#[tokio::test]
async fn answers_match_snapshots() {
    let fixture = Fixture::new().await;
    let day = ["--since", "2026-10-01", "--until", "2026-10-02"];
    assert_snapshot!("list", fixture.output(&["list"]).await);
    assert_snapshot!(
        "list_csv",
        fixture
            .output(&["list", "--as-of", "2026-10-31", "--format", "csv"])
            .await
    );
    assert_snapshot!(
        "list_as_of_partial",
        fixture
            .output(&["list", "--as-of", "2026-10-01T12:30:00Z"])
            .await
    );
    assert_snapshot!(
        "list_no_evidence",
        fixture
            .output(&["list", "--as-of", "2026-10-01T09:30:00Z"])
            .await
    );
    assert_snapshot!(
        "show",
        fixture
            .output(&["show", "payments-api", "--since", "2026-10-01"])
            .await
    );
    assert_snapshot!("history", fixture.output(&["history", "billing"]).await);
    assert_snapshot!(
        "changes",
        fixture.output(&[&["changes"], &day[..]].concat()).await
    );
    assert_snapshot!(
        "diff",
        fixture
            .output(&["diff", "2026-10-01T10:00:00Z", "2026-10-01T15:00:00Z"])
            .await
    );
    assert_snapshot!("runs", fixture.output(&["runs"]).await);
    assert_snapshot!(
        "gaps",
        fixture
            .output(&[
                "runs",
                "--gaps",
                "--every",
                "1h",
                "--until",
                "2026-10-01T15:00:00Z"
            ])
            .await
    );
    assert_snapshot!("verify", fixture.output(&["verify"]).await);
    let rules = [
        "--in-error",
        "--allow-provider",
        "GitHub",
        "--deleted-within",
        "1h",
    ];
    let as_of = ["check", "--as-of", "2026-10-01T14:30:00Z"];
    assert_snapshot!(
        "check",
        fixture.output(&[&as_of[..], &rules].concat()).await
    );
    let partial = ["check", "--as-of", "2026-10-01T12:30:00Z", "--in-error"];
    assert_snapshot!("check_insufficient_data", fixture.output(&partial).await);
}

#[tokio::test]
async fn bill_matches_snapshots() {
    let ccinv = Ccinv::offline();
    assert_snapshot!("cost", ccinv.fine(&["cost"]).await);
    let compared = [
        "cost",
        "--accounts",
        "1,100,10000",
        "--emails",
        "--free-tier",
    ];
    assert_snapshot!("cost_compared", ccinv.fine(&compared).await);
    let csv = ["cost", "--connections", "250", "--format", "csv"];
    assert_snapshot!("cost_csv", ccinv.fine(&csv).await);
}

#[tokio::test]
async fn help_matches_snapshots() {
    let ccinv = Ccinv::offline();
    assert_snapshot!("help", ccinv.fine(&["--help"]).await);
    for (_, commands) in ccinv.commands().await {
        for command in commands {
            assert_snapshot!(
                format!("help_{command}"),
                ccinv.fine(&[&command, "--help"]).await
            );
        }
    }
}

/// Compares the groups with the sections of the manual, one per command of the parser.
#[tokio::test]
async fn help_lists_every_command_once_by_group() {
    let ccinv = Ccinv::offline();
    let groups = ccinv.commands().await;
    let lines: Vec<String> = groups
        .iter()
        .map(|(heading, names)| format!("{heading}: {}", names.join(", ")))
        .collect();
    let expected = [
        "Inventory: demo, scan, evaluate",
        "Audit: list, show, history, changes, diff, uses, impact, hosts, shares, runs, check, findings, report, sql",
        "Evidence: verify, checkpoint, archive, export",
        "Tools: cost, completions, man",
    ];
    assert_eq!(lines, expected);

    let manual = ccinv.fine(&["man"]).await;
    let sections = manual.lines().filter_map(|line| {
        let name = line.strip_prefix(".SH \"CCINV ")?.strip_suffix('"')?;
        Some(name.to_lowercase())
    });
    let listed = groups.into_iter().flat_map(|(_, names)| names);
    assert_eq!(listed.collect::<Vec<_>>(), sections.collect::<Vec<_>>());
}

#[tokio::test]
async fn help_fits_80_columns() {
    let ccinv = Ccinv::offline();
    let mut pages = vec![vec!["--help".to_owned()], vec!["-h".to_owned()]];
    for (_, commands) in ccinv.commands().await {
        for command in commands {
            pages.push(vec![command.clone(), "--help".to_owned()]);
            pages.push(vec![command, "-h".to_owned()]);
        }
    }
    assert!(pages.len() > 30, "{pages:?}");
    for page in pages {
        let arguments: Vec<&str> = page.iter().map(String::as_str).collect();
        let help = ccinv.fine(&arguments).await;
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
            assert!(!line.contains("0 fine"), "{arguments:?}: {line}");
        }
    }
}
