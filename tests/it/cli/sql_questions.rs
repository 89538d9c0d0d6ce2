//! The SQL of the questions about dependencies in `docs/queries.md` returns the rows of the
//! commands that answer the same.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::collections::BTreeMap;

use super::dependencies::Account;
use super::properties::{account, principal, resource, tags};
use super::sql::members;
use crate::support::doc_page::{Page, Reader};
use crate::support::test_env::ACCOUNT;
use serde_json::{Value, json};

/// The questions.
pub(crate) const QUESTIONS: [&str; 7] = [
    "What uses a connection?",
    "What is affected by connections that do not work?",
    "Which connections does nothing on record use?",
    "Which hosts exist, and what uses them?",
    "Who owns a connection by its tags?",
    "With whom are connections shared?",
    "How do consumers, connections, hosts and accounts relate?",
];

/// An account whose dependencies, tags and shares are recorded.
async fn recorded() -> Account {
    let (account, services) = account().await;
    let received = "arn:aws:codeconnections:eu-west-1:999999999999:connection/other";
    services.set(|script| {
        let (payments, unused) = (account.arn("payments"), account.arn("unused"));
        script.tagged = vec![json!([
            tags(payments, &[("team", "payments"), ("env", "prod")]),
            tags(unused, &[("team", "tools")]),
            tags(account.arn("host"), &[("team", "git")]),
        ])];
        script.own = (
            json!([resource(unused, "share-a"), resource(unused, "share-b")]),
            json!([
                principal("111122223333", "share-a", true),
                principal("444455556666", "share-b", false),
            ]),
        );
        script.received = (
            json!([resource(received, "share-c")]),
            json!([principal("999999999999", "share-c", true)]),
        );
    });
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    account
}

/// Returns the rows of a command that answers with one document.
async fn listed(account: &Account, command: &[&str], list: &str) -> Vec<Value> {
    let (_, answer) = account.ask(command).await;
    answer[list].as_array().expect("a list").clone()
}

/// Returns what a command answers to a question, with the names of its members that the
/// columns have.
async fn answer(account: &Account, question: &str) -> (Vec<Value>, &'static [&'static str]) {
    match question {
        "What uses a connection?" => (
            listed(account, &["uses", "payments"], "dependencies").await,
            &["account", "dependency_type", "name", "first_seen_at", "arn"],
        ),
        "What is affected by connections that do not work?" => (
            listed(account, &["impact"], "impact").await,
            &[
                "dependency.account",
                "dependency.dependency_type",
                "dependency.name",
                "reason",
                "uses",
            ],
        ),
        "Which connections does nothing on record use?" => (
            listed(account, &["list", "--unused"], "connections").await,
            &["account", "connection_arn", "connection_name"],
        ),
        "Which hosts exist, and what uses them?" => (
            listed(account, &["hosts"], "dependencies").await,
            &["account", "arn", "name", "status"],
        ),
        "Who owns a connection by its tags?" => {
            let mut rows = Vec::new();
            for row in listed(account, &["list", "--tags"], "connections").await {
                for (key, value) in row["tags"].as_object().expect("tags") {
                    let mut row = row.clone();
                    (row["key"], row["value"]) = (json!(key), value.clone());
                    rows.push(row);
                }
            }
            (rows, &["account", "connection_arn", "key", "value"])
        }
        "With whom are connections shared?" => {
            let mut rows = listed(account, &["shares"], "dependencies").await;
            for row in &mut rows {
                row["external"] = json!(row["members"]["external"].as_bool().map(u8::from));
            }
            let names = &[
                "account",
                "dependency_type",
                "arn",
                "members.principal",
                "external",
            ];
            (rows, names)
        }
        _ => {
            let done = account.run(&["export", "relations"]).await;
            let rows = done.stdout.lines();
            let rows = rows.map(|line| serde_json::from_str(line).expect("JSON"));
            let names = &[
                "account",
                "from.type",
                "from.id",
                "relation",
                "to.type",
                "to.id",
            ];
            (rows.collect(), names)
        }
    }
}

/// The columns of a question's statement that are compared, in the order of the command's
/// members.
fn columns(question: &str, names: &'static [&'static str]) -> Vec<&'static str> {
    let column = |name: &&'static str| match (question, *name) {
        ("Which hosts exist, and what uses them?", "arn") => "host_arn",
        ("With whom are connections shared?", "arn") => "connection_arn",
        ("With whom are connections shared?", "dependency_type") => "share_type",
        (_, "from.type") => "from_type",
        (_, "from.id") => "from_id",
        (_, "to.type") => "to_type",
        (_, "to.id") => "to_id",
        (_, name) => name.rsplit('.').next().unwrap_or(name),
    };
    names.iter().map(column).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_of_each_question_returns_the_rows_of_the_command() {
    let account = recorded().await;
    let page = Page::read("docs/queries.md", "Before you ask");
    let reader = Reader {
        page: &page,
        endpoint: "",
        variables: BTreeMap::from([("ACCOUNT", ACCOUNT.to_owned())]),
    };
    for question in QUESTIONS {
        let (rows, names) = answer(&account, question).await;
        assert!(!rows.is_empty(), "{question}: the test data has an answer");
        let statement = reader.sql(question);
        // The connection of the test.
        let statement = statement.replace("'payments-api'", "'payments'");
        let (code, answer) = account.ask(&["sql", &statement]).await;
        assert_eq!(code, 0, "{question}: {answer}");
        let found = answer["rows"].as_array().expect("rows");
        assert_eq!(
            members(found, &columns(question, names)),
            members(&rows, names),
            "{question}: {statement}"
        );
    }
    let hosts = reader.sql("Which hosts exist, and what uses them?");
    let (_, answer) = account.ask(&["sql", &hosts]).await;
    assert_eq!(answer["rows"][0]["consumers"], 0, "{answer}");
}
