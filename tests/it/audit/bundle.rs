//! Evidence bundles: what is in them, and what their verification finds.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;

use crate::support::ccinv::{Ccinv, Done};
use crate::support::keys::make_key;
use crate::support::test_env::{self, ACCOUNT, REGION, TestEnv};
use crate::support::tools;
use codeconnections_inventory::bundle::archive::{self, Files};
use codeconnections_inventory::bundle::manifest::{self, Bundle};
use codeconnections_inventory::bundle::records;
use codeconnections_inventory::bundle::verify::verify;
use codeconnections_inventory::checkpoint::{Signer, Store, make, signer::LocalKey};
use codeconnections_inventory::domain::digest::canonical_json;
use codeconnections_inventory::domain::run::SnapshotsRecord;
use codeconnections_inventory::domain::{
    AccountId, Change, Clock, Connection, ConnectionArn, RunId, RunRecord, Timestamp,
};
use serde_json::{Value, json};

pub(super) const PERIOD: [&str; 4] = [
    "--since",
    "2026-10-01T11:30:00Z",
    "--until",
    "2026-10-01T15:30:00Z",
];

/// A record of eight hourly runs from 10:00 on, with changes at 10:00, 12:00, 14:00 and
/// 16:00, and checkpoints at 12:00, 15:00 and 17:00.
pub(super) struct Fixture {
    pub(super) env: TestEnv,
    pub(super) ccinv: Ccinv,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let env = TestEnv::new().await;
        let arn = env.create("payments");
        let ccinv = Ccinv::at(&env);
        make_key(ccinv.folder(), "key", &["-algorithm", "ed25519"]);
        let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
        make_key(ccinv.folder(), "checkpoints", &p256);
        fs::create_dir(ccinv.folder().join("kept")).expect("a folder");
        let fixture = Self { env, ccinv };
        for hour in 10..18 {
            match hour {
                12 => fixture.env.set_status(&arn, "AVAILABLE"),
                14 => fixture.env.set_status(&arn, "ERROR"),
                16 => fixture.env.delete(&arn),
                _ => {}
            }
            fixture.env.run().await;
            if [12, 15, 17].contains(&hour) {
                fixture.checkpoint().await;
            }
        }
        fixture
    }

    pub(super) async fn checkpoint(&self) {
        let pem = fs::read(self.ccinv.folder().join("checkpoints.pem")).expect("a key");
        let signer = Signer::Local(LocalKey::from_pem(&pem).expect("a key"));
        let store = Store::Directory(self.ccinv.folder().join("kept"));
        let made = make::make(&self.env.table, &store, &signer, self.env.clock.now()).await;
        made.expect("made");
    }

    pub(super) async fn export(&self, name: &str, options: &[&str]) -> Done {
        let table = self.env.table.name().as_str();
        let export = ["export", "bundle", "--table", table, "--out", name];
        self.ccinv.run(&[&export[..], options].concat()).await
    }

    /// Exports a signed bundle of the period with its checkpoints.
    pub(super) async fn export_all(&self, name: &str) {
        let options = ["--key", "key.pem", "--checkpoints", "kept"];
        let done = self.export(name, &[&PERIOD[..], &options].concat()).await;
        assert_eq!(done.code, 0, "{done:?}");
    }

    pub(super) fn files(&self, name: &str) -> Files {
        let file = fs::File::open(self.ccinv.folder().join(name)).expect("a file");
        archive::read(file).expect("an archive")
    }

    pub(super) fn write(&self, name: &str, files: &Files) {
        let file = fs::File::create(self.ccinv.folder().join(name)).expect("a file");
        archive::write(files, file).expect("written");
    }

    /// Verifies a bundle with both keys. Returns the findings.
    pub(super) async fn found(&self, name: &str) -> Vec<String> {
        let keys = [
            "--manifest-key",
            "key.pub",
            "--public-key",
            "checkpoints.pub",
        ];
        self.found_with(name, &keys).await
    }

    /// Verifies a bundle by the programs of the page. Returns whether it is fine, and what
    /// is printed.
    pub(super) async fn checked_by_others(&self, name: &str) -> (bool, String) {
        let page = include_str!("../../../docs/evidence.md");
        let path = |name: &str| self.ccinv.folder().join(name);
        for (name, language) in [("check.sh", "```bash\n"), ("check.py", "```python\n")] {
            let program = page.split(language).nth(1).expect("a block");
            let program = program.split("```").next().expect("its end");
            fs::write(path(name), program).expect("written");
        }
        let program = tokio::task::spawn_blocking(|| tools::program("jq", "--version"));
        program.await.expect("jq");
        let folder = tempfile::TempDir::new().expect("a folder");
        let done = tokio::process::Command::new("bash")
            .args(["check.sh", name, "key.pub", "checkpoints.pub"].map(path))
            .current_dir(folder.path())
            .output();
        let done = done.await.expect("it starts");
        let printed = String::from_utf8(done.stdout).expect("text");
        (done.status.success(), printed)
    }

    pub(super) async fn found_with(&self, name: &str, keys: &[&str]) -> Vec<String> {
        let verify = ["verify", "--json", "--bundle", name];
        let done = self.ccinv.run(&[&verify[..], keys].concat()).await;
        let found: Value = serde_json::from_str(&done.stdout).unwrap_or_default();
        let found = found["findings"]
            .as_array()
            .unwrap_or_else(|| panic!("{done:?}"));
        assert_eq!(done.code, if found.is_empty() { 0 } else { 3 });
        let line = |finding: &Value| {
            let text = |name: &str| finding[name].as_str().expect("a text").to_owned();
            format!("{}: {}", text("file"), text("problem"))
        };
        found.iter().map(line).collect()
    }
}

