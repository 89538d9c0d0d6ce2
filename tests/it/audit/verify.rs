//! Verification: a record that is whole is said to be, and whatever somebody
//! edits, removes or puts in is named.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::time::Duration;

use crate::support::proxy::{Act, Proxy};
use crate::support::test_env::{self, TestEnv, account};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::audit::verify::{Finding, Verification, verify};
use codeconnections_inventory::domain::listing::Window;
use codeconnections_inventory::domain::{
    AccountRecord, Change, Clock, Digest, Outcome, RunRecord, SchemaVersion, Timestamp,
};
use codeconnections_inventory::table::codec::snapshot;
use codeconnections_inventory::table::{codec, keys};
use serde_json::json;

/// A lab with three connections, changes of each usual kind, and four runs.
struct Told {
    env: TestEnv,
    arns: Vec<String>,
}

impl Told {
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
        let told = Self { env, arns };
        let found = told.verify().await;
        assert_eq!(found.findings, []);
        told
    }

    async fn verify(&self) -> Verification {
        verify(&self.env.table, None, self.env.clock.now(), |_| {})
            .await
            .expect("read")
    }

    /// The findings, each with its key and problem in a line.
    async fn findings(&self) -> Vec<String> {
        let found = self.verify().await;
        let line = |f: &Finding| format!("{} {}: {}", f.pk, f.sk, f.problem);
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
        put.send().await.expect("put in");
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

/// One finding, about this record, that says this.
fn assert_names(findings: &[String], (pk, sk): &(String, String), says: &str) {
    assert!(
        findings
            .iter()
            .any(|f| f.starts_with(&format!("{pk} {sk}: ")) && f.contains(says)),
        "{says:?} about {pk} {sk}: {findings:#?}"
    );
}

#[tokio::test]
async fn a_record_that_is_whole_is_said_to_be_and_counted() {
    let told = Told::new().await;
    let found = told.verify().await;
    let [verified] = found.accounts.as_slice() else {
        panic!("one account: {found:?}");
    };
    assert_eq!(
        (verified.connections, verified.changes, verified.runs),
        (3, 6, 4)
    );
    let runs = told.env.runs().await;
    assert_eq!(verified.head, runs.last().map(RunRecord::digest));
    let other = "999999999999".parse().expect("an account");
    let none = verify(&told.env.table, Some(&other), told.env.clock.now(), |_| {})
        .await
        .expect("read");
    assert!(none.accounts.is_empty());
}

#[tokio::test]
async fn an_edited_change_is_named() {
    let told = Told::new().await;
    let key = told.change_key(0, 2);
    told.set(&key, "observed_at", codec::s("2026-10-01T08:00:00.000Z"))
        .await;
    assert_names(&told.findings().await, &key, "was edited");
}

#[tokio::test]
async fn a_change_that_was_edited_with_its_digest_breaks_the_chain_after_it() {
    let told = Told::new().await;
    let key = told.change_key(0, 2);
    let mut change: Change = codec::read_record(told.get(&key).await).expect("a change");
    change.event_id = Some("forged".into());
    told.put(codec::change_item(&change)).await;
    let next = told.change_key(0, 3);
    assert_names(
        &told.findings().await,
        &next,
        "does not refer to the record before it",
    );
}

#[tokio::test]
async fn a_last_change_that_was_edited_with_its_digest_is_not_what_the_snapshot_knows() {
    let told = Told::new().await;
    let key = told.change_key(0, 3);
    let mut change: Change = codec::read_record(told.get(&key).await).expect("a change");
    change.event_id = Some("forged".into());
    told.put(codec::change_item(&change)).await;
    assert_names(&told.findings().await, &told.snapshot_key(0), "digest");
}

#[tokio::test]
async fn removed_changes_are_named_at_the_beginning_in_the_middle_and_at_the_end() {
    for (version, named, says) in [
        (1, 2, "1 to 1 before it were removed"),
        (2, 3, "2 to 2 before it were removed"),
        (3, 3, "was removed"),
    ] {
        let told = Told::new().await;
        told.remove(&told.change_key(0, version)).await;
        assert_names(&told.findings().await, &told.change_key(0, named), says);
    }
}

#[tokio::test]
async fn a_change_that_was_put_in_is_named() {
    let told = Told::new().await;
    let last = told.get(&told.change_key(0, 3)).await;
    let mut change: Change = codec::read_record(last).expect("a change");
    change.previous_digest = Some(change.digest());
    change.version = 4;
    told.put(codec::change_item(&change)).await;
    assert_names(
        &told.findings().await,
        &told.change_key(0, 4),
        "was inserted",
    );
}

#[tokio::test]
async fn changes_in_another_order_are_named() {
    let told = Told::new().await;
    let (second, third) = (told.change_key(0, 2), told.change_key(0, 3));
    let mut one: Change = codec::read_record(told.get(&second).await).expect("a change");
    let mut other: Change = codec::read_record(told.get(&third).await).expect("a change");
    std::mem::swap(&mut one.version, &mut other.version);
    told.put(codec::change_item(&one)).await;
    told.put(codec::change_item(&other)).await;
    assert_names(
        &told.findings().await,
        &second,
        "does not refer to the record before it",
    );
}

#[tokio::test]
async fn an_edited_or_removed_snapshot_is_named() {
    for (name, value) in [
        ("connection_status", codec::s("AVAILABLE")),
        ("first_seen_at", codec::s("2026-01-01T00:00:00.000Z")),
        ("status_since", codec::s("2026-01-01T00:00:00.000Z")),
        ("presence", codec::s("SOMEWHERE")),
    ] {
        let told = Told::new().await;
        let key = told.snapshot_key(0);
        told.set(&key, name, value).await;
        assert_names(&told.findings().await, &key, "was edited");
    }
    let told = Told::new().await;
    told.remove(&told.snapshot_key(1)).await;
    assert_names(&told.findings().await, &told.snapshot_key(1), "was removed");
}

#[tokio::test]
async fn a_connection_that_was_removed_or_set_back_as_a_whole_shows_in_the_runs_that_had_it() {
    let told = Told::new().await;
    told.remove(&told.snapshot_key(1)).await;
    told.remove(&told.change_key(1, 1)).await;
    let findings = told.findings().await;
    assert_names(&findings, &Told::run_key(1), "counts 3 changes FIRST_SEEN");
    assert_names(&findings, &Told::run_key(2), "to run 4");

    // Its last change is removed, and its snapshot is what the one before
    // left: the connection is consistent in itself.
    let told = Told::new().await;
    let key = told.snapshot_key(0);
    let before: Change =
        codec::read_record(told.get(&told.change_key(0, 2)).await).expect("a change");
    let mut snapshot = told.get(&key).await;
    snapshot.insert("version".to_owned(), codec::n(2));
    snapshot.insert("digest".to_owned(), codec::s(before.digest()));
    snapshot.insert("connection_status".to_owned(), codec::s("AVAILABLE"));
    snapshot.insert("status_since".to_owned(), codec::s(before.observed_at));
    told.put(snapshot).await;
    told.remove(&told.change_key(0, 3)).await;
    let findings = told.findings().await;
    assert_names(&findings, &Told::run_key(3), "rolled back");
}

#[tokio::test]
async fn edited_and_removed_runs_are_named() {
    let told = Told::new().await;
    told.set(&Told::run_key(2), "outcome", codec::s("PARTIAL"))
        .await;
    assert_names(&told.findings().await, &Told::run_key(2), "was edited");

    let told = Told::new().await;
    told.remove(&Told::run_key(2)).await;
    assert_names(
        &told.findings().await,
        &Told::run_key(3),
        "2 to 2 before it were removed",
    );

    let told = Told::new().await;
    told.remove(&Told::run_key(4)).await;
    assert_names(&told.findings().await, &Told::run_key(4), "was removed");

    let told = Told::new().await;
    let mut run: RunRecord = codec::read_record(told.get(&Told::run_key(4)).await).expect("a run");
    run.problems = vec!["forged".to_owned()];
    told.put(codec::run_item(&run)).await;
    assert_names(&told.findings().await, &Told::run_key(4), "refers to");
}

type Edit<'a> = &'a dyn Fn(&mut AccountRecord);

/// The account's record, edited, with the digest of what it then says.
async fn forge(told: &Told, edit: impl FnOnce(&mut AccountRecord)) {
    let key = account_key();
    let mut record: AccountRecord = codec::read_record(told.get(&key).await).expect("a record");
    edit(&mut record);
    told.put(codec::account_item(&record)).await;
}

fn account_key() -> (String, String) {
    (keys::account_pk(&account()), keys::ACCOUNT_SK.to_owned())
}

#[tokio::test]
async fn an_account_record_with_a_right_digest_that_claims_what_no_run_says_is_named() {
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
        let told = Told::new().await;
        forge(&told, edit).await;
        let key = match says {
            // The head stands for the last run: which of the two was edited
            // can't be told.
            "head" => Told::run_key(4),
            _ => account_key(),
        };
        let says = if says == "head" { "refers to" } else { says };
        assert_names(&told.findings().await, &key, says);
    }
}

