//! `ccinv scan` where something fails: it says what it waits for, gives up in
//! time, and records what it knows.

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

/// A listing whose third page never comes: each request for it is answered so.
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

/// `ccinv` that lists from `endpoint`; what it sends is sent once.
fn listing_from(env: &TestEnv, endpoint: &str) -> Ccinv {
    Ccinv::at(env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", endpoint)
        .with("AWS_MAX_ATTEMPTS", "1")
}

/// The lines that tell of a retry.
fn retries(stderr: &str) -> Vec<&str> {
    let lines = stderr
        .lines()
        .filter(|line| line.contains(" failed, next in "));
    lines.collect()
}

#[tokio::test]
async fn each_retry_is_told_until_the_time_is_over_and_what_is_known_is_recorded() {
    let env = TestEnv::new().await;
    let script = two_pages_and(Reply::Error(500, "InternalServerError")).await;
    let ccinv = listing_from(&env, &script.endpoint);
    let table = env.table.name().as_str();

    let done = ccinv
        .run(&["scan", "--timeout", "3s", "--table", table])
        .await;

    assert_eq!(done.code, 4, "{done:?}");
    let told = retries(&done.stderr);
    assert!(!told.is_empty(), "{done:?}");
    assert_eq!(told.len() + 1, script.count() - 2, "each one: {done:?}");
    for (i, line) in told.iter().enumerate() {
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
async fn retries_are_told_on_a_terminal_past_the_spinner() {
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
async fn a_timeout_that_is_none_is_refused() {
    let ccinv = Ccinv::offline();
    for wrong in ["0s", "16m", "2", "soon", "1h"] {
        let done = ccinv.run(&["scan", "--timeout", wrong]).await;
        assert_eq!(done.code, 2, "{done:?}");
        let told = done.complaint();
        assert!(
            told.contains("--timeout") && told.contains("from 1s to 15m"),
            "{told}"
        );
    }
}

/// It is not waited for: the default time is two minutes, and the test would
/// be ended long before.
fn assert_few(done: &Done, part: &str) {
    let told = retries(&done.stderr);
    assert_eq!(told.len(), 3, "a few tries: {done:?}");
    for line in told {
        assert!(
            line.contains("ForeignAnswer") && line.contains(part),
            "{line}"
        );
    }
}

#[tokio::test]
async fn answers_of_something_else_than_the_service_are_not_waited_for() {
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
        // With the SDK's own retries, which would not help either.
        let ccinv = Ccinv::at(&env)
            .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &hostile.endpoint)
            .with("AWS_ACCOUNT_ID", ACCOUNT);
        let done = ccinv
            .run(&["scan", "--table", env.table.name().as_str()])
            .await;
        assert_eq!(done.code, 1, "{done:?}");
        assert_few(&done, part);
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
async fn a_table_in_whose_place_something_else_answers_is_not_waited_for_either() {
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
    // The first one was carried out; that is found out afterwards.
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(env.connections().await.len(), 1);
}

#[tokio::test]
async fn a_disk_that_takes_no_more_ends_a_scan_at_once() {
    let env = TestEnv::new().await;
    let ccinv = Ccinv::at(&env);
    ccinv.fine(&["scan", "--db", "full.db"]).await;
    for n in 0..400 {
        env.create(&format!("a-connection-{n}"));
    }
    // Files may not grow beyond this; what is written past it fails, as it
    // does where a disk is full.
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
    // What was there is still whole.
    ccinv.fine(&["verify", "--db", "full.db"]).await;
}

/// A scan that is interrupted once it says `line`, and how it ended.
async fn interrupted_at(mut scan: Command, line: &str) -> (Option<i32>, String, String) {
    let mut scan = scan
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(scan.stderr.take().expect("piped")).lines();
    let mut said = String::new();
    let mut is_sent = false;
    while let Some(next) = lines.next_line().await.expect("text") {
        said.push_str(&next);
        said.push('\n');
        if next.contains(line) && !is_sent {
            is_sent = true;
            interrupt(scan.id().expect("it runs"));
        }
    }
    let output = scan.wait_with_output().await.expect("it ends");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code(), stdout, said)
}

fn interrupt(pid: u32) {
    let kill = std::process::Command::new("sh")
        .args(["-c", &format!("kill -INT {pid}")])
        .status();
    assert!(kill.expect("a shell").success());
}

#[tokio::test]
async fn control_c_ends_a_listing_and_what_it_saw_is_recorded() {
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
async fn control_c_ends_the_writing_and_the_run_is_recorded() {
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
    let told = retries(&stderr);
    assert!(told[0].contains("ThrottlingException"), "{told:?}");
    let runs = env.runs().await;
    assert_eq!((runs[0].outcome, runs[0].unwritten), (Outcome::Partial, 1));
    assert_eq!(env.connections().await.len(), 0);
}

#[tokio::test]
async fn a_second_control_c_ends_it_at_once() {
    let env = TestEnv::new().await;
    let script = two_pages_and(Reply::Error(500, "InternalServerError")).await;
    // The table says nothing, so the first one can't be carried out.
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
