//! The lake: exports by the deployed state machine, and Athena's answers over them.
//!
//! - The emulator's exports write no files, and forget their window. After each export the
//!   test writes the files, from the table's items, in the format that AWS documents.
//! - Its Athena runs DuckDB and knows no views, parameters or saved queries.
//!   `tests/python/lake_sql.py` parses views and queries as Athena's SQL, and translates
//!   them. The tests put values in place of parameters.
//! - It does not limit the bytes that a query reads.

use std::collections::{BTreeMap, BTreeSet};

use codeconnections_inventory::domain::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::story;
use crate::support::ccinv::Ccinv;
use crate::support::eventually;
use crate::support::python::{fine, python};
use crate::support::stack::Stack;
use crate::support::template::{TEMPLATE, list, text};
use crate::support::test_env::REGION;

const DATABASE: &str = "codeconnections_inventory";

type Row = Vec<Option<String>>;

struct Lake {
    stack: Stack,
    ccinv: Ccinv,
    /// `ViewOriginalText` of each view, as it is deployed.
    views: String,
}

impl Lake {
    async fn deployed() -> Self {
        let mut stack = Stack::prepared().await;
        stack
            .deploy(&[("Lake", "on")], |template| {
                // The emulator has no resource for saved queries.
                let resources = template["Resources"].as_object_mut().expect("resources");
                resources.retain(|_, resource| resource["Type"] != "AWS::Athena::NamedQuery");
            })
            .await;
        let wanted = json!({"DatabaseName": DATABASE});
        let tables = stack.aws.call("glue", "get_tables", wanted).await;
        let views: BTreeMap<String, String> = list(&tables["TableList"])
            .iter()
            .filter(|table| table["TableType"] == "VIRTUAL_VIEW")
            .map(|table| (text(&table["Name"]), text(&table["ViewOriginalText"])))
            .collect();
        let ccinv = Ccinv::offline()
            .with("AWS_REGION", REGION)
            .with("AWS_ACCESS_KEY_ID", stack.account())
            .with("AWS_SECRET_ACCESS_KEY", "secret")
            .with("AWS_ENDPOINT_URL_DYNAMODB", &stack.ministack.endpoint);
        let views = json!(views).to_string();
        Self {
            stack,
            ccinv,
            views,
        }
    }

    /// Runs the state machine. Returns the types of the exports that it started, and the end
    /// of each.
    async fn export(&self) -> (Vec<String>, Vec<String>) {
        let (exports, ends) = (self.exports().await, self.ends().await);
        let aws = &self.stack.aws;
        let machine = json!({"stateMachineArn": self.stack.output("LakeExportArn")});
        let started = aws.call("stepfunctions", "start_execution", machine).await;
        let which = json!({"executionArn": started["executionArn"]});
        let ended = eventually("the export ends", async || {
            let execution = aws.call("stepfunctions", "describe_execution", which.clone());
            let execution = execution.await;
            (execution["status"] != "RUNNING").then_some(execution)
        })
        .await;
        assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
        let new = self.exports().await.split_off(exports.len());
        (new, self.ends().await.split_off(ends.len()))
    }

    /// Returns the types of the exports so far.
    async fn exports(&self) -> Vec<String> {
        let aws = &self.stack.aws;
        let found = aws.call("dynamodb", "list_exports", json!({})).await;
        let found = list(&found["ExportSummaries"]);
        found.iter().map(|it| text(&it["ExportType"])).collect()
    }

    /// Returns the ends of exports so far, as the state machine kept them.
    async fn ends(&self) -> Vec<String> {
        let which = json!({"Name": self.stack.resource("LakeExportedUntil").await});
        let aws = &self.stack.aws;
        let found = aws.call("ssm", "get_parameter_history", which).await;
        let found = list(&found["Parameters"]);
        found.iter().map(|it| text(&it["Value"])).collect()
    }

    async fn items(&self) -> Vec<Value> {
        let scan = json!({"TableName": self.stack.output("TableName")});
        let mut found = self.stack.aws.call("dynamodb", "scan", scan).await;
        assert!(found.get("LastEvaluatedKey").is_none());
        list(&found["Items"].take()).to_vec()
    }

