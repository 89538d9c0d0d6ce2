//! Output formats: rows in every format, one connection with its timeline, gaps,
//! exports, shell completions and the manual.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeSet, HashMap};
use std::process::Stdio;

use crate::support::ccinv::{Ccinv, Done};
use crate::support::recorded_accounts;
use crate::support::test_env::{ACCOUNT, HOUR, REGION, TestEnv, account, long_run, region};
use codeconnections_inventory::audit::runs::{RunById, Runs};
use codeconnections_inventory::domain::{
    AccountId, Clock, Connection, RunId, RunRecord, Timestamp,
};
use codeconnections_inventory::table::{WriteResult, codec, keys};
use serde_json::{Value, json};
use tokio::process::Command;

struct Fixture {
    env: TestEnv,
    ccinv: Ccinv,
    arns: [String; 3],
}

/// A name with a spreadsheet formula, a terminal escape and a line break.
const HOSTILE: &str = "=cmd|'/C calc'!A1,\u{1b}[2J\"\n";

impl Fixture {
    /// Creates three connections, three complete runs at 10:00, 11:00 and 14:00, and a
    /// denied one at 12:00.
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let arns = ["api", "ui", HOSTILE].map(|name| env.create(name));
        env.run().await;
        env.set_status(&arns[0], "AVAILABLE");
        env.run().await;
        env.deny("eu-west-1");
        env.run().await;
        env.allow("eu-west-1");
        env.clock.advance(HOUR);
        env.delete(&arns[1]);
        env.run().await;
        Self {
            ccinv: Ccinv::at(&env),
            env,
            arns,
        }
    }

    async fn ask(&self, arguments: &[&str]) -> Done {
        let table = ["--table", self.env.table.name().as_str()];
        self.ccinv.run(&[arguments, &table].concat()).await
    }

    async fn fine(&self, arguments: &[&str]) -> String {
        let done = self.ask(arguments).await;
        assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
        done.stdout
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.fine(arguments).await;
        serde_json::from_str(&text).expect("JSON")
    }
}

/// Every command that prints rows, with their number.
const COMMANDS: [(&[&str], usize); 9] = [
    (&["list"], 2),
    (&["list", "--include-deleted", "--as-of", "2026-10-31"], 3),
    (
        &["changes", "--since", "2026-10-01", "--until", "2026-10-02"],
        5,
    ),
    (&["diff", "2026-10-01T10:00:00Z", "2026-10-31"], 2),
    (&["runs"], 4),
    (&["runs", "--outcome", "complete"], 3),
    (
        &[
            "runs",
            "--gaps",
            "--every",
            "1h",
            "--until",
            "2026-10-01T14:00:00.001Z",
        ],
        1,
    ),
    (&["history", "api"], 2),
    (&["show", "api"], 1),
];

fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.expect("a row of CSV"));
    rows.map(|row| row.iter().map(str::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn jsonl_and_csv_rows_have_the_same_content() {
    let fixture = Fixture::new().await;
    for (command, number) in COMMANDS {
        let lines = fixture
            .fine(&[command, &["--format", "jsonl"]].concat())
            .await;
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON on each line"))
            .collect();
        assert_eq!(lines.len(), number, "{command:?}: {lines:?}");
        let csv = csv_rows(
            &fixture
                .fine(&[command, &["--format", "csv"]].concat())
                .await,
        );
        assert_eq!(csv.len(), number + 1, "{command:?}: {csv:?}");
        let header = &csv[0];
        let names: BTreeSet<&String> = header.iter().collect();
        assert_eq!(names.len(), header.len(), "each column once: {header:?}");
        for (row, line) in csv[1..].iter().zip(&lines) {
            for (name, value) in header.iter().zip(row) {
                // Columns and JSON fields of the same name have the same value.
                match line.get(name) {
                    Some(Value::String(text)) if text != HOSTILE => assert_eq!(text, value),
                    Some(Value::Number(number)) => assert_eq!(number.to_string(), *value),
                    Some(Value::Null) => assert_eq!(value, ""),
                    _ => {}
                }
            }
        }
    }
    let on_a_day = ["list", "--as-of", "2026-10-31"];
    let json = fixture
        .fine(&[&on_a_day[..], &["--format", "json"]].concat())
        .await;
    assert_eq!(
        json,
        fixture.fine(&[&on_a_day[..], &["--json"]].concat()).await
    );
    let both = fixture.ask(&["list", "--json", "--format", "csv"]).await;
    assert_eq!(both.code, 2, "{both:?}");
    let other = fixture.ask(&["list", "--format", "xml"]).await;
    assert_eq!(other.code, 2);
    assert!(other.complaint().contains("jsonl"), "{other:?}");
}

#[tokio::test]
async fn json_document_contains_the_rows_of_jsonl() {
    let fixture = Fixture::new().await;
    let on_a_day = ["list", "--include-deleted", "--as-of", "2026-10-31"];
    let of_a_day = ["changes", "--since", "2026-10-01", "--until", "2026-10-02"];
    let none = ["--status", "ERROR"];
    for (command, list) in [
        (&["list"][..], "connections"),
        (&on_a_day, "connections"),
        (&of_a_day, "changes"),
    ] {
        let lines = fixture
            .fine(&[command, &["--format", "jsonl"]].concat())
            .await;
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON on each line"))
            .collect();
        let text = fixture.fine(&[command, &["--json"]].concat()).await;
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(document[list], Value::from(lines), "{text}");
        assert!(document["rests_on"].is_array(), "{text}");
        let (head, rows) = text.split_once(&format!("\"{list}\": [")).expect("rows");
        assert!(head.ends_with("\n  "), "{text}");
        assert!(rows.starts_with("\n    {\n      \""), "{text}");
        assert!(rows.ends_with("\n    }\n  ]\n}\n"), "{text}");
        let text = fixture.fine(&[command, &none, &["--json"]].concat()).await;
        assert!(text.ends_with(&format!("\"{list}\": []\n}}\n")), "{text}");
    }
}

#[tokio::test]
async fn csv_has_its_header_when_there_are_no_rows() {
    let fixture = Fixture::new().await;
    let none = fixture
        .fine(&["list", "--status", "ERROR", "--format", "csv"])
        .await;
    assert_eq!(none.lines().count(), 1);
    assert!(none.starts_with("account,connection_arn,region,"), "{none}");
}

#[tokio::test]
async fn hostile_name_is_escaped_in_every_format_and_exact_in_json() {
    let fixture = Fixture::new().await;
    for format in ["table", "csv", "jsonl", "json"] {
        let text = fixture.fine(&["list", "--format", format]).await;
        assert!(!text.contains('\u{1b}'), "{format}: {text}");
    }
    let csv = csv_rows(&fixture.fine(&["list", "--format", "csv"]).await);
    let name = csv
        .iter()
        .find(|row| row[1] == fixture.arns[2])
        .map(|row| &row[3]);
    let name = name.expect("it is listed");
    assert!(name.starts_with("'=cmd|"), "no formula: {name}");
    let lines = fixture.fine(&["list", "--format", "jsonl"]).await;
    let line = lines.lines().find(|line| line.contains(&fixture.arns[2]));
    let row: Value = serde_json::from_str(line.expect("it is listed")).expect("JSON");
    assert_eq!(row["connection_name"], HOSTILE);
}

#[tokio::test]
async fn show_prints_one_connection_with_changes_and_timeline() {
    let fixture = Fixture::new().await;
    let id = fixture.arns[0].rsplit('/').next().expect("an id");
    let by_name = fixture
        .json(&["show", "api", "--since", "2026-09-30", "--json"])
        .await;
    let by_id = fixture
        .json(&["show", id, "--since", "2026-09-30", "--json"])
        .await;
    let [shown] = by_name.as_array().expect("a list").as_slice() else {
        panic!("one: {by_name}");
    };
    assert_eq!(by_id[0]["connection"], shown["connection"]);
    assert_eq!(shown["connection"]["connection_status"], "AVAILABLE");
    assert_eq!(
        shown["connection"]["status_since"],
        "2026-10-01T11:00:00.000Z"
    );
    assert_eq!(
        shown["connection"]["last_seen_at"],
        "2026-10-01T14:00:00.000Z"
    );
    assert_eq!(shown["listed_in"], json!(["eu-west-1"]));
    let parts: Vec<String> = shown["timeline"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|part| {
            let text = |name: &str| part[name].as_str().unwrap_or("").to_owned();
            let what = match text("status") {
                status if status.is_empty() => text("state"),
                status => status,
            };
            format!("{} {what}", &text("from")[11..16])
        })
        .collect();
    // It was not observed between 11:00 and 14:00, nor after 14:00.
    let expected = ["10:00 CHANGING", "11:00 NOT_OBSERVED"];
    assert_eq!(parts, expected, "the usual interval is that of the runs");

    let text = fixture
        .fine(&["show", "api", "--since", "2026-09-30"])
        .await;
    for says in [
        "status     AVAILABLE, for ",
        "last seen  2026-10-01T14:00:00Z",
        "· not observed",
        "PENDING → AVAILABLE",
        "based on run 4 (COMPLETE, 1 region)",
    ] {
        assert!(text.contains(says), "{says:?} in {text}");
    }
    let deleted = fixture.fine(&["show", &fixture.arns[1]]).await;
    assert!(deleted.contains("status     DELETED, for "), "{deleted}");
    let missing = fixture.ask(&["show", "nobody"]).await;
    assert_eq!(missing.code, 4);
    assert!(
        missing
            .complaint()
            .contains("no connection \"nobody\" is recorded")
    );
}

#[tokio::test]
async fn gaps_are_periods_without_complete_run_longer_than_interval() {
    let fixture = Fixture::new().await;
    let every = async |every: &str, until: &str| {
        let gaps = [
            "runs", "--gaps", "--every", every, "--until", until, "--json",
        ];
        let gaps = fixture.json(&gaps).await;
        let gap = |gap: &Value| {
            let hour = |at: &Value| {
                at.as_str()
                    .map_or("-".to_owned(), |at| at[11..16].to_owned())
            };
            let (after, before) = (hour(&gap["after"]), hour(&gap["before"]));
            format!("{after} {before} {}", gap["missed"])
        };
        gaps.as_array()
            .expect("a list")
            .iter()
            .map(gap)
            .collect::<Vec<_>>()
    };
    let end = "2026-10-01T15:00:00Z";
    assert_eq!(every("1h", end).await, ["11:00 14:00 2"]);
    assert_eq!(every("3h", end).await, [""; 0]);
    assert_eq!(
        every("55m", end).await,
        ["11:00 14:00 3"],
        "a tenth more is no gap"
    );
    assert_eq!(
        every("1h", "2026-10-01T17:30:00Z").await,
        ["11:00 14:00 2", "14:00 - 3"]
    );
    let since = [
        "runs",
        "--gaps",
        "--every",
        "1h",
        "--since",
        "2026-10-01T06:00:00Z",
    ];
    let since = [
        &since[..],
        &["--until", "2026-10-01T10:30:00Z", "--format", "csv"],
    ]
    .concat();
    let since = csv_rows(&fixture.fine(&since).await);
    let first = since[1][..5].join(" ");
    let expected = "  2026-10-01T10:00:00.000Z 2026-10-01T06:00:00.000Z 2026-10-01T10:00:00.000Z";
    assert_eq!(first, format!("{ACCOUNT}{expected}"));

    let lone = ["runs", "--gaps", "--until", "2026-10-01T10:30:00Z"];
    let lone = fixture.ask(&lone).await;
    assert_eq!(lone.code, 2, "{lone:?}");
    assert!(lone.complaint().contains("--every 1h"), "{lone:?}");
    let never = fixture
        .ask(&["runs", "--gaps", "--until", "2026-10-01T09:30:00Z"])
        .await;
    assert_eq!(never.code, 4, "{never:?}");
    assert!(
        never.complaint().contains("no complete run before"),
        "{never:?}"
    );
}

#[tokio::test]
async fn accounts_whose_gaps_are_unknown_are_named_after_the_gaps_of_the_others() {
    let fixture = Fixture::new().await;
    let [partial, lone] =
        ["222222222222", "333333333333"].map(|id| id.parse::<AccountId>().expect("an account"));
    for (account, listed) in [(&partial, None), (&lone, Some(HashMap::new()))] {
        let listings = vec![(region(REGION), listed)];
        recorded_accounts::run::<Connection>(&fixture.env, account, listings).await;
    }
    let gaps = ["runs", "--gaps", "--until", "2026-10-01T14:30:00Z"];
    let without = "account 222222222222: no complete run before 2026-10-01T14:30:00Z; \
                   the whole period is a gap";
    let too_few = "account 333333333333: too few complete runs to determine their usual interval";
    for format in ["table", "json", "jsonl", "csv"] {
        let format = [&gaps[..], &["--format", format]].concat();
        let done = fixture.ask(&format).await;
        assert_eq!(done.code, 4, "{done:?}");
        assert!(done.stdout.contains(ACCOUNT), "{done:?}");
        assert!(done.stderr.contains(without), "{done:?}");
        assert!(done.stderr.contains(too_few), "{done:?}");
        let hourly = fixture
            .ask(&[&format[..], &["--every", "1h"]].concat())
            .await;
        assert_eq!(hourly.code, 4, "{hourly:?}");
        assert!(hourly.stdout.contains(ACCOUNT), "{hourly:?}");
        assert!(hourly.stderr.contains(without), "{hourly:?}");
        assert!(!hourly.stderr.contains("too few"), "{hourly:?}");
    }
    let of_one = |id: &'static str| [&gaps[..], &["--account", id]].concat();
    let lone = fixture.ask(&of_one("333333333333")).await;
    assert_eq!(lone.code, 2, "{lone:?}");
    assert!(lone.complaint().contains("--every 1h"), "{lone:?}");
    let partial = fixture.ask(&of_one("222222222222")).await;
    assert_eq!(partial.code, 4, "{partial:?}");
    assert_eq!(partial.complaint(), without);
}

#[tokio::test]
async fn run_is_found_by_time_and_by_id_among_many() {
    let env = TestEnv::new().await;
    env.create("api");
    let mut began = Vec::new();
    for _ in 0..40 {
        env.run().await;
        began.push(env.clock.now());
    }
    let audit = env.audit();
    let account = account();
    for (i, at) in began.iter().enumerate() {
        for (later, expected) in [(0, i + 1), (1_000, i + 1), (-1, i)] {
            let at = Timestamp::from_millis(at.millis() + later);
            let basis = audit.basis(&account, at).await.expect("read");
            let last = basis.last_run.map_or(0, |run| run.sequence);
            assert_eq!(last, expected as u64, "at {at}");
        }
    }
    let some = audit
        .runs_between(&account, began[10], began[13])
        .await
        .expect("read");
    let numbers: Vec<u64> = some.runs.iter().map(|run| run.sequence).collect();
    assert_eq!(numbers, [11, 12, 13], "half-open");
    let whole = env.runs().await;
    for run in &whole {
        let mut runs = Runs::of(&env.table, &account);
        let found = runs.by_id(&run.run_id).await.expect("read");
        assert_eq!(found, RunById::Recorded(run));
    }
    let mut runs = Runs::of(&env.table, &account);
    let other = RunId::new(began[20], 7);
    assert_eq!(
        runs.by_id(&other).await.expect("read"),
        RunById::NotRecorded,
        "a run that crashed"
    );
}

#[tokio::test]
async fn overlapping_runs_are_found_in_any_order() {
    let env = TestEnv::new().await;
    let account = account();
    env.run().await;
    let first = env.runs().await.remove(0);
    let minute = |minute: i64| Timestamp::from_millis(first.started_at.millis() + minute * 60_000);
    // Start and end in minutes after the first run, in the order of recording.
    let times = [(10, 12), (5, 11), (9, 14), (14, 26), (20, 24), (30, 31)];
    for (i, (began, ended)) in times.into_iter().enumerate() {
        let run = RunRecord {
            sequence: i as u64 + 2,
            run_id: RunId::new(minute(began), i as u128),
            started_at: minute(began),
            finished_at: minute(ended),
            ..first.clone()
        };
        assert_eq!(env.table.record_run(&run).await, WriteResult::Written);
    }
    let runs = env.table.runs_of(&account, 100).await.expect("read");
    for at in 0..40 {
        let had_ended = |run: &&RunRecord| run.finished_at <= minute(at);
        let expected = runs.iter().filter(had_ended).map(|run| run.sequence).max();
        let mut found = Runs::of(&env.table, &account);
        assert_eq!(
            found.ended_by(minute(at)).await.expect("read"),
            expected,
            "{at}"
        );
        let between = found
            .begun_between(minute(at), minute(at + 7))
            .await
            .expect("read");
        let within = |run: &&RunRecord| (minute(at)..minute(at + 7)).contains(&run.started_at);
        let expected = runs.iter().filter(within).count();
        assert_eq!(between.len(), expected, "{at}");
    }
    for run in &runs {
        let mut found = Runs::of(&env.table, &account);
        assert_eq!(
            found.by_id(&run.run_id).await.expect("read"),
            RunById::Recorded(run)
        );
    }
}

#[tokio::test]
async fn removed_run_is_an_error_that_names_it() {
    let fixture = Fixture::new().await;
    let (pk, sk) = (keys::runs_pk(&account()), keys::run_sk(2));
    let removed = fixture.env.table.client().delete_item();
    let removed = removed
        .table_name(fixture.env.table.name().as_str())
        .key("pk", codec::s(pk))
        .key("sk", codec::s(sk));
    removed.send().await.expect("removed");
    let done = fixture
        .ask(&["list", "--as-of", "2026-10-01T11:30:00Z"])
        .await;
    assert_eq!(done.code, 1, "{done:?}");
    let complaint = done.complaint();
    assert!(complaint.contains("run 2 of account"), "{complaint}");
    assert!(complaint.contains("ccinv verify"), "{complaint}");
}

#[tokio::test]
async fn export_contains_every_record_once_in_order() {
    let fixture = Fixture::new().await;
    for (what, number) in [("connections", 3), ("changes", 5), ("runs", 4)] {
        let lines = fixture.fine(&["export", what]).await;
        let records: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(records.len(), number, "{what}");
        assert!(
            records.iter().all(|record| record["digest"].is_string()),
            "{what}"
        );
        let csv = csv_rows(&fixture.fine(&["export", what, "--format", "csv"]).await);
        assert_eq!(csv.len(), number + 1, "{what}");
        let elsewhere = ["export", what, "--account", "999999999999"];
        assert_eq!(fixture.ask(&elsewhere).await.code, 4, "{what}");
    }
    let runs = fixture.fine(&["export", "runs"]).await;
    let numbers: Vec<u64> = runs
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|run| run["sequence"].as_u64().expect("a number"))
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let lines = fixture.fine(&["export"]).await;
    let line = lines.lines().find(|line| line.contains(&fixture.arns[1]));
    let deleted: Value = serde_json::from_str(line.expect("a tombstone")).expect("JSON");
    assert_eq!(deleted["deleted_at"], "2026-10-01T14:00:00.000Z");
    assert_eq!(deleted["listed_in"], json!(["eu-west-1"]));
}

#[tokio::test]
async fn ocsf_export_has_an_event_for_each_present_connection() {
    let fixture = Fixture::new().await;
    let events = fixture.fine(&["export", "--format", "ocsf"]).await;
    let mut uids: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .inspect(|event| assert_eq!(event["class_uid"], 5023))
        .map(|event| event["resources"][0]["uid"].clone())
        .collect();
    uids.sort_by_key(ToString::to_string);
    let mut present = [json!(fixture.arns[0]), json!(fixture.arns[2])];
    present.sort_by_key(ToString::to_string);
    assert_eq!(uids, present);
    let runs = fixture.ask(&["export", "runs", "--format", "ocsf"]).await;
    assert_eq!(runs.code, 2, "{runs:?}");
    assert!(runs.complaint().contains("jsonl or csv"), "{runs:?}");
}

#[tokio::test]
async fn export_of_many_pages_is_complete() {
    let env = TestEnv::new().await;
    for n in 0..1_500 {
        env.create(&format!("c{n}"));
    }
    assert_eq!(
        long_run(&env.handler(), &json!({}))
            .await
            .changes
            .values()
            .sum::<u64>(),
        1_500
    );
    let table = env.table.name().as_str();
    let ccinv = Ccinv::at(&env);
    for what in ["connections", "changes"] {
        let lines = ccinv.fine(&["export", what, "--table", table]).await;
        let arns: BTreeSet<String> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|record| record.get("connection_arn").or(record.get("arn")).cloned())
            .map(|arn| arn.expect("an ARN").to_string())
            .collect();
        assert_eq!(arns.len(), 1_500, "{what}");
    }
}

