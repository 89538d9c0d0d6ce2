//! Every AWS CLI command and all Python code in `docs/queries.md` returns what
//! the audit returns, from a table that the function's code wrote.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

mod expected;
mod sql;
mod story;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::cli::sql_questions::QUESTIONS;
use crate::support::doc_page::{Language, Name, Page, Reader};
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::test_env::{ACCOUNT, TestEnv};
use codeconnections_inventory::domain::Timestamp;
use expected::{IN_PYTHON, PYTHON_ONLY, expected, time_answers};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use story::Story;

fn page() -> Page {
    Page::read("docs/queries.md", "Before you ask")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_and_all_python_code_return_what_the_audit_returns() {
    let story = Story::new().await;
    let variables = story.variables().await;
    let expected = expected(&story.env.audit(), &variables).await;
    for (heading, answer) in &expected {
        let empty = [json!([]), json!({}), Value::Null];
        assert!(
            !empty.contains(answer),
            "{heading}: the test data has an answer"
        );
    }
    let wire = Wire::of(&story.env).await;
    let page = page();
    let reader = Reader {
        page: &page,
        endpoint: &wire.proxy.endpoint,
        variables,
    };

    let in_shell = |heading: &&&str| !PYTHON_ONLY.contains(*heading);
    let in_shell: Vec<&str> = expected.keys().filter(in_shell).copied().collect();
    let named = |language| move |heading: &&str| ((*heading).to_owned(), language);
    let mut blocks: BTreeSet<Name> = IN_PYTHON.iter().map(named(Language::Python)).collect();
    blocks.extend(in_shell.iter().map(named(Language::Shell)));
    blocks.extend(expected.keys().map(named(Language::Sql)));
    // Tested with the commands that answer the same.
    blocks.extend(QUESTIONS.iter().map(named(Language::Sql)));
    assert_eq!(
        page.names(),
        blocks,
        "what is on the page is what is tested"
    );

    let answers = futures_util::stream::iter(in_shell)
        .map(async |heading| (heading, reader.shell(heading).await))
        .buffered(2);
    let answers: Vec<(&str, Value)> = answers.collect().await;
    for (heading, answer) in answers {
        assert_eq!(answer, expected[heading], "{heading}");
    }
    let parts = ["", "by_status", "by_time"].map(str::to_owned).into();
    assert_eq!(wire.paged(), parts, "by the CLI");
    for (heading, answer) in reader.python(IN_PYTHON).await {
        assert_eq!(answer, expected[heading.as_str()], "{heading}");
    }
    assert_eq!(wire.paged(), parts, "by boto3");
}

/// A proxy to the table with pages of two items, and the requests it received.
struct Wire {
    proxy: Proxy,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Wire {
    async fn of(env: &TestEnv) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let noted = Arc::clone(&seen);
        let proxy = Proxy::start(&env.table_endpoint, move |seen| {
            noted.lock().expect("a wire").push(seen.clone());
            let mut body: Value = serde_json::from_slice(&seen.body).expect("JSON");
            let limit = body["Limit"].as_u64().unwrap_or(u64::MAX);
            body["Limit"] = json!(limit.min(2));
            Act::PassAs(body.to_string().into())
        });
        Self {
            proxy: proxy.await,
            seen,
        }
    }

    /// Returns the table (as an empty text) and the indexes of which a second
    /// page was requested since the last call. Asserts that all requests are
    /// queries.
    fn paged(&self) -> BTreeSet<String> {
        let mut paged = BTreeSet::new();
        for seen in self.seen.lock().expect("a wire").drain(..) {
            assert_eq!(seen.operation, "Query");
            let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
            let index = body["IndexName"].as_str().unwrap_or_default();
            let consistent = body["ConsistentRead"].as_bool().unwrap_or_default();
            assert_eq!(consistent, index.is_empty(), "{body}");
            if body.get("ExclusiveStartKey").is_some() {
                paged.insert(index.to_owned());
            }
        }
        paged
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_at_a_time_is_what_was_observed_by_then() {
    let story = Story::new().await;
    let changes = story.env.changes(&story.arn).await;
    let (one, all) = (
        "What was the state of one connection at a time?",
        "What was the state of an account at a time?",
    );
    let page = page();
    let earlier = |time: Timestamp| Timestamp::from_millis(time.millis() - 1);
    for (at, version) in [
        (earlier(changes[0].observed_until), None),
        // The listing that observed it had begun, but not ended.
        (changes[2].observed_at, Some(2)),
        (earlier(changes[2].observed_until), Some(2)),
        (changes[2].observed_until, Some(3)),
    ] {
        let mut variables = story.variables().await;
        variables.insert("AT", at.to_string());
        let expected = time_answers(&story.env.audit(), &variables).await;
        let reader = Reader {
            page: &page,
            endpoint: &story.env.table_endpoint,
            variables,
        };
        let answers = reader.python([all]).await;
        assert_eq!(answers[all], expected[all], "at {at}");
        assert_eq!(expected[one]["version"], json!(version), "at {at}");
        for heading in [one, all] {
            assert_eq!(reader.shell(heading).await, expected[heading], "at {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edited_change_does_not_match_its_digest() {
    let story = Story::new().await;
    let (env, arn) = (&story.env, &story.arn);
    let edited = env.table.client().execute_statement().statement(format!(
        "UPDATE \"{}\" SET \"run_id\" = 'another' \
         WHERE \"pk\" = 'CONNECTION#{ACCOUNT}#{arn}' AND \"sk\" = 'CHANGE#0000000002'",
        env.table.name(),
    ));
    let variables = story.variables().await;
    edited.send().await.expect("edited");
    let page = page();
    let reader = Reader {
        page: &page,
        endpoint: &env.table_endpoint,
        variables,
    };
    let [heading] = PYTHON_ONLY;
    let answers = reader.python([heading]).await;
    let results: Vec<(bool, bool)> = answers[heading]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| {
            let is = |what: &str| change[what].as_bool().expect("yes or no");
            (is("digest_matches"), is("chained"))
        })
        .collect();
    assert_eq!(
        results,
        [(true, true), (false, true), (true, false), (true, true)]
    );
}
