//! Verification passes an unaltered table and reports every edited, removed or
//! inserted record.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::time::Duration;

use crate::support::ccinv::Ccinv;
use crate::support::proxy::{Act, Proxy};
use crate::support::test_env::{self, TestEnv, account};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::audit::verify::{Alteration, Verification, verify};
use codeconnections_inventory::domain::listing::Window;
use codeconnections_inventory::domain::{
    AccountRecord, Change, Clock, Digest, Outcome, RunRecord, SchemaVersion, Timestamp,
};
use codeconnections_inventory::table::codec::snapshot;
use codeconnections_inventory::table::{codec, keys};
use serde_json::json;

/// An environment with three connections, their usual changes, and four runs.
struct Fixture {
    env: TestEnv,
    arns: Vec<String>,
}

impl Fixture {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let arns: Vec<String> = (0..3).map(|n| env.create(&format!("c{n}"))).collect();
        env.run().await;
        env.set_status(&arns[0], "AVAILABLE");
        env.delete(&arns[2]);
        env.run().await;
        env.set_status(&arns[0], "ERROR");
        env.run().await;
        env.run().await;
        let fixture = Self { env, arns };
        let found = fixture.verify().await;
        assert_eq!(found.findings, []);
        fixture
    }

    async fn verify(&self) -> Verification {
        verify(&self.env.table, None, self.env.clock.now(), |_| {})
            .await
            .expect("read")
    }

    /// Returns the findings, each with its key and problem in one line.
    async fn findings(&self) -> Vec<String> {
        let found = self.verify().await;
        let line = |f: &Alteration| format!("{} {}: {}", f.pk, f.sk, f.problem);
        found.findings.iter().map(line).collect()
    }

    fn change_key(&self, connection: usize, version: u32) -> (String, String) {
        let arn = self.arns[connection].parse().expect("an ARN");
        (keys::changes_pk(&account(), &arn), keys::change_sk(version))
    }

    fn snapshot_key(&self, connection: usize) -> (String, String) {
        let arn = self.arns[connection].parse().expect("an ARN");
        (keys::account_pk(&account()), keys::snapshot_sk(&arn))
    }

    fn run_key(sequence: u64) -> (String, String) {
        (keys::runs_pk(&account()), keys::run_sk(sequence))
    }

    async fn get(&self, (pk, sk): &(String, String)) -> codec::Item {
        let client = self.env.table.client();
        let got = client
            .get_item()
            .table_name(self.env.table.name().as_str())
            .key("pk", codec::s(pk))
            .key("sk", codec::s(sk))
            .send()
            .await;
        got.expect("read").item.expect("it is there")
    }

    async fn put(&self, item: codec::Item) {
        let client = self.env.table.client();
        let table = self.env.table.name().as_str();
        let put = client.put_item().table_name(table).set_item(Some(item));
        put.send().await.expect("inserted");
    }

    async fn remove(&self, (pk, sk): &(String, String)) {
        let client = self.env.table.client();
        let removed = client
            .delete_item()
            .table_name(self.env.table.name().as_str())
            .key("pk", codec::s(pk))
            .key("sk", codec::s(sk))
            .send()
            .await;
        removed.expect("removed");
    }

    async fn set(&self, key: &(String, String), name: &str, value: AttributeValue) {
        let mut item = self.get(key).await;
        item.insert(name.to_owned(), value);
        self.put(item).await;
    }
}

/// Asserts that a finding about this record contains this text.
fn assert_reports(findings: &[String], (pk, sk): &(String, String), says: &str) {
    assert!(
        findings
            .iter()
            .any(|f| f.starts_with(&format!("{pk} {sk}: ")) && f.contains(says)),
        "{says:?} about {pk} {sk}: {findings:#?}"
    );
}

#[tokio::test]
async fn unaltered_record_verifies_with_counts() {
    let fixture = Fixture::new().await;
    let found = fixture.verify().await;
    let [verified] = found.accounts.as_slice() else {
        panic!("one account: {found:?}");
    };
    assert_eq!(
        (verified.connections, verified.changes, verified.runs),
        (3, 6, 4)
    );
    let runs = fixture.env.runs().await;
    assert_eq!(verified.head, runs.last().map(RunRecord::digest));
    let other = "999999999999".parse().expect("an account");
    let none = verify(
        &fixture.env.table,
        Some(&other),
        fixture.env.clock.now(),
        |_| {},
    )
    .await
    .expect("read");
    assert!(none.accounts.is_empty());
}

