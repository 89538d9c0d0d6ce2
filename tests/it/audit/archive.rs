//! Old runs in an archive: verification reads them as if they were in the table.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::fs;
use std::path::PathBuf;

use crate::support::aws::Aws;
use crate::support::ccinv::{Ccinv, Done};
use crate::support::keys::make_key;
use crate::support::moto::Moto;
use crate::support::raw_items::{get, put};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv, account};
use aws_sdk_dynamodb::types::AttributeValue;
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
        let ccinv = Ccinv::at(&env);
        fs::create_dir(ccinv.folder().join("old")).expect("a folder");
        for hour in 10..18 {
            match hour {
                12 => env.set_status(&arn, "AVAILABLE"),
                16 => env.set_status(&arn, "ERROR"),
                _ => {}
            }
            env.run().await;
        }
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
    let since = |time| ["runs", "--gaps", "--since", time, "--until", later];
    assert_eq!(fixture.run(&since(earlier)).await.code, 4);
    assert_ne!(fixture.run(&since("2026-10-01T14:30:00Z")).await.code, 4);
    assert_eq!(as_of(later).await.stdout, before.stdout);
    let runs = async |time| fixture.run(&["runs", "--since", time]).await.code;
    assert_eq!(
        (runs(earlier).await, runs("2026-10-01T14:00:00Z").await),
        (4, 0)
    );
    let complete = ["runs", "--outcome", "complete", "--format", "csv"];
    let complete = fixture.run(&complete).await;
    assert_eq!((complete.code, complete.stdout.lines().count()), (0, 5));
    let count = ["sql", "select count(*) from runs", "--format", "csv"];
    let counted = fixture.run(&count).await.stdout;
    assert!(counted.ends_with("\n4\n"), "those in the table: {counted}");
    // Changes are all there, of which two have no run now.
    let (was, is) = (changed.stdout, fixture.run(&changes).await);
    assert_eq!(is.code, 4, "{is:?}");
    assert!(is.stderr.contains(complaint), "{is:?}");
    for run in ["1", "3"] {
        assert!(was.contains(&format!(",{run},COMPLETE,request,")), "{was}");
    }
    let without = was.replace(",1,COMPLETE,request,", ",,,,");
    assert_eq!(is.stdout, without.replace(",3,COMPLETE,request,", ",,,,"));
    let history = fixture.run(&["history", "payments"]).await;
    assert_eq!(history.code, 4, "{history:?}");
    assert_eq!(
        history.stdout.matches("not in table").count(),
        2,
        "{history:?}"
    );
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
        "line 2: is run 2 of account 210987654321",
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
        next.complaint().contains("run 5 does not follow"),
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
        next.complaint().contains("does not end with its last run"),
        "{next:?}"
    );
    fs::remove_file(fixture.file(FIRST)).expect("removed");
    let done = fixture.run(&["verify", "--archive", "old"]).await;
    assert_eq!(done.code, 4, "{done:?}");
    // Others can't take the place of runs that are gone.
    let done = fixture.archive("2026-10-02", &["--delete"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.complaint().contains("run 5 does not follow"),
        "{done:?}"
    );
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8]);
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
    put(&fixture.env, recorded).await;
    assert_eq!(fixture.archive(BEFORE, &["--delete"]).await.code, 0);
    let later = "the archive has more than ended before";
    assert_eq!(fixture.numbers().await, [5, 6, 7, 8], "{later}");
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
