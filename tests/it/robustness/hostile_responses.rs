//! Whatever a hostile endpoint sends, the run ends within its memory and stack,
//! and reports source and problem in one line.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects"
)]

use std::time::Duration;

use crate::support::TestEnv;
use crate::support::proxy::{Act, Proxy};
use crate::support::raw_http_server::{Hostile, Raw};
use crate::support::runtime_emulator::{Emulator, Environment};
use crate::support::test_env::{self, ACCOUNT, REGION, TestHandler};
use codeconnections_inventory::domain::Outcome;
use codeconnections_inventory::inventory::summary::Summary;
use serde_json::json;

/// The time of a run for responses that never end.
const SHORT: Duration = Duration::from_secs(4);
const MINUTE: Duration = Duration::from_secs(60);

/// Prevents retries by a very long backoff: these faults never pass.
fn without_retries<S>(mut handler: TestHandler<S>) -> TestHandler<S> {
    let century = Duration::from_secs(100 * 365 * 24 * 3_600);
    let retry_policy = &mut handler.inventory.options.retry_policy;
    (retry_policy.initial_backoff, retry_policy.max_backoff) = (century, century);
    handler
}

/// Runs with a listing from a server that always sends `answer`.
async fn run_listing(env: &TestEnv, answer: Raw) -> Summary {
    run_listing_for(MINUTE, env, answer).await
}

async fn run_listing_for(time: Duration, env: &TestEnv, answer: Raw) -> Summary {
    let hostile = Hostile::always(answer).await;
    env.clock.advance(test_env::HOUR);
    let handler = env.handler_of(env.source_at(&hostile.endpoint), env.table.clone());
    let summary = test_env::run_for(&without_retries(handler), &json!({}), time).await;
    assert!(hostile.count() > 0, "the server was asked");
    summary
}

/// Asserts that the run listed nothing, reports region, page and problem in one
/// line, and keeps the recorded connections.
#[track_caller]
fn assert_reported(summary: &Summary, code: &str, words: &str) {
    assert_eq!(summary.outcome, Outcome::Failed, "{:?}", summary.problems);
    assert!(summary.sequence.is_some(), "the run is recorded");
    let error = summary.listings[0].error.as_ref().expect("an error");
    assert_eq!(&*error.code, code, "{}", error.message);
    let [problem] = summary.problems.as_slice() else {
        panic!("one problem: {:?}", summary.problems);
    };
    assert!(
        problem.starts_with(&format!("listing {REGION}: page 1: {code}: ")),
        "{problem}"
    );
    assert!(problem.contains(words), "{problem}");
    assert!(!problem.contains(['\n', '\0']), "{problem:?}");
    assert!(problem.len() < 600, "{problem}");
    assert_eq!(summary.changes.len(), 0);
    assert_eq!(summary.connections.values().sum::<u64>(), 1);
}

async fn env_with_one_connection() -> TestEnv {
    let env = TestEnv::new().await;
    env.create("kept");
    assert_eq!(env.run().await.outcome, Outcome::Complete);
    env
}

#[tokio::test]
async fn response_is_not_read_beyond_the_size_limit() {
    let env = env_with_one_connection().await;
    let long = "more than 262144 bytes came";
    let hundred = run_listing(&env, Raw::announced(100 << 20)).await;
    assert_reported(&hundred, "AnswerTooLong", "(104857600 were announced)");
    assert_reported(&hundred, "AnswerTooLong", long);
    let endless = run_listing(&env, Raw::endless(&[0; 10_000])).await;
    assert_reported(&endless, "AnswerTooLong", long);
    // The limit applies to error responses too.
    let mut refusal = Raw::announced(100 << 20);
    refusal.head = String::from_utf8(refusal.head)
        .expect("text")
        .replace("200 OK", "503 Slow Down")
        .into();
    let refused = run_listing(&env, refusal).await;
    assert_reported(&refused, "AnswerTooLong", "HTTP status 503");
}

#[tokio::test]
async fn response_above_the_size_limit_is_requested_only_by_the_sdk_again() {
    let env = env_with_one_connection().await;
    let hostile = Hostile::always(Raw::announced(100 << 20)).await;
    let handler = env.handler_of(env.source_at(&hostile.endpoint), env.table.clone());
    env.clock.advance(test_env::HOUR);
    let summary = test_env::run_for(&handler, &json!({}), SHORT).await;
    assert_reported(&summary, "AnswerTooLong", "more than 262144 bytes came");
    assert_eq!(hostile.count(), 3, "the attempts of the SDK");
}

#[tokio::test]
async fn endless_response_is_cut_off_early() {
    let env = env_with_one_connection().await;
    let hostile = Hostile::always(Raw::endless(&[0; 10_000])).await;
    let handler = env.handler_of(env.source_at(&hostile.endpoint), env.table.clone());
    env.clock.advance(test_env::HOUR);
    test_env::run_for(&without_retries(handler), &json!({}), MINUTE).await;
    // This includes the buffers between the two sides.
    let each = hostile.sent() / hostile.count() as u64;
    assert!(each < 16 << 20, "{each} bytes an answer");
}

