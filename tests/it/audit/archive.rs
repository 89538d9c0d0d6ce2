//! Old runs in an archive: verification reads them as if they were in the table.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::support::aws::Aws;
use crate::support::ccinv::{Ccinv, Done};
use crate::support::consumers;
use crate::support::keys::make_key;
use crate::support::moto::{Moto, without_dependencies};
use crate::support::proxy::{Act, Proxy};
use crate::support::raw_items::{get, items_of, key, put, remove};
use crate::support::test_env::{ACCOUNT, HOUR, REGION, TestEnv, account, run};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::archive::write::Archiver;
use codeconnections_inventory::audit::AuditError;
use codeconnections_inventory::bundle::records;
use codeconnections_inventory::checkpoint::Store;
use codeconnections_inventory::checkpoint::chain_state::{ChainId, ChainKind};
use codeconnections_inventory::domain::{
    Clock, Connection, Dependency, Outcome, RunRecord, SystemClock, Timestamp,
};
use codeconnections_inventory::local::ManualClock;
use codeconnections_inventory::table::codec::run_item;
use serde_json::{Value, json};

/// The fourth of eight hourly runs ended before, and the fifth began after.
const BEFORE: &str = "2026-10-01T13:30:00Z";
const FIRST: &str = "runs/123456789012.connections.000000000001-000000000004.jsonl";

/// A record of eight hourly runs from 10:00 on, with changes at 10:00, 12:00 and 16:00.
struct Fixture {
    env: TestEnv,
    ccinv: Ccinv,
}

impl Fixture {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let arn = env.create("payments");
        for hour in 10..18 {
            match hour {
                12 => env.set_status(&arn, "AVAILABLE"),
                16 => env.set_status(&arn, "ERROR"),
                _ => {}
            }
            env.run().await;
        }
        Self::of(env)
    }

    fn of(env: TestEnv) -> Self {
        let ccinv = Ccinv::at(&env);
        fs::create_dir(ccinv.folder().join("old")).expect("a folder");
        Self { env, ccinv }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.ccinv.folder().join("old").join(name)
    }

    async fn run(&self, words: &[&str]) -> Done {
        let table = self.env.table.name().as_str();
        self.ccinv.run(&[words, &["--table", table]].concat()).await
    }

    async fn archive(&self, before: &str, options: &[&str]) -> Done {
        let archive = ["archive", "--to", "old", "--before", before];
        self.run(&[&archive[..], options].concat()).await
    }

    /// Returns what is found with the archive or without it.
    async fn found(&self, options: &[&str]) -> Vec<String> {
        let done = self
            .run(&[&["verify", "--json"][..], options].concat())
            .await;
        let found: Value = serde_json::from_str(&done.stdout).unwrap_or_default();
        let findings = found["findings"].as_array();
        let findings = findings.unwrap_or_else(|| panic!("{done:?}"));
        assert_eq!(
            done.code,
            if findings.is_empty() { 0 } else { 3 },
            "{done:?}"
        );
        let line = |finding: &Value| {
            let text = |name: &str| finding[name].as_str().expect("a text").to_owned();
            format!("{}: {}", text("sk"), text("problem"))
        };
        findings.iter().map(line).collect()
    }

    /// Returns the numbers of the runs in the table.
    async fn numbers(&self) -> Vec<u64> {
        let runs = self.env.table.runs(&account()).collect().await;
        let numbers = runs.expect("read").into_iter().map(|run| run.sequence);
        numbers.collect()
    }

    async fn found_with_archive(&self) -> Vec<String> {
        self.found(&["--archive", "old"]).await
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.file(name)).expect("a file");
        text.lines().map(str::to_owned).collect()
    }

    fn write(&self, name: &str, lines: &[String]) {
        fs::write(self.file(name), lines.join("\n") + "\n").expect("written");
    }
}

