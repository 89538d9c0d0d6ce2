//! The endpoint of the table: a proxy in front of several embedded databases, each
//! with a share of the accounts, with the latency and throttling of a table on AWS.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bucket::Bucket;
use crate::options::Options;
use crate::responses::consumed_units;
use crate::service::number_of;

pub struct Front {
    options: Options,
    calm: Arc<AtomicBool>,
    shards: Vec<String>,
    client: Client<HttpConnector, Body>,
    units: Mutex<Bucket>,
    requests: AtomicU64,
    throttled: AtomicU64,
}

impl Front {
    pub fn new(options: Options, shards: Vec<String>, calm: Arc<AtomicBool>) -> Self {
        let mut connector = HttpConnector::new();
        // Without it each body waits 40 ms for the acknowledgement of its head.
        connector.set_nodelay(true);
        Self {
            units: Mutex::new(Bucket::new(options.write_units)),
            options,
            calm,
            shards,
            client: Client::builder(TokioExecutor::new()).build(connector),
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        }
    }

    /// Returns the counts since the last call.
    pub fn take_counts(&self) -> Value {
        json!({
            "requests": self.requests.swap(0, Ordering::SeqCst),
            "throttled": self.throttled.swap(0, Ordering::SeqCst),
        })
    }

    fn is_throttled(&self, writes: bool) -> bool {
        let by_chance = fastrand::f64() * 100.0 < self.options.throttled;
        let limited = writes && self.options.write_units > 0.0;
        by_chance || limited && !self.units.lock().expect("no panic").take(0.0)
    }
}

pub fn router(front: Arc<Front>) -> Router {
    Router::new().fallback(pass).with_state(front)
}

async fn pass(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .expect("a body");
    let target = parts.headers.get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok()).unwrap_or("");
    let writes = !target.ends_with(".Query");
    let calm = front.calm.load(Ordering::SeqCst);
    front.requests.fetch_add(1, Ordering::SeqCst);
    if !calm && front.is_throttled(writes) {
        front.throttled.fetch_add(1, Ordering::SeqCst);
        return throttled();
    }
    if !calm {
        let (least, most) = front.options.table_ms;
        sleep(Duration::from_millis(fastrand::u64(least..=most))).await;
    }
    let shard = shard(&body, front.shards.len());
    parts.uri = front.shards[shard].parse().expect("a URI");
    parts.headers.remove(header::HOST);
    let answer = front
        .client
        .request(Request::from_parts(parts, Body::from(body)))
        .await
        .expect("the database answers");
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(Body::new(body), usize::MAX)
        .await
        .expect("a body");
    if !calm && writes && front.options.write_units > 0.0 {
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut units = front.units.lock().expect("no panic");
        units.charge(consumed_units(&answer));
    }
    Response::from_parts(head, Body::from(body))
}

/// Returns the shard of a request. Its keys name one account, after a `#`; the key of
/// what uses a connection has only an ARN.
fn shard(body: &Bytes, shards: usize) -> usize {
    let named = |mark: u8| {
        let mut parts = body.split(move |byte| *byte == mark).skip(1);
        parts.find_map(|rest| {
            let account = std::str::from_utf8(rest.get(..12)?).ok()?;
            number_of(account)
        })
    };
    let account = named(b'#').or_else(|| named(b':'));
    account.expect("a request about an account") % shards
}

fn throttled() -> Response<Body> {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": "The level of configured provisioned throughput for the table was exceeded.",
    });
    Response::builder()
        .status(StatusCode::BAD_REQUEST)
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
        .body(Body::from(body.to_string()))
        .expect("an answer")
}