pub(super) fn lines<'a>(files: &'a Files, name: &str) -> Vec<&'a str> {
    let text = std::str::from_utf8(&files[name]).expect("text");
    text.lines().collect()
}

#[tokio::test]
async fn bundle_has_the_evidence_of_its_period_and_is_the_same_each_time() {
    let fixture = Fixture::new().await;
    fixture.export_all("first.tar").await;
    fixture.export_all("second.tar").await;
    let bytes = |name| fs::read(fixture.ccinv.folder().join(name)).expect("a file");
    assert!(bytes("first.tar") == bytes("second.tar"));
    // Others read it as any new file.
    let mode = |name| {
        let file = fixture.ccinv.folder().join(name);
        file.metadata().expect("a file").permissions()
    };
    fs::write(fixture.ccinv.folder().join("plain"), "").expect("written");
    assert_eq!(mode("first.tar"), mode("plain"));
    let files = fixture.files("first.tar");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "README.md",
            "answers/basis.jsonl",
            "answers/changes.csv",
            "answers/changes.jsonl",
            "answers/connections-since.csv",
            "answers/connections-since.jsonl",
            "answers/connections-until.csv",
            "answers/connections-until.jsonl",
            "answers/findings.csv",
            "answers/findings.jsonl",
            "checkpoints/0000000001.json",
            "checkpoints/0000000002.json",
            "checkpoints/proofs.jsonl",
            "manifest.dsse.json",
            "manifest.json",
            "records/changes-connections.jsonl",
            "records/runs-connections.jsonl",
            "report.html",
        ]
    );
    // One run before the period, and those in it; changes from the first one on.
    assert_eq!(lines(&files, "records/runs-connections.jsonl").len(), 5);
    assert_eq!(lines(&files, "records/changes-connections.jsonl").len(), 3);
    assert_eq!(lines(&files, "answers/changes.jsonl").len(), 2);
    let status = |name: &str| {
        let row: Value = serde_json::from_str(lines(&files, name)[0]).expect("JSON");
        row["connection_status"].clone()
    };
    assert_eq!(status("answers/connections-since.jsonl"), "PENDING");
    assert_eq!(status("answers/connections-until.jsonl"), "ERROR");
    let finding: Value =
        serde_json::from_str(lines(&files, "answers/findings.jsonl")[0]).expect("JSON");
    assert_eq!(
        (&finding["rule_id"], &finding["result"]),
        (&json!("in-error"), &json!("FAIL"))
    );
    assert_eq!(fixture.found("first.tar").await, [""; 0]);
}

