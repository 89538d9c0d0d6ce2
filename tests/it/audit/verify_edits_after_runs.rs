//! What somebody alters is found however many ordinary runs follow, although
//! each of them puts its own digest over what it finds; and the first of them
//! says so.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::raw_items::{Key, findings, get, put, remove};
use crate::support::test_env::{TestEnv, account};
use codeconnections_inventory::domain::listing::Window;
use codeconnections_inventory::domain::{
    AccountRecord, Attributes, Change, ChangeKind, Clock, Digest, Outcome, Presence, RunId,
    RunRecord, SchemaVersion, Seal, Snapshot,
};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::table::codec::snapshot;
use codeconnections_inventory::table::fast_path;
use codeconnections_inventory::table::{codec, keys};

/// An account with a history, written by seven runs.
struct Told {
    env: TestEnv,
    /// The third one was deleted.
    arns: Vec<String>,
}

impl Told {
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
        let told = Self { env, arns };
        assert_eq!(findings(&told.env).await, [""; 0]);
        told
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

    /// Puts in that connection 1 was deleted and was there again, as changes of
    /// these runs, which had looked at the times of runs 3 and 4.
    async fn put_in_a_deletion(&self, runs: [RunId; 2]) {
        let before = self.change(1, 1).await;
        let snapshot = self.snapshot(1).await;
        let [gone, back] = runs;
        let (third, fourth) = (self.run_record(3).await, self.run_record(4).await);
        let deleted = Change {
            version: 2,
            kind: ChangeKind::Deleted,
            before: before.after.clone(),
            after: None,
            previously_seen_at: Some(self.run_record(2).await.listings[0].began_at),
            observed_at: third.listings[0].began_at,
            observed_until: third.listings[0].ended_at,
            run_id: gone,
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
            run_id: back,
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

    /// Edits the last change of connection 0 and what follows from it.
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

    /// Whether what was altered is found right away, after the next run, and
    /// after ten.
    async fn assert_found(&self, what: &str) {
        assert_ne!(findings(&self.env).await, [""; 0], "{what}: at once");
        self.env.run().await;
        assert_ne!(findings(&self.env).await, [""; 0], "{what}: after a run");
        for _ in 0..9 {
            self.env.run().await;
        }
        assert_ne!(findings(&self.env).await, [""; 0], "{what}: after ten runs");
    }

    /// Whether the next run says that what it read is not what the last one
    /// left, and the one after that is complete again.
    async fn assert_next_run_says(&self, says: &str) {
        let told: Summary = self.env.run().await;
        assert_eq!(told.outcome, Outcome::Partial, "{says}");
        assert!(
            told.problems.iter().any(|problem| problem.contains(says)),
            "{says}: {:?}",
            told.problems
        );
    }
}

fn run_key(sequence: u64) -> Key {
    (keys::runs_pk(&account()), keys::run_sk(sequence))
}

/// A run that is nowhere on record.
fn unrecorded(told: &Told) -> RunId {
    RunId::new(told.env.clock.now(), 1)
}

const ALTERED: &str = "altered, removed or put in";

#[tokio::test]
async fn erased_tombstone_is_found() {
    let told = Told::new().await;
    told.erase(2, 2).await;
    told.assert_found("a tombstone and its changes").await;
    let told = Told::new().await;
    told.erase(2, 2).await;
    told.assert_next_run_says(ALTERED).await;
    assert_eq!(told.env.run().await.outcome, Outcome::Complete);
}

#[tokio::test]
async fn erased_connection_is_found_although_it_is_first_seen_again() {
    let told = Told::new().await;
    told.erase(1, 1).await;
    told.assert_found("a connection and its change").await;
    let told = Told::new().await;
    told.erase(1, 1).await;
    told.assert_next_run_says(ALTERED).await;
}

#[tokio::test]
async fn changes_put_in_as_those_of_past_runs_are_found() {
    let told = Told::new().await;
    let runs = [
        told.run_record(3).await.run_id,
        told.run_record(4).await.run_id,
    ];
    told.put_in_a_deletion(runs.clone()).await;
    told.assert_found("changes of past runs").await;
    let told = Told::new().await;
    let runs = [
        told.run_record(3).await.run_id,
        told.run_record(4).await.run_id,
    ];
    told.put_in_a_deletion(runs).await;
    told.assert_next_run_says(ALTERED).await;
}

#[tokio::test]
async fn changes_put_in_as_those_of_a_run_that_is_not_recorded_are_found() {
    let told = Told::new().await;
    let run = unrecorded(&told);
    told.put_in_a_deletion([run.clone(), run]).await;
    told.assert_found("changes of no run").await;
    let findings = findings(&told.env).await;
    assert!(
        findings.iter().any(|f| f.contains("inserted later")),
        "{findings:#?}"
    );
}

#[tokio::test]
async fn connection_put_in_is_found() {
    let told = Told::new().await;
    let change = Change {
        arn: "arn:aws:codeconnections:eu-west-1:123456789012:connection/forged"
            .parse()
            .expect("an ARN"),
        run_id: unrecorded(&told),
        ..told.change(1, 1).await
    };
    let seen = Window {
        began_at: change.observed_at,
        ended_at: change.observed_until,
    };
    told.put_change(&change).await;
    told.put_snapshot(&Snapshot {
        arn: change.arn.clone(),
        digest: change.digest(),
        last_seen: seen,
        ..told.snapshot(1).await
    })
    .await;
    told.assert_found("a connection that was put in").await;
}

#[tokio::test]
async fn connection_set_back_is_found_although_its_change_is_recorded_again() {
    let told = Told::new().await;
    let before = told.change(0, 2).await;
    let set_back = Snapshot {
        attributes: before.after.clone().expect("it is there"),
        version: 2,
        digest: before.digest(),
        status_since: before.observed_at,
        ..told.snapshot(0).await
    };
    remove(&told.env, &told.change_key(0, 3)).await;
    told.put_snapshot(&set_back).await;
    told.assert_found("a connection set back").await;
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
        let told = Told::new().await;
        // The listing took no time by the lab's clock: make room for an edit.
        told.edit_last_change(|change| {
            edit(change);
            if what == "observed_until" {
                change.previously_seen_at = None;
            }
        })
        .await;
        told.assert_found(what).await;
        let told = Told::new().await;
        told.edit_last_change(edit).await;
        if what != "observed_until" {
            told.assert_next_run_says(ALTERED).await;
        }
    }
}

#[tokio::test]
async fn run_edited_or_removed_is_found() {
    let told = Told::new().await;
    let mut run = told.run_record(7).await;
    run.problems = vec!["forged".to_owned()];
    put(&told.env, codec::run_item(&run)).await;
    told.assert_next_run_says("run 7 is not the one").await;
    told.assert_found("the last run edited").await;

    let told = Told::new().await;
    remove(&told.env, &run_key(7)).await;
    told.assert_next_run_says("run 7 was removed").await;
    told.assert_found("the last run removed").await;

    for sequence in [1, 4] {
        let told = Told::new().await;
        remove(&told.env, &run_key(sequence)).await;
        told.assert_found("a run removed").await;
        let told = Told::new().await;
        let mut run = told.run_record(sequence).await;
        run.unwritten = 1;
        put(&told.env, codec::run_item(&run)).await;
        told.assert_found("a run edited").await;
    }
}

#[tokio::test]
async fn account_record_that_does_not_repeat_the_last_run_is_said_by_the_next() {
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
        let told = Told::new().await;
        told.edit_account(edit).await;
        assert_ne!(findings(&told.env).await, [""; 0], "{says}: at once");
        told.assert_next_run_says(says).await;
    }
    let told = Told::new().await;
    let key = (keys::account_pk(&account()), keys::ACCOUNT_SK.to_owned());
    remove(&told.env, &key).await;
    assert_ne!(findings(&told.env).await, [""; 0]);
    told.assert_next_run_says("the account's record was removed")
        .await;
}

