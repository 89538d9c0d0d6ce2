//! `sql`: the record as tables of SQLite.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use super::dependencies::Account;
use crate::support::ccinv::{Ccinv, Done};
use crate::support::moto::without_dependencies;
use crate::support::proxy::{Act, Proxy};
use crate::support::python::{fine, python};
use crate::support::test_env::{ACCOUNT, HOUR, REGION, TestEnv, run};
use codeconnections_inventory::sql::schema::{SCHEMA_VERSION, Table, markdown};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

/// Two connections, one of them changed, and a deleted one, in two runs.
async fn recorded() -> TestEnv {
    let env = TestEnv::new().await;
    let arn = env.create("payments-api");
    env.create("=1+1");
    let doomed = env.create("doomed");
    env.run().await;
    env.set_status(&arn, "AVAILABLE");
    env.delete(&doomed);
    env.clock.advance(HOUR);
    env.run().await;
    env
}

async fn sql(env: &TestEnv, arguments: &[&str]) -> Done {
    let table = ["--table", env.table.name().as_str()];
    let arguments = [&["sql"], arguments, &table].concat();
    Ccinv::at(env).run(&arguments).await
}

/// Returns the rows of a statement.
async fn rows(env: &TestEnv, arguments: &[&str]) -> Vec<Value> {
    let done = sql(env, &[arguments, &["--json"]].concat()).await;
    assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
    let document: Value = serde_json::from_str(&done.stdout).expect("JSON");
    document["rows"].as_array().expect("rows").clone()
}