#[tokio::test]
async fn deleted_runs_are_verified_from_the_archive() {
    let fixture = Fixture::new().await;
    let keys = ["--checkpoints", "kept", "--public-key", "key.pub"];
    make_key(fixture.ccinv.folder(), "key", &["-algorithm", "ed25519"]);
    fs::create_dir(fixture.ccinv.folder().join("kept")).expect("a folder");
    let make = ["checkpoint", "--to", "kept", "--key", "key.pem"];
    assert_eq!(fixture.run(&make).await.code, 0);
    let evaluate = ["evaluate", "--rules", "rules.toml"];
    let rules = "[[rule]]\nid = \"in-error\"\nkind = \"error\"\nseverity = \"high\"\n";
    fs::write(fixture.ccinv.folder().join("rules.toml"), rules).expect("written");
    assert_eq!(fixture.run(&evaluate).await.code, 0);

    let done = fixture.archive(BEFORE, &[]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        done.stdout,
        "account 123456789012, connections: 4 runs archived, up to run 4\n\
         account 123456789012, findings: 0 runs archived\narchive old/\n"
    );
    assert_eq!(fixture.found(&[]).await, [""; 0], "none is deleted");
    assert_eq!(
        fixture.found_with_archive().await,
        [""; 0],
        "each counts once"
    );

    let done = fixture.archive(BEFORE, &["--delete", "--json"]).await;
    let chains = serde_json::from_str::<Value>(&done.stdout).expect("JSON")["chains"].clone();
    let expected =
        json!({"account": ACCOUNT, "kind": "connections", "archived": 0, "last": 4, "deleted": 4});
    assert_eq!(chains[0], expected, "{done:?}");
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8]);
    let removed = "RUN#000000000005: records 1 to 4 before it were removed";
    assert!(fixture.found(&[]).await.contains(&removed.to_owned()));
    assert_eq!(fixture.found_with_archive().await, [""; 0]);
    let checked = fixture
        .run(&[&["verify", "--archive", "old"][..], &keys].concat())
        .await;
    assert_eq!(checked.code, 0, "{checked:?}");
    let expected = "1 connection, 3 changes, 8 runs checked";
    assert!(checked.stdout.contains(expected), "{checked:?}");

    // The next run, the next checkpoint and the next archive go on from there.
    fixture.env.run().await;
    let made = fixture.run(&make).await;
    assert_eq!(made.code, 0, "{made:?}");
    let done = fixture.archive("2026-10-02", &["--delete"]).await;
    let expected = "connections: 4 runs archived, up to run 8; 4 runs deleted from the table";
    assert!(done.stdout.contains(expected), "{done:?}");
    assert_eq!(fixture.numbers().await, [9], "the last one stays");
    let all = [&["--archive", "old"][..], &keys].concat();
    assert_eq!(fixture.found(&all).await, [""; 0]);
    fixture.env.run().await;
    assert_eq!(fixture.found(&all).await, [""; 0]);
}

