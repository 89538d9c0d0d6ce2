//! `ccinv` as a process: its answers, its usage errors, and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::ccinv::{Ccinv, Done};
use crate::support::scripted_service::{Script, arn, last};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv};
use codeconnections_inventory::domain::Outcome;
use codeconnections_inventory::local::codeconnections::{
    CreateConnectionInput, ProviderType, Scope,
};
use codeconnections_inventory::table::codec;
use serde_json::{Value, json};

const OTHER_ACCOUNT: &str = "222222222222";
const OPT_IN: &str = "eu-south-1";
const UNKNOWN_ARN: &str = "arn:aws:codeconnections:eu-west-1:123456789012:connection/none";

// ---------------------------------------------------------------- demo

#[tokio::test]
async fn demo_runs_offline_prints_every_step_and_leaves_no_files() {
    let ccinv = Ccinv::offline();
    let folder = ccinv.folder().to_str().expect("UTF-8").to_owned();
    let ccinv = ccinv.with("TMPDIR", &folder);

    let done = ccinv.run(&["demo", "--verbose"]).await;

    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
    // In this order, with any text between.
    let story = [
        "240 CodeConnections",
        "240 FIRST_SEEN",
        "dependencies: COMPLETE; 11 FIRST_SEEN",
        "no change",
        "0 of them on indexes",
        "maria.example",
        "3 STATUS_CHANGED",
        "affected: 2 dependencies",
        "PARTIAL; no change",
        "AccessDeniedException",
        "1 ATTRIBUTES_CHANGED, 2 DELETED",
        "already recorded by run 6",
        "199 deletions held back",
        "199 DELETED",
        "CONNECTIONS",
        "CHANGES",
        "PENDING → AVAILABLE",
        "ONE CONNECTION'S HISTORY",
        "RUNS",
        "Try next:",
    ];
    let mut rest = done.stdout.as_str();
    for word in story {
        let at = rest.find(word);
        let at = at.unwrap_or_else(|| panic!("{word:?} comes next in {rest}"));
        rest = &rest[at + word.len()..];
    }
    assert_eq!(ccinv.files(), [] as [&Path; 0]);
}

/// Returns the commands that an output suggests: the lines after "Try next:", without
/// their descriptions.
fn suggested(output: &str) -> Vec<Vec<String>> {
    let (_, lines) = output.split_once("\nTry next:\n").expect("suggestions");
    let lines = lines.lines().take_while(|line| !line.is_empty());
    lines
        .map(|line| {
            let command = line.strip_prefix("  ccinv ").expect("a command");
            let command = command.split("  ").next().expect("a command");
            command.split(' ').map(str::to_owned).collect()
        })
        .collect()
}

