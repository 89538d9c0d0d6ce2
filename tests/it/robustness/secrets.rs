//! No secret appears in a log of any level, in a response or in the table,
//! whatever a service returns. A service may return what it was sent: the error
//! for a wrong signature quotes the request, with the session token in it.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::ccinv::Ccinv;
use crate::support::fakes::answers::assumed_role;
use crate::support::fakes::http_server::{HttpServer, whole};
use crate::support::runtime_emulator::{Emulator, Environment, SECRET_KEY, SESSION_TOKEN};
use crate::support::scripted_service::{Reply, Script, arn, entry};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv};
use axum::body::Bytes;
use axum::http::{HeaderMap, Response, StatusCode};
use codeconnections_inventory::local::codeconnections::protocol;
use codeconnections_inventory::local::codeconnections::protocol::Wire;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

const MEMBER: &str = "210987654321";
const EXTERNAL_ID: &str = "ExternalIdThatIsForStsAlone";
const PAGE_TOKEN: &str = "PageTokenThatIsForTheNextRequest";
/// A text that occurs only in the body of a response.
const CANARY: &str = "CanaryThatIsInABodyAndNowhereElse";

/// Texts that must not appear: secrets, and signs that the head of a request or
/// a body was repeated.
const FORBIDDEN: [&str; 8] = [
    SECRET_KEY,
    SESSION_TOKEN,
    EXTERNAL_ID,
    PAGE_TOKEN,
    CANARY,
    "AWS4-",
    "Signature=",
    "x-amz-security-token",
];

#[track_caller]
fn assert_no_secret(source: &str, text: &str) {
    let lower = text.to_ascii_lowercase();
    for secret in FORBIDDEN {
        let secret = secret.to_ascii_lowercase();
        assert!(!lower.contains(&secret), "{source}: {secret} in {text}");
    }
}

/// Starts a service that gives the same response to every request.
async fn serve(answer: Answer) -> HttpServer {
    HttpServer::start(move |seen| std::future::ready(whole(answer(&seen.headers)))).await
}

type Answer = fn(&HeaderMap) -> Response<Bytes>;

fn text_response(status: u16, content_type: &str, body: String) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(body.into())
        .expect("an answer")
}

fn cbor(status: u16, body: &Value) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).expect("a status");
    protocol::respond(Wire::CBOR, status, body)
}

fn json_body(status: u16, body: &Value) -> Response<Bytes> {
    text_response(status, "application/x-amz-json-1.0", body.to_string())
}

fn xml(status: u16, body: String) -> Response<Bytes> {
    text_response(status, "text/xml", body)
}

/// Returns AWS's error message for a wrong signature, which quotes the request.
fn quoting(headers: &HeaderMap) -> String {
    let head = |name| headers[name].to_str().expect("text");
    let token = head("x-amz-security-token");
    assert!(!token.is_empty(), "the request has a token to quote");
    format!(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details.\n\nThe Canonical String for this request should have been\n'POST\n/\n\n\
         host:{}\nx-amz-security-token:{token}\n'\n\nauthorization: {}",
        head("host"),
        head("authorization"),
    )
}

fn page(_: &HeaderMap) -> String {
    format!("<html><body>{CANARY}</body></html>")
}

/// The responses to a listing.
const LISTINGS: [(&str, Answer); 7] = [
    ("no CBOR", |h| {
        text_response(200, "application/cbor", page(h))
    }),
    ("a page of a proxy", |h| {
        text_response(403, "text/html", page(h))
    }),
    ("connections that are a text", |_| {
        cbor(200, &json!({"Connections": CANARY}))
    }),
    ("a status that is a map", |_| {
        cbor(
            200,
            &json!({"Connections": [{"ConnectionStatus": {CANARY: CANARY}}]}),
        )
    }),
    ("a token that is a list", |_| {
        cbor(200, &json!({"Connections": [], "NextToken": [CANARY]}))
    }),
    ("an error without a message", |_| {
        cbor(
            400,
            &json!({"__type": "com.amazonaws.codeconnections#Odd", "other": CANARY}),
        )
    }),
    ("a quoted request", |headers| {
        let code = "com.amazonaws.codeconnections#InvalidSignatureException";
        cbor(400, &json!({"__type": code, "message": quoting(headers)}))
    }),
];

/// The responses to a request to the table.
const TABLES: [(&str, Answer); 8] = [
    ("no JSON", |h| {
        text_response(200, "application/x-amz-json-1.0", page(h))
    }),
    ("a page of a proxy", |h| {
        text_response(403, "text/html", page(h))
    }),
    ("half of an answer", |_| {
        let half = format!("{{\"Items\": [{{\"pk\": {{\"S\": \"{CANARY}");
        text_response(200, "application/x-amz-json-1.0", half)
    }),
    ("items that are a text", |_| {
        json_body(200, &json!({"Items": CANARY}))
    }),
    ("an attribute of no type", |_| {
        json_body(200, &json!({"Items": [{"pk": {CANARY: CANARY}}]}))
    }),
    ("bytes that are none", |_| {
        json_body(
            200,
            &json!({"Items": [{"pk": {"B": format!("{CANARY}!")}}]}),
        )
    }),
    ("an error without a message", |_| {
        json_body(
            400,
            &json!({"__type": "com.amazonaws.dynamodb.v20120810#Odd", "other": CANARY}),
        )
    }),
    ("a quoted request", |headers| {
        let code = "com.amazonaws.dynamodb.v20120810#IncompleteSignatureException";
        json_body(400, &json!({"__type": code, "message": quoting(headers)}))
    }),
];

