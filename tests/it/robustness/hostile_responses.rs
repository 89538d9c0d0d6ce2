//! Hostile answers: whatever an endpoint sends, the run ends, says in one line
//! what came from where, and neither its memory nor its stack is gone.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects"
)]

use std::time::Duration;

use crate::support::TestEnv;
use crate::support::raw_http_server::{Hostile, Raw};
use crate::support::runtime_emulator::{Emulator, Environment};
use crate::support::test_env::{self, ACCOUNT, REGION, TestHandler};
use codeconnections_inventory::domain::Outcome;
use codeconnections_inventory::inventory::summary::Summary;
use serde_json::json;

/// For answers that never come to an end.
const SHORT: Duration = Duration::from_secs(4);
const MINUTE: Duration = Duration::from_secs(60);

/// Faults that would pass are not waited out: these never do.
fn impatient<S>(mut handler: TestHandler<S>) -> TestHandler<S> {
    let century = Duration::from_secs(100 * 365 * 24 * 3_600);
    let retry_policy = &mut handler.inventory.options.retry_policy;
    (retry_policy.initial_backoff, retry_policy.max_backoff) = (century, century);
    handler
}

/// A run that lists from a server that answers so.
async fn listed(env: &TestEnv, answer: Raw) -> Summary {
    listed_in(MINUTE, env, answer).await
}

async fn listed_in(time: Duration, env: &TestEnv, answer: Raw) -> Summary {
    let hostile = Hostile::always(answer).await;
    env.clock.advance(test_env::HOUR);
    let handler = env.handler_of(env.source_at(&hostile.endpoint), env.table.clone());
    let summary = test_env::run_for(&impatient(handler), &json!({}), time).await;
    assert!(hostile.count() > 0, "the server was asked");
    summary
}