/// Nothing of this software, but what `docs/evidence.md` shows.
#[tokio::test]
async fn openssl_and_others_verify_a_bundle() {
    let fixture = Fixture::new().await;
    fixture.export_all("bundle.tar").await;
    let (is_fine, printed) = fixture.checked_by_others("bundle.tar").await;
    assert!(is_fine && printed == "OK: 5 runs, 2 proofs\n", "{printed}");
    let files = fixture.files("bundle.tar");
    let with_one_more = |name: &str| {
        let mut files = files.clone();
        files.insert(name.to_owned(), Vec::new());
        files
    };
    let mut altered = vec![
        with_one_more("answers/more.csv"),
        with_one_more("manifest.more"),
    ];
    // Blanks around JSON are no part of what is signed.
    for name in files.keys().filter(|name| *name != "manifest.dsse.json") {
        let mut one = files.clone();
        one.get_mut(name).expect("it is there").push(b' ');
        altered.push(one);
    }
    for altered in altered {
        fixture.write("altered.tar", &altered);
        let (is_fine, _) = fixture.checked_by_others("altered.tar").await;
        assert!(!is_fine, "{:?}", altered.keys());
    }
}

#[tokio::test]
async fn altered_bundle_is_found_by_file() {
    let fixture = Fixture::new().await;
    fixture.export_all("bundle.tar").await;
    let files = fixture.files("bundle.tar");
    for name in files.keys().filter(|name| !name.starts_with("manifest")) {
        let mut altered = files.clone();
        altered.get_mut(name).expect("it is there").push(b'\n');
        fixture.write("altered.tar", &altered);
        let expected = format!("{name}: was altered: its SHA-256 is not the manifest's");
        assert!(
            fixture.found("altered.tar").await.contains(&expected),
            "{name}"
        );
        altered.remove(name);
        fixture.write("altered.tar", &altered);
        let expected = format!("{name}: is missing");
        assert!(
            fixture.found("altered.tar").await.contains(&expected),
            "{name}"
        );
    }
    let mut altered = files.clone();
    altered.insert("answers/more.csv".to_owned(), Vec::new());
    fixture.write("altered.tar", &altered);
    let added = "answers/more.csv: was added: the manifest does not name it";
    assert_eq!(fixture.found("altered.tar").await, [added]);
    // With a manifest of its own it is another bundle, which that key did not sign.
    let mut other = fixture.files("bundle.tar");
    fixture.env.run().await;
    let later = [
        "--since",
        "2026-10-01T12:30:00Z",
        "--until",
        "2026-10-01T15:30:00Z",
    ];
    assert_eq!(fixture.export("later.tar", &later).await.code, 0);
    for (name, content) in fixture.files("later.tar") {
        other.insert(name, content);
    }
    other.retain(|name, _| !name.starts_with("checkpoints/"));
    fixture.write("altered.tar", &other);
    let another = "manifest.dsse.json: signs another manifest";
    let unproven = "checkpoints/: has no checkpoint: the records may have been rewritten";
    assert_eq!(fixture.found("altered.tar").await, [another, unproven]);
    other.remove("manifest.dsse.json");
    fixture.write("altered.tar", &other);
    let unsigned = "manifest.dsse.json: is missing: the manifest is not signed";
    assert_eq!(fixture.found("altered.tar").await, [unsigned, unproven]);
    assert_eq!(fixture.found_with("altered.tar", &[]).await, [""; 0]);
    let stranger = ["--manifest-key", "checkpoints.pub"];
    let not_signed = "manifest.dsse.json: is not signed by that key";
    assert_eq!(
        fixture.found_with("bundle.tar", &stranger).await,
        [not_signed]
    );
}

