//! `ccinv scan` with failures: it reports each retry, ends in time, and records what it
//! observed.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::process::Stdio;

use crate::support::ccinv::{Ccinv, Done, PROGRAM};
use crate::support::proxy::{Act, Proxy, Reply as Answer};
use crate::support::python::python;
use crate::support::raw_http_server::{Hostile, Raw};
use crate::support::scripted_service::{Reply, Script, arn, entry};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv};
use codeconnections_inventory::domain::Outcome;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Starts a listing of two pages whose third page is always answered with `third`.
async fn two_pages_and(third: Reply) -> Script {
    Script::start(move |asked| match asked.token.as_deref() {
        None => page("a", "1"),
        Some("1") => page("b", "2"),
        _ => third.clone(),
    })
    .await
}

fn page(id: &str, next: &str) -> Reply {
    let entry = entry(&arn(REGION, id), id, "PENDING");
    Reply::Page(vec![entry], Some(next.to_owned()))
}

/// Returns a `ccinv` that lists from `endpoint`, without retries by the SDK.
fn listing_from(env: &TestEnv, endpoint: &str) -> Ccinv {
    Ccinv::at(env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", endpoint)
        .with("AWS_MAX_ATTEMPTS", "1")
}

/// Returns the lines that report a retry.
fn retries(stderr: &str) -> Vec<&str> {
    let lines = stderr
        .lines()
        .filter(|line| line.contains(" failed, next in "));
    lines.collect()
}

#[tokio::test]
async fn retries_are_reported_until_timeout_and_listed_pages_are_recorded() {
    let env = TestEnv::new().await;
    let script = two_pages_and(Reply::Error(500, "InternalServerError")).await;
    let ccinv = listing_from(&env, &script.endpoint);
    let table = env.table.name().as_str();

    let done = ccinv
        .run(&["scan", "--timeout", "3s", "--table", table])
        .await;

    assert_eq!(done.code, 4, "{done:?}");
    let reported = retries(&done.stderr);
    assert!(!reported.is_empty(), "{done:?}");
    assert_eq!(reported.len() + 1, script.count() - 2, "each one: {done:?}");
    for (i, line) in reported.iter().enumerate() {
        let start = format!(
            "ccinv: ListConnections {REGION} page 3: InternalServerError: as the script says; \
             attempt {} failed, next in ",
            i + 1
        );
        assert!(line.starts_with(&start), "{line}");
        assert!(line.ends_with(" s at most"), "{line}");
    }
    assert!(done.stdout.contains("2 FIRST_SEEN"), "{done:?}");
    assert!(
        done.stdout.contains("page 3: InternalServerError"),
        "{done:?}"
    );
    let runs = env.runs().await;
    assert_eq!(runs[0].outcome, Outcome::Partial);
    assert_eq!(runs[0].listings[0].pages, 2);
}

#[tokio::test]
async fn retries_are_reported_on_a_terminal_with_spinner() {
    let env = TestEnv::new().await;
    let script = two_pages_and(Reply::Error(500, "InternalServerError")).await;
    let home = Ccinv::offline();
    let db = home.folder().join("t.db");
    let arguments = [
        "200",
        "/usr/bin/env",
        "-i",
        "TERM=xterm",
        &format!("HOME={}", home.folder().display()),
        &format!("AWS_REGION={REGION}"),
        &format!("AWS_ACCESS_KEY_ID={ACCOUNT}"),
        "AWS_SECRET_ACCESS_KEY=s",
        "AWS_MAX_ATTEMPTS=1",
        &format!("AWS_ENDPOINT_URL_STS={}", env.service.endpoint()),
        &format!("AWS_ENDPOINT_URL_CODECONNECTIONS={}", script.endpoint),
        PROGRAM,
        "scan",
        "--timeout",
        "2s",
        "--db",
        db.to_str().expect("UTF-8"),
    ];
    let shown = python("terminal.py", &arguments)
        .await
        .expect_err("PARTIAL");
    assert!(shown.contains("2 pages listed"), "{shown:?}");
    let line = format!("ccinv: ListConnections {REGION} page 3: InternalServerError");
    assert!(shown.contains(&line), "{shown:?}");
}

#[tokio::test]
async fn invalid_timeout_is_refused() {
    let ccinv = Ccinv::offline();
    for wrong in ["0s", "16m", "2", "soon", "1h"] {
        let done = ccinv.run(&["scan", "--timeout", wrong]).await;
        assert_eq!(done.code, 2, "{done:?}");
        let complaint = done.complaint();
        assert!(
            complaint.contains("--timeout") && complaint.contains("from 1s to 15m"),
            "{complaint}"
        );
    }
}

/// Asserts that the scan gave up after few retries, well before its default timeout of
/// two minutes.
fn assert_few_retries(done: &Done, part: &str) {
    let reported = retries(&done.stderr);
    assert_eq!(reported.len(), 3, "few retries: {done:?}");
    for line in reported {
        assert!(
            line.contains("ForeignAnswer") && line.contains(part),
            "{line}"
        );
    }
}

#[tokio::test]
async fn foreign_answers_to_a_listing_end_it_after_few_retries() {
    let html = "<!DOCTYPE html><html>Sign in</html>";
    let bad_gateway = Raw {
        head: format!(
            "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n",
            html.len()
        )
        .into(),
        ..Raw::with("", html)
    };
    for (answer, part) in [
        (
            Raw::with("content-type: text/html\r\n", html),
            "HTTP status 200 with an HTML page",
        ),
        (bad_gateway, "HTTP status 502 with an HTML page"),
        (Raw::json("{\"Connections\":[]}"), "JSON where CBOR is due"),
        (
            Raw::with("content-encoding: gzip\r\n", b"\x1f\x8b\x08".to_vec()),
            "a compressed body where CBOR is due",
        ),
    ] {
        let env = TestEnv::new().await;
        let hostile = Hostile::always(answer).await;
        // With the SDK's own retries.
        let ccinv = Ccinv::at(&env)
            .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &hostile.endpoint)
            .with("AWS_ACCOUNT_ID", ACCOUNT);
        let done = ccinv
            .run(&["scan", "--table", env.table.name().as_str()])
            .await;
        assert_eq!(done.code, 1, "{done:?}");
        assert_few_retries(&done, part);
        assert_eq!(hostile.count(), 4, "{part}");
        assert!(done.stdout.contains(part), "{done:?}");
        let runs = env.runs().await;
        assert_eq!(runs[0].outcome, Outcome::Failed);
        assert_eq!(
            runs[0].listings[0]
                .error
                .as_ref()
                .expect("an error")
                .code
                .as_ref(),
            "ForeignAnswer"
        );
    }
}

