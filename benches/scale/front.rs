//! The endpoint of the table: a proxy in front of several embedded databases, each
//! with a share of the accounts, with the latency and throttling of a table on AWS.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bucket::Bucket;
use crate::fakes::answers::{consumed_units, table_error};
use crate::fakes::http_server::Seen;
use crate::fakes::upstream::Upstream;
use crate::options::Options;
use crate::service::number_of;

pub struct Front {
    options: Options,
    calm: Arc<AtomicBool>,
    shards: Vec<String>,
    client: Upstream,
    units: Mutex<Bucket>,
    requests: AtomicU64,
    throttled: AtomicU64,
}

impl Front {
    pub fn new(options: Options, shards: Vec<String>, calm: Arc<AtomicBool>) -> Self {
        Self {
            units: Mutex::new(Bucket::new(options.write_units)),
            options,
            calm,
            shards,
            client: Upstream::new(),
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

    /// Passes a request on to its shard, or throttles it.
    pub async fn answer(&self, seen: &Seen) -> Response<Bytes> {
        let writes = seen.operation != "Query";
        let calm = self.calm.load(Ordering::SeqCst);
        self.requests.fetch_add(1, Ordering::SeqCst);
        if !calm && self.is_throttled(writes) {
            self.throttled.fetch_add(1, Ordering::SeqCst);
            return throttled();
        }
        if !calm {
            let (least, most) = self.options.table_ms;
            sleep(Duration::from_millis(fastrand::u64(least..=most))).await;
        }
        let shard = &self.shards[shard(&seen.body, self.shards.len())];
        let response = self.client.forward_whole(shard, seen, seen.body.clone());
        let response = response.await.expect("the database answers");
        if !calm && writes && self.options.write_units > 0.0 {
            let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
            let mut units = self.units.lock().expect("no panic");
            units.charge(consumed_units(&answer));
        }
        response
    }
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

fn throttled() -> Response<Bytes> {
    let error = table_error("ProvisionedThroughputExceededException");
    Response::builder()
        .status(StatusCode::BAD_REQUEST)
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
        .body(error.into())
        .expect("an answer")
}