/// Returns these members of each of some objects, sorted.
pub(super) fn members(rows: &[Value], names: &[&str]) -> Vec<String> {
    let member = |row: &Value, name: &str| {
        let pointer = format!("/{}", name.replace('.', "/"));
        row.pointer(&pointer).cloned().unwrap_or_default()
    };
    let of_row = |row| names.iter().map(|name| member(row, name)).collect();
    let rows = rows.iter().map(|row| Value::Array(of_row(row)).to_string());
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn tables_have_the_rows_of_the_commands() {
    let env = recorded().await;
    let ccinv = Ccinv::at(&env);
    let table = ["--table", env.table.name().as_str(), "--json"];
    let ask = async |arguments: &[&str]| ccinv.json(&[arguments, &table].concat()).await;
    let list = |value: &Value| value.as_array().cloned().expect("a list");
    let first = env
        .runs()
        .await
        .first()
        .expect("a run")
        .finished_at
        .to_string();
    let first = first.as_str();

    let attributes = [
        "account",
        "connection_arn",
        "region",
        "connection_name",
        "connection_status",
        "provider_type",
        "owner_account_id",
        "host_arn",
        "provider_endpoint",
        "first_seen_at",
        "status_since",
        "last_seen_at",
        "deleted_at",
        "version",
        "digest",
    ];
    let every = "select * from connections";
    for options in [&[][..], &["--as-of", first]] {
        let command = ask(&[&["list", "--include-deleted"], options].concat()).await;
        let command = members(&list(&command["connections"]), &attributes);
        let found = rows(&env, &[&[every], options].concat()).await;
        assert_eq!(command.len(), 3, "{options:?}");
        assert_eq!(members(&found, &attributes), command, "{options:?}");
    }
    for (arguments, limited) in [
        (&["changes", "--since", "2026-10-01"][..], &[][..]),
        (&["changes", "--since", first], &["--since", first]),
    ] {
        let command = ask(arguments).await;
        let names = [
            "account",
            "arn",
            "version",
            "kind",
            "observed_at",
            "observed_until",
            "run_id",
            "digest",
            "before.connection_status",
            "after.connection_status",
            "run.sequence",
        ];
        let command = members(&list(&command["changes"]), &names);
        assert!(!command.is_empty());
        let join = "select changes.*, runs.sequence from changes \
                    left join runs using (account, run_id)";
        let found = rows(&env, &[&[join], limited].concat()).await;
        let names = [
            "account",
            "connection_arn",
            "version",
            "kind",
            "observed_at",
            "observed_until",
            "run_id",
            "digest",
            "before_connection_status",
            "after_connection_status",
            "sequence",
        ];
        assert_eq!(members(&found, &names), command, "{limited:?}");
    }
    let until = ["select count(*) as n from changes", "--as-of", first];
    assert_eq!(rows(&env, &until).await, [json!({"n": 3})]);

    let names = ["account", "sequence", "run_id", "started_at", "outcome"];
    let command = members(&list(&ask(&["runs"]).await), &names);
    let found = rows(&env, &["select * from runs"]).await;
    assert_eq!(members(&found, &names), command);
    let listings = "select region, complete, connections from listings where sequence = 1";
    let expected = [json!({"region": REGION, "complete": 1, "connections": 3})];
    assert_eq!(rows(&env, &[listings]).await, expected);
}

#[tokio::test]
async fn tables_of_dependencies_have_the_rows_of_the_commands() {
    let account = Account::new().await;
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    let list = |value: &Value| value.as_array().cloned().expect("a list");
    let ask = async |statement: &str| {
        let (code, answer) = account.ask(&["sql", statement]).await;
        assert_eq!(code, 0, "{statement}: {answer}");
        list(&answer["rows"])
    };
    let hosts = account.ask(&["hosts"]).await.1;
    let names = ["account", "arn", "name", "status", "members.VpcId"];
    let command = members(&list(&hosts["dependencies"]), &names);
    let found = ask("select * from hosts").await;
    let names = ["account", "host_arn", "name", "status", "vpc_id"];
    assert_eq!((command.len(), members(&found, &names)), (1, command));

    let used = account.ask(&["uses", "payments"]).await.1;
    let names = [
        "dependency_type",
        "name",
        "arn",
        "id",
        "uses",
        "last_seen_at",
    ];
    let command = members(&list(&used["dependencies"]), &names);
    let found = "select consumers.* from consumers join connections \
                 on consumers.uses_normalized_arn = connections.normalized_arn \
                 where connection_name = 'payments'";
    assert_eq!(command.len(), 2);
    assert_eq!(members(&ask(found).await, &names), command);

    let unused = account.ask(&["list", "--unused"]).await.1;
    let names = ["connection_arn"];
    let command = members(&list(&unused["connections"]), &names);
    let found = "select * from connections where deleted_at is null and normalized_arn not in \
                 (select uses_normalized_arn from consumers where uses is not null)";
    assert_eq!(command.len(), 1);
    assert_eq!(members(&ask(found).await, &names), command);

    let impact = account.ask(&["impact"]).await.1;
    let command = members(&list(&impact["impact"]), &["reason", "uses"]);
    let found = "select coalesce(iif(deleted_at is null, connection_status, 'DELETED'), \
                 'NOT_IN_INVENTORY') as reason, uses from consumers left join connections \
                 on uses_normalized_arn = normalized_arn \
                 where connection_status is not 'AVAILABLE' or deleted_at is not null";
    assert_eq!(command.len(), 4);
    assert_eq!(members(&ask(found).await, &["reason", "uses"]), command);

    let sources = ask("select distinct source from sources where complete_at is not null").await;
    assert!(sources.len() > 5, "{sources:?}");
}

#[tokio::test]
async fn findings_are_those_of_check() {
    let env = recorded().await;
    // The runs are weeks old.
    let table = ["--table", env.table.name().as_str(), "--json"];
    let done = Ccinv::at(&env)
        .run(&[&["check"], &table[..]].concat())
        .await;
    let report: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let mut expected = Vec::new();
    for rule in report["rules"].as_array().expect("rules") {
        for account in rule["accounts"].as_array().expect("accounts") {
            for (list, result) in [("findings", "FAIL"), ("not_judged", "INSUFFICIENT_DATA")] {
                for found in account[list].as_array().expect("a list") {
                    let (arn, since) = (&found["connection_arn"], &found["since"]);
                    expected.push(json!([rule["id"], result, arn, since]));
                }
            }
        }
    }
    assert!(expected.len() > 2, "{report}");
    let statement = "select rule_id, result, connection_arn, since from findings";
    let found = rows(&env, &[statement]).await;
    let names = ["rule_id", "result", "connection_arn", "since"];
    let found = members(&found, &names);
    assert_eq!(found, members(&expected, &["0", "1", "2", "3"]));
}

#[tokio::test]
async fn statement_reads_only_the_tables_that_it_names() {
    let env = recorded().await;
    let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let noting = Arc::clone(&seen);
    let proxy = Proxy::start(&env.table_endpoint, move |request| {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let values = body["ExpressionAttributeValues"].as_object();
        for value in values.into_iter().flat_map(|values| values.values()) {
            let key = value["S"].as_str().unwrap_or_default();
            let partition = key.split('#').next().unwrap_or_default();
            noting.lock().expect("whole").insert(partition.to_owned());
        }
        Act::Pass
    })
    .await;
    let ccinv = Ccinv::at(&env).with("AWS_ENDPOINT_URL_DYNAMODB", &proxy.endpoint);
    let table = env.table.name().as_str();
    let read = async |statement: &str| {
        seen.lock().expect("whole").clear();
        ccinv.run(&["sql", statement, "--table", table]).await;
        seen.lock().expect("whole").clone()
    };
    assert_eq!(read("select 1").await, BTreeSet::new());
    assert_eq!(read("select * from nowhere").await, BTreeSet::new());
    let of = async |statement: &str, partition: &str| read(statement).await.contains(partition);
    for (statement, changes, connections, dependencies) in [
        ("select count(*) from runs", false, false, false),
        ("select kind from changes", true, false, false),
        (
            "with c as (select * from connections) select 1 from c",
            false,
            true,
            false,
        ),
        (
            "select 1 from runs where exists (select 1 from changes)",
            true,
            false,
            false,
        ),
        ("select name from hosts", false, false, true),
    ] {
        let partitions = read(statement).await;
        let has = |name: &str| partitions.contains(name);
        assert_eq!(has("CHANGES"), changes, "{statement}: {partitions:?}");
        assert_eq!(
            has("CONNECTION"),
            connections,
            "{statement}: {partitions:?}"
        );
        assert_eq!(
            has("DEPENDENCIES"),
            dependencies,
            "{statement}: {partitions:?}"
        );
    }
    assert!(of("select * from hosts", "DEPENDENCY_RUNS").await);
}

#[tokio::test]
async fn statements_that_do_not_only_read_are_wrong_usage() {
    let env = recorded().await;
    for (statement, part) in [
        ("insert into runs (account) values ('1')", "INSERT"),
        ("update runs set account = 1", "UPDATE"),
        ("delete from runs", "DELETE"),
        ("drop table runs", "a change of the schema"),
        ("create table x (a)", "a change of the schema"),
        ("create temp table x (a)", "a change of the schema"),
        ("attach 'x.db' as x", "ATTACH"),
        ("vacuum into 'x.db'", "not a statement that returns rows"),
        ("pragma user_version = 7", "PRAGMA user_version"),
        ("pragma query_only = off", "PRAGMA query_only"),
        ("begin", "a transaction"),
        ("select load_extension('x')", "load_extension"),
        (
            "with x as (select 1) insert into runs (account) select * from x",
            "INSERT",
        ),
        ("select 1; select 2", "several statements"),
        ("select 1; drop table runs", "a change of the schema"),
        ("", "not a statement that returns rows"),
        ("/* nothing */", "not a statement that returns rows"),
    ] {
        let done = sql(&env, &[statement]).await;
        assert_eq!(done.code, 2, "{statement}: {done:?}");
        assert!(done.complaint().contains(part), "{statement}: {done:?}");
    }
    let ccinv = Ccinv::at(&env);
    assert_eq!(ccinv.files(), Vec::<std::path::PathBuf>::new());
    for statement in [
        "select 1;",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3) select * from n",
        "explain query plan select * from runs",
        "pragma table_info(runs)",
    ] {
        let done = sql(&env, &[statement]).await;
        assert_eq!(done.code, 0, "{statement}: {done:?}");
    }
}

