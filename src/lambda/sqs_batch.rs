//! An SQS batch: events about API calls, and the runs that they start.
//!
//! Calls come in bursts (a stack with thirty connections), and one listing
//! after them shows the effect of all. So a batch starts one run for each
//! account, which lists after the last call of the batch was received.
//!
//! A message leaves the queue only when its run is recorded and observed
//! something. Otherwise it is reported as failed, is delivered again after its
//! timeout, and finally goes to the dead-letter queue.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::event::{InvalidEvent, Request};
use crate::domain::{AccountId, ApiCall, Trigger};

/// The messages of one batch.
#[derive(Debug, PartialEq)]
pub struct Batch {
    /// The requests of each account, by account: one run, or several if one
    /// run's record can't hold all calls.
    pub requests: Vec<(Request, Vec<MessageId>)>,
    /// Messages that can't be used, each with the reason.
    pub refused: Vec<(MessageId, InvalidEvent)>,
}

/// A message's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageId {
    /// The id, under the name that Lambda expects in a response.
    #[serde(rename = "itemIdentifier")]
    pub id: String,
}

const QUEUE: &str = "aws:sqs";

impl Batch {
    /// Reads a batch; `None` if the event is something else.
    ///
    /// # Errors
    /// [`InvalidEvent`] if a message has no id: then all of them are delivered
    /// again.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
    pub fn from_event(event: &Value) -> Result<Option<Self>, InvalidEvent> {
        let Some(Value::Array(records)) = event.get("Records") else {
            return Ok(None);
        };
        let mut requests: BTreeMap<AccountId, Vec<(Request, Vec<MessageId>)>> = BTreeMap::new();
        let mut refused = Vec::new();
        for (i, record) in records.iter().enumerate() {
            let text = |name: &str| record.get(name).and_then(Value::as_str);
            let place = |field: &str| format!("Records[{i}].{field}");
            if text("eventSource") != Some(QUEUE) {
                return Err(InvalidEvent {
                    field: place("eventSource"),
                    problem: format!("is not {QUEUE:?}: only a queue's batches are understood"),
                });
            }
            let Some(id) = text("messageId").filter(|id| !id.is_empty()) else {
                return Err(InvalidEvent {
                    field: place("messageId"),
                    problem: "is missing; should be a text".to_owned(),
                });
            };
            let id = MessageId { id: id.to_owned() };
            match call(text("body").unwrap_or_default()) {
                Ok((account, request)) => {
                    let of_account = requests.entry(account).or_default();
                    match of_account.last_mut() {
                        Some((gathered, ids)) if fits(gathered, &request) => {
                            gather(gathered, request);
                            ids.push(id);
                        }
                        _ => of_account.push((request, vec![id])),
                    }
                }
                Err(wrong) => {
                    let field = match wrong.field.as_str() {
                        "" => place("body"),
                        field => place(&format!("body.{field}")),
                    };
                    refused.push((id, InvalidEvent { field, ..wrong }));
                }
            }
        }
        Ok(Some(Self {
            requests: requests.into_values().flatten().collect(),
            refused,
        }))
    }
}

/// Reads one message: an API call, and the account in which it was made.
fn call(body: &str) -> Result<(AccountId, Request), InvalidEvent> {
    let no_event = |problem: String| InvalidEvent {
        field: String::new(),
        problem,
    };
    let event: Value = serde_json::from_str(body)
        .map_err(|error| no_event(format!("is not JSON ({error}); should be an event")))?;
    let request = Request::from_event(&event)?;
    match (&request.account, &request.trigger) {
        (Some(account), Trigger::ApiCalls { .. }) => Ok((account.clone(), request)),
        _ => Err(no_event(
            "is not about an API call; a queue's messages should be such events".to_owned(),
        )),
    }
}

/// The most bytes of calls in one run, whose record has to fit an item. A
/// hundred calls, the template's batch size, take about half of it.
const MAX_CALL_BYTES: usize = 100 * 1024;
/// The most regions that the calls of one run add to the configured ones.
const MAX_EXTRA_REGIONS: usize = 64;

/// Returns true if a run has room for the calls of another request.
fn fits(gathered: &Request, request: &Request) -> bool {
    let bytes = |request: &Request| -> usize {
        let calls = request.trigger.calls().iter();
        calls.map(ApiCall::bytes).sum()
    };
    bytes(gathered) + bytes(request) <= MAX_CALL_BYTES
        && gathered.extra_regions.len() + request.extra_regions.len() <= MAX_EXTRA_REGIONS
}

/// Adds a request of the same account.
fn gather(gathered: &mut Request, request: Request) {
    gathered.extra_regions.extend(request.extra_regions);
    gathered.extra_regions.sort();
    gathered.extra_regions.dedup();
    if let (Trigger::ApiCalls { calls }, Trigger::ApiCalls { calls: more }) =
        (&mut gathered.trigger, request.trigger)
    {
        calls.extend(more);
    }
}
