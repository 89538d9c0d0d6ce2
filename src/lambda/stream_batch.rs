//! A batch of the table's stream: runs after which rules are evaluated, and changes
//! of findings, which are published.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::event::InvalidEvent;
use crate::domain::{AccountId, ChangeKind, Finding, RunId};
use crate::table::keys::{CONNECTIONS, DEPENDENCIES, Partition};
use crate::table::{StoredKind, keys::Keys};

/// The records of one batch.
#[derive(Debug, Default, PartialEq)]
pub struct StreamBatch {
    /// The accounts with a new run, each with the last one.
    pub runs: BTreeMap<AccountId, RunId>,
    /// The details of the events about findings that opened or closed, in the order
    /// of the stream.
    pub findings: Vec<Value>,
}

const STREAM: &str = "aws:dynamodb";

impl StreamBatch {
    /// Reads a batch; `None` if the event is something else.
    ///
    /// Records that are neither runs nor changes of findings are skipped: the filter
    /// of the mapping selects them, and may let others pass.
    ///
    /// # Errors
    /// [`InvalidEvent`] if a record is of another source, or lacks what each has.
    pub fn from_event(event: &Value) -> Result<Option<Self>, InvalidEvent> {
        let Some(Value::Array(records)) = event.get("Records") else {
            return Ok(None);
        };
        let mut batch = Self::default();
        for (i, record) in records.iter().enumerate() {
            let wrong = |field: &str, problem: &str| InvalidEvent {
                field: format!("Records[{i}].{field}"),
                problem: problem.to_owned(),
            };
            if record["eventSource"] != STREAM {
                let problem = "is not \"aws:dynamodb\": only the table's stream is understood";
                return Err(wrong("eventSource", problem));
            }
            if record["eventName"] != "INSERT" {
                continue;
            }
            let image = &record["dynamodb"]["NewImage"];
            let pk = image["pk"]["S"].as_str();
            let pk = pk.ok_or_else(|| wrong("dynamodb.NewImage.pk.S", "is missing"))?;
            if has_runs(CONNECTIONS, pk) || has_runs(DEPENDENCIES, pk) {
                let id = |name: &str| image[name]["S"].as_str().unwrap_or_default();
                let account = id("account").parse();
                let account = account
                    .map_err(|_| wrong("dynamodb.NewImage.account.S", "is not an account"))?;
                let run_id = id("run_id").parse();
                let run_id =
                    run_id.map_err(|_| wrong("dynamodb.NewImage.run_id.S", "is not a run id"))?;
                batch.runs.insert(account, run_id);
            } else if Finding::KEYS.partition_of(pk) == Some(Partition::Changes) {
                batch.findings.extend(detail(image));
            }
        }
        Ok(Some(batch))
    }
}

fn has_runs(keys: Keys, pk: &str) -> bool {
    keys.partition_of(pk) == Some(Partition::Runs)
}

/// Returns the detail of the event about a change, with which a finding opens or
/// closes; `None` of other changes.
fn detail(image: &Value) -> Option<Value> {
    let kind: ChangeKind = image["kind"]["S"].as_str()?.parse().ok()?;
    if !(kind.starts_presence() || kind == ChangeKind::Deleted) {
        return None;
    }
    let text = |name: &str| image[name]["S"].as_str().unwrap_or_default();
    let notice = |name: &str| image["notice"]["M"][name]["S"].as_str().unwrap_or_default();
    Some(json!({
        "version": "1",
        "account": text("account"),
        "rule": notice("rule"),
        "subject": notice("subject"),
        "severity": notice("severity"),
        "title": notice("title"),
        "state": notice("state"),
        "closedBecause": notice("closed_because"),
        "waiver": image["closed"]["M"]["reason"]["S"].as_str().unwrap_or_default(),
        "summary": notice("summary"),
        "observedAt": text("observed_at"),
        "observedUntil": text("observed_until"),
        "runId": text("run_id"),
        "changeVersion": image["version"]["N"].as_str().unwrap_or_default(),
        "digest": text("digest"),
    }))
}