    /// Writes a data file of an export, and the manifest that lies beside it.
    async fn write(&self, folder: &str, lines: &[Value]) {
        let bucket = self.stack.output("LakeBucketName");
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let data = json!({
            "Bucket": bucket,
            "Key": format!("exports/AWSDynamoDB/{folder}/abc.json.gz"),
            "Text": lines,
        });
        self.stack.aws.call("s3", "put_gzip", data).await;
        for (name, body) in [
            (
                "manifest-files.json",
                r#"{"itemCount":1,"dataFileS3Key":"Item"}"#,
            ),
            ("manifest-files.checksum", "kMb2CcG9w1ZzZ1+c7WJZQg=="),
        ] {
            let key = format!("exports/AWSDynamoDB/{folder}-manifests/{name}");
            let put = json!({"Bucket": bucket, "Key": key, "Body": body});
            self.stack.aws.call("s3", "put_object", put).await;
        }
    }

    async fn set_parameter(&self, value: &str) {
        let name = self.stack.resource("LakeExportedUntil").await;
        let put = json!({"Name": name, "Value": value, "Overwrite": true});
        self.stack.aws.call("ssm", "put_parameter", put).await;
    }

    /// Returns the answer of Athena.
    async fn athena(&self, query: &str) -> Vec<Row> {
        let translated = fine(python("lake_sql.py", &[&self.views, query]).await);
        let aws = &self.stack.aws;
        let start = json!({
            "QueryString": translated,
            "WorkGroup": self.stack.output("LakeWorkGroupName"),
            "QueryExecutionContext": {"Database": DATABASE},
        });
        let started = aws.call("athena", "start_query_execution", start).await;
        let ended = eventually("the query ends", async || {
            let execution = aws.call("athena", "get_query_execution", started.clone());
            let status = execution.await["QueryExecution"]["Status"].take();
            let state = text(&status["State"]);
            (!["QUEUED", "RUNNING"].contains(&state.as_str())).then_some(status)
        })
        .await;
        assert_eq!(ended["State"], "SUCCEEDED", "{ended}: {translated}");
        let results = aws.call("athena", "get_query_results", started).await;
        let rows = list(&results["ResultSet"]["Rows"])[1..].iter();
        rows.map(|row| {
            let cell = |cell: &Value| cell.get("VarCharValue").map(|value| plain(&text(value)));
            list(&row["Data"]).iter().map(cell).collect()
        })
        .collect()
    }

    /// Returns the answer of `ccinv sql`.
    async fn sql(&self, query: &str) -> Vec<Row> {
        let table = self.stack.output("TableName");
        let printed = ["sql", "--table", table, "--format", "jsonl", query];
        let printed = self.ccinv.fine(&printed).await;
        rows_of(&printed, &columns_of(query)).collect()
    }
}

/// Returns columns of the lines of JSON that a command printed.
fn rows_of<'a>(printed: &'a str, columns: &'a [String]) -> impl Iterator<Item = Row> + 'a {
    printed.lines().map(move |line| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let cell = |column: &String| match &row[column] {
            Value::Null => None,
            Value::String(text) => Some(plain(text)),
            other => Some(plain(&other.to_string())),
        };
        columns.iter().map(cell).collect()
    })
}

/// Returns the text of a value. Of JSON, members are sorted.
fn plain(value: &str) -> String {
    serde_json::from_str::<Value>(value).map_or_else(|_| value.to_owned(), |it| it.to_string())
}

/// Returns the names of a query's columns: what its first line selects.
fn columns_of(query: &str) -> Vec<String> {
    let first = query.lines().next().expect("a line");
    let selected = first.strip_prefix("select ").expect("a query");
    let mut columns = Vec::new();
    let mut depth = 0;
    let mut word = String::new();
    for character in selected.chars().chain([',']) {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                let name = word.rsplit([' ', '.']).next().unwrap_or_default();
                columns.push(name.to_owned());
                word.clear();
                continue;
            }
            _ => {}
        }
        word.push(character);
    }
    columns
}