#[tokio::test]
async fn foreign_answer_to_a_write_does_not_fail_the_scan() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let html = "<html>Sign in</html>";
    let table = Proxy::start(&env.table_endpoint, move |seen| {
        if seen.operation == "ExecuteTransaction" {
            Act::PassThenReply(Answer::new(200, "text/html", html))
        } else {
            Act::Pass
        }
    })
    .await;
    let ccinv = Ccinv::at(&env).with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint);
    let done = ccinv
        .run(&["scan", "--table", env.table.name().as_str()])
        .await;
    // The first transaction was executed, which the scan finds out afterwards.
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(env.connections().await.len(), 1);
}

#[tokio::test]
async fn full_disk_ends_scan_without_retries() {
    let env = TestEnv::new().await;
    let ccinv = Ccinv::at(&env);
    ccinv.fine(&["scan", "--db", "full.db"]).await;
    for n in 0..400 {
        env.create(&format!("a-connection-{n}"));
    }
    // A limit of the file size: writes beyond it fail as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 200; exec \"$@\"";
    let mut scan = ccinv.command(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", limited, "sh", PROGRAM, "scan", "--db", "full.db"])
        .current_dir(ccinv.folder())
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for (name, value) in scan.as_std_mut().get_envs() {
        shell.env(name, value.expect("set"));
    }
    let output = shell.output().await.expect("it ends");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stdout} {stderr}");
    assert_eq!(retries(&stderr), [] as [&str; 0], "{stderr}");
    assert!(stdout.contains("FAILED"), "{stdout} {stderr}");
    assert!(stdout.contains("disk"), "{stdout} {stderr}");
    // The records of the first scan still verify.
    ccinv.fine(&["verify", "--db", "full.db"]).await;
}

