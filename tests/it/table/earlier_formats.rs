//! Earlier formats: a table that an earlier version of this software wrote is
//! read, verified and carried on with; one of a later version is refused.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::raw_items::{findings, get, put};
use crate::support::scripted_listing::Stage;
use crate::support::scripted_service::{arn, entry};
use crate::support::test_env::{self, REGION, TestEnv, account, changes};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::audit::ChangeFilter;
use codeconnections_inventory::domain::{ChangeKind, Outcome, SchemaVersion};
use codeconnections_inventory::table::codec;
use codeconnections_inventory::table::codec::Item;
use serde_json::{Value, json};

/// Every item of a table as the first format has it, in DynamoDB's own JSON:
/// four connections, a change of each kind, five runs and the account's
/// record.
const FORMAT_1: &str = include_str!("earlier_formats/format_1.json");
/// The same story as the second format has it; its second run came after a call.
const FORMAT_2: &str = include_str!("earlier_formats/format_2.json");
/// The same as the third has it.
const FORMAT_3: &str = include_str!("earlier_formats/format_3.json");
/// The same as the fourth has it.
const FORMAT_4: &str = include_str!("earlier_formats/format_4.json");

fn attribute(json: &Value) -> AttributeValue {
    let (kind, value) = json.as_object().and_then(|o| o.iter().next()).expect("one");
    let text = || value.as_str().expect("a text").to_owned();
    let list = || value.as_array().expect("a list").iter();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(value.as_bool().expect("a flag")),
        "SS" => AttributeValue::Ss(
            list()
                .map(|text| text.as_str().expect("a text").to_owned())
                .collect(),
        ),
        "L" => AttributeValue::L(list().map(attribute).collect()),
        "M" => AttributeValue::M(item(value)),
        other => panic!("{other} is not in the file"),
    }
}

fn item(json: &Value) -> Item {
    let fields = json.as_object().expect("an item").iter();
    fields
        .map(|(name, json)| (name.clone(), attribute(json)))
        .collect()
}