#[tokio::test]
async fn edited_change_is_reported() {
    let fixture = Fixture::new().await;
    let key = fixture.change_key(0, 2);
    fixture
        .set(&key, "observed_at", codec::s("2026-10-01T08:00:00.000Z"))
        .await;
    assert_reports(&fixture.findings().await, &key, "was edited");
}

#[tokio::test]
async fn change_with_recomputed_digest_breaks_the_chain_after_it() {
    let fixture = Fixture::new().await;
    let key = fixture.change_key(0, 2);
    let mut change: Change = codec::read_record(fixture.get(&key).await).expect("a change");
    change.event_id = Some("forged".into());
    fixture.put(codec::change_item(&change)).await;
    let next = fixture.change_key(0, 3);
    assert_reports(
        &fixture.findings().await,
        &next,
        "does not refer to the record before it",
    );
}

#[tokio::test]
async fn last_change_with_recomputed_digest_contradicts_the_snapshot() {
    let fixture = Fixture::new().await;
    let key = fixture.change_key(0, 3);
    let mut change: Change = codec::read_record(fixture.get(&key).await).expect("a change");
    change.event_id = Some("forged".into());
    fixture.put(codec::change_item(&change)).await;
    assert_reports(
        &fixture.findings().await,
        &fixture.snapshot_key(0),
        "digest",
    );
}

#[tokio::test]
async fn removed_first_middle_or_last_change_is_reported() {
    for (version, named, says) in [
        (1, 2, "1 to 1 before it were removed"),
        (2, 3, "2 to 2 before it were removed"),
        (3, 3, "was removed"),
    ] {
        let fixture = Fixture::new().await;
        fixture.remove(&fixture.change_key(0, version)).await;
        assert_reports(
            &fixture.findings().await,
            &fixture.change_key(0, named),
            says,
        );
    }
}

#[tokio::test]
async fn inserted_change_is_reported() {
    let fixture = Fixture::new().await;
    let last = fixture.get(&fixture.change_key(0, 3)).await;
    let mut change: Change = codec::read_record(last).expect("a change");
    change.previous_digest = Some(change.digest());
    change.version = 4;
    fixture.put(codec::change_item(&change)).await;
    assert_reports(
        &fixture.findings().await,
        &fixture.change_key(0, 4),
        "was inserted",
    );
}

#[tokio::test]
async fn reordered_changes_are_reported() {
    let fixture = Fixture::new().await;
    let (second, third) = (fixture.change_key(0, 2), fixture.change_key(0, 3));
    let mut one: Change = codec::read_record(fixture.get(&second).await).expect("a change");
    let mut other: Change = codec::read_record(fixture.get(&third).await).expect("a change");
    std::mem::swap(&mut one.version, &mut other.version);
    fixture.put(codec::change_item(&one)).await;
    fixture.put(codec::change_item(&other)).await;
    assert_reports(
        &fixture.findings().await,
        &second,
        "does not refer to the record before it",
    );
}

#[tokio::test]
async fn edited_or_removed_snapshot_is_reported() {
    for (name, value) in [
        ("connection_status", codec::s("AVAILABLE")),
        ("first_seen_at", codec::s("2026-01-01T00:00:00.000Z")),
        ("status_since", codec::s("2026-01-01T00:00:00.000Z")),
        ("presence", codec::s("SOMEWHERE")),
    ] {
        let fixture = Fixture::new().await;
        let key = fixture.snapshot_key(0);
        fixture.set(&key, name, value).await;
        assert_reports(&fixture.findings().await, &key, "was edited");
    }
    let fixture = Fixture::new().await;
    fixture.remove(&fixture.snapshot_key(1)).await;
    assert_reports(
        &fixture.findings().await,
        &fixture.snapshot_key(1),
        "was removed",
    );
}

#[tokio::test]
async fn removed_or_rolled_back_connection_contradicts_its_runs() {
    let fixture = Fixture::new().await;
    fixture.remove(&fixture.snapshot_key(1)).await;
    fixture.remove(&fixture.change_key(1, 1)).await;
    let findings = fixture.findings().await;
    assert_reports(
        &findings,
        &Fixture::run_key(1),
        "counts 3 changes FIRST_SEEN",
    );
    assert_reports(&findings, &Fixture::run_key(2), "to run 4");

    // The last change is removed and the snapshot is set to the state before it, so the
    // connection is consistent in itself.
    let fixture = Fixture::new().await;
    let key = fixture.snapshot_key(0);
    let before: Change =
        codec::read_record(fixture.get(&fixture.change_key(0, 2)).await).expect("a change");
    let mut snapshot = fixture.get(&key).await;
    snapshot.insert("version".to_owned(), codec::n(2));
    snapshot.insert("digest".to_owned(), codec::s(before.digest()));
    snapshot.insert("connection_status".to_owned(), codec::s("AVAILABLE"));
    snapshot.insert("status_since".to_owned(), codec::s(before.observed_at));
    fixture.put(snapshot).await;
    fixture.remove(&fixture.change_key(0, 3)).await;
    let findings = fixture.findings().await;
    assert_reports(&findings, &Fixture::run_key(3), "rolled back");
}

