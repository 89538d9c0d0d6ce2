//! What must hold of every input, of each thing that reads what others wrote.
//!
//! A check fails by a panic. Beside what each one says: none takes long, and
//! none takes more memory than some multiple of its input (libFuzzer's own
//! limits).

mod http;
mod wire;

use std::time::Duration;

use codeconnections_inventory::aws::{Deadline, Meter, RetryPolicy};
use codeconnections_inventory::cli::fuzzing;
use codeconnections_inventory::domain::{
    AccountId, AccountRecord, Change, Clock, Connection, ConnectionArn, Digest, Filter, ListingEnd,
    Region, RunId, RunRecord, SystemClock, Timestamp, Trigger,
};
use codeconnections_inventory::lambda::event::{InvalidEvent, Request};
use codeconnections_inventory::lambda::sqs_batch::Batch;
use codeconnections_inventory::listing::{CodeConnections, Limits, ListingRequest, Lists};
use codeconnections_inventory::local::codeconnections::protocol;
use codeconnections_inventory::table::codec::{Item, snapshot};
use codeconnections_inventory::table::{CorruptItem, Table, TableError, codec, fast_path, keys};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";
/// What a line of an error may have. Keys are told in it, escaped.
const LINE: usize = 8_000;

#[track_caller]
fn assert_line(told: &str) {
    assert!(
        !told.is_empty() && told.len() <= LINE,
        "{} bytes",
        told.len()
    );
    assert!(!told.contains(['\n', '\r']), "{told:?}");
}

/// Events and batches: refused by field, or recorded in what fits an item, and
/// read back as they were.
pub fn event(data: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let refused = |error: &InvalidEvent| {
        assert_line(&error.to_string());
        // Unless a field of the event is called so.
        let is_named = event.to_string().contains(": ");
        assert!(is_named || !error.to_string().contains(": : "), "{error}");
    };
    match Batch::from_event(&event) {
        Err(error) => refused(&error),
        Ok(None) => {}
        Ok(Some(batch)) => {
            let told =
                batch.refused.len() + batch.requests.iter().map(|r| r.1.len()).sum::<usize>();
            assert_eq!(
                Some(told),
                event["Records"].as_array().map(Vec::len),
                "no message is lost"
            );
            batch.refused.iter().for_each(|(_, error)| refused(error));
            batch
                .requests
                .iter()
                .for_each(|(request, _)| accepted(request));
        }
    }
    match Request::from_event(&event) {
        Err(error) => refused(&error),
        Ok(request) => accepted(&request),
    }
}

fn accepted(request: &Request) {
    let written = serde_json::to_value(&request.trigger).expect("a trigger is JSON");
    let size = written.to_string().len();
    // Escapes make at most six bytes of one.
    assert!(size < 6 * 140_000, "{size} bytes of calls");
    let read: Trigger = serde_json::from_value(written).expect("it is read back");
    assert_eq!(read, request.trigger);
    let filter = serde_json::to_value(&request.filter).expect("a filter is JSON");
    assert_eq!(
        serde_json::from_value::<Filter>(filter).expect("read"),
        request.filter
    );
    assert!(
        request.extra_regions.len() <= 64,
        "{} regions",
        request.extra_regions.len()
    );
}

/// ARNs, ids, times: refused in a line, or written as they were read.
pub fn words(data: &[u8]) {
    fn verbatim<T>(text: &str)
    where
        T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display,
    {
        match text.parse::<T>() {
            Ok(parsed) => assert_eq!(parsed.to_string(), text),
            Err(error) => assert_line(&error.to_string()),
        }
    }
    let text = String::from_utf8_lossy(data);
    verbatim::<AccountId>(&text);
    verbatim::<Region>(&text);
    verbatim::<RunId>(&text);
    verbatim::<ConnectionArn>(&text);
    verbatim::<Digest>(&text);
    if let Ok(arn) = text.parse::<ConnectionArn>() {
        let (partition, region, account, id) =
            (arn.partition(), arn.region(), arn.account(), arn.id());
        assert!(text.ends_with(&format!(":{region}:{account}:connection/{id}")));
        assert!(text.starts_with(&format!("arn:{partition}:")));
    }
    if let Ok(id) = text.parse::<RunId>() {
        assert_line(&id.began().to_string());
    }
    match text.parse::<Timestamp>() {
        Ok(time) => assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time)),
        Err(error) => assert_line(&error.to_string()),
    }
    let now = Timestamp::from_millis(1_790_845_200_000);
    match fuzzing::time(&text, now) {
        Ok(time) => assert_eq!(fuzzing::time(&time.to_string(), now), Ok(time)),
        Err(told) => assert_line(&told),
    }
}

/// Rule files: refused with the line, if it is about one.
pub fn rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match fuzzing::rules(&text) {
        Ok(count) => {
            assert!(count > 0 && count <= text.len());
            // What is added is counted from the same lines. A mark of the byte
            // order is one at the beginning alone.
            let padded = format!("# a comment\n{}", text.trim_start_matches('\u{feff}'));
            assert_eq!(fuzzing::rules(&padded).expect("it was accepted"), count);
        }
        Err(told) => {
            assert_line(&told);
            let lines = text.lines().count().max(1) + 1;
            let named = told
                .strip_prefix("rules:")
                .and_then(|rest| rest.split_once(':'));
            match named.and_then(|(line, _)| line.parse::<usize>().ok()) {
                Some(line) => assert!(line >= 1 && line <= lines, "{told}"),
                None => assert!(told.contains("has no rule"), "{told}"),
            }
        }
    }
}

/// Items in DynamoDB's own JSON.
pub fn items(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<Value>(data)
        && let Some(item) = wire::item(&value)
    {
        an_item(&item);
    }
}

