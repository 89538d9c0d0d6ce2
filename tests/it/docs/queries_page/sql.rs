//! Every SQL statement of the page returns what the audit returns.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::expected::{PYTHON_ONLY, expected};
use super::page;
use super::story::Story;
use crate::support::ccinv::Ccinv;
use crate::support::doc_page::Reader;

/// Returns an expected answer as rows of SQL: flat, without the keys of the table.
fn as_rows(heading: &str, answer: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match heading {
        "Which accounts are recorded?" => {
            let accounts = list(answer).into_iter();
            accounts
                .map(|account| json!({"account": account}))
                .collect()
        }
        "What was the state of an account at a time?" => {
            let states = answer.as_object().expect("by ARN").iter();
            states
                .map(|(arn, status)| json!({"arn": arn, "status": status}))
                .collect()
        }
        "Which calls started the run that saw a change?" => {
            let calls = list(&answer["calls"]).into_iter();
            calls
                .map(|mut call| {
                    call["run"] = answer["run"].clone();
                    call
                })
                .collect()
        }
        "What did a run cover?" => {
            let listings = list(&answer["listings"]).into_iter();
            listings
                .map(|mut row| {
                    row["complete"] = json!(u8::from(row["complete"] == true));
                    for name in ["run", "outcome", "pending", "first_seen"] {
                        row[name] = answer[name].clone();
                    }
                    row
                })
                .collect()
        }
        "What did the last run miss?" => {
            let incomplete = list(&answer["incomplete"]).into_iter();
            incomplete
                .map(|mut row| {
                    row["outcome"] = answer["outcome"].clone();
                    row["problems"] = json!(answer["problems"].to_string());
                    row
                })
                .collect()
        }
        _ => {
            let rows = match answer {
                Value::Array(rows) => rows.clone(),
                one => vec![one.clone()],
            };
            rows.into_iter().map(as_row).collect()
        }
    }
}

/// Returns an object without what only the table has: keys and the notice.
fn as_row(mut row: Value) -> Value {
    let object = row.as_object_mut().expect("an object");
    if let Some(key) = object.remove("key") {
        let key = key.as_str().expect("a key");
        let arn = key.strip_prefix("CONNECTION#").expect("of a connection");
        object.insert("arn".to_owned(), json!(arn));
    }
    if let Some(Value::String(account)) = object.get_mut("account") {
        *account = account.replace("ACCOUNT#", "");
    }
    object.remove("summary");
    object.remove("digest_matches");
    if let Some(chained) = object.get_mut("chained") {
        *chained = json!(u8::from(*chained == true));
    }
    row
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(Value::to_string);
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sql_statement_returns_what_the_audit_returns() {
    let story = Story::new().await;
    let variables = story.variables().await;
    let expected = expected(&story.env.audit(), &variables).await;
    let page = page();
    let reader = Reader {
        page: &page,
        endpoint: &story.env.table_endpoint,
        variables: variables.clone(),
    };
    let ccinv = Ccinv::at(&story.env);
    let table = story.env.table.name().as_str();
    assert!(expected.contains_key(PYTHON_ONLY[0]));
    for (heading, answer) in &expected {
        let statement = reader.sql(heading);
        let done = ccinv
            .run(&["sql", "--json", "--table", table, &statement])
            .await;
        assert_eq!(done.code, 0, "{heading}: {statement}: {done:?}");
        let document: BTreeMap<String, Value> = serde_json::from_str(&done.stdout).expect("JSON");
        let rows = document["rows"].as_array().expect("rows").clone();
        assert_eq!(
            sorted(rows),
            sorted(as_rows(heading, answer)),
            "{heading}: {statement}"
        );
    }
}