#[tokio::test]
async fn wrong_statement_names_its_place() {
    let env = recorded().await;
    for (statement, message, caret) in [
        (
            "select nme\nfrom connections",
            "line 1, column 8: no such column: nme",
            "  select nme\n         ^",
        ),
        (
            "select *\nfrom é, conections",
            "line 2, column 6: no such table: é",
            "  from é, conections\n       ^",
        ),
        (
            "select * from conections",
            "line 1, column 15: no such table: conections; did you mean connections?",
            "  select * from conections\n                ^",
        ),
        (
            "select\n  count( from runs",
            "line 2, column 10: near \"from\": syntax error",
            "    count( from runs\n           ^",
        ),
    ] {
        let done = sql(&env, &[statement]).await;
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{done:?}");
        let expected = format!("{caret}\nccinv: sql: {message}");
        assert!(done.stderr.starts_with(&expected), "{done:?}");
    }
    let failing = "select json_extract(connection_name, '$') from connections";
    let done = sql(&env, &[failing]).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.complaint().contains("malformed JSON"), "{done:?}");
}

#[tokio::test]
async fn values_are_written_in_each_format() {
    let env = recorded().await;
    let statement = "select connection_name as name, -5 as number, 1.5 as real, null as none, \
                     x'0aff' as blob from connections where connection_name = '=1+1'";
    let csv = sql(&env, &[statement, "--format", "csv"]).await;
    let expected = "name,number,real,none,blob\n'=1+1,-5,1.5,,0aff\n";
    assert_eq!(csv.stdout, expected, "{csv:?}");
    assert!(csv.stderr.contains("based on run 2"), "{csv:?}");
    let lines = sql(&env, &[statement, "--format", "jsonl"]).await;
    let expected = r#"{"name":"=1+1","number":-5,"real":1.5,"none":null,"blob":"0aff"}"#;
    assert_eq!(lines.stdout.trim_end(), expected);
    let table = sql(&env, &[statement]).await;
    assert!(
        table.stdout.contains("=1+1  -5      1.5   -     0aff"),
        "{table:?}"
    );
    assert!(table.stdout.contains("based on run 2"), "{table:?}");
    let done = sql(&env, &["select 1 as a, 2 as a", "--json"]).await;
    assert_eq!(done.code, 2);
    assert!(
        done.complaint().contains("two columns are named a"),
        "{done:?}"
    );
}