/// The tables, by the number of their format.
fn earlier() -> [(u32, &'static str); 4] {
    [(1, FORMAT_1), (2, FORMAT_2), (3, FORMAT_3), (4, FORMAT_4)]
}

async fn lab_of_format_1() -> TestEnv {
    lab_of(FORMAT_1).await
}

/// A lab over such a table, an hour after its last run.
async fn lab_of(table: &str) -> TestEnv {
    let env = TestEnv::new().await;
    let items: Vec<Value> = serde_json::from_str(table).expect("JSON");
    for json in &items {
        put(&env, item(json)).await;
    }
    env.clock.advance(test_env::HOUR * 5);
    env
}

fn snapshot_key(id: &str) -> (String, String) {
    let arn = arn(REGION, id);
    (
        format!("ACCOUNT#{}", account()),
        format!("CONNECTION#{arn}"),
    )
}

fn account_key() -> (String, String) {
    (format!("ACCOUNT#{}", account()), "ACCOUNT".to_owned())
}

fn format_of(item: &Item) -> Option<&AttributeValue> {
    item.get("v")
}

#[tokio::test]
async fn a_table_of_an_earlier_format_is_read_and_whole() {
    for (_, table) in earlier() {
        let env = lab_of(table).await;
        assert_eq!(findings(&env).await, [] as [String; 0]);
        let rows = env.connections().await;
        assert_eq!(rows.len(), 4);
        let filter = ChangeFilter {
            since: "2026-10-01T00:00:00Z".parse().expect("a time"),
            until: "2026-10-02T00:00:00Z".parse().expect("a time"),
            kind: None,
            status: None,
            provider: None,
            account: None,
        };
        let told = env.audit().changes(&filter).await.expect("read");
        let kinds: Vec<ChangeKind> = told.iter().map(|told| told.change.kind).collect();
        assert_eq!(kinds.len(), 9);
        assert!(ChangeKind::ALL.iter().all(|kind| kinds.contains(kind)));
        assert_eq!(env.runs().await.len(), 5);
    }
}

#[tokio::test]
async fn runs_over_a_table_of_an_earlier_format_write_the_current_one() {
    for (format, table) in earlier() {
        let env = lab_of(table).await;
        // As they are: a and b. Another status: c. Gone, and still so: d.
        let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/h-1a2b3c4d";
        let mut b = entry(&arn(REGION, "b"), "b", "PENDING");
        b["HostArn"] = json!(host);
        let stage = Stage::new(vec![
            entry(&arn(REGION, "a"), "a", "AVAILABLE"),
            b,
            entry(&arn(REGION, "c"), "c", "AVAILABLE"),
        ])
        .await;
        let both = json!({"regions": [REGION, "us-east-1"]});
        let summary = env.run_with(&stage.endpoint, &both).await;
        assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
        assert_eq!(changes(&summary), [(ChangeKind::StatusChanged, 1)]);
        assert_eq!(summary.sequence, Some(6));
        assert_eq!(findings(&env).await, [] as [String; 0]);

        // What was written is of the current format, touched or changed.
        let current = codec::n(SchemaVersion::CURRENT);
        for id in ["a", "b", "c"] {
            let written = get(&env, &snapshot_key(id)).await;
            assert_eq!(format_of(&written), Some(&current), "{id}");
            assert!(written.contains_key("seal"), "{id}");
        }
        let record = get(&env, &account_key()).await;
        assert_eq!(format_of(&record), Some(&current));
        assert!(record.contains_key("digest"));
        // What was not is as it was.
        let tombstone = get(&env, &snapshot_key("d")).await;
        assert_eq!(format_of(&tombstone), Some(&codec::n(format)));

        // One region of two, and back: what is noted is sealed again.
        for event in [json!({}), both] {
            env.clock.advance(test_env::HOUR);
            let summary = env.run_with(&stage.endpoint, &event).await;
            assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
            assert!(summary.changes.is_empty());
            assert_eq!(findings(&env).await, [] as [String; 0]);
        }
        assert_eq!(env.runs().await.len(), 8);
    }
}

#[tokio::test]
async fn an_endpoint_that_was_not_recorded_before_is_one_change_of_attributes() {
    let env = lab_of(FORMAT_4).await;
    let mut a = entry(&arn(REGION, "a"), "a", "AVAILABLE");
    a["ProviderEndpoint"] = "https://acme.ghe.com".into();
    let mut b = entry(&arn(REGION, "b"), "b", "PENDING");
    b["HostArn"] = "arn:aws:codeconnections:eu-west-1:123456789012:host/h-1a2b3c4d".into();
    let stage = Stage::new(vec![a, b, entry(&arn(REGION, "c"), "c", "ERROR")]).await;
    let both = json!({"regions": [REGION, "us-east-1"]});
    for expected in [&[(ChangeKind::AttributesChanged, 1)][..], &[]] {
        let summary = env.run_with(&stage.endpoint, &both).await;
        assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
        assert_eq!(changes(&summary), expected);
        assert_eq!(findings(&env).await, [] as [String; 0]);
        env.clock.advance(test_env::HOUR);
    }
}

#[tokio::test]
async fn what_earlier_formats_know_of_calls_is_told_and_nothing_more() {
    let env = lab_of(FORMAT_2).await;
    let changes = env.changes(&arn(REGION, "a")).await;
    assert!(changes.iter().all(|change| change.cause.is_none()));
    let runs = env.runs().await;
    let told = runs[1].trigger.calls_in_words().expect("a call");
    assert!(
        told.starts_with("DeleteConnection by arn:aws:sts::"),
        "{told}"
    );
    // It listed only where the call was made.
    let evidence: Vec<bool> = runs.iter().map(|run| run.is_evidence()).collect();
    assert_eq!(evidence, [true, false, true, true, true]);
}

#[tokio::test]
async fn an_edit_of_a_table_of_the_first_format_is_named() {
    let change = (
        format!("CONNECTION#{}#{}", account(), arn(REGION, "a")),
        "CHANGE#0000000001".to_owned(),
    );
    let run = (format!("RUNS#{}", account()), "RUN#000000000002".to_owned());
    let later = codec::s("2026-10-01T12:34:56.000Z");
    for (key, attribute, value) in [
        (&change, "observed_at", &later),
        (&change, "v", &codec::n(2)),
        (&run, "finished_at", &later),
        (&run, "v", &codec::n(2)),
        (&snapshot_key("a"), "first_seen_at", &later),
        (
            &snapshot_key("a"),
            "seal",
            &codec::s("AAAAAAAAAAAAAAAAAAAAAA"),
        ),
        (&snapshot_key("a"), "v", &codec::n(2)),
        (&account_key(), "sequence", &codec::n(4)),
        (&account_key(), "v", &codec::n(2)),
    ] {
        let env = lab_of_format_1().await;
        let mut edited = get(&env, key).await;
        edited.insert(attribute.to_owned(), value.clone());
        put(&env, edited).await;
        let found = findings(&env).await;
        let named = format!("{} {}: ", key.0, key.1);
        assert!(
            found.iter().any(|f| f.starts_with(&named)),
            "{attribute} of {named}: {found:#?}"
        );
    }
}

#[tokio::test]
async fn a_format_that_is_not_known_is_refused_by_record() {
    let run = (format!("RUNS#{}", account()), "RUN#000000000005".to_owned());
    for (key, outcome) in [
        (snapshot_key("a"), Outcome::Partial),
        (account_key(), Outcome::Partial),
        (run, Outcome::Failed),
    ] {
        for number in [0, 6, 17] {
            let env = lab_of_format_1().await;
            let mut other = get(&env, &key).await;
            other.insert("v".to_owned(), codec::n(number));
            put(&env, other.clone()).await;
            // Where the account's record is unknown, too, a run has to look
            // at the last run.
            if outcome == Outcome::Failed {
                let mut record = get(&env, &account_key()).await;
                record.insert("v".to_owned(), codec::n(number));
                put(&env, record).await;
            }
            let says = format!("attribute v: is {number}: this software reads formats 1 to 5");
            let place = format!("item pk='{}' sk='{}': {says}", key.0, key.1);
            let stage = Stage::new(vec![entry(&arn(REGION, "a"), "a", "AVAILABLE")]).await;
            let summary = env.run_with(&stage.endpoint, &json!({})).await;
            assert_eq!(summary.outcome, outcome, "{:?}", summary.problems);
            assert!(
                summary.problems.contains(&place),
                "{place}: {:?}",
                summary.problems
            );
            assert_eq!(get(&env, &key).await, other, "it is left alone");
            let found = findings(&env).await;
            let named = format!("{} {}: ", key.0, key.1);
            assert!(
                found
                    .iter()
                    .any(|f| f.starts_with(&named) && f.contains("formats 1 to 5")),
                "{found:#?}"
            );
        }
    }
}