#[tokio::test]
async fn edited_or_removed_run_is_reported() {
    let fixture = Fixture::new().await;
    fixture
        .set(&Fixture::run_key(2), "outcome", codec::s("PARTIAL"))
        .await;
    assert_reports(
        &fixture.findings().await,
        &Fixture::run_key(2),
        "was edited",
    );

    let fixture = Fixture::new().await;
    fixture.remove(&Fixture::run_key(2)).await;
    assert_reports(
        &fixture.findings().await,
        &Fixture::run_key(3),
        "2 to 2 before it were removed",
    );

    let fixture = Fixture::new().await;
    fixture.remove(&Fixture::run_key(4)).await;
    assert_reports(
        &fixture.findings().await,
        &Fixture::run_key(4),
        "was removed",
    );

    let fixture = Fixture::new().await;
    let mut run: RunRecord =
        codec::read_record(fixture.get(&Fixture::run_key(4)).await).expect("a run");
    run.problems = vec!["forged".to_owned()];
    fixture.put(codec::run_item(&run)).await;
    assert_reports(&fixture.findings().await, &Fixture::run_key(4), "refers to");
}

type Edit<'a> = &'a dyn Fn(&mut AccountRecord);

/// Edits the account's record and recomputes its digest.
async fn forge(fixture: &Fixture, edit: impl FnOnce(&mut AccountRecord)) {
    let key = account_key();
    let mut record: AccountRecord = codec::read_record(fixture.get(&key).await).expect("a record");
    edit(&mut record);
    fixture.put(codec::account_item(&record)).await;
}

fn account_key() -> (String, String) {
    (keys::account_pk(&account()), keys::ACCOUNT_SK.to_owned())
}

#[tokio::test]
async fn account_record_with_valid_digest_contradicting_runs_is_reported() {
    let later: Timestamp = "2026-10-01T13:30:00Z".parse().expect("a time");
    let edits: [(&str, Edit); 11] = [
        ("head", &|r| r.head = Digest::of(&0)),
        ("last_attempt", &|r| {
            r.last_attempt.outcome = Outcome::Failed
        }),
        ("last_attempt", &|r| r.last_attempt.started_at = later),
        ("connections", &|r| r.connections.clear()),
        ("last_complete", &|r| r.last_complete = None),
        ("coverage", &|r| {
            r.coverage.insert(test_env::region(test_env::REGION), later);
        }),
        ("coverage", &|r| {
            r.coverage.insert(test_env::region("us-east-1"), later);
        }),
        ("coverage", &|r| r.coverage.clear()),
        ("coverage", &|r| {
            r.coverage_until
                .insert(test_env::region(test_env::REGION), later);
        }),
        ("coverage_until", &|r| {
            r.coverage_until
                .insert(test_env::region("ap-east-1"), later);
        }),
        ("recent_events", &|r| {
            r.recent_events.insert("forged".into(), 3);
        }),
    ];
    for (says, edit) in edits {
        let fixture = Fixture::new().await;
        forge(&fixture, edit).await;
        let key = match says {
            // The head is the digest of the last run. Verification can't determine which
            // of the two was edited.
            "head" => Fixture::run_key(4),
            _ => account_key(),
        };
        let says = if says == "head" { "refers to" } else { says };
        assert_reports(&fixture.findings().await, &key, says);
    }
}

#[tokio::test]
async fn removed_or_rolled_back_account_record_is_reported() {
    let fixture = Fixture::new().await;
    let before = fixture.get(&account_key()).await;
    // Two runs: the record of the second run refers to the account's record after the
    // first one.
    fixture.env.run().await;
    fixture.env.run().await;
    fixture.put(before).await;
    assert_reports(&fixture.findings().await, &account_key(), "was rolled back");
    fixture.remove(&account_key()).await;
    assert_reports(&fixture.findings().await, &account_key(), "was removed");
}

