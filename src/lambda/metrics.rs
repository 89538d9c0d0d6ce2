//! Metrics: one line of the log for each run, in CloudWatch's embedded metric
//! format. Writing it costs no request and no permission.
//!
//! Account and run are properties of the line, to be searched for, and not
//! dimensions: each set of dimensions is a metric with a monthly cost, and an
//! organization has thousands of accounts. The only dimension is the function.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use serde_json::{Map, Value, json};

use super::kind::HandledKind;
use crate::domain::{ChangeKind, Region, Timestamp};
use crate::inventory::summary::Summary;

/// The destination of a function's metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Their namespace in CloudWatch.
    pub namespace: Box<str>,
    /// The function's name, their one dimension.
    pub function: Box<str>,
}

const COUNT: &str = "Count";
const MILLISECONDS: &str = "Milliseconds";
const SECONDS: &str = "Seconds";

impl Metrics {
    /// Returns the line of a run that ended at `now`; `None` for an event that
    /// was handled before, whose line is written. `regions` are the configured
    /// ones: only an unfiltered run of all of them counts as complete.
    pub fn line<K: HandledKind>(
        &self,
        run: &Summary<K>,
        regions: &[Region],
        now: Timestamp,
    ) -> Option<String> {
        if run.already_recorded {
            return None;
        }
        let mut line = self.envelope(now, &values(run, &K::scopes(regions), now));
        line.insert("run_id".to_owned(), json!(run.run_id));
        line.insert("account".to_owned(), json!(run.account));
        line.insert("outcome".to_owned(), json!(run.outcome));
        Some(Value::Object(line).to_string())
    }

    /// Returns a line with these metrics: name, unit and value of each.
    pub(super) fn envelope(
        &self,
        now: Timestamp,
        values: &[(&str, &str, u64)],
    ) -> Map<String, Value> {
        let metrics = values.iter();
        let metrics = metrics.map(|(name, unit, _)| json!({"Name": name, "Unit": unit}));
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": now.millis(),
                "CloudWatchMetrics": [{
                    "Namespace": self.namespace,
                    "Dimensions": [["Function"]],
                    "Metrics": metrics.collect::<Vec<_>>(),
                }],
            }),
        );
        line.insert("Function".to_owned(), json!(self.function));
        line.insert("level".to_owned(), json!("INFO"));
        line.insert("timestamp".to_owned(), json!(now));
        line.insert("message".to_owned(), json!("metrics"));
        let values = values.iter();
        line.extend(values.map(|(name, _, value)| ((*name).to_owned(), json!(value))));
        line
    }
}

/// Returns name, unit and value of each metric.
fn values<K: HandledKind>(
    run: &Summary<K>,
    scopes: &[K::Scope],
    now: Timestamp,
) -> Vec<(&'static str, &'static str, u64)> {
    let mut values = Vec::new();
    if run.snapshots_known {
        let present = K::present_metrics(&run.connections);
        values.extend(
            present
                .into_iter()
                .map(|(name, value)| (name, COUNT, value)),
        );
    }
    for kind in ChangeKind::ALL {
        let count = run.changes.get(&kind).copied().unwrap_or(0);
        values.push((kind.metric_name(), COUNT, count));
    }
    let incomplete = run.listings.iter().filter(|listing| !listing.complete);
    let complete = run.is_whole(scopes);
    values.extend([
        ("IncompleteListings", COUNT, incomplete.count() as u64),
        ("CompleteRuns", COUNT, u64::from(complete)),
        ("RunDuration", MILLISECONDS, run.duration_ms),
    ]);
    if let Some(at) = run.whole_since(scopes) {
        let age = if complete {
            0
        } else {
            now.millis_since(at) / 1000
        };
        values.push(("CompleteRunAge", SECONDS, age));
    }
    values
}
