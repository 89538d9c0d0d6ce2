//! Bundles whose maker is not to be trusted: records that were left out, rewritten or made
//! up, under a manifest of its own.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::fs;

use super::bundle::{Fixture, PERIOD, arn_of, lines};
use crate::support::test_env::ACCOUNT;
use codeconnections_inventory::bundle::archive::Files;
use codeconnections_inventory::bundle::manifest;
use codeconnections_inventory::checkpoint::envelope::Envelope;
use codeconnections_inventory::checkpoint::{Signer, signer::LocalKey};
use codeconnections_inventory::domain::digest::canonical_json;
use codeconnections_inventory::domain::run::SnapshotsRecord;
use codeconnections_inventory::domain::{Change, RunId, RunRecord};
use serde_json::{Value, json};

const RUNS: &str = "records/runs-connections.jsonl";
const CHANGES: &str = "records/changes-connections.jsonl";
const PROOFS: &str = "checkpoints/proofs.jsonl";

/// Only the checkpoints are signed by someone else.
const BY_CHECKPOINTS: [&str; 2] = ["--public-key", "checkpoints.pub"];

/// Returns files with a new manifest.
fn with_manifest(mut files: Files) -> Files {
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).expect("JSON");
    let bundle = serde_json::from_value(manifest["predicate"].clone()).expect("a bundle");
    files.retain(|name, _| !name.starts_with("manifest"));
    let manifest = manifest::of(&files, bundle).to_text();
    files.insert("manifest.json".to_owned(), manifest.into_bytes());
    files
}

/// The table was rewritten after its checkpoints, and a bundle signed by its writer.
#[tokio::test]
async fn rewritten_record_contradicts_the_checkpoints_in_the_bundle() {
    let rewritten = Fixture::new().await;
    let other = Fixture::new().await;
    // The checkpoints of another history of the same account.
    for folder in ["kept/checkpoints", "kept/chains"] {
        let (from, to) = (
            other.ccinv.folder().join(folder),
            rewritten.ccinv.folder().join(folder),
        );
        fs::remove_dir_all(&to).expect("removed");
        fs::rename(from, to).expect("moved");
    }
    let public = other.ccinv.folder().join("checkpoints.pub");
    fs::copy(public, rewritten.ccinv.folder().join("checkpoints.pub")).expect("copied");
    rewritten.export_all("bundle.tar").await;
    let mut found = rewritten.found("bundle.tar").await;
    // Where tables have names of their own, so has that of the other history.
    found.retain(|line| !line.contains("is of the table"));
    assert_eq!(
        found,
        [
            "checkpoints/proofs.jsonl: account 123456789012, connections: run 3 is not the one that \
             checkpoint 1 states",
            "checkpoints/proofs.jsonl: account 123456789012, connections: run 6 is not the one that \
             checkpoint 2 states",
        ]
    );
}

