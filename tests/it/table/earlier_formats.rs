//! A table in an earlier format is read, verified and continued; an unknown
//! format is rejected.

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

/// Every item of a table in the first format, in DynamoDB's own JSON: four
/// connections, a change of each kind, five runs and the account record.
const FORMAT_1: &str = include_str!("earlier_formats/format_1.json");
/// The same history in the second format; a call started its second run.
const FORMAT_2: &str = include_str!("earlier_formats/format_2.json");
/// The same history in the third format.
const FORMAT_3: &str = include_str!("earlier_formats/format_3.json");
/// The same history in the fourth format.
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

/// Returns the tables by the number of their format.
fn earlier() -> [(u32, &'static str); 4] {
    [(1, FORMAT_1), (2, FORMAT_2), (3, FORMAT_3), (4, FORMAT_4)]
}

async fn env_of_format_1() -> TestEnv {
    env_of(FORMAT_1).await
}

/// Returns an environment over such a table, an hour after its last run.
async fn env_of(table: &str) -> TestEnv {
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
async fn table_of_earlier_format_is_read_and_verifies() {
    for (_, table) in earlier() {
        let env = env_of(table).await;
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
        let found = env.audit().changes(&filter).await.expect("read");
        let kinds: Vec<ChangeKind> = found.iter().map(|found| found.change.kind).collect();
        assert_eq!(kinds.len(), 9);
        assert!(ChangeKind::ALL.iter().all(|kind| kinds.contains(kind)));
        assert_eq!(env.runs().await.len(), 5);
    }
}

#[tokio::test]
async fn runs_over_earlier_format_write_the_current_format() {
    for (format, table) in earlier() {
        let env = env_of(table).await;
        // a and b are unchanged, c has another status, d is still deleted.
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

        // Touched and changed items are in the current format.
        let current = codec::n(SchemaVersion::CURRENT);
        for id in ["a", "b", "c"] {
            let written = get(&env, &snapshot_key(id)).await;
            assert_eq!(format_of(&written), Some(&current), "{id}");
            assert!(written.contains_key("seal"), "{id}");
        }
        let record = get(&env, &account_key()).await;
        assert_eq!(format_of(&record), Some(&current));
        assert!(record.contains_key("digest"));
        // Unwritten items keep their format.
        let tombstone = get(&env, &snapshot_key("d")).await;
        assert_eq!(format_of(&tombstone), Some(&codec::n(format)));

        // A run of one region, then of two: each touch writes a new seal.
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
async fn endpoint_unknown_to_earlier_format_is_one_attribute_change() {
    let env = env_of(FORMAT_4).await;
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
async fn calls_of_earlier_formats_are_reported_without_causes() {
    let env = env_of(FORMAT_2).await;
    let changes = env.changes(&arn(REGION, "a")).await;
    assert!(changes.iter().all(|change| change.cause.is_none()));
    let runs = env.runs().await;
    let words = runs[1].trigger.calls_in_words().expect("a call");
    assert!(
        words.starts_with("DeleteConnection by arn:aws:sts::"),
        "{words}"
    );
    // The second run listed only the region of the call.
    let evidence: Vec<bool> = runs.iter().map(|run| run.is_evidence()).collect();
    assert_eq!(evidence, [true, false, true, true, true]);
}

#[tokio::test]
async fn edit_of_first_format_table_is_found() {
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
        let env = env_of_format_1().await;
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
async fn unknown_format_is_rejected_by_record() {
    let run = (format!("RUNS#{}", account()), "RUN#000000000005".to_owned());
    for (key, outcome) in [
        (snapshot_key("a"), Outcome::Partial),
        (account_key(), Outcome::Partial),
        (run, Outcome::Failed),
    ] {
        for number in [0, 6, 17] {
            let env = env_of_format_1().await;
            let mut other = get(&env, &key).await;
            other.insert("v".to_owned(), codec::n(number));
            put(&env, other.clone()).await;
            // A run reads the last run only if the account record is unreadable
            // too.
            if outcome == Outcome::Failed {
                let mut record = get(&env, &account_key()).await;
                record.insert("v".to_owned(), codec::n(number));
                put(&env, record).await;
            }
            let problem = format!("attribute v: is {number}: this software reads formats 1 to 5");
            let place = format!("item pk='{}' sk='{}': {problem}", key.0, key.1);
            let stage = Stage::new(vec![entry(&arn(REGION, "a"), "a", "AVAILABLE")]).await;
            let summary = env.run_with(&stage.endpoint, &json!({})).await;
            assert_eq!(summary.outcome, outcome, "{:?}", summary.problems);
            assert!(
                summary.problems.contains(&place),
                "{place}: {:?}",
                summary.problems
            );
            assert_eq!(get(&env, &key).await, other, "it is left unchanged");
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