/// Returns the saved queries of the template that `ccinv sql` takes too, by name.
fn saved() -> BTreeMap<String, String> {
    let resources = TEMPLATE["Resources"].as_object().expect("resources");
    let queries = resources
        .values()
        .filter(|resource| resource["Type"] == "AWS::Athena::NamedQuery");
    let query = |resource: &Value| {
        let properties = &resource["Properties"];
        (text(&properties["Name"]), text(&properties["QueryString"]))
    };
    queries.map(query).collect()
}

#[tokio::test]
async fn answers_of_athena_over_exports_equal_those_of_ccinv_sql() {
    let lake = Lake::deployed().await;
    let stack = &lake.stack;
    stack.connect("first");
    stack.invoke(&json!({})).await;

    assert_eq!(lake.ends().await, ["none"]);
    let (exports, ends) = lake.export().await;
    assert_eq!(exports, ["FULL_EXPORT"]);
    assert_eq!(ends.len(), 1, "{ends:?}");
    let (exports, ends) = lake.export().await;
    assert_eq!(exports, [""; 0], "nothing is due");
    assert_eq!(ends, [""; 0]);
    let full = lake.items().await;
    let lines: Vec<Value> = full.iter().map(|item| json!({"Item": item})).collect();
    lake.write("01-full/data", &lines).await;

    let (codeconnections, account) = (&stack.codeconnections, stack.account());
    story::play(codeconnections, account, async |event| {
        stack.invoke(&event).await;
    })
    .await;
    // Two and a half days without an export: it catches up in windows of a day.
    let now = SystemClock.now();
    let missed = Timestamp::from_millis(now.millis() - 60 * 3_600_000);
    lake.set_parameter(&missed.to_string()).await;
    let (exports, ends) = lake.export().await;
    assert_eq!(exports, ["INCREMENTAL_EXPORT"; 3]);
    let day = |days: i64| Timestamp::from_millis(missed.millis() + days * 86_400_000).to_string();
    assert_eq!(ends[..2], [day(1), day(2)]);
    assert!(ends[2] > day(2) && ends[2] < now.to_string(), "{ends:?}");
    let changed = lake.items().await;
    let changed = changed.iter().filter(|item| !full.contains(item));
    let keys = |item: &Value| json!({"pk": item["pk"], "sk": item["sk"]});
    let line = |(written, item): (usize, &Value)| {
        let written = json!({"WriteTimestampMicros": {"N": (written + 1).to_string()}});
        json!({"Metadata": written, "Keys": keys(item), "NewImage": item})
    };
    let lines: Vec<Value> = changed.enumerate().map(line).collect();
    lake.write("data", &lines).await;

    for (name, columns) in [
        ("connections", "account, connection_arn"),
        ("changes", "account, connection_arn, version"),
        ("runs", "account, sequence"),
    ] {
        let query = format!("select {}\nfrom {name} order by {columns}", selected(name));
        let expected = lake.sql(&query).await;
        assert!(expected.len() > 5, "{name}: {expected:?}");
        assert_eq!(lake.athena(&query).await, expected, "{name}");
    }
    let middle = lake
        .sql("select observed_until\nfrom changes order by 1 limit 1 offset 8")
        .await;
    let at = middle[0][0].clone().expect("a time");
    for (name, query) in saved() {
        if ["altered", "used_by"].contains(&name.as_str()) {
            continue;
        }
        let values = ["2020-01-01T00:00:00.000Z", &at];
        let values = if name == "as_of" {
            &values[1..]
        } else {
            &values[..]
        };
        let query = values.iter().fold(query, |query, value| {
            query.replacen('?', &format!("'{value}'"), 1)
        });
        let expected = lake.sql(&query).await;
        assert_eq!(expected.is_empty(), name == "missing_runs", "{name}");
        assert_eq!(lake.athena(&query).await, expected, "{name}");
    }
    let table = stack.output("TableName");
    let listed = [
        "list", "--table", table, "--as-of", &at, "--format", "jsonl",
    ];
    let listed = lake.ccinv.fine(&listed).await;
    let columns = columns_of(&saved()["as_of"]);
    let listed: BTreeSet<Row> = rows_of(&listed, &columns).collect();
    let as_of = saved()["as_of"].replace('?', &format!("'{at}'"));
    assert_eq!(BTreeSet::from_iter(lake.athena(&as_of).await), listed);
}

