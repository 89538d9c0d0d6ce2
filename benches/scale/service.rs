//! CodeConnections for many accounts, and STS. It has no state: the connections of
//! an account are computed from its number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use codeconnections_inventory::local::codeconnections::protocol;
use codeconnections_inventory::local::codeconnections::protocol::Wire;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bucket::Bucket;
use crate::options::Options;
use crate::responses::{connection, page};

/// The regions of the service, without GovCloud.
pub const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-south-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

const FIRST_ACCOUNT: u64 = 100_000_000_000;

/// Returns the id of an account by its number.
pub fn account(number: usize) -> String {
    (FIRST_ACCOUNT + number as u64).to_string()
}

/// Returns the number of an account by its id.
pub fn number_of(account: &str) -> Option<usize> {
    let number = account.parse::<u64>().ok()?.checked_sub(FIRST_ACCOUNT)?;
    usize::try_from(number).ok()
}

/// Returns the ARN of a connection.
pub fn arn(account: usize, connection: usize) -> String {
    let region = REGIONS[(account + connection) % REGIONS.len()];
    format!(
        "arn:aws:codeconnections:{region}:{}:connection/{account:08x}-3b41-4d0e-9a77-{connection:012x}",
        self::account(account)
    )
}

pub fn name(connection: usize) -> String {
    format!("connection-{connection}")
}

pub const BEFORE: &str = "AVAILABLE";
pub const AFTER: &str = "ERROR";

/// The accounts and their request limits.
pub struct Service {
    options: Options,
    /// There are no connections yet.
    empty: AtomicBool,
    /// Some connections have changed.
    changed: AtomicBool,
    /// No latency and no throttling, while the table is filled.
    calm: Arc<AtomicBool>,
    buckets: Mutex<HashMap<String, Bucket>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    listing: AtomicU64,
    throttled: AtomicU64,
    assumed: AtomicU64,
}

impl Service {
    pub fn new(options: Options, calm: Arc<AtomicBool>) -> Self {
        Self {
            options,
            empty: AtomicBool::new(true),
            changed: AtomicBool::new(false),
            calm,
            buckets: Mutex::default(),
            counts: Counts::default(),
        }
    }

    pub fn fill(&self) {
        self.empty.store(false, Ordering::SeqCst);
    }

    pub fn change(&self) {
        self.changed.store(true, Ordering::SeqCst);
    }

    /// Returns the counts since the last call.
    pub fn take_counts(&self) -> Value {
        let taken = |counter: &AtomicU64| counter.swap(0, Ordering::SeqCst);
        json!({
            "listing": taken(&self.counts.listing),
            "throttled": taken(&self.counts.throttled),
            "assumed": taken(&self.counts.assumed),
        })
    }

    fn is_throttled(&self, account: &str) -> bool {
        if self.calm.load(Ordering::SeqCst) {
            return false;
        }
        if fastrand::f64() * 100.0 < self.options.throttled {
            return true;
        }
        let rate = self.options.listing_rate;
        if rate <= 0.0 {
            return false;
        }
        let mut buckets = self.buckets.lock().expect("no panic");
        let bucket = buckets.entry(account.to_owned());
        !bucket.or_insert_with(|| Bucket::new(rate)).take(1.0)
    }

    async fn wait(&self, (least, most): (u64, u64)) {
        if !self.calm.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(fastrand::u64(least..=most))).await;
        }
    }

    /// Changes are spread evenly over accounts and connections.
    fn has_changed(&self, account: usize, connection: usize) -> bool {
        let place = account * self.options.connections + connection;
        #[expect(clippy::cast_precision_loss, reason = "below 10,000")]
        let place = (place * 7_919 % 10_000) as f64;
        self.changed.load(Ordering::SeqCst) && place < self.options.changed * 100.0
    }

    fn connection(&self, account: usize, number: usize) -> Value {
        let changed = self.has_changed(account, number);
        let status = if changed { AFTER } else { BEFORE };
        let (arn, owner) = (arn(account, number), self::account(account));
        connection(&name(number), &arn, &owner, status)
    }
}

pub fn router(service: Arc<Service>) -> Router {
    Router::new().fallback(handle).with_state(service)
}

async fn handle(
    State(service): State<Arc<Service>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if uri.path() == "/" {
        service.wait(service.options.sts_ms).await;
        service.counts.assumed.fetch_add(1, Ordering::SeqCst);
        return assume_role(&String::from_utf8_lossy(&body));
    }
    let call = match protocol::parse(uri.path(), &headers, &body) {
        Ok(call) => call,
        Err(refusal) => return refusal.into_response(),
    };
    let account = call.credential.account().expect("an account's key");
    let number = number_of(account).expect("a simulated account");
    service.counts.listing.fetch_add(1, Ordering::SeqCst);
    if service.is_throttled(account) {
        service.counts.throttled.fetch_add(1, Ordering::SeqCst);
        let error = json!({
            "__type": "com.amazon.coral.availability#ThrottlingException",
            "message": "Rate exceeded",
        });
        return protocol::respond(Wire::CBOR, StatusCode::BAD_REQUEST, &error);
    }
    service.wait(service.options.listing_ms).await;
    let total = if service.empty.load(Ordering::SeqCst) {
        0
    } else {
        service.options.connections
    };
    page(&call, total, |n| service.connection(number, n)).expect("a token of this service")
}

/// Returns credentials whose access key is the account of the role.
fn assume_role(form: &str) -> Response<Body> {
    let role = form.split("iam%3A%3A").nth(1).expect("a role's ARN");
    let account = &role[..12];
    let xml = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleResult><Credentials><AccessKeyId>{account}</AccessKeyId>\
         <SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
         <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
         </AssumeRoleResponse>"
    );
    Response::builder()
        .header(header::CONTENT_TYPE, "text/xml")
        .body(Body::from(xml))
        .expect("an answer")
}