#[tokio::test]
async fn answers_about_a_time_without_runs_say_so_and_others_stay() {
    let fixture = Fixture::new().await;
    let at = ["list", "--format", "csv", "--as-of"];
    let as_of = async |time| fixture.run(&[&at[..], &[time]].concat()).await;
    let (earlier, later) = ("2026-10-01T12:30:00Z", "2026-10-01T15:30:00Z");
    let before = as_of(later).await;
    let changes = ["changes", "--since", "2026-10-01", "--format", "csv"];
    let changed = fixture.run(&changes).await;
    assert_eq!((as_of(earlier).await.code, before.code), (0, 0));
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    let done = as_of(earlier).await;
    assert_eq!(done.code, 4, "{done:?}");
    let complaint = "the first run of account 123456789012 in the table is run 5: nothing here";
    assert!(done.complaint().contains(complaint), "{done:?}");
    assert_eq!(as_of(later).await.stdout, before.stdout);
    let code = async |words: &[&str]| fixture.run(words).await.code;
    let gaps = |time| ["runs", "--gaps", "--since", time, "--until", later];
    assert_eq!(code(&gaps(earlier)).await, 4);
    let hourly = [&gaps("2026-10-01T14:30:00Z")[..], &["--every", "1h"]].concat();
    assert_eq!(code(&hourly).await, 0);
    assert_eq!(
        code(&["sql", "select * from connections", "--as-of", earlier]).await,
        4
    );
    assert_eq!(code(&["show", "payments", "--since", earlier]).await, 4);
    let report = [
        "report", "--out", "r.html", "--since", earlier, "--until", later,
    ];
    assert_eq!(code(&report).await, 4);
    let mut within = report;
    within[4] = "2026-10-01T14:30:00Z";
    assert_eq!(code(&within).await, 0);
    let bundle = |since| {
        [
            "export", "bundle", "--since", since, "--until", later, "--out",
        ]
    };
    assert_eq!(code(&[&bundle(earlier)[..], &["1.tar"]].concat()).await, 4);
    let within = bundle("2026-10-01T14:30:00Z");
    assert_eq!(code(&[&within[..], &["2.tar"]].concat()).await, 0);
    let verified = fixture.ccinv.run(&["verify", "--bundle", "2.tar"]).await;
    assert_eq!(verified.code, 0, "{verified:?}");

    // What names no time is answered by the runs that are there, with a note.
    let note = "earlier runs of 1 account are not in the table: archived, or removed";
    let select = ["sql", "select count(*) from runs", "--format", "csv"];
    for words in [
        &["runs", "--format", "csv"][..],
        &["runs", "--outcome", "complete", "--format", "csv"],
        &["runs", "--until", later, "--format", "csv"],
        &["runs", "--gaps", "--format", "csv"],
        &["export", "runs", "--format", "csv"],
        &["history", "payments", "--format", "csv"],
        &select,
    ] {
        let done = fixture.run(words).await;
        assert_eq!(done.code, 0, "{words:?} {done:?}");
        assert!(done.stderr.contains(note), "{words:?} {done:?}");
    }
    let newest = fixture.run(&["runs", "--limit", "4"]).await;
    assert!(
        !newest.stdout.contains(note),
        "they are all there: {newest:?}"
    );
    let counted = fixture.run(&select).await.stdout;
    assert!(counted.ends_with("\n4\n"), "{counted}");
    let history = fixture.run(&["history", "payments"]).await.stdout;
    assert_eq!(history.matches("not in table").count(), 2, "{history}");
    // A time without runs has no answer. What is there is printed.
    let after = "2026-10-01T14:00:00Z";
    assert_eq!(code(&["runs", "--since", after]).await, 0);
    let since = fixture
        .run(&["runs", "--since", earlier, "--format", "csv"])
        .await;
    assert_eq!((since.code, since.stdout.lines().count()), (4, 5));
    assert_eq!(code(&["runs", "--until", earlier]).await, 4);
    let select = |time| {
        [
            "sql",
            "select * from runs",
            "--since",
            time,
            "--format",
            "csv",
        ]
    };
    assert_eq!(
        (code(&select(earlier)).await, code(&select(after)).await),
        (4, 0)
    );
    let until = [
        "changes",
        "--since",
        "2026-10-01",
        "--until",
        earlier,
        "--format",
        "csv",
    ];
    let until = fixture.run(&until).await;
    assert_eq!(
        (until.code, until.stdout.lines().count()),
        (4, 3),
        "{until:?}"
    );
    // Changes are all there, of which two have no run now.
    let (was, is) = (changed.stdout, fixture.run(&changes).await);
    assert_eq!(is.code, 4, "{is:?}");
    assert!(is.stderr.contains(complaint), "{is:?}");
    for run in ["1", "3"] {
        assert!(was.contains(&format!(",{run},COMPLETE,request,")), "{was}");
    }
    let without = was.replace(",1,COMPLETE,request,", ",,,,");
    assert_eq!(is.stdout, without.replace(",3,COMPLETE,request,", ",,,,"));
}