#[tokio::test]
async fn an_account_record_that_is_removed_or_set_back_is_named() {
    let told = Told::new().await;
    let before = told.get(&account_key()).await;
    // Two runs: the second one's record says how far the first one was known.
    told.env.run().await;
    told.env.run().await;
    told.put(before).await;
    assert_names(&told.findings().await, &account_key(), "was rolled back");
    told.remove(&account_key()).await;
    assert_names(&told.findings().await, &account_key(), "was removed");
}

#[tokio::test]
async fn a_snapshot_with_a_right_seal_that_was_seen_when_it_can_t_have_been_is_named() {
    for (began, ended, says) in [
        // Before the change that it rests on, which saw it.
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
        // To an end that is before its beginning.
        ("2026-10-01T13:00:01Z", "2026-10-01T13:00:00Z", "is before"),
    ] {
        let told = Told::new().await;
        let arn = told.arns[0].parse().expect("an ARN");
        let read = told.env.table.read_snapshot(&account(), &arn).await;
        let mut snapshot = read.expect("read").expect("a snapshot");
        snapshot.last_seen = Window {
            began_at: began.parse().expect("a time"),
            ended_at: ended.parse().expect("a time"),
        };
        let forged = snapshot::snapshot_item(&account(), &snapshot, SchemaVersion::CURRENT);
        told.put(forged).await;
        assert_names(&told.findings().await, &told.snapshot_key(0), says);
    }
}