#[tokio::test]
async fn altered_and_deleted_records_are_found_between_exports() {
    let lake = Lake::deployed().await;
    lake.stack.connect("payments-api");
    lake.stack.invoke(&json!({})).await;
    let items = lake.items().await;
    let of = |sk: &str| {
        let found = items
            .iter()
            .find(|item| text(&item["sk"]["S"]).starts_with(sk));
        found.expect("an item").clone()
    };
    let lines: Vec<Value> = items.iter().map(|item| json!({"Item": item})).collect();
    lake.write("01-full/data", &lines).await;
    let altered = &saved()["altered"];
    assert_eq!(lake.athena(altered).await, [] as [Row; 0]);

    let (mut change, run) = (of("CHANGE#"), of("RUN#"));
    change["kind"] = json!({"S": "REAPPEARED"});
    let line = |item: &Value| {
        json!({
            "Metadata": {"WriteTimestampMicros": {"N": "1"}},
            "Keys": {"pk": item["pk"], "sk": item["sk"]},
        })
    };
    let mut edited = line(&change);
    edited["NewImage"] = change.clone();
    // An account's snapshot may change: it is no alteration.
    let snapshot = of("CONNECTION#");
    let mut touched = line(&snapshot);
    touched["NewImage"] = snapshot.clone();
    touched["NewImage"]["last_seen_at"] = json!({"S": "2026-12-01T00:00:00.000Z"});
    lake.write("data", &[edited, line(&run), touched]).await;

    let found = lake.athena(altered).await;
    let keys: Vec<_> = found.iter().map(|row| row[0].clone()).collect();
    let expected = [&change, &run].map(|item| Some(text(&item["pk"]["S"])));
    assert_eq!(keys, expected);
    let runs = lake.athena("select count(*) as n\nfrom runs").await;
    assert_eq!(runs, [[Some("0".to_owned())]], "the deleted run is gone");
    let seen = lake.athena("select last_seen_at\nfrom connections").await;
    assert_eq!(seen, [[Some("2026-12-01T00:00:00.000Z".to_owned())]]);
}

#[tokio::test]
async fn consumers_are_present_dependencies_that_use_something() {
    let lake = Lake::deployed().await;
    let stack = &lake.stack;
    let arn = stack.connect("payments-api");
    stack.invoke(&json!({})).await;
    let items = lake.items().await;
    let mut lines: Vec<Value> = items.iter().map(|item| json!({"Item": item})).collect();
    let account = stack.account();
    for (kind, presence) in [
        ("PIPELINE_SOURCE", "PRESENT"),
        ("BUILD_PROJECT", "DELETED"),
        ("TAGS", "PRESENT"),
    ] {
        let about = "arn:aws:codepipeline:eu-west-1:123456789012:release";
        let item = json!({
            "pk": {"S": format!("DEPENDENCIES#{account}")},
            "sk": {"S": format!("DEPENDENCY#{kind}#{about}#source")},
            "dependency_type": {"S": kind},
            "name": {"S": "release"},
            "presence": {"S": presence},
            "uses": {"S": arn.replace("codeconnections", "codestar-connections")},
        });
        lines.push(json!({"Item": item}));
    }
    lake.write("01-full/data", &lines).await;
    let used = lake.athena(&saved()["used_by"]).await;
    let expected = [account, &arn, "PIPELINE_SOURCE", "release", account];
    assert_eq!(used, [expected.map(|it| Some(it.to_owned()))]);
}

/// Returns the columns of a view, by commas.
fn selected(view: &str) -> String {
    let resources = TEMPLATE["Resources"].as_object().expect("resources");
    let input = resources
        .values()
        .map(|resource| &resource["Properties"]["TableInput"])
        .find(|input| input["Name"] == view);
    let columns = list(&input.expect("a view")["StorageDescriptor"]["Columns"]);
    let names: Vec<String> = columns.iter().map(|it| text(&it["Name"])).collect();
    names.join(", ")
}