#[tokio::test]
async fn altered_archive_is_found() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    let lines = fixture.lines(FIRST);
    let mut altered = lines.clone();
    altered[1] = altered[1].replace("COMPLETE", "PARTIAL");
    fixture.write(FIRST, &altered);
    let follows = "RUN#000000000003: does not refer to the record before it";
    assert!(
        fixture
            .found_with_archive()
            .await
            .contains(&follows.to_owned())
    );
    // What is no run of this chain is named by its line.
    altered[1] = lines[1].replace(ACCOUNT, "210987654321");
    altered[2] = format!("{} ", lines[2]);
    fixture.write(FIRST, &altered);
    let found = fixture.found_with_archive().await.join("\n");
    let name = format!("old/{FIRST}");
    for problem in [
        "line 2: is a run of account 210987654321",
        "line 3: is not written as this software writes a run",
    ] {
        assert!(found.contains(&format!("{name}: {problem}")), "{found}");
    }
    let mut altered = lines.clone();
    altered[3] = altered[3].replace("COMPLETE", "PARTIAL");
    fixture.write(FIRST, &altered);
    let next = fixture.archive("2026-10-02", &[]).await;
    assert_eq!(next.code, 1, "{next:?}");
    assert!(
        next.complaint().contains("run 5 does not follow run 4"),
        "{next:?}"
    );
    fixture.write(FIRST, &lines[..2]);
    let removed = "RUN#000000000005: records 3 to 4 before it were removed";
    assert!(
        fixture
            .found_with_archive()
            .await
            .contains(&removed.to_owned())
    );
    let next = fixture.archive("2026-10-02", &[]).await;
    assert_eq!(next.code, 1, "{next:?}");
    assert!(
        next.complaint()
            .contains("ends before run 3, not after run 4"),
        "{next:?}"
    );
    fs::remove_file(fixture.file(FIRST)).expect("removed");
    let done = fixture.run(&["verify", "--archive", "old"]).await;
    assert_eq!(done.code, 4, "{done:?}");
    // Others can't take the place of runs that are gone.
    let done = fixture.archive("2026-10-02", &["--delete"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let first = "run 5 is the first in the table; use the archive of those before";
    assert!(done.complaint().contains(first), "{done:?}");
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8]);
}

#[tokio::test]
async fn archive_that_lacks_lines_is_found_before_runs_are_deleted() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive(BEFORE, &[]).await.code, 0);
    let lines = fixture.lines(FIRST);
    fixture.write(FIRST, &lines[..3]);
    let found = fixture.found_with_archive().await;
    let lacks = format!("RUN#000000000001: old/{FIRST}: ends before run 4, not after run 4");
    assert_eq!(found, [lacks]);
    let done = fixture.archive(BEFORE, &["--delete"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(fixture.numbers().await.len(), 8, "none is deleted");
}

/// What was appended to an altered run goes nowhere.
#[tokio::test]
async fn run_is_archived_only_if_the_next_one_refers_to_it() {
    let fixture = Fixture::new().await;
    let key = (format!("RUNS#{ACCOUNT}"), "RUN#000000000005".to_owned());
    let mut next = get(&fixture.env, &key).await;
    let other = AttributeValue::S("0".repeat(64));
    next.insert("previous_digest".to_owned(), other);
    put(&fixture.env, next).await;
    let done = fixture.archive(BEFORE, &["--delete"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.complaint().contains("run 5 does not follow run 4"),
        "{done:?}"
    );
    assert_eq!(fixture.numbers().await.len(), 8);
    assert!(!fixture.file(FIRST).exists());
}

#[tokio::test]
async fn archive_without_its_first_file_deletes_nothing() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive(BEFORE, &[]).await.code, 0);
    assert_eq!(fixture.archive("2026-10-02", &[]).await.code, 0);
    fs::remove_file(fixture.file(FIRST)).expect("removed");
    let done = fixture.archive("2026-10-02", &["--delete"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.complaint().contains("the archive lacks run 1"),
        "{done:?}"
    );
    assert_eq!(fixture.numbers().await.len(), 8);
}

#[tokio::test]
async fn run_that_was_removed_by_another_is_found_although_it_is_archived() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive(BEFORE, &[]).await.code, 0);
    let third = (format!("RUNS#{ACCOUNT}"), "RUN#000000000003".to_owned());
    remove(&fixture.env, &third).await;
    let found = fixture.found_with_archive().await;
    let expected = "RUN#000000000003: was removed: only the archive has it";
    assert_eq!(found, [expected]);
}