#[tokio::test]
async fn demo_fits_one_screen_and_its_suggested_commands_work() {
    for dir in [&[][..], &["--dir", "kept"]] {
        let ccinv = Ccinv::offline();
        let text = ccinv.fine(&[&["demo"], dir].concat()).await;
        for expected in [
            "240 FIRST_SEEN; 11 dependencies",
            "3 STATUS_CHANGED; 2 affected",
            "PARTIAL",
            "199 DELETED; 1 affected",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        if dir.is_empty() {
            let readme = include_str!("../../../README.md");
            assert!(readme.contains(&text), "README shows {text}");
        }
        assert!(text.lines().count() <= 24, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let suggestions = suggested(&text);
        assert_eq!(suggestions.len(), 3, "{text}");
        for command in suggestions {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let done = ccinv.run(&command).await;
            // What broken connections affect is findings.
            let code = if command[0] == "impact" { 3 } else { 0 };
            assert_eq!(done.code, code, "{done:?}");
            assert!(done.stdout.lines().count() > 1, "{command:?}: {done:?}");
        }
    }
}

#[tokio::test]
async fn demo_dir_keeps_a_readable_database_and_refuses_to_overwrite_it() {
    let ccinv = Ccinv::offline();
    let output = ccinv.fine(&["demo", "--dir", "made/kept"]).await;
    assert!(
        output.contains("ccinv list --db made/kept/demo.db"),
        "{output}"
    );
    let db = ["--db", "made/kept/demo.db"];
    let file = ccinv.folder().join(db[1]);
    assert_eq!(mode(&file), 0o600);

    let present = ccinv.json(&["list", "--json", db[0], db[1]]).await;
    assert_eq!(present["connections"].as_array().expect("a list").len(), 40);
    let all = ["list", "--include-deleted", "--json", db[0], db[1]];
    let all = ccinv.json(&all).await;
    assert_eq!(all["connections"].as_array().expect("a list").len(), 241);
    let history = ccinv
        .json(&["history", "ledger-api", "--json", db[0], db[1]])
        .await;
    assert_eq!(kinds(&history), ["FIRST_SEEN", "STATUS_CHANGED", "DELETED"]);
    let runs = ccinv.json(&["runs", "--json", db[0], db[1]]).await;
    let outcomes: Vec<&str> = runs
        .as_array()
        .expect("a list")
        .iter()
        .map(|run| run["outcome"].as_str().expect("an outcome"))
        .collect();
    // Newest first; the repeated delivery made no run.
    let (complete, partial) = ("COMPLETE", "PARTIAL");
    assert_eq!(
        outcomes,
        [
            complete, partial, complete, partial, complete, complete, complete, complete
        ]
    );

    let impact = ccinv.run(&["impact", "--json", db[0], db[1]]).await;
    let impact: Value = serde_json::from_str(&impact.stdout).expect("JSON");
    let affected = impact["impact"].as_array().expect("a list").iter();
    let affected: Vec<&str> = affected
        .map(|row| row["dependency"]["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(affected, ["web-nightly", "search-tests", "search-deploy"]);
    let shares = ccinv
        .json(&["shares", "--external", "--json", db[0], db[1]])
        .await;
    assert_eq!(shares["dependencies"].as_array().expect("a list").len(), 1);
    let tagged = ["list", "--tag", "team=search", "--json", db[0], db[1]];
    let tagged = ccinv.json(&tagged).await;
    assert_eq!(
        tagged["connections"][0]["connection_name"],
        "search-infra-019"
    );

    let before = std::fs::read(&file).expect("the database");
    let refused = ccinv.run(&["demo", "--dir", "made/kept"]).await;
    assert_eq!(refused.code, 2);
    let complaint = refused.complaint();
    assert!(
        complaint.contains("--dir made/kept: already has a demo"),
        "{complaint}"
    );
    assert_eq!(std::fs::read(&file).expect("the database"), before);
}

// ---------------------------------------------------------------- reading

/// Two scanned accounts, with one connection deleted since.
struct Scanned {
    env: TestEnv,
    ccinv: Ccinv,
    arns: Vec<String>,
}

impl Scanned {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let arns = [
            (ACCOUNT, REGION, "api", ProviderType::GitHub, "AVAILABLE"),
            (ACCOUNT, REGION, "ui", ProviderType::GitLab, "PENDING"),
            (ACCOUNT, OPT_IN, "jobs", ProviderType::GitHub, "ERROR"),
            (ACCOUNT, REGION, "gone", ProviderType::GitHub, "PENDING"),
            (
                OTHER_ACCOUNT,
                "us-east-1",
                "api",
                ProviderType::Bitbucket,
                "PENDING",
            ),
        ]
        .map(|(account, region, name, provider, status)| {
            let mut world = env.codeconnections.state();
            let input = CreateConnectionInput::new(name, provider);
            let made = world.create_connection(&Scope::new(account, region), input);
            let arn = made.expect("made").connection_arn;
            world.set_status(&arn, status).expect("set");
            arn
        })
        .to_vec();
        let this = Self {
            ccinv: Ccinv::at(&env),
            env,
            arns,
        };
        let regions = format!("{REGION},{OPT_IN}");
        this.fine(&["scan", "--regions", &regions]).await;
        this.env.delete(&this.arns[3]);
        this.fine(&["scan", "--regions", &regions]).await;
        let other = Ccinv::at(&this.env).with("AWS_ACCESS_KEY_ID", OTHER_ACCOUNT);
        other.fine(&["scan", "--table", this.table()]).await;
        this
    }

    fn table(&self) -> &str {
        self.env.table.name().as_str()
    }

    fn of_table<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = arguments.to_vec();
        all.extend(["--table", self.table()]);
        all
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        self.ccinv.run(&self.of_table(arguments)).await
    }

    async fn fine(&self, arguments: &[&str]) -> String {
        self.ccinv.fine(&self.of_table(arguments)).await
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = self.of_table(arguments);
        arguments.push("--json");
        self.ccinv.json(&arguments).await
    }

    /// Returns the names that `list` prints.
    async fn listed(&self, filters: &[&str]) -> Vec<String> {
        let listed = self.json(&[&["list"], filters].concat()).await;
        let connections = listed["connections"].as_array().expect("a list").iter();
        let name = |row: &Value| {
            let (account, name) = (&row["account"], &row["connection_name"]);
            let (account, name) = (
                account.as_str().expect("text"),
                name.as_str().expect("text"),
            );
            match account {
                ACCOUNT => name.to_owned(),
                other => format!("{name} of {other}"),
            }
        };
        let mut names: Vec<String> = connections.map(name).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn list_filters_apply_alone_and_combined() {
    let scanned = Scanned::new().await;
    let others = "api of 222222222222";
    let cases: [(&[&str], &[&str]); 14] = [
        (&[], &["api", others, "jobs", "ui"]),
        (
            &["--include-deleted"],
            &["api", others, "gone", "jobs", "ui"],
        ),
        (&["--status", "PENDING"], &[others, "ui"]),
        (&["--status", "pending"], &[others, "ui"]),
        (&["--status", "Error"], &["jobs"]),
        (&["--status", "PENDING", "--account", ACCOUNT], &["ui"]),
        (&["--provider", "GitHub"], &["api", "jobs"]),
        (&["--provider", "github"], &["api", "jobs"]),
        (&["--account", OTHER_ACCOUNT], &[others]),
        (&["--in-region", OPT_IN], &["jobs"]),
        (&["--in-region", "us-east-1"], &[others]),
        (&["--in-region", "eu-west-3"], &[]),
        (
            &[
                "--provider",
                "GitHub",
                "--in-region",
                REGION,
                "--include-deleted",
            ],
            &["api", "gone"],
        ),
        (
            &[
                "--provider",
                "GitHub",
                "--status",
                "available",
                "--account",
                ACCOUNT,
                "--in-region",
                REGION,
            ],
            &["api"],
        ),
    ];
    for (filters, expected) in cases {
        assert_eq!(scanned.listed(filters).await, expected, "{filters:?}");
    }
}

#[tokio::test]
async fn list_reports_its_basis_in_text_and_json() {
    let scanned = Scanned::new().await;

    let listed = scanned
        .json(&["list", "--include-deleted", "--account", ACCOUNT])
        .await;

    let [basis] = listed["rests_on"].as_array().expect("a list").as_slice() else {
        panic!("one account: {listed}");
    };
    assert_eq!(basis["account"], ACCOUNT);
    assert_eq!(basis["last_run"]["outcome"], "COMPLETE");
    assert_eq!(basis["last_run"]["sequence"], 2);
    assert_eq!(basis["last_complete_run"], basis["last_run"]);
    let rows = listed["connections"].as_array().expect("a list");
    let row = |name: &str| {
        let found = rows.iter().find(|row| row["connection_name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {listed}"))
    };
    let jobs = row("jobs");
    assert_eq!(jobs["connection_arn"], scanned.arns[2]);
    assert_eq!(jobs["region"], OPT_IN);
    assert_eq!(jobs["connection_status"], "ERROR");
    assert_eq!(jobs["provider_type"], "GitHub");
    assert_eq!(jobs["owner_account_id"], ACCOUNT);
    assert_eq!(jobs["host_arn"], Value::Null);
    assert_eq!(jobs["deleted_at"], Value::Null);
    assert_eq!(jobs["status_since"], jobs["first_seen_at"]);
    let text = |value: &Value| value.as_str().expect("a time").to_owned();
    assert!(text(&jobs["last_seen_at"]) > text(&jobs["first_seen_at"]));
    assert!(text(&row("gone")["deleted_at"]) > text(&row("gone")["last_seen_at"]));

    let output = scanned.fine(&["list", "--include-deleted"]).await;
    let line = |arn: &str| {
        let found = output.lines().find(|line| line.ends_with(arn));
        let line = found.unwrap_or_else(|| panic!("{arn} in {output}"));
        line.split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line(&scanned.arns[2])[0], "ERROR");
    assert_eq!(line(&scanned.arns[2])[2..5], ["jobs", "GitHub", ACCOUNT]);
    assert_eq!(line(&scanned.arns[3])[0], "DELETED");
    assert!(output.contains("5 connections"), "{output}");
    for account in [ACCOUNT, OTHER_ACCOUNT] {
        let basis = format!("account {account}: based on run ");
        assert!(output.contains(&basis), "{output}");
    }
}

#[tokio::test]
async fn history_is_found_by_arn_or_name_in_every_account() {
    let scanned = Scanned::new().await;
    let by_arn = scanned.json(&["history", &scanned.arns[3]]).await;
    let by_name = scanned.json(&["history", "gone"]).await;
    assert_eq!(by_arn, by_name);
    assert_eq!(by_arn[0]["connection_arn"], scanned.arns[3]);
    assert_eq!(by_arn[0]["account"], ACCOUNT);
    assert_eq!(kinds(&by_arn), ["FIRST_SEEN", "DELETED"]);
    assert_eq!(
        by_arn[0]["changes"][1]["before"]["connection_status"],
        "PENDING"
    );

    let both = scanned.json(&["history", "api"]).await;
    let accounts: Vec<&Value> = both
        .as_array()
        .expect("a list")
        .iter()
        .map(|history| &history["account"])
        .collect();
    assert_eq!(accounts, [ACCOUNT, OTHER_ACCOUNT]);
    let one = scanned
        .json(&["history", "api", "--account", OTHER_ACCOUNT])
        .await;
    assert_eq!(one.as_array().expect("a list").len(), 1);
    assert_eq!(one[0]["connection_arn"], scanned.arns[4]);

    let output = scanned.fine(&["history", "gone"]).await;
    assert!(
        output.starts_with(&format!("{} in account {ACCOUNT}\n", scanned.arns[3])),
        "{output}"
    );
    assert!(output.contains("was PENDING"), "{output}");
}

#[tokio::test]
async fn runs_are_listed_newest_first_up_to_the_limit() {
    let scanned = Scanned::new().await;
    let sequences = |runs: &Value| -> Vec<(String, u64)> {
        let run = |run: &Value| {
            let account = run["account"].as_str().expect("an account").to_owned();
            (account, run["sequence"].as_u64().expect("a number"))
        };
        runs.as_array().expect("a list").iter().map(run).collect()
    };
    let all = scanned.json(&["runs"]).await;
    let (own, other) = (ACCOUNT.to_owned(), OTHER_ACCOUNT.to_owned());
    assert_eq!(
        sequences(&all),
        [(own.clone(), 2), (own.clone(), 1), (other, 1)]
    );
    assert_eq!(all[0]["changes"], json!({"DELETED": 1}));
    assert_eq!(all[0]["trigger"], json!({"kind": "REQUEST"}));
    let last = scanned
        .json(&["runs", "--limit", "1", "--account", ACCOUNT])
        .await;
    assert_eq!(sequences(&last), [(own, 2)]);
    let output = scanned.fine(&["runs"]).await;
    let run_lines = output
        .lines()
        .filter(|line| line.contains("COMPLETE  request"))
        .count();
    assert_eq!(run_lines, 3, "{output}");
}

#[tokio::test]
async fn changes_are_filtered_by_time_kind_status_and_provider() {
    let scanned = Scanned::new().await;
    let kinds = async |arguments: &[&str]| {
        let changes = scanned.json(&[&["changes"], arguments].concat()).await;
        let changes = changes["changes"].as_array().expect("a list").clone();
        let kinds = changes
            .iter()
            .map(|c| c["kind"].as_str().expect("a kind").to_owned());
        kinds.collect::<Vec<String>>()
    };
    assert_eq!(kinds(&[]).await.len(), 6, "the last 30 days");
    assert_eq!(
        kinds(&["--since", "1h", "--account", OTHER_ACCOUNT]).await,
        ["FIRST_SEEN"]
    );
    assert_eq!(kinds(&["--kind", "deleted"]).await, ["DELETED"]);
    assert_eq!(
        kinds(&["--kind", "FIRST-SEEN", "--status", "error"]).await,
        ["FIRST_SEEN"]
    );
    assert_eq!(kinds(&["--provider", "bitbucket"]).await, ["FIRST_SEEN"]);
    assert!(kinds(&["--kind", "REAPPEARED"]).await.is_empty());
    let before_all = ["changes", "--since", "2020-01-01", "--until", "2020-02-01"];
    let uncovered = scanned.run(&before_all).await;
    assert_eq!(uncovered.code, 4);
    let complaint = uncovered.complaint();
    assert!(
        complaint.contains("no complete run of account"),
        "{complaint}"
    );
    let output = scanned.fine(&["changes", "--kind", "DELETED"]).await;
    assert!(
        output.contains("was PENDING") && output.contains("1 change observed from"),
        "{output}"
    );
    for (arguments, named) in [
        (&["--since", "yesterday"] as &[&str], "2026-10-01T09:00:00Z"),
        (&["--since", "1h", "--until", "2h"], "is not before --until"),
        (&["--kind", "VANISHED"], "REAPPEARED"),
    ] {
        let done = scanned.run(&[&["changes"], arguments].concat()).await;
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        assert!(done.complaint().contains(named), "{arguments:?}: {done:?}");
    }
}

#[tokio::test]
async fn unrecorded_account_or_connection_exits_4() {
    let scanned = Scanned::new().await;
    let unrecorded = "999999999999";
    for (arguments, named) in [
        (&["history", "nobody"] as &[&str], "\"nobody\""),
        (&["history", UNKNOWN_ARN], UNKNOWN_ARN),
        (&["history", "api", "--account", unrecorded], "\"api\""),
        (&["show", "api", "--account", unrecorded], OTHER_ACCOUNT),
        (&["verify", "--account", unrecorded], OTHER_ACCOUNT),
        (&["check", "--account", unrecorded], OTHER_ACCOUNT),
        (&["list", "--account", unrecorded], OTHER_ACCOUNT),
        (&["list", "--account", unrecorded], unrecorded),
        (&["runs", "--account", unrecorded], unrecorded),
        (&["changes", "--account", unrecorded], unrecorded),
    ] {
        for json in [&[] as &[&str], &["--json"]] {
            let done = scanned.run(&[arguments, json].concat()).await;
            assert_eq!(done.code, 4, "{arguments:?}: {done:?}");
            let complaint = done.complaint();
            assert!(complaint.contains(named), "{arguments:?}: {complaint}");
            assert!(complaint.contains("recorded"), "{arguments:?}: {complaint}");
        }
    }
    let never_run = TestEnv::new().await;
    let ccinv = Ccinv::at(&never_run);
    let table = never_run.table.name().as_str();
    for command in ["list", "runs", "changes"] {
        let done = ccinv.run(&[command, "--table", table]).await;
        assert_eq!(done.code, 4, "{command}: {done:?}");
        let complaint = done.complaint();
        assert!(complaint.contains("no run is recorded here"), "{complaint}");
    }
}

/// Creates an environment with a connection whose status and provider this version does
/// not know, and a change to another unknown status.
async fn newer_values() -> (TestEnv, Ccinv) {
    let env = TestEnv::new().await;
    let odd = |status: &'static str| {
        Script::start(move |_| {
            last(vec![json!({
                "ConnectionArn": arn(REGION, "c"),
                "ConnectionName": "c",
                "ConnectionStatus": status,
                "ProviderType": "SourceForge",
                "OwnerAccountId": ACCOUNT,
            })])
        })
    };
    for status in ["EXPIRED", "REVOKED"] {
        let script = odd(status).await;
        env.run_with(&script.endpoint, &json!({})).await;
    }
    let ccinv = Ccinv::at(&env);
    (env, ccinv)
}

#[tokio::test]
async fn unknown_filter_value_is_refused_with_a_suggestion() {
    let (env, ccinv) = newer_values().await;
    let table = ["--table", env.table.name().as_str()];
    let page = "report.html";
    let wrong: [(&[&str], &str); 11] = [
        (&["list", "--status", "AVALABLE"], "did you mean AVAILABLE?"),
        (&["list", "--status", "EXPIERD"], "did you mean EXPIRED?"),
        (
            &["list", "--status", "XYZ"],
            "known: AVAILABLE, ERROR, EXPIRED, PENDING, REVOKED",
        ),
        (
            &["list", "--provider", "GitHb", "--format", "csv"],
            "did you mean GitHub?",
        ),
        (
            &["list", "--provider", "sourcforge", "--json"],
            "did you mean SourceForge?",
        ),
        (
            &["list", "--status", "PENDIN", "--as-of", "now"],
            "did you mean PENDING?",
        ),
        (&["changes", "--status", "EROR"], "did you mean ERROR?"),
        (&["changes", "--provider", "Gitlb"], "did you mean GitLab?"),
        (
            &["changes", "--kind", "STATUS_CHANGE"],
            "did you mean STATUS_CHANGED?",
        ),
        (
            &["check", "--allow-provider", "GitHub,GitLb"],
            "did you mean GitLab?",
        ),
        (
            &["report", "--out", page, "--allow-provider", "GitHb"],
            "did you mean GitHub?",
        ),
    ];
    for (arguments, hint) in wrong {
        let done = ccinv.run(&[arguments, &table].concat()).await;
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        assert!(done.complaint().contains(hint), "{arguments:?}: {done:?}");
    }
    assert!(!ccinv.folder().join(page).exists(), "nothing is written");

    // A rule whose scope matches no connection would pass.
    let rules = "[[rule]]\nid = \"r\"\nkind = \"error\"\nseverity = \"low\"\nscope.providers = [\"GitHb\"]\n";
    std::fs::write(ccinv.folder().join("rules.toml"), rules).expect("written");
    let done = ccinv
        .run(&[&["check", "--rules", "rules.toml"][..], &table].concat())
        .await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.complaint().contains("rule r: scope"), "{done:?}");

    // Values that are or were recorded can be filtered by, known to this version or not.
    let right: [(&[&str], usize); 6] = [
        (&["list", "--status", "REVOKED", "--json"], 1),
        (&["list", "--status", "EXPIRED", "--json"], 0),
        (&["list", "--provider", "SourceForge", "--json"], 1),
        (&["list", "--provider", "Bitbucket", "--json"], 0),
        (&["list", "--in-region", "eu-west-3", "--json"], 0),
        (&["list", "--status", "PENDING", "--json"], 0),
    ];
    for (arguments, number) in right {
        let listed = ccinv.json(&[arguments, &table].concat()).await;
        let connections = listed["connections"].as_array().expect("a list");
        assert_eq!(connections.len(), number, "{arguments:?}");
    }

    // Connections of these regions are in no listing.
    for region in ["eu-wst-1", "eu-south-2", "us-gov-west-1"] {
        let done = ccinv
            .run(&[&["list", "--in-region", region][..], &table].concat())
            .await;
        assert_eq!(done.code, 4, "{done:?}");
        let option = format!("--in-region {region}: ");
        assert!(done.complaint().starts_with(&option), "{done:?}");
    }
}

#[tokio::test]
async fn csv_rows_are_the_same_with_and_without_filter() {
    let scanned = Scanned::new().await;
    let whole = scanned.fine(&["list", "--format", "csv"]).await;
    let (header, rows) = whole.split_once('\n').expect("a header");
    for status in ["PENDING", "AVAILABLE", "ERROR"] {
        let of_status = scanned
            .fine(&["list", "--status", status, "--format", "csv"])
            .await;
        let (same_header, found) = of_status.split_once('\n').expect("a header");
        assert_eq!(same_header, header);
        let mut expected: Vec<&str> = rows
            .lines()
            .filter(|row| row.split(',').nth(4) == Some(status))
            .collect();
        let mut found: Vec<&str> = found.lines().collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{status}");
        assert!(!found.is_empty(), "{status}");
    }
}

#[tokio::test]
async fn connection_links_to_its_console_page_unless_deleted() {
    let scanned = Scanned::new().await;
    let listed = scanned
        .json(&["list", "--include-deleted", "--account", ACCOUNT])
        .await;
    let rows = listed["connections"].as_array().expect("a list");
    assert_eq!(rows.len(), 4);
    for row in rows {
        let arn = row["connection_arn"].as_str().expect("an ARN");
        let (region, id) = (&row["region"], arn.rsplit('/').next().expect("an id"));
        let region = region.as_str().expect("a region");
        let page = format!(
            "https://{region}.console.aws.amazon.com/codesuite/settings/{ACCOUNT}/{region}\
             /codeconnections/connections/{id}"
        );
        let expected = match row["deleted_at"].is_null() {
            true => json!(page),
            false => Value::Null,
        };
        assert_eq!(row["console_url"], expected, "{row}");
    }
    let shown = scanned.fine(&["show", "ui"]).await;
    assert!(
        shown.contains("console    https://eu-west-1.console"),
        "{shown}"
    );
    let page = scanned.fine(&["report", "--out", "-"]).await;
    assert_eq!(page.matches("open in the AWS console").count(), 4, "{page}");
}

// ---------------------------------------------------------------- verify

#[tokio::test]
async fn verify_checks_a_list_of_heads_in_every_account() {
    let scanned = Scanned::new().await;
    let digests = scanned.json(&["runs"]).await;
    let runs = digests.as_array().expect("a list");
    assert_eq!(runs.len(), 3);
    let exported = scanned.fine(&["export", "runs"]).await;
    let lines: Vec<String> = exported
        .lines()
        .map(|line| {
            let run: Value = serde_json::from_str(line).expect("JSON");
            let text = |name: &str| run[name].as_str().expect("a text").to_owned();
            format!("{} {}", text("account"), text("digest"))
        })
        .collect();
    let file = scanned.ccinv.folder().join("heads.txt");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    let verify = ["verify", "--heads", "heads.txt"];

    write(&format!("# noted\n\n{}\n", lines.join("\n")));
    scanned.fine(&verify).await;

    // A head of another account, of an unrecorded account, and of no run.
    let digest = lines[0].split(' ').nth(1).expect("a digest");
    let other = lines[0].replace(ACCOUNT, OTHER_ACCOUNT);
    let other = match other == lines[0] {
        true => lines[0].replace(OTHER_ACCOUNT, ACCOUNT),
        false => other,
    };
    let unrecorded = format!("999999999999 {digest}");
    let none = format!("{ACCOUNT} {}", "0".repeat(64));
    for wrong in [&other, &unrecorded, &none] {
        write(&format!("{}\n{wrong}\n", lines.join("\n")));
        for json in [&[] as &[&str], &["--json"]] {
            let done = scanned.run(&[&verify[..], json].concat()).await;
            assert_eq!(done.code, 3, "{wrong}: {done:?}");
            for word in wrong.split(' ') {
                assert!(done.stdout.contains(word), "{wrong}: {done:?}");
            }
        }
    }

    for (text, line) in [
        ("123456789012\n".to_owned(), 1),
        (format!("{}\n12 {digest}\n", lines[0]), 2),
        (format!("\n\n{ACCOUNT} beef\n"), 3),
    ] {
        write(&text);
        let done = scanned.run(&verify).await;
        assert_eq!(done.code, 2, "{text}: {done:?}");
        let at = format!("heads.txt:{line}: ");
        assert!(done.complaint().contains(&at), "{text}: {done:?}");
    }
    write("");
    assert_eq!(scanned.run(&verify).await.code, 2);
}

#[tokio::test]
async fn verify_passes_unaltered_record_and_fails_altered_one() {
    let scanned = Scanned::new().await;
    let output = scanned.fine(&["verify"]).await;
    assert!(
        output.contains(&format!(
            "account {ACCOUNT}: 4 connections, 5 changes, 2 runs checked"
        )),
        "{output}"
    );
    let runs = scanned.env.runs().await;
    let [first, last] = [&runs[0], &runs[1]].map(|run| run.digest().to_string());
    assert!(output.contains(&format!("head {last}")), "{output}");
    assert!(
        output.contains("OK: all digests and chains verified, no record missing"),
        "{output}"
    );
    let json = scanned.json(&["verify", "--account", ACCOUNT]).await;
    assert_eq!(json["findings"], json!([]));
    assert_eq!(json["accounts"][0]["head"], json!(last));

    // Every logged digest is still recorded; another one is not.
    for head in [&first, &last] {
        scanned.fine(&["verify", "--head", head]).await;
    }
    let other = "0".repeat(64);
    let done = scanned.run(&["verify", "--head", &other]).await;
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.stderr.contains(&other), "{done:?}");
    let done = scanned.run(&["verify", "--head", "00"]).await;
    assert_eq!(done.code, 2, "{done:?}");

    let done = scanned.run(&["verify", "--account", "999999999999"]).await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.complaint().contains("999999999999"), "{done:?}");

    let client = scanned.env.table.client();
    client
        .delete_item()
        .table_name(scanned.table())
        .key("pk", codec::s(format!("RUNS#{ACCOUNT}")))
        .key("sk", codec::s("RUN#000000000001"))
        .send()
        .await
        .expect("removed");
    let done = scanned.run(&["verify"]).await;
    assert_eq!(done.code, 3, "{done:?}");
    assert!(
        done.stdout
            .contains("RUN#000000000002: records 1 to 1 before it were removed"),
        "{done:?}"
    );
    assert!(done.stdout.contains("FAILED: 1 finding"), "{done:?}");
}