/// Interrupts a scan once it prints `line`. Returns its exit code and output.
async fn interrupted_at(mut scan: Command, line: &str) -> (Option<i32>, String, String) {
    let mut scan = scan
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(scan.stderr.take().expect("piped")).lines();
    let mut stderr = String::new();
    let mut is_sent = false;
    while let Some(next) = lines.next_line().await.expect("text") {
        stderr.push_str(&next);
        stderr.push('\n');
        if next.contains(line) && !is_sent {
            is_sent = true;
            interrupt(scan.id().expect("it runs"));
        }
    }
    let output = scan.wait_with_output().await.expect("it ends");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code(), stdout, stderr)
}

fn interrupt(pid: u32) {
    let kill = std::process::Command::new("sh")
        .args(["-c", &format!("kill -INT {pid}")])
        .status();
    assert!(kill.expect("a shell").success());
}

#[tokio::test]
async fn ctrl_c_during_listing_records_what_was_observed() {
    let env = TestEnv::new().await;
    let script = two_pages_and(Reply::Error(500, "InternalServerError")).await;
    let ccinv = listing_from(&env, &script.endpoint);
    let table = env.table.name().as_str();
    let scan = ccinv.command(&["scan", "--timeout", "15m", "--json", "--table", table]);

    let (code, stdout, stderr) = interrupted_at(scan, "page 3").await;

    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("recording what was observed"), "{stderr}");
    let summary: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(summary["outcome"], "PARTIAL");
    assert_eq!(summary["listings"][0]["error"]["code"], "Interrupted");
    let runs = env.runs().await;
    assert_eq!(runs[0].outcome, Outcome::Partial);
    assert_eq!(runs[0].listings[0].pages, 2);
    assert_eq!(env.connections().await.len(), 2);
}

#[tokio::test]
async fn ctrl_c_during_writing_records_the_run() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let throttled = Proxy::start(&env.table_endpoint, |seen| {
        if seen.operation == "ExecuteTransaction" {
            Act::fault(400, "ThrottlingException")
        } else {
            Act::Pass
        }
    })
    .await;
    let ccinv = Ccinv::at(&env)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &throttled.endpoint)
        .with("AWS_MAX_ATTEMPTS", "1");
    let table = env.table.name().as_str();
    let scan = ccinv.command(&["scan", "--timeout", "15m", "--table", table]);

    let (code, stdout, stderr) = interrupted_at(scan, "write arn:aws:").await;

    assert_eq!(code, Some(130), "{stderr}");
    assert!(stdout.contains("PARTIAL"), "{stdout}");
    let reported = retries(&stderr);
    assert!(reported[0].contains("ThrottlingException"), "{reported:?}");
    let runs = env.runs().await;
    assert_eq!((runs[0].outcome, runs[0].unwritten), (Outcome::Partial, 1));
    assert_eq!(env.connections().await.len(), 0);
}

#[tokio::test]
async fn second_ctrl_c_exits_immediately() {
    let env = TestEnv::new().await;
    let script = two_pages_and(Reply::Error(500, "InternalServerError")).await;
    // The table never answers, so the run can't be recorded after the first Ctrl-C.
    let silent = Proxy::start(&env.table_endpoint, |_| Act::Hang).await;
    let ccinv = listing_from(&env, &script.endpoint);
    let ccinv = ccinv.with("AWS_ENDPOINT_URL_DYNAMODB", &silent.endpoint);
    let table = env.table.name().as_str();
    let mut scan = ccinv
        .command(&["scan", "--timeout", "15m", "--table", table])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = scan.id().expect("it runs");
    let mut lines = BufReader::new(scan.stderr.take().expect("piped")).lines();
    let mut waits_for = vec!["interrupted by Ctrl-C", "Ctrl-C again", "page 3"];
    while let Some(line) = lines.next_line().await.expect("text") {
        if waits_for.last().is_some_and(|part| line.contains(part)) {
            waits_for.pop();
            if waits_for.is_empty() {
                break;
            }
            interrupt(pid);
        }
    }
    assert_eq!(waits_for, [] as [&str; 0]);
    let status = scan.wait().await.expect("it ends");
    assert_eq!(status.code(), Some(130));
}
