//! The expected answers: what the audit returns, by heading of the page.

use std::collections::BTreeMap;

use codeconnections_inventory::audit::{Audit, ChangeFilter, ConnectionFilter, ConnectionRow};
use codeconnections_inventory::domain::{
    Attributes, Cause, Change, ChangeKind, ConnectionStatus, EventSummary, Outcome, RunRecord,
    Timestamp,
};
use serde_json::{Value, json};

use crate::support::test_env::account;

/// The expected answers by heading of the page.
pub type Expected = BTreeMap<&'static str, Value>;

/// The heading that has no command for the shell.
pub const PYTHON_ONLY: [&str; 1] = ["Was a change altered?"];

/// The headings that have Python code.
pub const IN_PYTHON: [&str; 3] = [
    "Which connections are PENDING, in all accounts?",
    "What was the state of an account at a time?",
    PYTHON_ONLY[0],
];

fn status(attributes: Option<&Attributes>) -> Option<&ConnectionStatus> {
    attributes.and_then(|attributes| attributes.connection_status.as_ref())
}

fn array<T>(items: impl IntoIterator<Item = T>, to_value: impl FnMut(T) -> Value) -> Value {
    Value::Array(items.into_iter().map(to_value).collect())
}

async fn rows(audit: &Audit, filter: ConnectionFilter) -> Vec<ConnectionRow> {
    audit.connections(&filter).await.expect("read")
}

pub async fn expected(audit: &Audit, variables: &BTreeMap<&str, String>) -> Expected {
    let mut expected = connection_answers(audit, variables).await;
    expected.extend(change_answers(audit, variables).await);
    expected.extend(time_answers(audit, variables).await);
    expected.extend(run_answers(audit, variables).await);
    expected
}

async fn connection_answers(audit: &Audit, variables: &BTreeMap<&str, String>) -> Expected {
    let key = |row: &ConnectionRow| format!("CONNECTION#{}", row.connection_arn);
    let of_account = ConnectionFilter {
        account: Some(account()),
        ..ConnectionFilter::default()
    };
    let pending = ConnectionFilter {
        status: Some("PENDING".into()),
        ..ConnectionFilter::default()
    };
    let now = rows(audit, of_account).await;
    let pending = rows(audit, pending).await;
    let one = now
        .iter()
        .find(|row| row.connection_arn.as_str() == variables["ARN"])
        .expect("the connection of the page");
    let last = history(audit, variables).await.pop().expect("a change");
    BTreeMap::from([
        (
            "Which accounts are recorded?",
            json!(audit.accounts(None).await.expect("read")),
        ),
        (
            "Which connections does an account have now?",
            array(&now, |row| {
                json!({
                    "key": key(row), "name": row.attributes.connection_name, "status": row.attributes.connection_status,
                    "since": row.status_since, "last_seen": row.last_seen_at,
                })
            }),
        ),
        (
            "Which connections are PENDING, in all accounts?",
            array(&pending, |row| {
                json!({
                    "account": format!("ACCOUNT#{}", row.account), "key": key(row),
                    "name": row.attributes.connection_name, "since": row.status_since,
                })
            }),
        ),
        (
            "What is known of one connection?",
            json!({
                "name": one.attributes.connection_name, "status": one.attributes.connection_status,
                "since": one.status_since, "first_seen": one.first_seen_at,
                "last_seen": one.last_seen_at, "deleted": one.deleted_at,
                "version": last.version, "digest": last.digest(),
            }),
        ),
    ])
}

async fn history(audit: &Audit, variables: &BTreeMap<&str, String>) -> Vec<Change> {
    let histories = audit.history(&variables["ARN"], Some(&account())).await;
    let [history] = <[_; 1]>::try_from(histories.expect("read")).expect("one history");
    let changes = history.changes.into_iter();
    changes.map(|row| row.change).collect()
}