#[tokio::test]
async fn bundle_of_one_account_shows_nothing_of_others() {
    const OTHER: &str = "210987654321";
    let fixture = Fixture::new().await;
    let mut handler = fixture.env.handler();
    handler.accounts = codeconnections_inventory::lambda::handler::AllowedAccounts::Listed(vec![
        OTHER.parse().expect("an account"),
    ]);
    fixture.env.clock.advance(test_env::HOUR);
    test_env::run(&handler, &json!({})).await;
    fixture.env.run().await;
    fixture.checkpoint().await;
    let period = [
        "--since",
        "2026-10-01T17:30:00Z",
        "--until",
        "2026-10-01T19:30:00Z",
    ];
    let options = ["--account", ACCOUNT, "--checkpoints", "kept"];
    let done = fixture
        .export("bundle.tar", &[&period[..], &options].concat())
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    let files = fixture.files("bundle.tar");
    let proofs = lines(&files, "checkpoints/proofs.jsonl");
    let proof: Value = serde_json::from_str(proofs[0]).expect("JSON");
    assert_eq!(
        (proofs.len(), proof["path"].as_array().map(Vec::len)),
        (1, Some(1))
    );
    for (name, content) in &files {
        let text = String::from_utf8_lossy(content);
        assert!(!text.contains(OTHER), "{name}");
    }
    let keys = ["--public-key", "checkpoints.pub"];
    assert_eq!(fixture.found_with("bundle.tar", &keys).await, [""; 0]);
}

/// A run whose clock was ahead ended after the period, and a checkpoint of the period
/// states it.
#[tokio::test]
async fn bundle_has_the_runs_that_its_checkpoints_state() {
    let fixture = Fixture::new().await;
    fixture.env.create("new");
    let right = fixture.env.clock.now();
    fixture.env.clock.advance(48 * test_env::HOUR);
    fixture.env.run().await;
    fixture.env.clock.set(right);
    fixture.env.clock.advance(test_env::HOUR);
    fixture.checkpoint().await;
    let period = ["--since", "2026-10-01T15:30:00Z", "--until", "2026-10-02"];
    let options = ["--key", "key.pem", "--checkpoints", "kept"];
    let done = fixture
        .export("bundle.tar", &[&period[..], &options].concat())
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    let files = fixture.files("bundle.tar");
    assert!(files.contains_key("checkpoints/0000000004.json"));
    assert_eq!(fixture.found("bundle.tar").await, [""; 0]);
}

#[tokio::test]
async fn last_run_before_the_period_says_what_was_known() {
    let fixture = Fixture::new().await;
    let time = |time: &str| time.parse::<Timestamp>().expect("a time");
    let period = |since, until| (time(since), time(until));
    let quiet = period("2026-10-01T11:10:00Z", "2026-10-01T11:40:00Z");
    let later = period("2026-10-01T12:30:00Z", "2026-10-01T13:30:00Z");
    let runs = async |period, stated: Option<RangeInclusive<u64>>| {
        let account: AccountId = ACCOUNT.parse().expect("an account");
        let stated = stated.map(|stated| (account.clone(), stated));
        let stated = stated.into_iter().collect();
        let (table, accounts) = (&fixture.env.table, [account]);
        let read = records::read::<Connection>(table, &accounts, period, &stated);
        let read = read.await.expect("read");
        let number = |line: &str| {
            let run: RunRecord = serde_json::from_str(line).expect("a run");
            run.sequence
        };
        read.runs.lines().map(number).collect::<Vec<_>>()
    };
    assert_eq!(runs(quiet, None).await, [2], "none ended in the period");
    assert_eq!(runs(later, None).await, [3, 4]);
    // One of its checkpoints was made before run 3 was recorded, which had ended then.
    assert_eq!(runs(later, Some(2..=4)).await, [2, 3, 4]);
}