#[tokio::test]
async fn endless_response_ends_the_run_with_a_problem() {
    let env = env_with_one_connection().await;
    assert_reported(
        &run_listing_for(SHORT, &env, Raw::drip()).await,
        "TimedOut",
        "no answer",
    );
    let headers = run_listing(&env, Raw::endless_headers()).await;
    let [problem] = headers.problems.as_slice() else {
        panic!("one problem: {:?}", headers.problems);
    };
    assert_eq!(headers.outcome, Outcome::Failed);
    assert!(
        problem.starts_with("listing eu-west-1: page 1: "),
        "{problem}"
    );
}

#[tokio::test]
async fn compressed_response_is_rejected() {
    let env = env_with_one_connection().await;
    // A valid listing, compressed: it would be read if anything decompressed
    // it.
    let compressed = gzip(
        &[0xa1, 0x6b]
            .into_iter()
            .chain(*b"Connections")
            .chain([0x80])
            .collect::<Vec<u8>>(),
    );
    let headers = "smithy-protocol: rpc-v2-cbor\r\ncontent-encoding: gzip\r\n";
    let summary = run_listing(&env, Raw::with(headers, compressed)).await;
    assert_reported(&summary, "ForeignAnswer", "a compressed body");
}

/// Returns a gzip member that stores its content uncompressed.
fn gzip(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short");
    let mut compressed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    compressed.extend(length.to_le_bytes());
    compressed.extend((!length).to_le_bytes());
    compressed.extend(content);
    let crc = content.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    compressed.extend((!crc).to_le_bytes());
    compressed.extend(u32::from(length).to_le_bytes());
    compressed
}

/// Returns `{"Connections": …}` in CBOR with this value.
fn connections(value: &[u8]) -> Vec<u8> {
    let mut body = vec![0xa1, 0x6b];
    body.extend(b"Connections");
    body.extend(value);
    body
}