/// Right items of each kind, edited by hand: what the input says of which
/// attribute.
pub fn edits(data: &[u8]) {
    let (Some((which, data)), items) = (data.split_first(), wire::real_items()) else {
        return;
    };
    let mut item = items[usize::from(*which) % items.len()].clone();
    wire::edit(&mut item, data);
    an_item(&item);
}

fn an_item(item: &Item) {
    let corrupt = |error: &CorruptItem| {
        assert_line(&error.to_string());
        assert!(!error.attribute.is_empty(), "{error}");
        assert!(error.to_string().contains("pk="), "{error}");
    };
    match fast_path::snapshot::read_unsealed(item) {
        Err(error) => corrupt(&error),
        Ok((snapshot, format)) => {
            let account = codec::account_of::<Connection>(item)
                .unwrap_or_else(|| ACCOUNT.parse().expect("one"));
            let written = snapshot::snapshot_item(&account, &snapshot, format);
            let read =
                fast_path::snapshot::read_snapshot(&written).expect("what is accepted is written");
            assert_eq!(read, snapshot);
        }
    }
    if let Err(error) = fast_path::snapshot::read_snapshot(item) {
        corrupt(&error);
    }
    match codec::read_record::<Change>(item.clone()) {
        Err(error) => corrupt(&error),
        Ok(change) => {
            let read = codec::read_record::<Change>(codec::change_item(&change));
            assert_eq!(read.expect("what is accepted is written"), change);
        }
    }
    match codec::read_record::<RunRecord>(item.clone()) {
        Err(error) => corrupt(&error),
        Ok(run) => {
            let read = codec::read_record::<RunRecord>(codec::run_item(&run));
            assert_eq!(read.expect("what is accepted is written"), run);
        }
    }
    match codec::read_record::<AccountRecord>(item.clone()) {
        Err(error) => corrupt(&error),
        Ok(record) => {
            let read = codec::read_account(&codec::account_item(&record));
            assert_eq!(read.expect("what is accepted is written"), record);
        }
    }
    if let Err(error) = codec::read_account::<Connection>(item) {
        corrupt(&error);
    }
}

/// Bodies of a listing's pages, through the SDK's client: the first byte is
/// the status, the rest the body of each page.
pub fn listing(data: &[u8]) {
    let Some((status, body)) = data.split_first() else {
        return;
    };
    let status = [200, 200, 200, 400, 403, 500][usize::from(*status) % 6];
    let listed = list(status, body);
    match &listed.end {
        ListingEnd::Incomplete { code, reason } => {
            assert_line(code);
            assert_line(reason);
        }
        ListingEnd::Complete => {
            // Written out, it is a listing of the same connections.
            let entries: Vec<Value> = listed
                .resources
                .iter()
                .map(|(arn, attributes)| {
                    let mut entry = json!({"ConnectionArn": arn.as_str()});
                    for (name, text) in attributes.fields() {
                        if let Some(text) = text {
                            entry[name.api_name()] = text.into();
                        }
                    }
                    for (name, value) in attributes.unknown_members.iter() {
                        entry[name] = value.clone();
                    }
                    entry
                })
                .collect();
            let again = list(200, &protocol::to_cbor(&json!({"Connections": entries})));
            assert_eq!(again.end, ListingEnd::Complete);
            assert_eq!(again.resources, listed.resources);
        }
    }
}

fn list(status: u16, body: &[u8]) -> codeconnections_inventory::domain::Listing {
    let headers = [
        ("smithy-protocol", "rpc-v2-cbor"),
        ("content-type", "application/cbor"),
    ];
    let source = CodeConnections::new(http::config(status, &headers, body), None, None);
    let run_id = RunId::new(SystemClock.now(), 0);
    let meter = Meter::default();
    let regions: [Region; 1] = ["eu-west-1".parse().expect("a region")];
    let account = ACCOUNT.parse().expect("an account");
    http::wait_for(async {
        let request = ListingRequest {
            run_id: &run_id,
            account: &account,
            regions: &regions,
            filter: &Filter::default(),
            deadline: Deadline::after(Duration::from_secs(60)),
            clock: &SystemClock,
            retry_policy: impatient(),
            limits: Limits {
                pages: 3,
                ..Limits::default()
            },
            meter: &meter,
        };
        Lists::<Connection>::list(&source, &request)
            .await
            .listings()[0]
            .clone()
    })
}

/// Faults are not waited out: each wait is a random part of so much that none
/// of millions is within the time.
fn impatient() -> RetryPolicy {
    const AGES: Duration = Duration::from_hours(24 * 1_000_000);
    RetryPolicy {
        initial_backoff: AGES,
        max_backoff: AGES,
        unreachable_tries: 1,
    }
}

/// Bodies of a query's pages, through the SDK's client.
pub fn answers(data: &[u8]) {
    let Some((status, body)) = data.split_first() else {
        return;
    };
    let status = [200, 200, 200, 400, 500][usize::from(*status) % 5];
    let headers = [("content-type", "application/x-amz-json-1.0")];
    let config = http::config(status, &headers, body);
    let table = Table::new(
        aws_sdk_dynamodb::Client::new(&config),
        "table".parse().expect("a name"),
    );
    let account: AccountId = ACCOUNT.parse().expect("an account");
    match http::wait_for(table.read_account(&account)) {
        Ok(state) => {
            for corrupt in &state.corrupt {
                assert_line(&corrupt.to_string());
            }
            for (arn, snapshot) in &state.snapshots {
                assert_eq!(*arn, snapshot.arn);
                assert_line(&keys::snapshot_sk(arn));
            }
        }
        Err(error) => {
            let TableError::Call { call_error, .. } = &error else {
                panic!("what can't be read is set apart: {error}");
            };
            assert_line(&error.to_string());
            assert_line(&call_error.to_string());
        }
    }
}
