//! Verification reports alterations after any number of later runs, although each run
//! computes digests of what it reads; the first of these runs reports them too.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::raw_items::{Key, findings, get, put, remove, verified};
use crate::support::test_env::{TestEnv, account};
use codeconnections_inventory::domain::listing::Window;
use codeconnections_inventory::domain::{
    AccountRecord, Attributes, Change, ChangeKind, Clock, Digest, Outcome, Presence, RunId,
    RunRecord, SchemaVersion, Seal, Snapshot, Timestamp,
};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::table::codec::snapshot;
use codeconnections_inventory::table::fast_path;
use codeconnections_inventory::table::{codec, keys};

/// An account with a history that seven runs wrote.
struct Fixture {
    env: TestEnv,
    /// The third connection was deleted.
    arns: Vec<String>,
}

impl Fixture {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let mut arns: Vec<String> = (0..3).map(|n| env.create(&format!("c{n}"))).collect();
        env.run().await;
        env.set_status(&arns[0], "AVAILABLE");
        env.run().await;
        env.delete(&arns[2]);
        env.run().await;
        arns.push(env.create("late"));
        env.run().await;
        env.set_status(&arns[0], "ERROR");
        env.run().await;
        env.run().await;
        env.run().await;
        let fixture = Self { env, arns };
        assert_eq!(findings(&fixture.env).await, [""; 0]);
        fixture
    }

    fn change_key(&self, connection: usize, version: u32) -> Key {
        let arn = self.arns[connection].parse().expect("an ARN");
        (keys::changes_pk(&account(), &arn), keys::change_sk(version))
    }

    fn snapshot_key(&self, connection: usize) -> Key {
        let arn = self.arns[connection].parse().expect("an ARN");
        (keys::account_pk(&account()), keys::snapshot_sk(&arn))
    }

    async fn change(&self, connection: usize, version: u32) -> Change {
        let item = get(&self.env, &self.change_key(connection, version)).await;
        codec::read_record(item).expect("a change")
    }

    async fn snapshot(&self, connection: usize) -> Snapshot {
        let item = get(&self.env, &self.snapshot_key(connection)).await;
        fast_path::snapshot::read_snapshot(&item).expect("a snapshot")
    }

    async fn run_record(&self, sequence: u64) -> RunRecord {
        let item = get(&self.env, &run_key(sequence)).await;
        codec::read_record(item).expect("a run")
    }

    async fn put_change(&self, change: &Change) {
        put(&self.env, codec::change_item_with(change, change.digest())).await;
    }

    async fn put_snapshot(&self, snapshot: &Snapshot) {
        let item = snapshot::snapshot_item(&account(), snapshot, SchemaVersion::CURRENT);
        put(&self.env, item).await;
    }

    async fn erase(&self, connection: usize, changes: u32) {
        remove(&self.env, &self.snapshot_key(connection)).await;
        for version in 1..=changes {
            remove(&self.env, &self.change_key(connection, version)).await;
        }
    }

    /// Inserts a deletion and a reappearance of connection 1 as changes of these runs,
    /// observed at the times of runs 3 and 4.
    async fn insert_deletion(&self, runs: [RunId; 2]) {
        let before = self.change(1, 1).await;
        let snapshot = self.snapshot(1).await;
        let [deleting, restoring] = runs;
        let (third, fourth) = (self.run_record(3).await, self.run_record(4).await);
        let deleted = Change {
            version: 2,
            kind: ChangeKind::Deleted,
            before: before.after.clone(),
            after: None,
            previously_seen_at: Some(self.run_record(2).await.listings[0].began_at),
            observed_at: third.listings[0].began_at,
            observed_until: third.listings[0].ended_at,
            run_id: deleting,
            previous_digest: Some(before.digest()),
            ..before.clone()
        };
        let again = Change {
            version: 3,
            kind: ChangeKind::Reappeared,
            before: None,
            after: before.after.clone(),
            previously_seen_at: Some(third.listings[0].began_at),
            observed_at: fourth.listings[0].began_at,
            observed_until: fourth.listings[0].ended_at,
            run_id: restoring,
            previous_digest: Some(deleted.digest()),
            ..before
        };
        self.put_change(&deleted).await;
        self.put_change(&again).await;
        self.put_snapshot(&Snapshot {
            version: 3,
            digest: again.digest(),
            status_since: again.observed_at,
            ..snapshot
        })
        .await;
    }

    /// Inserts a status change of connection 0 at this time, as one of a run that is not
    /// recorded. Returns the id of that run.
    async fn insert_status_change(&self, at: Timestamp) -> RunId {
        let (before, snapshot) = (self.change(0, 3).await, self.snapshot(0).await);
        let attributes = Attributes {
            connection_status: Some("AVAILABLE".into()),
            ..snapshot.attributes.clone()
        };
        let change = Change {
            version: 4,
            before: before.after.clone(),
            after: Some(attributes.clone()),
            previously_seen_at: Some(before.observed_at),
            observed_at: at,
            observed_until: at,
            run_id: RunId::new(at, 1),
            previous_digest: Some(before.digest()),
            ..before
        };
        self.put_change(&change).await;
        let last_seen_at = snapshot.last_seen.began_at.max(at);
        self.put_snapshot(&Snapshot {
            attributes,
            version: 4,
            digest: change.digest(),
            status_since: at,
            last_seen: Window {
                began_at: last_seen_at,
                ended_at: last_seen_at,
            },
            ..snapshot
        })
        .await;
        change.run_id
    }

    /// Edits the last change of connection 0, and its snapshot accordingly.
    async fn edit_last_change(&self, edit: impl FnOnce(&mut Change)) {
        let mut change = self.change(0, 3).await;
        edit(&mut change);
        let snapshot = Snapshot {
            attributes: change.after.clone().expect("it is there"),
            digest: change.digest(),
            ..self.snapshot(0).await
        };
        self.put_change(&change).await;
        self.put_snapshot(&snapshot).await;
    }

    async fn edit_account(&self, edit: impl FnOnce(&mut AccountRecord)) {
        let key = (keys::account_pk(&account()), keys::ACCOUNT_SK.to_owned());
        let mut record: AccountRecord =
            codec::read_record(get(&self.env, &key).await).expect("a record");
        edit(&mut record);
        put(&self.env, codec::account_item(&record)).await;
    }

    /// Asserts that the alteration is found at once, after the next run, and after ten
    /// runs.
    async fn assert_found(&self, what: &str) {
        assert_ne!(findings(&self.env).await, [""; 0], "{what}: at once");
        self.env.run().await;
        assert_ne!(findings(&self.env).await, [""; 0], "{what}: after a run");
        for _ in 0..9 {
            self.env.run().await;
        }
        assert_ne!(findings(&self.env).await, [""; 0], "{what}: after ten runs");
    }

    /// Asserts that the next run is PARTIAL with this problem, because the table is not
    /// as the last run left it.
    async fn assert_next_run_says(&self, says: &str) {
        let summary: Summary = self.env.run().await;
        assert_eq!(summary.outcome, Outcome::Partial, "{says}");
        assert!(
            summary
                .problems
                .iter()
                .any(|problem| problem.contains(says)),
            "{says}: {:?}",
            summary.problems
        );
    }
}