#[tokio::test]
async fn statement_is_read_from_standard_input() {
    let env = recorded().await;
    let table = env.table.name().as_str();
    let ccinv = Ccinv::at(&env);
    let mut command = ccinv.command(&["sql", "--format", "csv", "--table", table]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("an input");
    let statement = b"select count(*) as n\nfrom connections;\n";
    input.write_all(statement).await.expect("written");
    drop(input);
    let output = child.wait_with_output().await.expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "n\n3\n");
}

#[tokio::test]
async fn tables_that_may_lack_rows_are_no_evidence() {
    let env = TestEnv::new().await;
    env.create("payments-api");
    let count = ["select count(*) from connections"];
    let done = sql(&env, &count).await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(
        done.complaint().contains("no run is recorded here"),
        "{done:?}"
    );

    let regions = json!({"regions": [REGION, "eu-south-1"]});
    env.deny("eu-south-1");
    run(&env.handler(), &regions).await;
    let done = sql(&env, &count).await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stdout.contains("not observed: eu-south-1"), "{done:?}");
    assert_eq!(sql(&env, &["select outcome from runs"]).await.code, 0);
    let done = sql(&env, &["select * from tags"]).await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(
        done.complaint().contains("no dependencies are recorded"),
        "{done:?}"
    );

    // Tags of a region that was denied were not observed, but consumers were.
    env.allow("eu-south-1");
    run(&env.handler(), &regions).await;
    let (services, ccinv) = without_dependencies(&env).await;
    let denied = Proxy::start(&services.endpoint, |seen| match &*seen.operation {
        "GetResources" | "ListTagsForResource" => {
            let denied = json!({"__type": "AccessDeniedException", "message": "no"});
            Act::Answer(400, denied.to_string())
        }
        _ => Act::Pass,
    })
    .await;
    let table = ["--table", env.table.name().as_str()];
    let scanning = crate::support::consumers::ccinv_at(&env, &denied.endpoint)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &denied.endpoint);
    let scan = ["scan", "--dependencies"];
    scanning.run(&[&scan[..], &table].concat()).await;
    let ask = async |statement| ccinv.run(&[&["sql", statement], &table[..]].concat()).await;
    let done = ask("select count(*) from tags").await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stdout.contains("not observed: tagging"), "{done:?}");
    let done = ask("select count(*) from consumers").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(!done.stdout.contains("not observed: tagging"), "{done:?}");
    assert!(done.stdout.contains("not asked: "), "{done:?}");
}