/// Who makes a bundle can also leave records out, and name what is left in its manifest.
#[tokio::test]
async fn records_that_were_left_out_contradict_the_others() {
    let fixture = Fixture::new().await;
    fixture.export_all("bundle.tar").await;
    let files = fixture.files("bundle.tar");
    let with = |name: &str, lines: Vec<String>| {
        let mut altered = files.clone();
        altered.insert(name.to_owned(), (lines.join("\n") + "\n").into_bytes());
        altered
    };
    let lines_of = |name: &str| -> Vec<String> {
        let lines = lines(&files, name).into_iter();
        lines.map(str::to_owned).collect()
    };
    let without = |name: &str, left_out: usize| {
        let mut lines = lines_of(name);
        lines.remove(left_out);
        with(name, lines)
    };
    // The run of another account hides that the next one follows no other.
    let mut interrupted = lines_of(RUNS);
    interrupted[2] = interrupted[2].replace(ACCOUNT, "210987654321");
    // The proof leads to the root from another state of the chain.
    let mut restated = lines_of(PROOFS);
    restated[0] = restated[0].replace(r#"\"changes\":2"#, r#"\"changes\":3"#);
    assert_ne!(restated, lines_of(PROOFS));
    // The line is no record, and hides none.
    let mut unreadable = lines_of(CHANGES);
    unreadable[2] = r#"{"account":"123456789012","arn":"x","version":1}"#.to_owned();
    let without_all = |prefix: &str| {
        let mut altered = files.clone();
        altered.retain(|name, _| !name.starts_with(prefix));
        altered
    };
    // Nor does one without a place in its chain: then the history was not replayed.
    let last: Change = serde_json::from_str(&lines_of(CHANGES)[2]).expect("a change");
    let with_change = |made_up: Change| {
        let mut lines = lines_of(CHANGES);
        lines[2] = canonical_json(&made_up);
        with(CHANGES, lines)
    };
    let unnumbered = Change {
        arn: arn_of(1),
        version: 0,
        previous_digest: None,
        ..last.clone()
    };
    let first: Change = serde_json::from_str(&lines_of(CHANGES)[0]).expect("a change");
    let again = Change {
        version: 1,
        previous_digest: Some(first.digest()),
        ..last.clone()
    };
    let late = Change {
        observed_until: "2026-10-01T16:00:00Z".parse().expect("a time"),
        ..last.clone()
    };
    let fourth: RunRecord = serde_json::from_str(&lines_of(RUNS)[2]).expect("a run");
    let mut with_run_again = lines_of(RUNS);
    with_run_again.push(canonical_json(&RunRecord {
        previous_digest: Some(fourth.digest()),
        ..fourth
    }));
    let change = |of: &Change| {
        let (arn, version) = (&of.arn, of.version);
        format!("{CHANGES}: CONNECTION#{ACCOUNT}#{arn} CHANGE#{version:010}")
    };
    let inserted = "was inserted: its number is 0, or there twice";
    let run = |number: u64| format!("{RUNS}: RUNS#{ACCOUNT} RUN#{number:012}");
    let removed = format!("{}: records 4 to 4 before it were removed", run(5));
    let not_left = format!(
        "{}: counts 1 changes STATUS_CHANGED, but 0 are recorded: changes were removed or inserted",
        run(5)
    );
    for (altered, problem) in [
        (without(RUNS, 2), removed.clone()),
        (with(RUNS, interrupted), removed),
        (
            without(RUNS, 0),
            format!("{RUNS}: has no run of account {ACCOUNT} that ended before the period"),
        ),
        (without(CHANGES, 2), not_left.clone()),
        (with(CHANGES, unreadable), not_left),
        (
            with_change(unnumbered.clone()),
            format!("{}: {inserted}", change(&unnumbered)),
        ),
        (
            with_change(again.clone()),
            format!("{}: {inserted}", change(&again)),
        ),
        (
            with_change(late.clone()),
            format!(
                "{CHANGES}: account {ACCOUNT}: change 3 of {}: was observed after the period",
                late.arn
            ),
        ),
        (
            with(RUNS, with_run_again),
            format!("{}: {inserted}", run(4)),
        ),
        (
            without_all(RUNS),
            format!(
                "{CHANGES}: account {ACCOUNT}: change 1 of {}: there is no run of its account",
                first.arn
            ),
        ),
        (
            without(PROOFS, 0),
            format!("{PROOFS}: checkpoint 1: no proof of account {ACCOUNT}, connections"),
        ),
        (
            with(PROOFS, restated),
            format!("{PROOFS}: does not lead to the root of checkpoint 1"),
        ),
        (
            without_all("records/"),
            format!("records/: has no run of account {ACCOUNT}"),
        ),
        (
            without_all("checkpoints/"),
            "checkpoints/: has no checkpoint: the records may have been rewritten".to_owned(),
        ),
    ] {
        fixture.write("altered.tar", &with_manifest(altered));
        let found = fixture.found_with("altered.tar", &BY_CHECKPOINTS).await;
        assert!(found.contains(&problem), "{problem}: {found:?}");
    }
}

/// What comes after the last checkpoint can be made up; what it states can't.
#[tokio::test]
async fn run_after_the_last_checkpoint_does_not_hide_a_rewritten_history() {
    let fixture = Fixture::new().await;
    fixture.export_all("bundle.tar").await;
    let mut files = fixture.files("bundle.tar");
    fixture.write("same.tar", &signed(&fixture, files.clone()).await);
    assert!(fixture.checked_by_others("same.tar").await.0);
    let runs = lines(&files, RUNS);
    let last: RunRecord = serde_json::from_str(runs[runs.len() - 1]).expect("a run");
    let mut changes: Vec<Change> = lines(&files, CHANGES)
        .into_iter()
        .map(|line| serde_json::from_str(line).expect("a change"))
        .collect();
    // The connection never was in error.
    let rewritten = changes.pop().expect("a change");
    let mut snapshots = SnapshotsRecord::builder();
    let before = changes.last().expect("a change");
    snapshots.add(&rewritten.arn.as_str(), before.version, before.digest());
    let made_up = RunRecord {
        sequence: last.sequence + 1,
        previous_digest: Some(last.digest()),
        snapshots: Some(snapshots.build()),
        ..last
    };
    let changes = changes.iter().map(|change| canonical_json(change) + "\n");
    files.insert(CHANGES.to_owned(), changes.collect::<String>().into_bytes());
    let runs = files.get_mut(RUNS).expect("runs");
    runs.extend((canonical_json(&made_up) + "\n").into_bytes());
    fixture.write("altered.tar", &signed(&fixture, files).await);
    assert!(!fixture.checked_by_others("altered.tar").await.0);
    let found = fixture.found_with("altered.tar", &BY_CHECKPOINTS).await;
    let run = format!("{RUNS}: RUNS#{ACCOUNT} RUN#{:012}: ", last.sequence - 1);
    assert!(found.iter().any(|line| line.starts_with(&run)), "{found:?}");
}

/// Returns files with a new manifest, signed by the holder of its key.
async fn signed(fixture: &Fixture, files: Files) -> Files {
    let mut files = with_manifest(files);
    let pem = fs::read(fixture.ccinv.folder().join("key.pem")).expect("a key");
    let signer = Signer::Local(LocalKey::from_pem(&pem).expect("a key"));
    let manifest = std::str::from_utf8(&files["manifest.json"]).expect("text");
    let envelope = Envelope::sign(manifest, &signer).await.expect("signed");
    let envelope = envelope.to_text().into_bytes();
    files.insert("manifest.dsse.json".to_owned(), envelope);
    files
}

#[tokio::test]
async fn result_says_which_runs_are_proven() {
    let fixture = Fixture::new().await;
    let period = [&PERIOD[..2], &["--until", "2026-10-01T16:30:00Z"]].concat();
    let with_checkpoints = ["--checkpoints", "kept"];
    let options = [&period[..], &with_checkpoints].concat();
    assert_eq!(fixture.export("bundle.tar", &options).await.code, 0);
    let verify = ["verify", "--bundle", "bundle.tar"];
    for (keys, proven) in [(&BY_CHECKPOINTS[..], json!(6)), (&[], Value::Null)] {
        let as_json = [&verify[..], &["--json"], keys].concat();
        let done = fixture.ccinv.run(&as_json).await;
        let found: Value = serde_json::from_str(&done.stdout).expect("JSON");
        let chain = json!({
            "account": ACCOUNT, "kind": "connections", "first": 2, "last": 7, "proven": proven,
        });
        assert_eq!(found["chains"], json!([chain]), "{done:?}");
    }
    let done = fixture
        .ccinv
        .run(&[&verify[..], &BY_CHECKPOINTS].concat())
        .await;
    assert!(
        done.stdout.contains("checkpoints prove 5 of 6 runs\n"),
        "{done:?}"
    );
    assert!(!done.stdout.contains("not in the bundle"), "{done:?}");
    // A change of a run that crashed after the last one looks like this, too.
    let mut files = fixture.files("bundle.tar");
    let last: Change = serde_json::from_str(lines(&files, CHANGES)[3]).expect("a change");
    let at = "2026-10-01T16:20:00Z".parse().expect("a time");
    let made_up = Change {
        version: last.version + 1,
        previous_digest: Some(last.digest()),
        run_id: RunId::new(at, 1),
        observed_at: at,
        observed_until: at,
        ..last
    };
    let changes = files.get_mut(CHANGES).expect("changes");
    changes.extend((canonical_json(&made_up) + "\n").into_bytes());
    fixture.write("more.tar", &with_manifest(files));
    let done = fixture.ccinv.run(&["verify", "--bundle", "more.tar"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let line = "not in the bundle: 1 run with 1 change, ";
    assert!(done.stdout.contains(line), "{done:?}");
}
