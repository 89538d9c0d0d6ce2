//! Queries of changes in a time range: the range is half-open, and only the
//! requested changes are read.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::Arc;

use crate::support::raw_items;
use crate::support::test_env::{TestEnv, account};
use codeconnections_inventory::audit::{Audit, AuditError, ChangeFilter};
use codeconnections_inventory::aws::Meter;
use codeconnections_inventory::domain::{ChangeKind, Timestamp};
use codeconnections_inventory::table::{codec, keys};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn between(since: &str, until: &str) -> ChangeFilter {
    ChangeFilter {
        since: time(since),
        until: time(until),
        kind: None,
        status: None,
        provider: None,
        account: None,
    }
}

#[tokio::test]
async fn time_range_is_half_open_and_in_time_order() {
    let env = TestEnv::new().await;
    let arn = env.create("c");
    env.run().await; // 10:00
    env.set_status(&arn, "AVAILABLE");
    env.create("d");
    env.run().await; // 11:00
    env.delete(&arn);
    env.run().await; // 12:00
    let kinds = async |filter: ChangeFilter| {
        let changes = env.audit().changes(&filter).await.expect("read");
        changes
            .iter()
            .map(|recorded| recorded.change.kind)
            .collect::<Vec<_>>()
    };
    let (ten, eleven, noon) = (
        "2026-10-01T10:00:00Z",
        "2026-10-01T11:00:00Z",
        "2026-10-01T12:00:00Z",
    );
    assert_eq!(kinds(between(ten, eleven)).await, [ChangeKind::FirstSeen]);
    let mut second = kinds(between(eleven, noon)).await;
    second.sort();
    assert_eq!(second, [ChangeKind::FirstSeen, ChangeKind::StatusChanged]);
    let all = kinds(between(ten, "2026-10-01T12:00:00.001Z")).await;
    assert_eq!(all.len(), 4);
    assert_eq!(
        (all[0], all[3]),
        (ChangeKind::FirstSeen, ChangeKind::Deleted)
    );
    assert!(
        kinds(between("2026-10-02T00:00:00Z", "2026-11-01T00:00:00Z"))
            .await
            .is_empty()
    );

    let day = || between(ten, "2026-10-02T00:00:00Z");
    let deleted = ChangeFilter {
        kind: Some(ChangeKind::Deleted),
        ..day()
    };
    assert_eq!(kinds(deleted).await, [ChangeKind::Deleted]);
    let available = ChangeFilter {
        status: Some("AVAILABLE".into()),
        ..day()
    };
    assert_eq!(
        kinds(available).await,
        [ChangeKind::StatusChanged, ChangeKind::Deleted],
        "a deletion matches the last status"
    );
    let gitlab = ChangeFilter {
        provider: Some("GitLab".into()),
        ..day()
    };
    assert!(kinds(gitlab).await.is_empty());
    let other = ChangeFilter {
        account: Some("999999999999".parse().expect("an account")),
        ..day()
    };
    assert!(kinds(other).await.is_empty());
}

#[tokio::test]
async fn changes_query_reads_only_the_requested_hour() {
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..300).map(|n| env.create(&format!("c{n}"))).collect();
    env.run().await; // 10:00, 300 changes
    env.set_status(&arns[7], "ERROR");
    env.run().await; // 11:00, one
    let meter = Arc::new(Meter::default());
    let audit = Audit::new(env.table.metered(Arc::clone(&meter)));
    let hour = between("2026-10-01T11:00:00Z", "2026-10-01T12:00:00Z");
    assert_eq!(audit.changes(&hour).await.expect("read").len(), 1);
    let read = "the accounts, the hour, and the run that observed it";
    assert_eq!(meter.requests().read, 3, "{read}");
    assert!(meter.capacity().read_units <= 3.0, "{:?}", meter.capacity());
    let before = meter.capacity().read_units;
    let whole = between("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z");
    assert_eq!(audit.changes(&whole).await.expect("read").len(), 301);
    assert!(
        meter.capacity().read_units - before > 10.0,
        "{:?}",
        meter.capacity()
    );
}

#[tokio::test]
async fn stopped_change_iteration_reads_no_more_pages() {
    let env = TestEnv::new().await;
    // More than one page of a query.
    (0..1_200).for_each(|n| {
        env.create(&format!("c{n}"));
    });
    env.run().await;
    let whole = between("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z");
    let reads = async |limit: usize| {
        let meter = Arc::new(Meter::default());
        let audit = Audit::new(env.table.metered(Arc::clone(&meter)));
        let mut seen = 0;
        let each = |_| {
            seen += 1;
            seen < limit
        };
        audit.each_change(&whole, each).await.expect("read");
        (seen, meter.requests().read)
    };
    let (all, of_all) = reads(usize::MAX).await;
    let (few, of_few) = reads(3).await;
    assert_eq!((all, few), (1_200, 3));
    assert!(of_few < of_all, "{of_few} of {of_all} requests");
}

#[tokio::test]
async fn first_change_without_an_answer_is_the_last_one_looked_up() {
    let env = TestEnv::new().await;
    let arn = env.create("c");
    for status in ["AVAILABLE", "ERROR"].repeat(15) {
        env.run().await; // one change of one run
        env.set_status(&arn, status);
    }
    let whole = between("2026-10-01T00:00:00Z", "2026-10-09T00:00:00Z");
    let read = async || {
        let meter = Arc::new(Meter::default());
        let audit = Audit::new(env.table.metered(Arc::clone(&meter)));
        (audit.changes(&whole).await, meter.requests().read)
    };
    let (all, of_all) = read().await;
    assert_eq!(all.expect("read").len(), 30);

    let second_run = (keys::runs_pk(&account()), keys::run_sk(2));
    raw_items::remove(&env, &second_run).await;
    let (answer, requests) = read().await;
    let missing = AuditError::RunMissing {
        account: account(),
        sequence: 2,
    };
    assert_eq!(answer.expect_err("run 2 is missing"), missing);
    // The search for a run reads a few others.
    assert!(requests <= 10, "{requests} of {of_all} requests");

    let id = arn.parse().expect("an ARN");
    let first_change = (keys::changes_pk(&account(), &id), keys::change_sk(1));
    let mut edited = raw_items::get(&env, &first_change).await;
    edited.insert("kind".to_owned(), codec::s("NO_KIND"));
    raw_items::put(&env, edited).await;
    let (answer, requests) = read().await;
    let error = answer.expect_err("change 1 can't be read").to_string();
    assert!(error.contains("attribute kind"), "{error}");
    assert_eq!(requests, 2, "the accounts and the changes, but no run");
}