// ---------------------------------------------------------------- scan

#[tokio::test]
async fn complete_scan_creates_a_private_database_and_exits_0() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let ccinv = Ccinv::at(&env);

    let done = ccinv.run(&["scan"]).await;

    assert_eq!(done.code, 0, "{done:?}");
    for expected in [ACCOUNT, REGION, "COMPLETE", "1 PENDING", "1 FIRST_SEEN"] {
        assert!(done.stdout.contains(expected), "{expected}: {done:?}");
    }
    // Plain lines, because it is not on a terminal.
    assert!(!done.stderr.contains(['\u{1b}', '\r']), "{done:?}");
    assert!(
        done.stderr
            .contains("1 pages listed with 1 connections, 1 written"),
        "{done:?}"
    );
    let file = ccinv.folder().join("codeconnections-inventory.db");
    assert_eq!(ccinv.files(), [file.as_path()]);
    assert_eq!(mode(&file), 0o600);
    let listed = ccinv.json(&["list", "--json"]).await;
    assert_eq!(listed["connections"][0]["connection_name"], "storefront");
}

#[tokio::test]
async fn scan_suggests_commands_for_the_same_inventory() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let ccinv = Ccinv::at(&env);
    let table = ["--table", env.table.name().as_str(), "--region", REGION];
    for store in [&[][..], &["--db", "other.db"], &table] {
        let first = ccinv.fine(&[&["scan"], store].concat()).await;
        let again = ccinv.fine(&[&["scan"], store].concat()).await;
        for (text, second) in [(first, "changes"), (again, "check")] {
            let suggestions = suggested(&text);
            let names: Vec<&str> = suggestions.iter().map(|words| words[0].as_str()).collect();
            assert_eq!(names, ["list", second], "{text}");
            for command in &suggestions {
                let command: Vec<&str> = command.iter().map(String::as_str).collect();
                assert!(command.ends_with(store), "{command:?}");
                let done = ccinv.run(&command).await;
                let answered = [0, 4].contains(&done.code) && done.stderr.is_empty();
                assert!(answered, "{command:?}: {done:?}");
            }
        }
        let json = ccinv.fine(&[&["scan", "--json"], store].concat()).await;
        assert!(!json.contains("Try next"), "{json}");
    }
    env.deny(REGION);
    let failed = ccinv.run(&["scan", "--db", "third.db"]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(!failed.stdout.contains("Try next"), "{failed:?}");
}