/// An older record, of a backup or an attacker, names a run that is in the archive.
#[tokio::test]
async fn account_record_that_is_behind_repeats_no_number() {
    let env = TestEnv::new().await;
    env.create("payments");
    let record = (format!("ACCOUNT#{ACCOUNT}"), "ACCOUNT".to_owned());
    env.run().await;
    env.run().await;
    let older = get(&env, &record).await;
    for _ in 0..6 {
        env.run().await;
    }
    let newest = get(&env, &record).await;
    let fixture = Fixture::of(env);
    assert_eq!(fixture.archive(BEFORE, &[]).await.code, 0);
    // Runs stay that it does not name: the next one takes the number after it.
    put(&fixture.env, older.clone()).await;
    let done = fixture.archive(BEFORE, &["--delete"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(fixture.numbers().await, [2, 3, 4, 5, 6, 7, 8]);
    put(&fixture.env, newest).await;
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8]);
    put(&fixture.env, older).await;
    fixture.env.run().await;
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn archive_is_no_substitute_for_the_runs_since() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    for key in items_of(&fixture.env).await.iter().map(key) {
        if key.1.starts_with("RUN#") {
            remove(&fixture.env, &key).await;
        }
    }
    let cut = "RUN#000000000005: was removed: the archive has run 4 and those before";
    let found = fixture.found_with_archive().await;
    assert!(found.contains(&cut.to_owned()), "{found:?}");
    // The same where nothing of the account is left.
    for key in items_of(&fixture.env).await.iter().map(key) {
        remove(&fixture.env, &key).await;
    }
    let found = fixture.found_with_archive().await;
    assert!(found.contains(&cut.to_owned()), "{found:?}");
}

#[tokio::test]
async fn last_complete_run_and_those_after_it_stay() {
    let fixture = Fixture::new().await;
    fixture.env.deny(REGION);
    for _ in 0..3 {
        fixture.env.run().await;
    }
    let done = fixture.archive("2026-10-02", &["--delete"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(fixture.numbers().await, [8, 9, 10, 11]);
    let listed = fixture.run(&["list", "--format", "csv"]).await;
    assert_eq!((listed.code, listed.stdout.lines().count()), (0, 2));
    // There is no complete one to answer with before.
    let at = ["list", "--as-of", "2026-10-01T16:30:00Z"];
    assert_eq!(fixture.run(&at).await.code, 4);
    assert_eq!(fixture.found_with_archive().await, [""; 0]);
}

#[tokio::test]
async fn account_without_a_complete_run_keeps_all() {
    let env = TestEnv::new().await;
    env.deny(REGION);
    for _ in 0..3 {
        env.run().await;
    }
    let fixture = Fixture::of(env);
    let done = fixture.archive("2026-10-02", &["--delete"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(fixture.numbers().await, [1, 2, 3]);
}

/// A run that can't read the account's state does not know its number.
#[tokio::test]
async fn run_without_the_state_goes_on_after_the_last_one() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    let env = &fixture.env;
    let proxy = Proxy::start(&env.table_endpoint, |seen| {
        let of_account = String::from_utf8_lossy(&seen.body).contains("ACCOUNT#");
        match seen.operation == "Query" && of_account {
            true => Act::fault(400, "ValidationException"),
            false => Act::Pass,
        }
    })
    .await;
    let handler = env.handler_of(
        env.source_at(env.service.endpoint()),
        env.table_at(&proxy.endpoint),
    );
    env.clock.advance(HOUR);
    let summary = run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Failed, "{summary:?}");
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8, 9]);
    assert_eq!(fixture.found_with_archive().await, [""; 0]);
    // Where nothing can be read, no number is free.
    let proxy = Proxy::start(&env.table_endpoint, |seen| match seen.operation.as_str() {
        "Query" => Act::fault(400, "AccessDeniedException"),
        _ => Act::Pass,
    })
    .await;
    let handler = env.handler_of(
        env.source_at(env.service.endpoint()),
        env.table_at(&proxy.endpoint),
    );
    let summary = run(&handler, &json!({})).await;
    assert_eq!(summary.sequence, None, "{summary:?}");
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8, 9]);
    // Nor does one whose account has no record any more.
    let record = (format!("ACCOUNT#{ACCOUNT}"), "ACCOUNT".to_owned());
    remove(env, &record).await;
    env.run().await;
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8, 9, 10]);
}