#[tokio::test]
async fn window_of_a_first_sighting_that_no_listing_bears_out_is_found() {
    let told = Told::new().await;
    let mut change = told.change(3, 1).await;
    assert!(change.previously_seen_at.is_some());
    change.previously_seen_at = Some("2026-10-01T09:30:00Z".parse().expect("a time"));
    told.put_change(&change).await;
    let snapshot = told.snapshot(3).await;
    told.put_snapshot(&Snapshot {
        digest: change.digest(),
        ..snapshot
    })
    .await;
    told.assert_found("a window").await;
    let findings = findings(&told.env).await;
    assert!(
        findings.iter().any(|f| f.contains("previously_seen_at")),
        "{findings:#?}"
    );
}

/// What no digest stands for: said in `SECURITY.md`, and held here so that the
/// page stays true.
#[tokio::test]
async fn time_of_a_last_sighting_with_a_right_seal_is_not_found() {
    let told = Told::new().await;
    let snapshot = told.snapshot(1).await;
    assert_eq!(snapshot.presence, Presence::Present);
    let seen = told.run_record(6).await.listings[0].began_at;
    let edited = Snapshot {
        last_seen: Window {
            began_at: seen,
            ended_at: seen,
        },
        ..snapshot
    };
    assert_ne!(
        Seal::of(&account(), &edited, SchemaVersion::CURRENT),
        Seal::of(&account(), &told.snapshot(1).await, SchemaVersion::CURRENT)
    );
    told.put_snapshot(&edited).await;
    assert_eq!(findings(&told.env).await, [""; 0]);
}
