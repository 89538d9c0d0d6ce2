//! CodeConnections for many accounts, and STS. It has no state: the connections of
//! an account are computed from its number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Response, header};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bucket::Bucket;
use crate::fakes::answers::assumed_role;
use crate::fakes::http_server::Seen;
use crate::fakes::scripted_service::{Asked, Reply, entry};
use crate::options::Options;

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

    fn entry(&self, account: usize, number: usize) -> Value {
        let changed = self.has_changed(account, number);
        let status = if changed { AFTER } else { BEFORE };
        let mut entry = entry(&arn(account, number), &name(number), status);
        entry["OwnerAccountId"] = self::account(account).into();
        entry
    }

    pub async fn answer(&self, seen: &Seen) -> Response<Bytes> {
        if seen.operation == "AssumeRole" {
            self.wait(self.options.sts_ms).await;
            self.counts.assumed.fetch_add(1, Ordering::SeqCst);
            return assume_role(&String::from_utf8_lossy(&seen.body));
        }
        let asked = match Asked::read(seen) {
            Ok(asked) => asked,
            Err(refusal) => return refusal.into_response(),
        };
        let account = number_of(&asked.account).expect("a simulated account");
        self.counts.listing.fetch_add(1, Ordering::SeqCst);
        if self.is_throttled(&asked.account) {
            self.counts.throttled.fetch_add(1, Ordering::SeqCst);
            return asked.response(&Reply::Error(400, "ThrottlingException"));
        }
        self.wait(self.options.listing_ms).await;
        let total = if self.empty.load(Ordering::SeqCst) {
            0
        } else {
            self.options.connections
        };
        asked.response(&asked.page(total, |number| self.entry(account, number)))
    }
}

/// Returns credentials whose access key is the account of the role.
fn assume_role(form: &str) -> Response<Bytes> {
    let role = form.split("iam%3A%3A").nth(1).expect("a role's ARN");
    let expiration = "<Expiration>2999-01-01T00:00:00Z</Expiration>";
    Response::builder()
        .header(header::CONTENT_TYPE, "text/xml")
        .body(assumed_role(&role[..12], "secret", expiration).into())
        .expect("an answer")
}