#[tokio::test]
async fn interrupted_deletion_is_continued() {
    let fixture = Fixture::new().await;
    let deletions = AtomicU32::new(0);
    let proxy = Proxy::start(&fixture.env.table_endpoint, move |seen| {
        let is_deletion = seen.operation == "DeleteItem";
        match is_deletion && deletions.fetch_add(1, Ordering::Relaxed) == 2 {
            true => Act::fault(400, "AccessDeniedException"),
            false => Act::Pass,
        }
    })
    .await;
    let broken = Fixture {
        ccinv: Ccinv::at(&fixture.env).with("AWS_ENDPOINT_URL_DYNAMODB", &proxy.endpoint),
        env: fixture.env,
    };
    fs::create_dir(broken.ccinv.folder().join("old")).expect("a folder");
    let done = broken.archive(BEFORE, &["--delete"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.complaint().contains("delete run 3 of account"),
        "{done:?}"
    );
    assert_eq!(broken.numbers().await, [3, 4, 5, 6, 7, 8]);
    assert_eq!(broken.found_with_archive().await, [""; 0]);
    let done = broken.archive(BEFORE, &["--delete"]).await;
    assert!(done.stdout.contains("2 runs deleted"), "{done:?}");
    assert_eq!(broken.numbers().await, [5, 6, 7, 8]);
    assert_eq!(broken.found_with_archive().await, [""; 0]);
}

#[tokio::test]
async fn first_checkpoint_starts_with_the_first_run_in_the_table() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    make_key(fixture.ccinv.folder(), "key", &["-algorithm", "ed25519"]);
    fs::create_dir(fixture.ccinv.folder().join("kept")).expect("a folder");
    let make = ["checkpoint", "--to", "kept", "--key", "key.pem", "--json"];
    let made = fixture.run(&make).await;
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    assert_eq!(made["problems"], Value::Null, "{made}");
    let keys = ["--checkpoints", "kept", "--public-key", "key.pub"];
    let all = [&["--archive", "old"][..], &keys].concat();
    assert_eq!(fixture.found(&all).await, [""; 0]);
}

/// Dependencies and findings have runs of their own.
#[tokio::test]
async fn answers_of_other_chains_need_their_runs() {
    let mut env = TestEnv::new().await;
    env.clock = Arc::new(ManualClock::at(
        "2026-09-01T00:00:00Z".parse().expect("a time"),
    ));
    env.create("payments");
    run(&env.handler(), &json!({})).await;
    let (_services, ccinv) = without_dependencies(&env).await;
    let fixture = Fixture { ccinv, env };
    let folder = fixture.ccinv.folder();
    fs::create_dir(folder.join("old")).expect("a folder");
    let rules = "[[rule]]\nid = \"in-error\"\nkind = \"error\"\nseverity = \"high\"\n";
    fs::write(folder.join("rules.toml"), rules).expect("written");
    let evaluate = ["evaluate", "--rules", "rules.toml"];
    for _ in 0..2 {
        assert_eq!(fixture.run(&evaluate).await.code, 0);
    }
    // They are of now. All but the last go, as if they were old.
    let key = (
        "FINDING_RUNS#123456789012".to_owned(),
        "RUN#000000000001".to_owned(),
    );
    remove(&fixture.env, &key).await;
    let at = ["findings", "--as-of", "2026-09-02"];
    let done = fixture.run(&at).await;
    assert_eq!(done.code, 4, "{done:?}");
    let complaint = "the first run of account 123456789012 in the table is run 2";
    assert!(done.complaint().contains(complaint), "{done:?}");
    assert_eq!(fixture.run(&["findings"]).await.code, 0);
    let scan = ["scan", "--dependencies", "--regions", REGION];
    for _ in 0..2 {
        let done = fixture.run(&scan).await;
        assert_eq!(done.code, 0, "{done:?}");
    }
    let key = (
        "DEPENDENCY_RUNS#123456789012".to_owned(),
        "RUN#000000000001".to_owned(),
    );
    remove(&fixture.env, &key).await;
    let done = fixture.run(&["hosts", "--as-of", "2026-09-02"]).await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.complaint().contains(complaint), "{done:?}");
}