#[tokio::test]
async fn scan_json_prints_only_the_documented_summary() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    env.create("second");
    env.set_status(&arn, "AVAILABLE");
    let ccinv = Ccinv::at(&env);

    let table = env.table.name().as_str();
    let summary = ccinv.json(&["scan", "--json", "--table", table]).await;

    let runs = env.runs().await;
    assert_eq!(summary["run_id"], runs[0].run_id.as_str());
    assert_eq!(summary["outcome"], "COMPLETE");
    assert_eq!(summary["account"], ACCOUNT);
    assert_eq!(
        summary["connections"],
        json!({"AVAILABLE": 1, "PENDING": 1})
    );
    assert_eq!(summary["changes"], json!({"FIRST_SEEN": 2}));
    assert_eq!(summary["tombstones_held_back"], 0);
    assert_eq!(summary["digest"], runs[0].digest().to_string());
    let [listing] = summary["listings"].as_array().expect("a list").as_slice() else {
        panic!("one listing: {summary}");
    };
    assert_eq!(listing["region"], REGION);
    assert_eq!(listing["complete"], true);
    assert_eq!(
        (&listing["pages"], &listing["connections"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(listing.get("error"), None);
    assert_eq!(summary["requests"]["listing"], 1);
    for (of, what, is_reported) in [
        ("requests", "write", true),
        ("requests", "read", true),
        ("capacity", "write_units", env.reports_written_units()),
    ] {
        let number = summary[of][what].as_f64().expect("a number");
        assert_eq!(number > 0.0, is_reported, "{of}.{what}: {summary}");
    }
    assert!(summary["duration_ms"].is_u64());
    assert_eq!(ccinv.files(), [] as [&Path; 0], "no local database");
}

#[tokio::test]
async fn partial_scan_exits_4_failed_scan_exits_1_and_both_are_recorded() {
    let env = TestEnv::new().await;
    env.create("storefront");
    env.deny(OPT_IN);
    let ccinv = Ccinv::at(&env);
    let table = ["--table", env.table.name().as_str()];

    let partial = [
        "scan",
        "--regions",
        "eu-south-1,eu-west-1",
        table[0],
        table[1],
    ];
    let done = ccinv.run(&partial).await;
    assert_eq!(done.code, 4, "{done:?}");
    for expected in [
        "PARTIAL",
        "eu-south-1",
        "AccessDeniedException",
        "1 FIRST_SEEN",
    ] {
        assert!(done.stdout.contains(expected), "{expected}: {done:?}");
    }

    let failed = [
        "scan",
        "--json",
        "--regions",
        "eu-south-1",
        table[0],
        table[1],
    ];
    let done = ccinv.run(&failed).await;
    assert_eq!(done.code, 1, "{done:?}");
    let summary: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(summary["outcome"], "FAILED");
    assert_eq!(
        summary["listings"][0]["error"]["code"],
        "AccessDeniedException"
    );

    let outcomes: Vec<Outcome> = env.runs().await.iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Outcome::Partial, Outcome::Failed]);
}