/// The run could list nothing, and says so in one line that names the region,
/// the page and what was wrong; what was known stays.
#[track_caller]
fn assert_told(summary: &Summary, code: &str, words: &str) {
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

async fn lab_with_one() -> TestEnv {
    let env = TestEnv::new().await;
    env.create("kept");
    assert_eq!(env.run().await.outcome, Outcome::Complete);
    env
}

#[tokio::test]
async fn no_more_is_read_of_an_answer_than_a_right_one_has() {
    let env = lab_with_one().await;
    let long = "more than 262144 bytes came";
    let hundred = listed(&env, Raw::announced(100 << 20)).await;
    assert_told(&hundred, "AnswerTooLong", "(104857600 were announced)");
    assert_told(&hundred, "AnswerTooLong", long);
    let endless = listed(&env, Raw::endless(&[0; 10_000])).await;
    assert_told(&endless, "AnswerTooLong", long);
    // Refusals too are read no further.
    let mut refusal = Raw::announced(100 << 20);
    refusal.head = String::from_utf8(refusal.head)
        .expect("text")
        .replace("200 OK", "503 Slow Down")
        .into();
    let refused = listed(&env, refusal).await;
    assert_told(&refused, "AnswerTooLong", "HTTP status 503");
}

#[tokio::test]
async fn most_of_an_endless_answer_is_never_sent() {
    let env = lab_with_one().await;
    let hostile = Hostile::always(Raw::endless(&[0; 10_000])).await;
    let handler = env.handler_of(env.source_at(&hostile.endpoint), env.table.clone());
    env.clock.advance(test_env::HOUR);
    test_env::run_for(&impatient(handler), &json!({}), MINUTE).await;
    // What was read, and what the buffers between the two sides take up.
    let each = hostile.sent() / hostile.count() as u64;
    assert!(each < 16 << 20, "{each} bytes an answer");
}

#[tokio::test]
async fn answers_that_never_come_to_an_end_cost_no_more_than_their_time() {
    let env = lab_with_one().await;
    assert_told(
        &listed_in(SHORT, &env, Raw::drip()).await,
        "TimedOut",
        "no answer",
    );
    let headers = listed(&env, Raw::endless_headers()).await;
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
async fn what_is_packed_is_not_unpacked() {
    let env = lab_with_one().await;
    // A whole and right listing, packed: it would be read if anything unpacked.
    let packed = gzip(
        &[0xa1, 0x6b]
            .into_iter()
            .chain(*b"Connections")
            .chain([0x80])
            .collect::<Vec<u8>>(),
    );
    let headers = "smithy-protocol: rpc-v2-cbor\r\ncontent-encoding: gzip\r\n";
    let summary = listed(&env, Raw::with(headers, packed)).await;
    assert_told(&summary, "ForeignAnswer", "a compressed body");
}

/// A gzip member that stores its content as it is.
fn gzip(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short");
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    packed.extend(length.to_le_bytes());
    packed.extend((!length).to_le_bytes());
    packed.extend(content);
    let crc = content.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    packed.extend((!crc).to_le_bytes());
    packed.extend(u32::from(length).to_le_bytes());
    packed
}

/// `{"Connections": …}`, up to its value.
fn connections(value: &[u8]) -> Vec<u8> {
    let mut body = vec![0xa1, 0x6b];
    body.extend(b"Connections");
    body.extend(value);
    body
}

#[tokio::test]
async fn what_is_no_listing_is_told_and_nothing_of_it_believed() {
    let env = lab_with_one().await;
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
        let summary = listed(&env, Raw::cbor(body)).await;
        eprintln!("{what}: {:?}", summary.problems);
        assert_told(&summary, "UnreadableAnswer", "");
    }
}

#[tokio::test]
async fn entries_that_say_nothing_are_told_and_do_not_fill_the_memory() {
    let env = lab_with_one().await;
    let mut many = connections(&[0x9a, 0, 3, 0, 0]);
    many.extend([0xa0; 3 << 16]);
    let summary = listed(&env, Raw::cbor(many)).await;
    assert_told(&summary, "UnreadableAnswer", "more than 10000 connections");
    let mut empty = connections(&[0x98, 200]);
    empty.extend([0xa0; 200]);
    let summary = listed(&env, Raw::cbor(empty)).await;
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(
        summary.problems,
        ["listing eu-west-1: entry 1 of page 1 has no ARN"]
    );
    // What is not known is skipped, however deep it is; it says nothing of
    // what is there.
    let mut beside = vec![0xa2, 0x61, b'x'];
    beside.extend([0x81; 100_000]);
    beside.push(0x80);
    beside.extend(&connections(&[0x80])[1..]);
    let summary = listed(&env, Raw::cbor(beside)).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
}

// --- The table --------------------------------------------------------------

/// A run whose table is a server that answers so.
async fn with_table(time: Duration, answer: Raw) -> Summary {
    let env = TestEnv::new().await;
    env.create("kept");
    let hostile = Hostile::always(answer).await;
    let table = env.table_at(&hostile.endpoint);
    let handler = env.handler_of(env.source_at(env.service.endpoint()), table);
    let summary = test_env::run_for(&impatient(handler), &json!({}), time).await;
    assert!(hostile.count() > 0, "the server was asked");
    summary
}

fn nested(levels: usize) -> String {
    let (open, close) = ("{\"L\":[".repeat(levels), "]}".repeat(levels));
    format!("{{\"Items\":[{{\"pk\":{open}{{\"S\":\"x\"}}{close}}}]}}")
}

#[tokio::test]
async fn a_table_that_answers_nonsense_is_told_and_nothing_is_written() {
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
        let summary = with_table(time, answer).await;
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
async fn items_as_deep_as_the_client_reads_them_are_told_and_not_believed() {
    // The client reads 128 levels; each of these is two of them.
    let summary = with_table(MINUTE, Raw::json(nested(60))).await;
    assert_eq!(summary.outcome, Outcome::Partial);
    // It answers the write so, too.
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

/// What the function may have had in use at any time, here: less than the
/// least memory that Lambda gives.
const LEAST_MEMORY: u64 = 128 << 20;

#[tokio::test]
async fn the_function_ends_its_run_within_the_least_memory_that_lambda_gives() {
    let env = TestEnv::new().await;
    // What takes long to read comes once.
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
    // The client itself asks three times.
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
    assert!(service.count() >= 6 && table.count() >= 3, "all were met");
    let peak = emulator.function().expect("it is still there").peak_bytes();
    eprintln!("peak memory: {peak} bytes");
    assert!(peak < LEAST_MEMORY, "{peak} bytes");
}