/// A run crashed right after the first one of a bundle. Its change is told from those of
/// many runs before the bundle, which the first one had read.
#[tokio::test]
async fn first_run_had_read_what_was_observed_long_before() {
    const CONNECTIONS: u64 = 2_000;
    let fixture = Fixture::new().await;
    let arn = fixture.env.create("template");
    let template = fixture.env.run().await;
    let first = fixture.env.runs().await.pop().expect("a run");
    assert_eq!(first.run_id, template.run_id);
    let change = fixture.env.changes(&arn).await.pop().expect("a change");
    let before = |hours: i64| Timestamp::from_millis(first.started_at.millis() - hours * 3_600_000);
    let change_at = |number: u64, version: u32, at: Timestamp| Change {
        arn: arn_of(number),
        version,
        observed_at: at,
        observed_until: at,
        run_id: RunId::new(at, number.into()),
        ..change.clone()
    };
    let mut changes: Vec<Change> = (0..CONNECTIONS)
        .map(|number| change_at(number, 1, before(1 + number as i64)))
        .collect();
    let mut snapshots = SnapshotsRecord::builder();
    for change in &changes {
        snapshots.add(&change.arn, change.version, change.digest());
    }
    let first = RunRecord {
        snapshots: Some(snapshots.build()),
        connections: [("PENDING".to_owned(), CONNECTIONS)].into(),
        changes: BTreeMap::new(),
        ..first
    };
    let at = Timestamp::from_millis(first.started_at.millis() + 60_000);
    let crashed = Change {
        previous_digest: Some(changes[0].digest()),
        ..change_at(0, 2, at)
    };
    changes.insert(1, crashed);
    let changes = changes.iter().map(|change| canonical_json(change) + "\n");
    let mut files = Files::from([
        (
            "records/changes-connections.jsonl".to_owned(),
            changes.collect::<String>().into_bytes(),
        ),
        (
            "records/runs-connections.jsonl".to_owned(),
            (canonical_json(&first) + "\n").into_bytes(),
        ),
    ]);
    let bundle = Bundle {
        since: first.finished_at,
        until: at,
        accounts: vec![first.account],
        table: String::new(),
        code_version: String::new(),
    };
    let manifest = manifest::of(&files, bundle).to_text();
    files.insert("manifest.json".to_owned(), manifest.into_bytes());
    assert_eq!(verify(&files, None, &[]).findings, []);
}

pub(super) fn arn_of(number: u64) -> ConnectionArn {
    let arn = format!("arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/{number:036}");
    arn.parse().expect("an ARN")
}

/// No checkpoint can be removed from a locked bucket, and what it holds can be wrong.
#[tokio::test]
async fn unreadable_checkpoint_of_the_period_is_in_the_bundle() {
    let fixture = Fixture::new().await;
    let place = |number: u64| format!("kept/checkpoints/{number:010}.json");
    let [second, fourth] = [2, 4].map(|number| fixture.ccinv.folder().join(place(number)));
    fs::write(&fourth, "{}").expect("written");
    fixture.export_all("bundle.tar").await;
    let files = fixture.files("bundle.tar");
    assert!(
        !files.contains_key("checkpoints/0000000004.json"),
        "it was made later"
    );
    assert_eq!(fixture.found("bundle.tar").await, [""; 0]);
    fs::write(&second, "{}").expect("written");
    fixture.export_all("bundle.tar").await;
    let found = fixture.found("bundle.tar").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("checkpoints/0000000002.json: "),
        "{found:?}"
    );
}

#[tokio::test]
async fn wrong_usage_of_bundles_is_one_line() {
    let fixture = Fixture::new().await;
    let period = |since, until| ["--since", since, "--until", until];
    for (options, complaint) in [
        (
            period("2026-10-02", "2026-10-01"),
            "--since 2026-10-02T00:00:00Z is not before --until 2026-10-01T00:00:00Z",
        ),
        (
            period("2026-10-01", "1m"),
            "changes before it may still be recorded; take ",
        ),
    ] {
        let done = fixture.export("bundle.tar", &options).await;
        assert_eq!(done.code, 2);
        assert!(done.complaint().contains(complaint), "{done:?}");
    }
    let table = fixture.env.table.name().as_str();
    let done = fixture
        .ccinv
        .run(&["export", "--table", table, "--out", "bundle.tar"])
        .await;
    assert_eq!(done.code, 2);
    assert!(done.complaint().ends_with("only for a bundle"), "{done:?}");
    let done = fixture
        .ccinv
        .run(&["export", "bundle", "--table", table])
        .await;
    assert_eq!(done.code, 2, "{done:?}");
    let nothing = period("2026-09-01", "2026-09-02");
    let done = fixture.export("bundle.tar", &nothing).await;
    assert_eq!(done.code, 4, "{done:?}");
    fs::write(fixture.ccinv.folder().join("text.tar"), "text").expect("written");
    for name in ["text.tar", "missing.tar"] {
        let done = fixture.ccinv.run(&["verify", "--bundle", name]).await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(
            done.complaint().starts_with(&format!("--bundle {name}: ")),
            "{done:?}"
        );
    }
    assert!(!fixture.ccinv.folder().join("bundle.tar").exists());
}