/// A source that is not enabled leaves a run complete. Answers name its last listing.
#[tokio::test]
async fn run_that_last_listed_a_source_stays() {
    let env = TestEnv::new().await;
    env.create("payments");
    let is_enabled = Arc::new(AtomicBool::new(true));
    let enabled = Arc::clone(&is_enabled);
    let services = Proxy::start(env.service.endpoint(), move |seen| {
        let none = consumers::none(seen);
        let is_of_it = consumers::operation(seen) == "ListRepositoryAssociations";
        match none {
            Some(_) if is_of_it && !enabled.load(Ordering::Relaxed) => {
                consumers::refusal(400, "OptInRequired")
            }
            none => none.unwrap_or(Act::Pass),
        }
    })
    .await;
    let ccinv = consumers::ccinv_at(&env, &services.endpoint);
    let fixture = Fixture { env, ccinv };
    let scan = ["scan", "--dependencies", "--regions", REGION];
    for listed in [true, true, false, false] {
        is_enabled.store(listed, Ordering::Relaxed);
        let done = fixture.run(&scan).await;
        assert_eq!(done.code, 0, "{done:?}");
    }
    let place = Store::Directory(fixture.ccinv.folder().join("old"));
    let chain = ChainId {
        account: account(),
        kind: ChainKind::Dependencies,
    };
    let tomorrow = Timestamp::from_millis(SystemClock.now().millis() + 86_400_000);
    let archiver = Archiver::<Dependency>::new(&fixture.env.table, &place, &chain, &[], tomorrow);
    let archived = archiver.await.expect("read").archive(true).await;
    let archived = archived.expect("archived");
    assert_eq!((archived.archived, archived.deleted), (1, 1));
}

#[tokio::test]
async fn records_of_a_period_need_its_runs() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    let until = time("2026-10-01T15:30:00Z");
    let read = async |since| {
        let (table, none) = (&fixture.env.table, BTreeMap::new());
        records::read::<Connection>(table, &[account()], (since, until), &none).await
    };
    let missing = AuditError::RunsNotInTable {
        account: account(),
        first: 5,
    };
    let early = read(time("2026-10-01T12:30:00Z")).await;
    assert_eq!(early.expect_err("runs are missing"), missing);
    let read = read(time("2026-10-01T14:00:00Z")).await.expect("read");
    assert_eq!(read.runs.lines().count(), 2);
}

#[tokio::test]
async fn time_since_which_no_run_was_complete_has_no_answer() {
    let env = TestEnv::new().await;
    env.create("payments");
    for hour in 10..18 {
        match hour {
            12 => env.deny(REGION),
            15 => env.allow(REGION),
            _ => {}
        }
        env.run().await;
    }
    let fixture = Fixture::of(env);
    let at = ["list", "--format", "csv", "--as-of", "2026-10-01T14:30:00Z"];
    let before = fixture.run(&at).await;
    assert_eq!(before.code, 0, "{before:?}");
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    let done = fixture.run(&at).await;
    assert_eq!(done.code, 4, "{done:?}");
    let complaint = "the first run of account 123456789012 in the table is run 5";
    assert!(done.complaint().contains(complaint), "{done:?}");
    let later = ["list", "--as-of", "2026-10-01T15:30:00Z"];
    assert_eq!(fixture.run(&later).await.code, 0);
}