#[tokio::test]
async fn sealed_snapshot_with_impossible_last_seen_is_reported() {
    for (began, ended, says) in [
        // Before the last change, which observed it.
        (
            "2026-10-01T11:59:59Z",
            "2026-10-01T13:00:00Z",
            "last_seen_at",
        ),
        // Later than now.
        (
            "2026-10-01T14:00:00Z",
            "2026-10-01T14:00:00Z",
            "in the future",
        ),
        // The end is before the beginning.
        ("2026-10-01T13:00:01Z", "2026-10-01T13:00:00Z", "is before"),
    ] {
        let fixture = Fixture::new().await;
        let arn = fixture.arns[0].parse().expect("an ARN");
        let read = fixture.env.table.read_snapshot(&account(), &arn).await;
        let mut snapshot = read.expect("read").expect("a snapshot");
        snapshot.last_seen = Window {
            began_at: began.parse().expect("a time"),
            ended_at: ended.parse().expect("a time"),
        };
        let forged = snapshot::snapshot_item(&account(), &snapshot, SchemaVersion::CURRENT);
        fixture.put(forged).await;
        assert_reports(&fixture.findings().await, &fixture.snapshot_key(0), says);
    }
}

#[tokio::test]
async fn progress_counts_every_record() {
    let fixture = Fixture::new().await;
    let mut read = Vec::new();
    let table = &fixture.env.table;
    let now = fixture.env.clock.now();
    let found = verify(table, None, now, |items| read.push(items)).await;
    let account = &found.expect("read").accounts[0];
    let records = account.connections + account.changes + account.runs + 1;
    assert_eq!(read.last(), Some(&records));
    assert!(read.is_sorted());
}

#[tokio::test]
async fn foreign_item_is_reported_as_inserted() {
    let fixture = Fixture::new().await;
    let key = ("SOMETHING".to_owned(), "ELSE".to_owned());
    fixture
        .put(
            [("pk", &key.0), ("sk", &key.1)]
                .map(|(n, v)| (n.to_owned(), codec::s(v)))
                .into(),
        )
        .await;
    assert_reports(&fixture.findings().await, &key, "was inserted");
}

#[tokio::test]
async fn crash_after_recording_changes_is_not_a_finding() {
    let fixture = Fixture::new().await;
    let env = &fixture.env;
    env.set_status(&fixture.arns[1], "ERROR");
    env.create("new");
    // The run ends before it is recorded.
    let proxy = Proxy::start(&env.table_endpoint, |seen| match seen.operation.as_str() {
        "ExecuteStatement" => Act::Hang,
        _ => Act::Pass,
    })
    .await;
    env.clock.advance(test_env::HOUR);
    let source = env.source_at(env.service.endpoint());
    let handler = env.handler_of(source, env.table_at(&proxy.endpoint));
    let event = json!({});
    tokio::select! {
        done = handler.handle(&event, Duration::from_secs(60)) => panic!("the run should hang: {done:?}"),
        () = proxy.hangs() => {}
    }
    proxy.shut().await;
    assert_eq!(fixture.verify().await.findings, []);
    // The digests of the next run cover the changes of the crashed one.
    env.run().await;
    let found = fixture.verify().await;
    assert_eq!(found.findings, []);
    assert_eq!(found.accounts[0].runs, 5);
    let not_recorded = &found.accounts[0].not_recorded;
    assert_eq!(not_recorded.values().collect::<Vec<_>>(), [&2]);
    let ccinv = Ccinv::at(env);
    let verify = ["verify", "--table", env.table.name().as_str()];
    let text = ccinv.fine(&verify).await;
    assert!(
        text.contains("not recorded: 1 run with 2 changes"),
        "{text}"
    );
    let verified = ccinv.json(&[&verify[..], &["--json"]].concat()).await;
    let of_account = &verified["accounts"][0]["not_recorded"];
    assert_eq!(*of_account, json!(not_recorded));
}

#[tokio::test]
async fn concurrent_runs_leave_no_findings() {
    let fixture = Fixture::new().await;
    let env = &fixture.env;
    for n in 0..20 {
        env.create(&format!("n{n}"));
    }
    env.clock.advance(test_env::HOUR);
    let handlers = [env.handler(), env.handler(), env.handler()];
    let event = json!({});
    let runs = handlers
        .iter()
        .map(|handler| test_env::run(handler, &event));
    futures_util::future::join_all(runs).await;
    let found = fixture.verify().await;
    assert_eq!(found.findings, []);
    let digests = &found.accounts[0].digests;
    assert_eq!(digests.len(), 7);
}