#[tokio::test]
async fn scanned_account_is_that_of_the_credentials() {
    let env = TestEnv::new().await;
    let table = ["--table", env.table.name().as_str(), "--json"];
    let scan = ["scan", table[0], table[1], table[2]];

    let asked = Ccinv::at(&env).with("AWS_ACCESS_KEY_ID", OTHER_ACCOUNT);
    assert_eq!(asked.json(&scan).await["account"], OTHER_ACCOUNT);

    // If the account is configured, no request to STS is needed.
    let nowhere = "http://127.0.0.1:9";
    let configured = Ccinv::at(&env)
        .with("AWS_ENDPOINT_URL_STS", nowhere)
        .with("AWS_ACCOUNT_ID", ACCOUNT);
    assert_eq!(configured.json(&scan).await["account"], ACCOUNT);
    let named = [&scan[..], &["--account", ACCOUNT]].concat();
    let without_sts = Ccinv::at(&env).with("AWS_ENDPOINT_URL_STS", nowhere);
    assert_eq!(without_sts.json(&named).await["account"], ACCOUNT);

    let done = without_sts.run(&["scan"]).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.complaint().contains("--account"), "{done:?}");
    assert_eq!(without_sts.files(), [] as [&Path; 0]);
}

#[tokio::test]
async fn held_back_deletions_are_recorded_when_accepted() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..12).map(|n| env.create(&format!("c{n}"))).collect();
    let ccinv = Ccinv::at(&env);
    ccinv.fine(&["scan"]).await;
    for arn in &arns {
        env.delete(arn);
    }

    let held = ccinv.run(&["scan"]).await;
    assert_eq!(held.code, 4, "{held:?}");
    assert!(held.stdout.contains("12 deletions held back"), "{held:?}");
    let accepted = ccinv.json(&["scan", "--accept-deletions", "--json"]).await;
    assert_eq!(accepted["changes"], json!({"DELETED": 12}));
}