#[tokio::test]
async fn run_that_differs_from_the_archive_is_not_deleted() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.archive("2026-10-02", &[]).await.code, 0);
    let key = (format!("RUNS#{ACCOUNT}"), "RUN#000000000003".to_owned());
    let recorded = get(&fixture.env, &key).await;
    let mut item = recorded.clone();
    item.insert("digest".to_owned(), AttributeValue::S("0".repeat(64)));
    put(&fixture.env, item).await;
    let done = fixture.archive(BEFORE, &["--delete"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.complaint()
            .contains("run 3 is not the one in the archive"),
        "{done:?}"
    );
    // The digest does not cover what the software does not know.
    let mut item = recorded.clone();
    item.insert("note".to_owned(), AttributeValue::S("mine".to_owned()));
    put(&fixture.env, item).await;
    let done = fixture.archive(BEFORE, &["--delete"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(fixture.numbers().await[0], 3);
    put(&fixture.env, recorded).await;
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    let later = "the archive has more than ended before";
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8], "{later}");
}

/// A bucket's answer has a limit, and each request its time.
#[tokio::test]
async fn file_ends_before_it_is_too_long_to_be_read() {
    let env = TestEnv::new().await;
    env.run().await;
    let mut last = env.runs().await.pop().expect("a run");
    for _ in 0..20 {
        last = RunRecord {
            sequence: last.sequence + 1,
            previous_digest: Some(last.digest()),
            problems: vec!["x".repeat(300_000)],
            ..last
        };
        put(&env, run_item(&last)).await;
    }
    env.run().await;
    env.run().await;
    let fixture = Fixture::of(env);
    let done = fixture.archive("2026-10-02", &[]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let files = fs::read_dir(fixture.file("runs")).expect("a folder");
    let names = files.map(|file| file.expect("a file").file_name().into_string());
    let mut names: Vec<String> = names.map(|name| name.expect("text")).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "123456789012.connections.000000000001-000000000015.jsonl",
            "123456789012.connections.000000000016-000000000022.jsonl",
        ]
    );
}

#[tokio::test]
async fn first_version_in_a_bucket_counts() {
    let mut fixture = Fixture::new().await;
    let moto = Moto::start().await;
    let aws = Aws::new(&moto.endpoint, REGION, ACCOUNT).await;
    let here = json!({"LocationConstraint": REGION});
    let bucket = json!({"Bucket": "old-runs", "CreateBucketConfiguration": here});
    aws.call("s3", "create_bucket", bucket).await;
    let enabled = json!({"Bucket": "old-runs", "VersioningConfiguration": {"Status": "Enabled"}});
    aws.call("s3", "put_bucket_versioning", enabled).await;
    fixture.ccinv = Ccinv::at(&fixture.env).with("AWS_ENDPOINT_URL_S3", &moto.endpoint);
    let place = "s3://old-runs/inventory";
    let archive = ["archive", "--to", place, "--before", BEFORE, "--delete"];
    let done = fixture.run(&archive).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(fixture.found(&["--archive", place]).await, [""; 0]);
    let object = json!({"Bucket": "old-runs", "Key": format!("inventory/{FIRST}")});
    let mut other = object.clone();
    other["Body"] = json!("{}\n");
    aws.call("s3", "put_object", other).await;
    aws.call("s3", "delete_object", object).await;
    assert_eq!(fixture.found(&["--archive", place]).await, [""; 0]);
}

#[tokio::test]
async fn wrong_usage_is_one_line() {
    let fixture = Fixture::new().await;
    let done = fixture.archive("10d", &[]).await;
    assert_eq!(done.code, 2, "{done:?}");
    let complaint = "runs of the last 35 days stay; take ";
    assert!(done.complaint().contains(complaint), "{done:?}");
    let elsewhere = ["archive", "--to", "nowhere", "--before", BEFORE];
    assert_eq!(fixture.run(&elsewhere).await.code, 2);
    let done = fixture
        .archive(BEFORE, &["--account", "210987654321"])
        .await;
    assert_eq!(done.code, 4, "{done:?}");
    let names = fs::read_dir(fixture.file("")).expect("a folder");
    assert_eq!(names.count(), 0, "nothing is written");
}