async fn changes_between(audit: &Audit, since: Timestamp, until: Timestamp) -> Vec<Change> {
    let filter = ChangeFilter {
        since,
        until,
        kind: None,
        status: None,
        provider: None,
        account: Some(account()),
    };
    let changes = audit.changes(&filter).await.expect("read").into_iter();
    changes.map(|row| row.change).collect()
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

async fn change_answers(audit: &Audit, variables: &BTreeMap<&str, String>) -> Expected {
    let history = history(audit, variables).await;
    let between = changes_between(audit, time(&variables["FROM"]), time(&variables["UNTIL"])).await;
    let error = ConnectionStatus::Error;
    let broke = between
        .iter()
        .filter(|change| status(change.after.as_ref()) == Some(&error));
    let mut before = None;
    let recorded = array(&history, |change| {
        let refers = change.previous_digest == before;
        before = Some(change.digest());
        json!({
            "version": change.version, "digest": change.digest(), "digest_matches": true,
            "chained": refers,
        })
    });
    BTreeMap::from([
        (
            "What happened to one connection?",
            array(&history, |change| {
                json!({
                    "version": change.version, "kind": change.kind,
                    "before": status(change.before.as_ref()),
                    "after": status(change.after.as_ref()),
                    "from": change.previously_seen_at, "until": change.observed_until,
                    "run": change.run_id,
                })
            }),
        ),
        (
            "What changed in October?",
            array(&between, |change| {
                json!({
                    "observed": change.observed_at, "arn": change.arn, "kind": change.kind,
                    "before": status(change.before.as_ref()),
                    "after": status(change.after.as_ref()),
                })
            }),
        ),
        (
            "Which connections broke in October?",
            array(broke, |change| {
                json!({
                    "arn": change.arn, "from": change.previously_seen_at,
                    "until": change.observed_until,
                })
            }),
        ),
        (PYTHON_ONLY[0], recorded),
    ])
}

pub async fn time_answers(audit: &Audit, variables: &BTreeMap<&str, String>) -> Expected {
    let at = time(&variables["AT"]);
    let by_then = |change: &Change| change.observed_until <= at;
    let one = history(audit, variables).await.into_iter().rfind(by_then);
    let one = one.map(|change| {
        json!({
            "version": change.version, "kind": change.kind,
            "status": status(change.after.as_ref()),
        })
    });
    let ever = changes_between(
        audit,
        Timestamp::from_millis(0),
        time("9999-01-01T00:00:00Z"),
    );
    let mut all = BTreeMap::new();
    for change in ever.await.into_iter().filter(by_then) {
        match change.after {
            Some(after) => all.insert(change.arn.to_string(), json!(after.connection_status)),
            None => all.remove(change.arn.as_str()),
        };
    }
    BTreeMap::from([
        (
            "What was the state of one connection at a time?",
            json!(one),
        ),
        ("What was the state of an account at a time?", json!(all)),
    ])
}

async fn run_answers(audit: &Audit, variables: &BTreeMap<&str, String>) -> Expected {
    let runs = audit.runs(&account(), 1_000).await.expect("read");
    let last = runs.first().expect("a run");
    let complete = runs.iter().find(|run| run.outcome == Outcome::Complete);
    let complete = complete.expect("a complete run");
    let number: u64 = variables["NUMBER"].parse().expect("a number");
    let numbered = runs.iter().find(|run| run.sequence == number);
    let version: usize = variables["VERSION"].parse().expect("a number");
    let change = history(audit, variables).await.swap_remove(version - 1);
    let observing_run = runs.iter().find(|run| run.run_id == change.run_id);
    let of_account = ConnectionFilter {
        account: Some(account()),
        ..ConnectionFilter::default()
    };
    let mut unseen = rows(audit, of_account).await;
    unseen.retain(|row| row.last_seen_at < Some(last.started_at));
    let problems = (!last.problems.is_empty()).then_some(&last.problems);
    let incomplete = last.listings.iter().filter(|listing| !listing.complete);
    BTreeMap::from([
        (
            "Which were the last runs?",
            array(
                runs.iter().take(3),
                |run| json!({"run": run.sequence, "started": run.started_at, "outcome": run.outcome}),
            ),
        ),
        (
            "Which was the last complete run?",
            json!({"run": complete.sequence, "started": complete.started_at}),
        ),
        (
            "What did a run cover?",
            coverage(numbered.expect("that run")),
        ),
        (
            "What did the last run miss?",
            json!({
                "outcome": last.outcome, "problems": problems,
                "incomplete": array(incomplete, |listing| {
                    let code = listing.error.as_ref().map(|error| &error.code);
                    json!({"region": listing.region, "code": code})
                }),
            }),
        ),
        (
            "Which connections did the last run not see?",
            array(&unseen, |row| {
                json!({
                    "key": format!("CONNECTION#{}", row.connection_arn),
                    "status": row.attributes.connection_status, "last_seen": row.last_seen_at,
                })
            }),
        ),
        ("Which call explains a change?", cause(&change)),
        (
            "Which calls started the run that saw a change?",
            calls_of(observing_run.expect("a run")),
        ),
        (
            "What is the head of the chain?",
            json!({"run": last.sequence, "head": last.digest()}),
        ),
    ])
}

fn coverage(run: &RunRecord) -> Value {
    json!({
        "run": run.run_id, "outcome": run.outcome,
        "listings": array(&run.listings, |listing| {
            json!({
                "region": listing.region, "complete": listing.complete,
                "listed": listing.connections,
            })
        }),
        "pending": run.connections.get("PENDING"),
        "first_seen": run.changes.get(&ChangeKind::FirstSeen),
    })
}

fn cause(change: &Change) -> Value {
    let call = match &change.cause {
        Some(Cause::ApiCall(call)) => Some(call),
        Some(Cause::NoCallSeen) | None => None,
    };
    json!({
        "kind": change.kind,
        "cause": if call.is_some() { "API_CALL" } else { "NO_CALL_SEEN" },
        "call": call.map(|call| &call.event_name),
        "principal": call.and_then(|call| call.principal_arn.as_ref().or(call.principal_id.as_ref())),
        "source": call.and_then(|call| call.source_ip.as_ref()),
        "summary": EventSummary::of(change).summary,
    })
}

fn calls_of(run: &RunRecord) -> Value {
    let calls = run.trigger.calls();
    assert!(!calls.is_empty(), "started by a call: {:?}", run.trigger);
    json!({
        "run": run.sequence, "kind": "API_CALLS",
        "calls": array(calls, |call| json!({
            "call": call.event_name, "about": call.resource_arn,
            "principal": call.principal_arn.as_ref().or(call.principal_id.as_ref()),
            "source": call.source_ip,
        })),
    })
}