// ---------------------------------------------------------------- usage errors

#[tokio::test]
async fn usage_error_is_one_line_with_expected_value_and_writes_nothing() {
    let env = TestEnv::new().await;
    let ccinv = Ccinv::at(&env);
    let bundle = ["export", "bundle", "--out", "b.tar"];
    let period = ["--since", "2026-10-01", "--until", "2026-10-02"];
    let bundle_as_csv = [&bundle[..], &period, &["--format", "csv"]].concat();
    let cases: [(&[&str], &[&str]); 24] = [
        (&["bogus"], &["bogus"]),
        (&["list", "--bogus"], &["--bogus"]),
        (&["list", "--statu", "PENDING"], &["--statu", "--status"]),
        (
            &["list", "--account", "12345"],
            &["--account", "\"12345\"", "12 digits"],
        ),
        (
            &["list", "--region", "Ireland"],
            &["--region", "\"Ireland\"", "eu-west-1"],
        ),
        (&["list", "--status", ""], &["--status", "PENDING"]),
        (&["list", "--provider", ""], &["--provider", "GitHub"]),
        (&["list", "--table", "t"], &["--table", "\"t\"", "3 to 255"]),
        (
            &["list", "--db", "x.db", "--table", "table"],
            &["--db", "--table"],
        ),
        (&["list"], &["codeconnections-inventory.db", "ccinv scan"]),
        (
            &["runs", "--db", "missing.db"],
            &["missing.db", "ccinv scan"],
        ),
        (&["runs", "--limit", "0"], &["--limit"]),
        (&["history"], &["ARN_OR_NAME"]),
        (
            &["history", "arn:aws:codeconnections:eu-west-1:connection/x"],
            &[
                "connection/x",
                "arn:aws:codeconnections:eu-west-1:123456789012:connection/",
            ],
        ),
        (&["scan", "--account", "me"], &["--account", "12 digits"]),
        (
            &["scan", "--regions", "eu-west-1,Ireland"],
            &["--regions", "\"Ireland\""],
        ),
        (&["scan", "--regions", ","], &["--regions", "us-east-1"]),
        (
            &["scan", "--tombstone-guard", "150%"],
            &["--tombstone-guard", "150%", "50%", "off"],
        ),
        (
            &["scan", "--max-concurrency", "0"],
            &["--max-concurrency", "1 to 64"],
        ),
        (
            &["scan", "--host-arn", "my-host"],
            &["--host-arn", "my-host", ":host/"],
        ),
        (
            &["scan", "--host-arn", "my-host", "--regions", "eu-west-1"],
            &["--host-arn", "my-host", ":host/"],
        ),
        (&["demo", "--port", "8080"], &["--serve"]),
        (
            &["report", "--out", "r.html", "--no-rules", "--in-error"],
            &["--no-rules", "--in-error"],
        ),
        (&bundle_as_csv, &["--format", "bundle"]),
    ];
    for (arguments, words) in cases {
        let done = ccinv.run(arguments).await;
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        let complaint = done.complaint();
        for word in words {
            assert!(
                complaint.contains(word),
                "{arguments:?}: {word:?} in {complaint}"
            );
        }
        assert_eq!(ccinv.files(), [] as [&Path; 0], "{arguments:?}");
    }
    assert_eq!(env.codeconnections.requests(), 0);
}