#[tokio::test]
async fn saved_database_has_all_tables_and_replaces_no_other_file() {
    let env = recorded().await;
    let ccinv = Ccinv::at(&env);
    let table = ["--table", env.table.name().as_str()];
    let save = async |more: &[&str]| {
        ccinv
            .run(&[&["sql", "--save"], more, &table].concat())
            .await
    };
    let done = save(&["record.db"]).await;
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    assert!(done.stderr.contains("saved record.db"), "{done:?}");
    assert!(done.stderr.contains("based on run 2"), "{done:?}");
    let path = ccinv.folder().join("record.db");
    assert_eq!(ccinv.files(), std::slice::from_ref(&path));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600);

    let printed = fine(python("sql_database.py", &[path.to_str().expect("UTF-8")]).await);
    let found: Value = serde_json::from_str(&printed).expect("JSON");
    let names: Vec<&str> = Table::ALL.map(Table::as_str).into();
    assert_eq!(found["tables"], json!(names));
    assert_eq!(found["user_version"], json!(SCHEMA_VERSION));
    assert_eq!(
        found["meta"]["schema_version"],
        json!(SCHEMA_VERSION.to_string())
    );
    let basis: Value =
        serde_json::from_str(found["meta"]["rests_on"].as_str().expect("JSON")).expect("JSON");
    assert_eq!(basis[0]["account"], ACCOUNT);
    let counts = &found["counts"];
    assert_eq!(
        (&counts["connections"], &counts["runs"]),
        (&json!(3), &json!(2))
    );
    let connection = rusqlite::Connection::open(&path).expect("a database");
    let changes: i64 = connection
        .query_row("select count(*) from changes", [], |row| row.get(0))
        .expect("rows");
    assert_eq!(json!(changes), counts["changes"]);

    let done = save(&["record.db"]).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.complaint().contains("--force replaces it"), "{done:?}");
    assert_eq!(save(&["record.db", "--force"]).await.code, 0);
    std::fs::write(ccinv.folder().join("other"), "mine").expect("written");
    let done = save(&["other", "--force"]).await;
    assert_eq!(done.code, 2, "{done:?}");
    let kept = std::fs::read_to_string(ccinv.folder().join("other"));
    assert_eq!(kept.expect("a file"), "mine");
    let done = save(&["missing/record.db"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.complaint()
            .contains("missing/record.db: can't be written"),
        "{done:?}"
    );
}

#[tokio::test]
async fn schema_of_the_page_is_that_of_the_code() {
    let page = include_str!("../../../docs/sql.md");
    let (_, tables) = page.split_once("## Tables\n\n").expect("the tables");
    let printed = Ccinv::offline().fine(&["sql", "--schema"]).await;
    assert_eq!(printed, markdown());
    assert_eq!(
        tables.trim_end(),
        markdown().trim_end(),
        "ccinv sql --schema"
    );
    let version = format!("version **{SCHEMA_VERSION}**");
    assert!(page.contains(&version), "{version}");
}