fn run_key(sequence: u64) -> Key {
    (keys::runs_pk(&account()), keys::run_sk(sequence))
}

/// Returns the id of a run that is not recorded.
fn unrecorded(fixture: &Fixture) -> RunId {
    RunId::new(fixture.env.clock.now(), 1)
}

const ALTERED: &str = "altered, removed or put in";

#[tokio::test]
async fn erased_tombstone_is_found() {
    let fixture = Fixture::new().await;
    fixture.erase(2, 2).await;
    fixture.assert_found("a tombstone and its changes").await;
    let fixture = Fixture::new().await;
    fixture.erase(2, 2).await;
    fixture.assert_next_run_says(ALTERED).await;
    assert_eq!(fixture.env.run().await.outcome, Outcome::Complete);
}

#[tokio::test]
async fn erased_connection_is_found_despite_new_first_seen_change() {
    let fixture = Fixture::new().await;
    fixture.erase(1, 1).await;
    fixture.assert_found("a connection and its change").await;
    let fixture = Fixture::new().await;
    fixture.erase(1, 1).await;
    fixture.assert_next_run_says(ALTERED).await;
}

#[tokio::test]
async fn changes_inserted_for_recorded_runs_are_found() {
    let fixture = Fixture::new().await;
    let runs = [
        fixture.run_record(3).await.run_id,
        fixture.run_record(4).await.run_id,
    ];
    fixture.insert_deletion(runs.clone()).await;
    fixture.assert_found("changes of past runs").await;
    let fixture = Fixture::new().await;
    let runs = [
        fixture.run_record(3).await.run_id,
        fixture.run_record(4).await.run_id,
    ];
    fixture.insert_deletion(runs).await;
    fixture.assert_next_run_says(ALTERED).await;
}