#[tokio::test]
async fn progress_is_told_page_by_page_to_the_last_record() {
    let told = Told::new().await;
    let mut read = Vec::new();
    let table = &told.env.table;
    let now = told.env.clock.now();
    let found = verify(table, None, now, |items| read.push(items)).await;
    let account = &found.expect("read").accounts[0];
    let records = account.connections + account.changes + account.runs + 1;
    assert_eq!(read.last(), Some(&records));
    assert!(read.is_sorted());
}

#[tokio::test]
async fn what_is_no_record_of_the_inventory_is_named() {
    let told = Told::new().await;
    let key = ("SOMETHING".to_owned(), "ELSE".to_owned());
    told.put(
        [("pk", &key.0), ("sk", &key.1)]
            .map(|(n, v)| (n.to_owned(), codec::s(v)))
            .into(),
    )
    .await;
    assert_names(&told.findings().await, &key, "was inserted");
}

#[tokio::test]
async fn a_run_that_crashed_after_it_recorded_changes_is_no_finding() {
    let told = Told::new().await;
    let env = &told.env;
    env.set_status(&told.arns[1], "ERROR");
    env.create("new");
    // It ends before it records itself.
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
        done = handler.handle(&event, Duration::from_secs(60)) => panic!("it hangs: {done:?}"),
        () = proxy.hangs() => {}
    }
    proxy.shut().await;
    assert_eq!(told.verify().await.findings, []);
    // And the next run stands for what the crashed one left.
    env.run().await;
    let found = told.verify().await;
    assert_eq!(found.findings, []);
    assert_eq!(found.accounts[0].runs, 5);
}

#[tokio::test]
async fn runs_at_the_same_time_leave_a_record_that_is_whole() {
    let told = Told::new().await;
    let env = &told.env;
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
    let found = told.verify().await;
    assert_eq!(found.findings, []);
    let digests: &[Digest] = &found.accounts[0].digests;
    assert_eq!(digests.len(), 7);
}