#[tokio::test]
async fn help_exits_0_and_lists_exit_codes() {
    let ccinv = Ccinv::offline();
    let help = ccinv.fine(&["--help"]).await;
    for expected in [
        "demo",
        "scan",
        "list",
        "history",
        "runs",
        "Exit codes:",
        "4    evidence",
    ] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    let version = ccinv.fine(&["--version"]).await;
    assert_eq!(version.trim(), concat!("ccinv ", env!("CARGO_PKG_VERSION")));
    let nothing = ccinv.run(&[]).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("Usage: ccinv"), "{nothing:?}");
    assert!(nothing.stderr.contains("\nAudit:\n"), "{nothing:?}");
}

#[tokio::test]
async fn foreign_database_file_is_refused_and_unchanged() {
    let env = TestEnv::new().await;
    let ccinv = Ccinv::at(&env);
    let path = |name: &str| ccinv.folder().join(name);
    std::fs::write(path("notes.txt"), "not a database, but dear to somebody\n").expect("written");
    std::fs::write(path("empty.db"), "").expect("written");
    let mut broken = b"SQLite format 3\0".to_vec();
    broken.extend(std::iter::repeat_n(0xA5, 8192));
    std::fs::write(path("broken.db"), broken).expect("written");
    for (name, journal) in [("foreign.db", "DELETE"), ("foreign-wal.db", "WAL")] {
        let foreign = rusqlite::Connection::open(path(name)).expect("made");
        foreign
            .pragma_update(None, "journal_mode", journal)
            .expect("set");
        foreign
            .execute_batch("CREATE TABLE letters (text); INSERT INTO letters VALUES ('dear')")
            .expect("filled");
    }
    // An embedded DynamoDB without the table of the inventory.
    drop(dynoxide::Database::new(path("tables.db").to_str().expect("UTF-8")).expect("made"));
    let files = ccinv.files();
    assert_eq!(files.len(), 6, "{files:?}");

    for file in &files {
        let before = std::fs::read(file).expect("read");
        let db = file
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        for arguments in [
            &["list"] as &[&str],
            &["history", "x"],
            &["runs"],
            &["scan"],
        ] {
            let done = ccinv.run(&[arguments, &["--db", db]].concat()).await;
            assert_eq!(done.code, 2, "{arguments:?} {db}: {done:?}");
            let complaint = done.complaint();
            let start = format!("{db}: not a database of this inventory");
            assert!(
                complaint.starts_with(&start),
                "{arguments:?} {db}: {complaint}"
            );
            assert!(
                std::fs::read(file).expect("read") == before,
                "{arguments:?} altered {db}"
            );
        }
    }
    assert_eq!(ccinv.files(), files, "no other file was created");
    assert_eq!(env.codeconnections.requests(), 0);
}

#[tokio::test]
async fn path_where_no_file_can_be_created_is_refused() {
    let env = TestEnv::new().await;
    let ccinv = Ccinv::at(&env);
    std::fs::write(ccinv.folder().join("file"), "").expect("written");
    for (arguments, place) in [
        (["scan", "--db", "nowhere/x.db"], "nowhere/x.db"),
        (["scan", "--db", "file/x.db"], "file/x.db"),
        (["scan", "--db", "."], "."),
        // Not even for root.
        (["scan", "--db", "/proc/x.db"], "/proc/x.db"),
        (["demo", "--dir", "file"], "--dir file"),
        (["demo", "--dir", "/proc/demo"], "--dir /proc/demo"),
        (["demo", "--dir", "/proc"], "/proc/demo.db"),
    ] {
        let done = ccinv.run(&arguments).await;
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        let complaint = done.complaint();
        assert!(complaint.starts_with(place), "{arguments:?}: {complaint}");
    }
    assert_eq!(ccinv.files(), [ccinv.folder().join("file")]);
    assert_eq!(env.codeconnections.requests(), 0);
}