#[tokio::test]
async fn changes_inserted_for_unrecorded_run_are_found() {
    let fixture = Fixture::new().await;
    let run = unrecorded(&fixture);
    fixture.insert_deletion([run.clone(), run]).await;
    fixture.assert_found("changes of no run").await;
    let findings = findings(&fixture.env).await;
    assert!(
        findings.iter().any(|f| f.contains("inserted later")),
        "{findings:#?}"
    );
}

/// The second alteration in `SECURITY.md`, and its limit.
#[tokio::test]
async fn changes_inserted_later_than_45_minutes_before_the_last_run_are_only_counted() {
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    // The time since the last run, and the date of the change relative to that run.
    for (since, date) in [
        (30 * DAY, 10 * DAY),
        (58 * MINUTE, 2 * MINUTE),
        (MINUTE, -45 * MINUTE),
    ] {
        let fixture = Fixture::new().await;
        let last = fixture.env.clock.now().millis();
        fixture
            .env
            .clock
            .advance(Duration::from_millis(since.unsigned_abs()));
        let at = Timestamp::from_millis(last + date);
        let run = fixture.insert_status_change(at).await;
        for _ in 0..3 {
            let found = verified(&fixture.env).await;
            assert_eq!(found.findings, [], "{date}");
            let expected = BTreeMap::from([(run.clone(), 1)]);
            assert_eq!(found.accounts[0].not_recorded, expected, "{date}");
            assert_eq!(fixture.env.run().await.outcome, Outcome::Complete);
        }
    }
    let fixture = Fixture::new().await;
    let last = fixture.env.clock.now().millis();
    let at = Timestamp::from_millis(last - 45 * MINUTE - 1);
    fixture.insert_status_change(at).await;
    fixture.assert_found("a change of no run").await;
}

#[tokio::test]
async fn inserted_connection_is_found() {
    let fixture = Fixture::new().await;
    let change = Change {
        arn: "arn:aws:codeconnections:eu-west-1:123456789012:connection/forged"
            .parse()
            .expect("an ARN"),
        run_id: unrecorded(&fixture),
        ..fixture.change(1, 1).await
    };
    let seen = Window {
        began_at: change.observed_at,
        ended_at: change.observed_until,
    };
    fixture.put_change(&change).await;
    fixture
        .put_snapshot(&Snapshot {
            arn: change.arn.clone(),
            digest: change.digest(),
            last_seen: seen,
            ..fixture.snapshot(1).await
        })
        .await;
    fixture.assert_found("an inserted connection").await;
}

#[tokio::test]
async fn rolled_back_connection_is_found_despite_rerecorded_change() {
    let fixture = Fixture::new().await;
    let before = fixture.change(0, 2).await;
    let rolled_back = Snapshot {
        attributes: before.after.clone().expect("it is there"),
        version: 2,
        digest: before.digest(),
        status_since: before.observed_at,
        ..fixture.snapshot(0).await
    };
    remove(&fixture.env, &fixture.change_key(0, 3)).await;
    fixture.put_snapshot(&rolled_back).await;
    fixture.assert_found("a rolled back connection").await;
}