#[tokio::test]
async fn unreadable_listing_is_incomplete_and_ignored() {
    let env = env_with_one_connection().await;
    let mut deep = connections(&[0x81; 100_000]);
    deep.push(0x80);
    let cases: [(&str, Vec<u8>); 12] = [
        ("nested in the place of the list", deep),
        ("nested without end", connections(&[0x9f; 200_000])),
        ("nested maps", vec![0xbf; 200_000]),
        ("tags without end", connections(&[0xc1; 200_000])),
        (
            "a list of 2^62",
            connections(&[0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0]),
        ),
        ("a map of 2^62", vec![0xbb, 0x40, 0, 0, 0, 0, 0, 0, 0]),
        (
            "a text of 2^62",
            connections(&[0x81, 0x7b, 0x40, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "a list of 2^64 - 1",
            connections(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ),
        ("a number", connections(&[0x18, 42])),
        ("texts for entries", connections(&[0x81, 0x61, b'x'])),
        (
            "no UTF-8",
            connections(b"\x81\xa1\x6eConnectionName\x62\xff\xfe"),
        ),
        ("nothing", Vec::new()),
    ];
    for (what, body) in cases {
        let summary = run_listing(&env, Raw::cbor(body)).await;
        eprintln!("{what}: {:?}", summary.problems);
        assert_reported(&summary, "UnreadableAnswer", "");
    }
}

#[tokio::test]
async fn empty_entries_are_reported_up_to_the_connection_limit() {
    let env = env_with_one_connection().await;
    let mut many = connections(&[0x9a, 0, 3, 0, 0]);
    many.extend([0xa0; 3 << 16]);
    let summary = run_listing(&env, Raw::cbor(many)).await;
    assert_reported(&summary, "UnreadableAnswer", "more than 10000 connections");
    let mut empty = connections(&[0x98, 200]);
    empty.extend([0xa0; 200]);
    let summary = run_listing(&env, Raw::cbor(empty)).await;
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(
        summary.problems,
        ["listing eu-west-1: entry 1 of page 1 has no ARN"]
    );
    // Unknown members are skipped, however deep they are.
    let mut beside = vec![0xa2, 0x61, b'x'];
    beside.extend([0x81; 100_000]);
    beside.push(0x80);
    beside.extend(&connections(&[0x80])[1..]);
    let summary = run_listing(&env, Raw::cbor(beside)).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
}

// --- The table --------------------------------------------------------------

/// Runs with a table server that always sends `answer`.
async fn run_with_table(time: Duration, answer: Raw) -> Summary {
    let env = TestEnv::new().await;
    env.create("kept");
    let hostile = Hostile::always(answer).await;
    let table = env.table_at(&hostile.endpoint);
    let handler = env.handler_of(env.source_at(env.service.endpoint()), table);
    let summary = test_env::run_for(&without_retries(handler), &json!({}), time).await;
    assert!(hostile.count() > 0, "the server was asked");
    summary
}

fn nested(levels: usize) -> String {
    let (open, close) = ("{\"L\":[".repeat(levels), "]}".repeat(levels));
    format!("{{\"Items\":[{{\"pk\":{open}{{\"S\":\"x\"}}{close}}}]}}")
}

#[tokio::test]
async fn unreadable_table_response_is_reported_and_nothing_is_recorded() {
    let cases: [(&str, Raw); 9] = [
        ("AnswerTooLong", Raw::announced(100 << 20)),
        ("AnswerTooLong", Raw::endless(&[b' '; 10_000])),
        ("UnreadableAnswer", Raw::json(nested(30_000))),
        ("UnreadableAnswer", Raw::json("[".repeat(200_000))),
        ("UnreadableAnswer", Raw::json("{\"x\":".repeat(50_000))),
        ("UnreadableAnswer", Raw::json("{\"Items\":{\"pk\":1}}")),
        (
            "UnreadableAnswer",
            Raw::json("{\"Items\":[{\"pk\":{\"S\":7}}]}"),
        ),
        (
            "UnreadableAnswer",
            Raw::json(b"{\"Items\":[{\"pk\":{\"S\":\"\xff\"}}]}".to_vec()),
        ),
        ("TimedOut", Raw::drip()),
    ];
    for (code, answer) in cases {
        let time = if code == "TimedOut" { SHORT } else { MINUTE };
        let summary = run_with_table(time, answer).await;
        assert_eq!(summary.outcome, Outcome::Failed);
        assert_eq!(summary.sequence, None, "nothing is recorded");
        for problem in &summary.problems {
            let named = ["read account", "record run", "reach the table for"]
                .iter()
                .any(|operation| problem.starts_with(&format!("{operation} {ACCOUNT}: ")));
            assert!(named && problem.contains(code), "{problem}");
            assert!(!problem.contains('\n') && problem.len() < 600, "{problem}");
        }
        assert!(!summary.problems.is_empty());
    }
}

#[tokio::test]
async fn deeply_nested_item_is_reported_and_ignored() {
    // The client reads 128 levels; each of these is two of them.
    let answer = nested(60);
    let env = TestEnv::new().await;
    env.create("kept");
    let proxy = Proxy::start(&env.table_endpoint, move |seen| {
        let of_account = String::from_utf8_lossy(&seen.body).contains("ACCOUNT#");
        match seen.operation.as_str() {
            "Query" if of_account => Act::Answer(200, answer.clone()),
            "ExecuteTransaction" => Act::Answer(200, answer.clone()),
            _ => Act::Pass,
        }
    })
    .await;
    let table = env.table_at(&proxy.endpoint);
    let handler = env.handler_of(env.source_at(env.service.endpoint()), table);
    let summary = test_env::run(&without_retries(handler), &json!({})).await;
    assert_eq!(summary.sequence, Some(1));
    assert_eq!(summary.outcome, Outcome::Partial);
    // The write gets the same response.
    let [unwritten, item] = summary.problems.as_slice() else {
        panic!("two problems: {:?}", summary.problems);
    };
    assert!(
        unwritten.starts_with("1 connections not written (UnreadableAnswer: "),
        "{unwritten}"
    );
    assert!(
        item.starts_with("item pk='' sk='': attribute sk: "),
        "{item}"
    );
}

// --- The function's memory --------------------------------------------------

/// The limit of the peak memory of the function: the smallest memory size of
/// Lambda.
const SMALLEST_MEMORY: u64 = 128 << 20;

#[tokio::test]
async fn function_stays_within_the_smallest_lambda_memory() {
    let env = TestEnv::new().await;
    // The response that takes long to read is sent once.
    let service = Hostile::start(|number| match number {
        5 => {
            let mut empty = connections(&[0x9a, 0, 3, 0, 0]);
            empty.extend([0xa0; (3 << 16) - 1]);
            Raw::cbor(empty)
        }
        number => match number % 5 {
            0 => Raw::announced(100 << 20),
            1 => Raw::endless(&[0; 10_000]),
            2 => Raw::cbor(connections(&[0x9f; 200_000])),
            3 => Raw::endless_headers(),
            _ => Raw::cbor(connections(&[0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0])),
        },
    })
    .await;
    // The client itself makes three attempts.
    let table = Hostile::start(|number| match number {
        1 => Raw::json(nested(100_000)),
        2 => Raw::json(format!("{{\"Items\":[{}", "{},".repeat(690_000))),
        _ => Raw::announced(100 << 20),
    })
    .await;
    let environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint)
        // All at the same time.
        .with(
            "REGIONS",
            "eu-west-1,eu-west-2,eu-west-3,eu-north-1,us-east-1,us-east-2",
        )
        .with("AWS_LAMBDA_FUNCTION_TIMEOUT", "30");
    let emulator = Emulator::start(environment).await;
    let (error_type, message) = emulator.invoke(&json!({})).await.error();
    assert_eq!(error_type, "RunFailed");
    assert!(
        message.contains("listing eu-north-1: page 1: "),
        "{message}"
    );
    assert!(!message.contains('\n') && message.len() < 1000, "{message}");
    assert!(
        service.count() >= 6 && table.count() >= 3,
        "all responses were sent"
    );
    let peak = emulator.function().expect("it is still there").peak_bytes();
    eprintln!("peak memory: {peak} bytes");
    assert!(peak < SMALLEST_MEMORY, "{peak} bytes");
}