#[tokio::test]
async fn served_demo_answers_with_the_settings_that_it_prints() {
    let ccinv = Ccinv::offline();
    let mut demo = ccinv
        .command(&["demo", "--serve"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    let mut settings = Vec::new();
    loop {
        let line = lines.next_line().await.expect("text").expect("it serves");
        if let Some(exported) = line.trim_start().strip_prefix("export ") {
            settings.extend(exported.split(' ').map(str::to_owned));
        }
        if line.contains("ccinv uses ") {
            break;
        }
    }
    let client = settings.iter().fold(Ccinv::offline(), |client, setting| {
        let (name, value) = setting.split_once('=').expect("a variable");
        client.with(name, value)
    });
    let scan = ["scan", "--db", "mine.db", "--dependencies", "--json"];
    let ran = client.json(&scan).await;
    assert_eq!(ran["dependencies"]["outcome"], "COMPLETE", "{ran}");
    let listed = client.json(&["list", "--db", "mine.db", "--json"]).await;
    let name = listed["connections"][0]["connection_name"].as_str();
    let name = name.expect("the simulated account has connections");
    client.fine(&["uses", "--db", "mine.db", name]).await;
}

#[tokio::test]
async fn demo_with_port_in_use_creates_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let ccinv = Ccinv::offline();
    let done = ccinv
        .run(&["demo", "--dir", "d", "--serve", "--port", &port])
        .await;
    assert_eq!(done.code, 2, "{done:?}");
    let start = format!("--port {port}: ");
    assert!(done.complaint().starts_with(&start), "{done:?}");
    assert_eq!(ccinv.files(), [] as [&Path; 0]);
}

#[tokio::test]
async fn missing_region_or_credentials_is_one_error_line_and_no_file() {
    let env = TestEnv::new().await;
    let no_region = Ccinv::at(&env).without("AWS_REGION");
    let no_credentials = Ccinv::at(&env)
        .without("AWS_ACCESS_KEY_ID")
        .without("AWS_SECRET_ACCESS_KEY");
    let table = env.table.name().as_str();
    for (ccinv, arguments, word) in [
        (&no_region, &["scan"] as &[&str], "--regions"),
        (&no_region, &["list", "--table", table], "AWS_REGION"),
        (
            &no_region,
            &["scan", "--regions", REGION, "--table", table],
            "AWS_REGION",
        ),
        (&no_credentials, &["scan"], "no AWS credentials"),
        (
            &no_credentials,
            &["scan", "--account", ACCOUNT],
            "no AWS credentials",
        ),
        (
            &no_credentials,
            &["runs", "--table", table],
            "no AWS credentials",
        ),
    ] {
        let done = ccinv.run(arguments).await;
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        let complaint = done.complaint();
        assert!(complaint.contains(word), "{arguments:?}: {complaint}");
        assert_eq!(ccinv.files(), [] as [&Path; 0], "{arguments:?}");
    }
    assert_eq!(env.codeconnections.requests(), 0);
    assert_eq!(env.runs().await, []);
}

#[tokio::test]
async fn missing_table_is_an_error_that_names_it() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let ccinv = Ccinv::at(&env);
    for command in [
        &["list"] as &[&str],
        &["runs"],
        &["history", "storefront"],
        &["history", UNKNOWN_ARN],
    ] {
        let done = ccinv
            .run(&[command, &["--table", "no-such-table"]].concat())
            .await;
        assert_eq!(done.code, 1, "{command:?}: {done:?}");
        let complaint = done.complaint();
        assert!(
            complaint.contains("no-such-table"),
            "{command:?}: {complaint}"
        );
    }
    let done = ccinv.run(&["scan", "--table", "no-such-table"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("FAILED"), "{done:?}");
    assert!(done.stdout.contains("no-such-table"), "{done:?}");
    assert_eq!(ccinv.files(), [] as [&Path; 0]);
}

// ---------------------------------------------------------------- output

#[tokio::test]
async fn control_characters_in_names_are_escaped() {
    let env = TestEnv::new().await;
    // Colour, title, bell, a C1 control sequence, a forged line, and right-to-left text.
    let evil = "x\u{1b}[31m\u{1b}]0;t\u{7}\u{9b}2J\r\nACTIVE\u{85}\u{2028}\u{202e}y\u{7f}";
    let arn = env.create("plain");
    let rename = |name: &str| {
        env.codeconnections
            .state()
            .rename_connection(&arn, name)
            .expect("renamed");
    };
    let ccinv = Ccinv::at(&env);
    ccinv.fine(&["scan"]).await;
    rename(evil);
    let scanned = ccinv.fine(&["scan"]).await;
    rename("plain");
    ccinv.fine(&["scan"]).await;
    rename(evil);
    ccinv.fine(&["scan"]).await;

    let list = ccinv.fine(&["list"]).await;
    let history = ccinv.fine(&["history", &arn]).await;
    let json = ccinv.fine(&["list", "--json"]).await;
    let history_json = ccinv.fine(&["history", evil, "--json"]).await;
    let missing = ccinv.run(&["history", &format!("{evil}z")]).await;
    assert_eq!(missing.code, 4);
    let refused = ccinv.run(&["list", "--region", evil]).await;
    assert_eq!(refused.code, 2);

    let complaints = [missing.complaint(), refused.complaint()].concat();
    for text in [&scanned, &list, &history, &json, &history_json, &complaints] {
        let raw: String = text
            .chars()
            .filter(|c| c.is_control() && *c != '\n' || "\u{2028}\u{202e}".contains(*c))
            .collect();
        assert_eq!(raw, "", "{text:?}");
    }
    // A line break in a name starts no new line.
    assert_eq!(
        list.lines().filter(|line| line.contains("ACTIVE")).count(),
        1
    );
    assert!(
        !list.lines().any(|line| line.starts_with("ACTIVE")),
        "{list}"
    );
    // JSON keeps the exact name for programs.
    let listed: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(listed["connections"][0]["connection_name"], evil);
    let history: Value = serde_json::from_str(&history_json).expect("JSON");
    assert_eq!(history[0]["changes"][1]["after"]["connection_name"], evil);
}

#[tokio::test]
async fn closed_output_is_not_an_error() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let ccinv = Ccinv::at(&env);
    ccinv.fine(&["scan"]).await;
    let cases: [(&[&str], i32); 6] = [
        (&["demo"], 0),
        (&["list"], 0),
        (&["runs", "--json"], 0),
        (&["scan"], 0),
        (&["history", "nobody"], 4),
        (&["list", "--bogus"], 2),
    ];
    for (arguments, code) in cases {
        let mut command = ccinv.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // Closed before anything is written.
        drop((child.stdout.take(), child.stderr.take()));
        let status = child.wait().await.expect("it ends");
        assert_eq!(status.code(), Some(code), "{arguments:?}: {status}");
    }
}

/// An incomplete answer must not look like a complete one.
#[tokio::test]
async fn full_disk_under_stdout_is_reported() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let ccinv = Ccinv::at(&env);
    ccinv.fine(&["scan"]).await;
    let cases: [&[&str]; 8] = [
        &["--help"],
        &["list"],
        &["list", "--json"],
        &["changes", "--format", "csv"],
        &["runs", "--format", "jsonl"],
        &["report", "--out", "-"],
        &["export", "changes"],
        &["man"],
    ];
    for arguments in cases {
        let full = File::options().write(true).open("/dev/full");
        let mut command = ccinv.command(arguments);
        let child = command
            .stdout(full.expect("Linux has it"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = child.wait_with_output().await.expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        let problem = "ccinv: standard output: can't write: No space left on device";
        assert!(stderr.contains(problem), "{arguments:?}: {stderr}");
    }
}

// ----------------------------------------------------------------

fn kinds(histories: &Value) -> Vec<&str> {
    let changes = histories[0]["changes"].as_array().expect("a list");
    changes
        .iter()
        .map(|change| change["kind"].as_str().expect("a kind"))
        .collect()
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("a file").permissions().mode() & 0o777
}

// ------------------------------------------------------------ completions

/// Returns the completions that bash offers for the last of these words.
async fn offered(ccinv: &Ccinv, words: &[&str]) -> Vec<String> {
    let script = ccinv.fine(&["completions", "bash"]).await;
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, before) = (words.len() - 1, words.len() - 2);
    let ask = format!(
        "{script}\nCOMP_WORDS=({})\nCOMP_CWORD={last}\n\
         _ccinv ccinv \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{before}]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        quoted.join(" ")
    );
    let output = tokio::process::Command::new("bash")
        .args(["--norc", "-c", &ask])
        .current_dir(ccinv.folder())
        .output()
        .await
        .expect("bash");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completion_offers_known_values_or_file_names() {
    let ccinv = Ccinv::offline();
    for name in ["PENDING.txt", "GitFile", "us-file", "data.db"] {
        std::fs::write(ccinv.folder().join(name), "").expect("written");
    }
    let cases: [(&[&str], &[&str]); 7] = [
        (&["ccinv", "list", "--status", "P"], &["PENDING"]),
        (
            &["ccinv", "list", "--provider", "Git"],
            &[
                "GitHub",
                "GitHubEnterpriseCloudDataResidency",
                "GitHubEnterpriseServer",
                "GitLab",
                "GitLabSelfManaged",
            ],
        ),
        (&["ccinv", "changes", "--kind", "D"], &["DELETED"]),
        (
            &["ccinv", "scan", "--regions", "us-"],
            &["us-east-1", "us-east-2", "us-west-1", "us-west-2"],
        ),
        (&["ccinv", "scan", "--provider", "Azure"], &["AzureDevOps"]),
        (&["ccinv", "runs", "--outcome", "C"], &["COMPLETE"]),
        (&["ccinv", "list", "--db", "da"], &["data.db"]),
    ];
    for (words, expected) in cases {
        assert_eq!(offered(&ccinv, words).await, expected, "{words:?}");
    }
}