#[tokio::test]
async fn completions_work_and_manual_covers_every_command() {
    let ccinv = Ccinv::offline();
    for shell in ["bash", "zsh", "fish"] {
        let script = ccinv.fine(&["completions", shell]).await;
        for word in ["as-of", "changes", "export"] {
            assert!(script.contains(word), "{word} in {shell}");
        }
    }
    let script = ccinv.fine(&["completions", "bash"]).await;
    let file = ccinv.folder().join("ccinv.bash");
    std::fs::write(&file, script).expect("written");
    // The completions that bash offers for `ccinv li`.
    let script = "source ./ccinv.bash; COMP_WORDS=(ccinv li); COMP_CWORD=1; \
                 _ccinv ccinv li ccinv; echo \"${COMPREPLY[*]}\"";
    let offered = Command::new("bash")
        .args(["-c", script])
        .current_dir(ccinv.folder())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("bash");
    assert_eq!(String::from_utf8_lossy(&offered.stdout), "list\n");
    let other = ccinv.run(&["completions", "tcsh"]).await;
    assert_eq!(other.code, 2);

    let manual = ccinv.fine(&["man"]).await;
    let groups = ccinv.commands().await;
    let commands: Vec<&str> = groups
        .iter()
        .flat_map(|(_, names)| names.iter().map(String::as_str))
        .collect();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands {
        let section = format!(".SH \"CCINV {}\"", command.to_uppercase());
        assert!(manual.contains(&section), "{section}");
        let examples = ccinv.fine(&[command, "--help"]).await;
        assert!(examples.contains("Examples:"), "{command}: {examples}");
    }
}
