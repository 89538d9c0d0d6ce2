//! A scenario with every kind of recorded event.

use std::path::Path;

use codeconnections_inventory::domain::{Clock, SystemClock};
use codeconnections_inventory::local::codeconnections::{
    CodeConnectionsEmulator, CreateConnectionInput, ProviderType, RegionAccess, Scope,
};
use serde_json::{Value, json};

use crate::support::test_env::REGION;

/// Valid names that are hard for JSON, templates or readers.
pub const NAMES: [&str; 5] = [
    "payments-api",
    r#"say "yes" \ "no""#,
    "é 漢字 🎉 <$.eventName> <b>",
    r#"{"a": ["<account>"]}"#,
    "two\nlines, a\ttab and a \u{7f}",
];

/// The changes of the scenario, by kind.
pub const CHANGES: [(&str, usize); 5] = [
    ("FIRST_SEEN", NAMES.len() + 1),
    ("STATUS_CHANGED", 3),
    ("ATTRIBUTES_CHANGED", 2),
    ("DELETED", 2),
    ("REAPPEARED", 1),
];
/// Outcomes of its incomplete runs.
pub const NOT_COMPLETE: [&str; 2] = ["PARTIAL", "FAILED"];

const ELSEWHERE: &str = "us-east-1";
const LENDER: &str = "999999999999";

/// Plays the scenario. `run` invokes the function with an event and returns when it is
/// processed.
pub async fn play(
    codeconnections: &CodeConnectionsEmulator,
    account: &str,
    mut run: impl AsyncFnMut(Value),
) {
    let make = |account: &str, name: &str| {
        let input = CreateConnectionInput::new(name, ProviderType::GitHub);
        let scope = Scope::new(account, REGION);
        let made = codeconnections.state().create_connection(&scope, input);
        made.expect("created").connection_arn
    };
    let arns = NAMES.map(|name| make(account, name));
    let shared = make(LENDER, "shared");
    codeconnections
        .state()
        .share(&shared, account)
        .expect("shared");
    // Only the first connection has a CreateConnection event.
    let call = creation(account, &arns[0], 1).to_string();
    run(json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": call}]})).await;
    run(json!({})).await; // no change

    let set = |arn: &str, status: &str| {
        codeconnections
            .state()
            .set_status(arn, status)
            .expect("set")
    };
    set(&arns[0], "AVAILABLE");
    set(&arns[1], "ERROR");
    let alter = |arn: &str| {
        let host = format!("arn:aws:codeconnections:{REGION}:{account}:host/h-1a2b3c4d");
        let moved = codeconnections.state().set_connection_host(arn, Some(host));
        moved.expect("moved");
    };
    alter(&arns[2]);
    run(json!({})).await;

    alter(&arns[1]); // still in ERROR
    run(json!({})).await;

    set(&arns[1], "AVAILABLE");
    codeconnections.state().delete(&arns[3]).expect("deleted");
    codeconnections
        .state()
        .unshare(&shared, account)
        .expect("taken back");
    run(json!({})).await;

    codeconnections
        .state()
        .share(&shared, account)
        .expect("shared again");
    run(json!({})).await;

    let access = |region: &str, access: Option<RegionAccess>| {
        let mut world = codeconnections.state();
        world.set_region_access(account, region, access);
    };
    access(ELSEWHERE, Some(RegionAccess::Denied));
    run(json!({"regions": [REGION, ELSEWHERE]})).await; // PARTIAL
    access(REGION, Some(RegionAccess::Denied));
    run(json!({})).await; // FAILED
    access(REGION, None);
    run(json!({})).await; // no change
}

/// Returns a sample of `events/`.
pub fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("events")
        .join(name);
    let text = std::fs::read_to_string(path).expect("a sample");
    serde_json::from_str(&text).expect("JSON")
}

/// Returns the caller of [`creation`].
pub fn caller(account: &str, number: usize) -> String {
    format!("arn:aws:sts::{account}:assumed-role/PlatformEngineer/caller-{number}")
}

/// Returns the CloudTrail event of the call that created a connection, as the rule
/// delivers it.
pub fn creation(account: &str, arn: &str, number: usize) -> Value {
    let mut event = sample("cloudtrail-create-connection.json");
    event["id"] = json!(format!("00000000-0000-4000-8000-{number:012}"));
    event["account"] = json!(account);
    event["time"] = json!(now());
    let detail = &mut event["detail"];
    detail["eventID"] = json!(format!("10000000-0000-4000-8000-{number:012}"));
    detail["eventTime"] = json!(now());
    detail["recipientAccountId"] = json!(account);
    detail["responseElements"]["connectionArn"] = json!(arn);
    detail["userIdentity"]["arn"] = json!(caller(account, number));
    event
}

/// Returns the current time in whole seconds, as in CloudTrail.
fn now() -> String {
    let now = SystemClock.now().to_string();
    let (seconds, _) = now.split_once('.').expect("milliseconds");
    format!("{seconds}Z")
}