#[tokio::test]
async fn change_edited_together_with_its_snapshot_is_found() {
    type Edit = (&'static str, fn(&mut Change));
    let edits: [Edit; 4] = [
        ("after", |change| {
            change.after = Some(Attributes {
                connection_name: Some("other".into()),
                ..change.after.clone().expect("it is there")
            });
        }),
        ("observed_until", |change| {
            change.observed_until = change.observed_at;
        }),
        ("cause", |change| change.cause = None),
        ("run_id", |change| {
            change.run_id = RunId::new(change.observed_at, 7);
        }),
    ];
    for (what, edit) in edits {
        let fixture = Fixture::new().await;
        // The listing took no time by the test clock: make room for an edit.
        fixture
            .edit_last_change(|change| {
                edit(change);
                if what == "observed_until" {
                    change.previously_seen_at = None;
                }
            })
            .await;
        fixture.assert_found(what).await;
        let fixture = Fixture::new().await;
        fixture.edit_last_change(edit).await;
        if what != "observed_until" {
            fixture.assert_next_run_says(ALTERED).await;
        }
    }
}

#[tokio::test]
async fn edited_or_removed_run_is_found() {
    let fixture = Fixture::new().await;
    let mut run = fixture.run_record(7).await;
    run.problems = vec!["forged".to_owned()];
    put(&fixture.env, codec::run_item(&run)).await;
    fixture.assert_next_run_says("run 7 is not the one").await;
    fixture.assert_found("the last run edited").await;

    let fixture = Fixture::new().await;
    remove(&fixture.env, &run_key(7)).await;
    fixture.assert_next_run_says("run 7 was removed").await;
    fixture.assert_found("the last run removed").await;

    for sequence in [1, 4] {
        let fixture = Fixture::new().await;
        remove(&fixture.env, &run_key(sequence)).await;
        fixture.assert_found("a run removed").await;
        let fixture = Fixture::new().await;
        let mut run = fixture.run_record(sequence).await;
        run.unwritten = 1;
        put(&fixture.env, codec::run_item(&run)).await;
        fixture.assert_found("a run edited").await;
    }
}

#[tokio::test]
async fn account_record_contradicting_last_run_makes_next_run_partial() {
    type Edit = (&'static str, fn(&mut AccountRecord));
    let edits: [Edit; 4] = [
        ("is not the one that the account's record names", |record| {
            record.head = Digest::of(&"forged");
        }),
        ("its connections is not", |record| {
            record.connections.insert("AVAILABLE".to_owned(), 9);
        }),
        ("its coverage is not", |record| record.coverage.clear()),
        ("its last_attempt is not", |record| {
            record.last_attempt.outcome = Outcome::Failed;
        }),
    ];
    for (says, edit) in edits {
        let fixture = Fixture::new().await;
        fixture.edit_account(edit).await;
        assert_ne!(findings(&fixture.env).await, [""; 0], "{says}: at once");
        fixture.assert_next_run_says(says).await;
    }
    let fixture = Fixture::new().await;
    let key = (keys::account_pk(&account()), keys::ACCOUNT_SK.to_owned());
    remove(&fixture.env, &key).await;
    assert_ne!(findings(&fixture.env).await, [""; 0]);
    fixture
        .assert_next_run_says("the account's record was removed")
        .await;
}

#[tokio::test]
async fn first_seen_window_without_matching_listing_is_found() {
    let fixture = Fixture::new().await;
    let mut change = fixture.change(3, 1).await;
    assert!(change.previously_seen_at.is_some());
    change.previously_seen_at = Some("2026-10-01T09:30:00Z".parse().expect("a time"));
    fixture.put_change(&change).await;
    let snapshot = fixture.snapshot(3).await;
    fixture
        .put_snapshot(&Snapshot {
            digest: change.digest(),
            ..snapshot
        })
        .await;
    fixture.assert_found("a window").await;
    let findings = findings(&fixture.env).await;
    assert!(
        findings.iter().any(|f| f.contains("previously_seen_at")),
        "{findings:#?}"
    );
}

/// Verifies the exception that `SECURITY.md` documents: no digest covers this time.
#[tokio::test]
async fn last_seen_edit_with_valid_seal_is_not_found() {
    let fixture = Fixture::new().await;
    let snapshot = fixture.snapshot(1).await;
    assert_eq!(snapshot.presence, Presence::Present);
    let seen = fixture.run_record(6).await.listings[0].began_at;
    let edited = Snapshot {
        last_seen: Window {
            began_at: seen,
            ended_at: seen,
        },
        ..snapshot
    };
    assert_ne!(
        Seal::of(&account(), &edited, SchemaVersion::CURRENT),
        Seal::of(
            &account(),
            &fixture.snapshot(1).await,
            SchemaVersion::CURRENT
        )
    );
    fixture.put_snapshot(&edited).await;
    assert_eq!(findings(&fixture.env).await, [""; 0]);
}