fn role(expiration: &str) -> String {
    assumed_role(MEMBER, CANARY, expiration)
}

/// The responses to a request to STS.
const ROLES: [(&str, Answer); 6] = [
    ("credentials", |_| {
        xml(200, role("<Expiration>2099-01-01T00:00:00Z</Expiration>"))
    }),
    ("credentials until never", |_| xml(200, role(""))),
    ("credentials until no time", |_| {
        xml(200, role(&format!("<Expiration>{CANARY}</Expiration>")))
    }),
    ("half of credentials", |_| {
        let whole = role("");
        xml(200, whole[..whole.len() - 60].to_owned())
    }),
    ("no XML", |_| xml(200, CANARY.to_owned())),
    ("a quoted request", |headers| {
        let error = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code>\
             <Message>{}</Message></Error></ErrorResponse>",
            quoting(headers)
        );
        xml(403, error)
    }),
];

/// The service that gives the response.
#[derive(Debug, Clone, Copy)]
enum At {
    Listing,
    Table,
    Sts,
}

impl At {
    fn variable(self) -> &'static str {
        match self {
            Self::Listing => "AWS_ENDPOINT_URL_CODECONNECTIONS",
            Self::Table => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
        }
    }
}

fn cases() -> Vec<(At, &'static str, Answer)> {
    let listings = LISTINGS.map(|(name, answer)| (At::Listing, name, answer));
    let tables = TABLES.map(|(name, answer)| (At::Table, name, answer));
    let roles = ROLES.map(|(name, answer)| (At::Sts, name, answer));
    [&listings[..], &tables, &roles].concat()
}

/// Returns all items of the environment's table.
async fn stored(env: &TestEnv) -> String {
    let all = env
        .table
        .client()
        .scan()
        .table_name(env.table.name().as_str());
    format!("{:?}", all.send().await.expect("read").items)
}

/// Starts a service whose listing has several pages, for any account.
async fn pages() -> Script {
    Script::start(|asked| {
        let entry = |id: &str| vec![entry(&arn(REGION, id), id, "AVAILABLE")];
        match asked.token.as_deref() {
            None => Reply::Page(entry("first"), Some(PAGE_TOKEN.to_owned())),
            Some(PAGE_TOKEN) => Reply::Page(entry("second"), Some(PAGE_TOKEN.to_owned())),
            Some(other) => panic!("no such token: {other}"),
        }
    })
    .await
}

async fn assert_function_reveals_no_secret(at: At, name: &str, answer: Answer) {
    let name = &format!("{at:?}, {name}");
    let env = TestEnv::new().await;
    let service = serve(answer).await;
    let listing = pages().await;
    let environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &listing.endpoint)
        .with("AWS_ENDPOINT_URL_STS", env.service.endpoint())
        .with("ACCOUNTS", "any")
        .with("MEMBER_ROLE_NAME", "inventory")
        .with("EXTERNAL_ID", EXTERNAL_ID)
        .with("LOG_LEVEL", "trace")
        .with("RUST_LOG", "trace")
        // Unreadable responses are retried until the time is over.
        .with("AWS_LAMBDA_FUNCTION_TIMEOUT", "4")
        .with(at.variable(), &service.endpoint);
    let emulator = Emulator::start(environment).await;
    let account = if matches!(at, At::Sts) {
        MEMBER
    } else {
        ACCOUNT
    };

    let invoked = emulator.invoke(&json!({"account": account})).await;

    assert!(service.count() > 0, "{name}: asked");
    assert_no_secret(name, &format!("{invoked:?}"));
    assert_no_secret(name, &stored(&env).await);
    let lines = emulator.end();
    assert!(
        lines.iter().any(|line| line.contains("run began")),
        "{name}: {lines:?}"
    );
    for line in lines {
        assert_no_secret(name, &line);
    }
}

#[tokio::test]
async fn function_reveals_no_secret_and_no_body_of_a_response() {
    let cases = cases();
    let count = cases.len();
    let checked = stream::iter(cases)
        .map(|(at, name, answer)| assert_function_reveals_no_secret(at, name, answer))
        .buffer_unordered(8)
        .count()
        .await;
    assert_eq!(checked, count);
}

#[tokio::test]
async fn cli_reveals_no_secret_and_no_body_of_a_response() {
    let env = TestEnv::new().await;
    let table = env.table.name().as_str();
    for (at, name, answer) in cases() {
        let service = serve(answer).await;
        let command: &[&str] = match at {
            // Unreadable responses are retried for minutes.
            At::Listing if name != "a quoted request" && name != "a page of a proxy" => continue,
            At::Listing => &["scan", "--account", ACCOUNT, "--json"],
            At::Table => &["list", "--table", table],
            At::Sts => &["scan", "--json"],
        };
        let ccinv = Ccinv::at(&env)
            .with("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .with("AWS_SESSION_TOKEN", SESSION_TOKEN)
            .with("LOG_LEVEL", "trace")
            .with("RUST_LOG", "trace")
            .with(at.variable(), &service.endpoint);
        let done = ccinv.run(command).await;
        let name = format!("{at:?}, {name}");
        assert!(service.count() > 0, "{name}: {done:?}");
        assert_ne!(done.code, 0, "{name}: {done:?}");
        assert_no_secret(&name, &done.stdout);
        assert_no_secret(&name, &done.stderr);
    }
}
