//! A run that is ended at any request, before or after the request took
//! effect, and then a normal run: the history is the same as without the
//! crash.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codeconnections_inventory::domain::{ChangeKind, Outcome};
use serde_json::json;
use support::lab::{self, Lab, LabHandler, account};
use support::proxy::{Act, Proxy};

type Story = Vec<(String, Vec<(ChangeKind, Option<String>)>)>;

/// A lab in which one run was made and a change of each kind has happened
/// since, with enough unchanged connections for two batches.
struct Scene {
    lab: Lab,
    arns: Vec<String>,
}

impl Scene {
    async fn new() -> Self {
        let lab = Lab::new().await;
        let mut arns: Vec<String> = (0..30).map(|n| lab.create(&format!("c{n}"))).collect();
        lab.run().await;
        lab.set_status(&arns[3], "AVAILABLE");
        lab.set_status(&arns[17], "ERROR");
        let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/h-1a2b3c4d";
        let moved = lab
            .stand_in
            .world()
            .set_connection_host(&arns[5], Some(host.to_owned()));
        moved.expect("moved");
        lab.delete(&arns[8]);
        arns.push(lab.create("new"));
        Self { lab, arns }
    }

    /// The handler, one request at a time, through two proxies that end the
    /// world at request number `at`.
    async fn doomed(&self, at: usize, act: Act) -> (LabHandler, [Proxy; 2], Arc<AtomicUsize>) {
        let counter = Arc::new(AtomicUsize::new(0));
        let mut proxies = Vec::new();
        for upstream in [self.lab.service.endpoint(), &self.lab.table_endpoint] {
            let (counter, act) = (Arc::clone(&counter), act.clone());
            let proxy = Proxy::start(upstream, move |_| {
                if counter.fetch_add(1, Ordering::SeqCst) + 1 == at {
                    act.clone()
                } else {
                    Act::Pass
                }
            });
            proxies.push(proxy.await);
        }
        let [service, table]: [Proxy; 2] = proxies.try_into().ok().expect("two");
        let source = self.lab.source_at(&service.endpoint);
        let mut handler = self
            .lab
            .handler_of(source, self.lab.table_at(&table.endpoint));
        handler.inventory.policy.concurrency = 1;
        (handler, [service, table], counter)
    }

    async fn story(&self) -> Story {
        let mut story = Vec::new();
        for arn in &self.arns {
            story.push((arn.clone(), self.lab.story(arn).await));
        }
        story
    }
}

#[tokio::test]
async fn a_crash_at_any_request_leaves_a_table_from_which_the_next_run_carries_on() {
    // Without a crash: the story to be told, and the number of requests.
    let scene = Scene::new().await;
    let (handler, _proxies, counter) = scene.doomed(usize::MAX, Act::Pass).await;
    scene.lab.clock.advance(lab::HOUR);
    let whole = lab::run(&handler, &json!({})).await;
    assert_eq!(whole.outcome, Outcome::Complete);
    assert_eq!(whole.changes.values().sum::<u64>(), 5);
    let expected = scene.story().await;
    let requests = counter.load(Ordering::SeqCst);
    assert!(
        requests >= 11,
        "a listing, a query, 5 changes, 2 batches, 2 records: {requests}"
    );

    for at in 1..=requests {
        for act in [Act::Hang, Act::PassThenHang] {
            let scene = Scene::new().await;
            let (handler, [service, table], _) = scene.doomed(at, act.clone()).await;
            scene.lab.clock.advance(lab::HOUR);
            let event = json!({});
            let crash = async {
                tokio::select! {
                    () = service.hangs() => {}
                    () = table.hangs() => {}
                }
            };
            tokio::select! {
                done = handler.handle(&event, Duration::from_secs(60)) => {
                    panic!("request {at} was never answered: {done:?}");
                }
                () = crash => {}
            }
            drop(handler);

            let next = scene.lab.run().await;
            assert_eq!(
                next.outcome,
                Outcome::Complete,
                "{at} {act:?}: {:?}",
                next.problems
            );
            assert_eq!(scene.story().await, expected, "{at} {act:?}");
            let runs = scene.lab.runs().await;
            assert!(
                runs.len() == 2 || runs.len() == 3,
                "{at} {act:?}: {} runs",
                runs.len()
            );
            let state = scene
                .lab
                .table
                .read_account(&account())
                .await
                .expect("read");
            let record = state.record.expect("the account's record");
            assert_eq!(record.sequence, runs.len() as u64, "{at} {act:?}");
            assert_eq!(record.head, runs[runs.len() - 1].digest(), "{at} {act:?}");
            assert_eq!(next.connections["PENDING"], 28, "{at} {act:?}");
            // And once more: nothing is left to do.
            assert!(scene.lab.run().await.changes.is_empty(), "{at} {act:?}");
        }
    }
}
