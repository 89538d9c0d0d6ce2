//! Written items are read back unchanged, a snapshot fits one write unit, and
//! items edited by others are reported and ignored.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::TestEnv;
use crate::support::cases::cases;
use crate::support::scripted_service::{self, Script};
use crate::support::test_env::{self, account, changes};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::aws::Meter;
use codeconnections_inventory::domain::account::RunReference;
use codeconnections_inventory::domain::diff::Transition;
use codeconnections_inventory::domain::listing::{Filter, Window};
use codeconnections_inventory::domain::plan::Touch;
use codeconnections_inventory::domain::run::{ListingError, ListingReport, SnapshotsRecord};
use codeconnections_inventory::domain::text::json_safe;
use codeconnections_inventory::domain::{
    AccountId, AccountRecord, Agreement, ApiCall, Attributes, Cause, Change, ChangeKind, Clock,
    Closing, ConnectionArn, DependencyType, Digest, Outcome, Presence, Region, RunId, RunRecord,
    SchemaVersion, Snapshot, Timestamp, Trigger, UnknownMembers,
};
use codeconnections_inventory::local::ManualClock;
use codeconnections_inventory::table::{CorruptItem, TableError, WriteResult, keys};
use proptest::prelude::*;
use proptest::test_runner::{TestRunner, contextualize_config};
use serde_json::{Value, json};

type Item = HashMap<String, AttributeValue>;

// --- Read back --------------------------------------------------------------

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Returns an account that no other case uses.
fn fresh_account() -> AccountId {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{number:012}").parse().expect("an account")
}

/// Generates texts: arbitrary ones, empty ones and ones with special
/// characters.
fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        4 => any::<String>(),
        1 => prop::sample::select(vec!["", " ", "null", "'; DROP", "\"", "\\", "é\u{301}", "日本", "🦀", "#", "a\0b", "\u{10ffff}"])
            .prop_map(str::to_owned),
    ]
    .prop_map(String::into_boxed_str)
}

fn maybe_text() -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(text())
}

/// Generates words of an enumeration: known ones and any other.
fn word(known: &'static [&'static str]) -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(prop_oneof![
        prop::sample::select(known).prop_map(Into::into),
        text(),
    ])
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), 0..4_102_444_800_000_i64].prop_map(Timestamp::from_millis)
}

fn window() -> impl Strategy<Value = Window> {
    (time(), time()).prop_map(|(a, b)| Window {
        began_at: a.min(b),
        ended_at: a.max(b),
    })
}

fn a_region() -> impl Strategy<Value = Region> {
    "[a-z]{2}(-gov)?-[a-z]{4,9}-[0-9]{1,2}".prop_map(|text| text.parse().expect("a region"))
}

fn arn() -> impl Strategy<Value = ConnectionArn> {
    let partition = prop::sample::select(vec!["aws", "aws-cn", "aws-us-gov"]);
    let service = prop::sample::select(vec!["codeconnections", "codestar-connections"]);
    (
        partition,
        service,
        a_region(),
        "[0-9]{12}",
        "[^\\s\\pC]{1,40}",
    )
        .prop_filter_map(
            "longer than an ARN",
            |(partition, service, region, owner, id)| {
                let text = format!("arn:{partition}:{service}:{region}:{owner}:connection/{id}");
                text.parse().ok()
            },
        )
}

fn run_id() -> impl Strategy<Value = RunId> {
    (time(), any::<u128>()).prop_map(|(time, random)| RunId::new(time, random))
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<u64>().prop_map(|seed| Digest::of(&seed))
}

/// Generates any JSON, within the limits of an item and beyond.
fn unknown_members() -> BoxedStrategy<UnknownMembers> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = value.prop_recursive(20, 64, 3, |value| {
        prop_oneof![
            prop::collection::vec(value.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), value, 0..3)
                .prop_map(|map| map.into_iter().collect()),
        ]
    });
    let name = any::<String>().prop_map(Box::from);
    prop_oneof![
        3 => Just(BTreeMap::new()),
        1 => prop::collection::btree_map(name, value, 0..20),
    ]
    .prop_map(UnknownMembers::new)
    .boxed()
}

fn attributes() -> BoxedStrategy<Attributes> {
    let status = word(&["PENDING", "AVAILABLE", "ERROR"]);
    let provider = word(&["Bitbucket", "GitHub", "GitLabSelfManaged", "AzureDevOps"]);
    (
        maybe_text(),
        status,
        maybe_text(),
        maybe_text(),
        maybe_text(),
        provider,
        unknown_members(),
    )
        .prop_map(
            |(connection_name, status, host_arn, owner, endpoint, provider, unknown_members)| {
                Attributes {
                    connection_name,
                    connection_status: status.map(|word| (&*word).into()),
                    host_arn,
                    owner_account_id: owner,
                    provider_endpoint: endpoint,
                    provider_type: provider.map(|word| (&*word).into()),
                    unknown_members,
                }
            },
        )
        .boxed()
}

fn closing() -> impl Strategy<Value = Closing> {
    prop_oneof![
        Just(Closing::Resolved),
        Just(Closing::RuleRemoved),
        text().prop_map(|reason| Closing::Waived { reason }),
    ]
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![
        Just(Presence::Present),
        window().prop_map(|seen_gone| Presence::Deleted { seen_gone }),
    ]
}

/// Generates a snapshot and a change of any connection.
fn transition() -> impl Strategy<Value = Transition> {
    let snapshot = (
        attributes(),
        presence(),
        (time(), window(), time()),
        any::<u32>(),
        prop::collection::btree_set(a_region(), 0..18),
        digest(),
    );
    let change = (
        prop::sample::select(ChangeKind::ALL.to_vec()),
        prop::option::of(attributes()),
        prop::option::of(attributes()),
        prop::option::of(time()),
        window(),
        run_id(),
        (
            maybe_text(),
            prop::option::of(digest()),
            prop::option::of(cause()),
            prop::collection::vec(prop::sample::select(DependencyType::ALL.to_vec()), 0..4),
            prop::option::of(closing()),
        ),
    );
    (arn(), snapshot, change).prop_map(|(arn, snapshot, change)| {
        let (attributes, presence, times, version, listed_in, digest) = snapshot;
        let (first_seen_at, last_seen, status_since) = times;
        let (kind, before, after, previously_seen_at, observed, run_id, last) = change;
        Transition {
            snapshot: Snapshot {
                arn: arn.clone(),
                attributes,
                presence,
                first_seen_at,
                last_seen,
                status_since,
                version,
                listed_in: listed_in.into_iter().collect(),
                digest,
            },
            change: Change {
                format: SchemaVersion::CURRENT,
                account: account(),
                arn,
                version,
                kind,
                before,
                after,
                previously_seen_at,
                observed_at: observed.began_at,
                observed_until: observed.ended_at,
                run_id,
                event_id: last.0,
                cause: last.2,
                consumers: last.3.into_iter().collect(),
                closed: last.4,
                previous_digest: last.1,
            },
        }
    })
}

fn counts() -> impl Strategy<Value = BTreeMap<String, u64>> {
    prop::collection::btree_map("\\PC{1,12}", any::<u64>(), 0..5)
}

/// Generates calls. The strategy is boxed, like every part of a larger one,
/// because its value tree is deep.
fn call() -> BoxedStrategy<ApiCall> {
    let who = (maybe_text(), maybe_text(), maybe_text(), maybe_text());
    let unnamed = (maybe_text(), maybe_text(), maybe_text());
    let when = (prop::option::of(time()), a_region());
    (text(), text(), maybe_text(), when, who, unnamed)
        .prop_map(
            |(event_id, event_name, cloudtrail_id, (event_time, region), who, unnamed)| ApiCall {
                event_id,
                cloudtrail_id,
                event_name,
                event_time,
                region,
                principal_arn: who.0,
                source_ip: who.1,
                resource_arn: who.2,
                error_code: who.3,
                principal_type: unnamed.0,
                principal_id: unnamed.1,
                principal_authority: unnamed.2,
            },
        )
        .boxed()
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        Just(Cause::NoCallSeen),
        call().prop_map(|call| Cause::ApiCall(Box::new(call))),
    ]
}

fn trigger() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        Just(Trigger::Request),
        (maybe_text(), maybe_text()).prop_map(|(event_id, source_arn)| Trigger::Schedule {
            event_id,
            source_arn,
        }),
        (text(), text(), maybe_text(), maybe_text()).prop_map(
            |(event_id, event_name, principal_arn, source_ip)| Trigger::ApiCall {
                event_id,
                event_name,
                principal_arn,
                source_ip,
            }
        ),
        prop::collection::vec(call(), 0..4).prop_map(|calls| Trigger::ApiCalls { calls }),
    ]
}

fn listing() -> impl Strategy<Value = ListingReport> {
    let error = prop::option::of((text(), text()));
    let numbers = (any::<bool>(), any::<u32>(), any::<u32>());
    (a_region(), numbers, window(), error).prop_map(|(region, numbers, window, error)| {
        let (complete, pages, connections) = numbers;
        ListingReport {
            region,
            complete,
            pages,
            connections,
            began_at: window.began_at,
            ended_at: window.ended_at,
            error: error.map(|(code, message)| ListingError { code, message }),
        }
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(vec![Outcome::Complete, Outcome::Partial, Outcome::Failed])
}

fn run_record() -> impl Strategy<Value = RunRecord> {
    let filter = (word(&["GitHub"]), maybe_text());
    let kinds = prop::sample::select(ChangeKind::ALL.to_vec());
    let who = (run_id(), window(), outcome(), trigger(), filter);
    let found = (
        prop::collection::vec(text(), 0..4),
        prop::collection::vec(listing(), 0..4),
        counts(),
        prop::collection::btree_map(kinds, any::<u64>(), 0..5),
    );
    let rest = (
        any::<u64>(),
        (any::<u64>(), any::<u64>()),
        text(),
        prop::option::of((any::<u64>(), digest())),
        (prop::option::of(any::<u64>()), prop::option::of(digest())),
    );
    (any::<u64>(), who, found, rest).prop_map(|(sequence, who, found, rest)| {
        let (run_id, times, outcome, trigger, (provider, host_arn)) = who;
        let (problems, listings, connections, changes) = found;
        let (tombstones_held_back, left, code_version, snapshots, last) = rest;
        let (unwritten, unsettled) = left;
        let (account_sequence, previous_digest) = last;
        let agreement = unsettled.is_multiple_of(2).then(|| Agreement {
            regions: vec![test_env::region("eu-west-1")],
            lacked: BTreeMap::from([(test_env::region("eu-west-1"), vec![code_version.clone()])]),
            unnamed: unsettled,
        });
        RunRecord {
            agreement,
            format: SchemaVersion::CURRENT,
            account: account(),
            sequence,
            run_id,
            started_at: times.began_at,
            finished_at: times.ended_at,
            outcome,
            problems: problems.into_iter().map(String::from).collect(),
            trigger,
            filter: Filter {
                provider_type: provider.map(|word| (&*word).into()),
                host_arn,
            },
            listings,
            connections,
            changes,
            tombstones_held_back,
            unwritten,
            unsettled,
            unconfirmed: unsettled / 2,
            retired_regions: Vec::new(),
            code_version,
            evaluation: None,
            snapshots: snapshots.map(|(count, digest)| SnapshotsRecord { count, digest }),
            account_sequence,
            previous_digest,
        }
    })
}

fn reference() -> impl Strategy<Value = RunReference> {
    (any::<u64>(), run_id(), time(), outcome()).prop_map(
        |(sequence, run_id, started_at, outcome)| RunReference {
            sequence,
            run_id,
            started_at,
            outcome,
        },
    )
}

fn account_record() -> impl Strategy<Value = AccountRecord> {
    let events = prop::collection::btree_map("\\PC{1,40}", any::<u64>(), 0..9);
    let coverage = prop::collection::btree_map(a_region(), time(), 0..5);
    let runs = (reference(), prop::option::of(reference()));
    (any::<u64>(), digest(), runs, coverage, events, counts()).prop_map(
        |(sequence, head, (last_attempt, last_complete), coverage, events, connections)| {
            let events = events.into_iter();
            AccountRecord {
                format: SchemaVersion::CURRENT,
                account: account(),
                sequence,
                head,
                last_attempt,
                last_complete,
                coverage_until: coverage.clone(),
                coverage,
                recent_events: events.map(|(id, run)| (id.into_boxed_str(), run)).collect(),
                connections,
            }
        },
    )
}

/// Records a transition, with a clock by which no observation is stale.
async fn record(
    env: &TestEnv,
    account: &AccountId,
    previous: Option<&Snapshot>,
    transition: &Transition,
) -> WriteResult {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_millis(i64::MIN)));
    let changes = [(previous, transition)];
    let written = env.table.record(account, &changes, &clock).await;
    written.expect("in time").into()
}

/// Runs `case` on many values, over one table.
fn for_many<S: Strategy>(
    strategy: &S,
    case: impl AsyncFn(&TestEnv, S::Value) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let env = runtime.block_on(TestEnv::new());
    // Nothing is kept on disk: a failure shows its values.
    let config = contextualize_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases(16))
    });
    let result = TestRunner::new(config).run(strategy, |value| runtime.block_on(case(&env, value)));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn snapshot_and_change_round_trip() {
    for_many(
        &(transition(), transition()),
        async |env, (first, second)| {
            let account = fresh_account();
            let of_account = |transition: Transition| {
                let change = Change {
                    account: account.clone(),
                    ..transition.change
                };
                Transition {
                    change,
                    ..transition
                }
            };
            let (first, mut second) = (of_account(first), of_account(second));
            // The second is a later transition of the same connection.
            let arn = first.snapshot.arn.clone();
            second.snapshot.arn = arn.clone();
            second.change.arn = arn.clone();
            second.change.version = first.change.version.wrapping_add(1);
            second.snapshot.version = second.change.version;
            second.change.observed_at = second
                .change
                .observed_at
                .max(first.snapshot.last_seen.ended_at);

            let mut expected = Vec::new();
            let mut previous = None;
            for transition in [&first, &second] {
                let written = record(env, &account, previous, transition).await;
                prop_assert_eq!(written, WriteResult::Written);
                expected.push(transition.change.clone());
                previous = Some(&transition.snapshot);

                let read = env.table.read_snapshot(&account, &arn).await;
                prop_assert_eq!(read, Ok(Some(transition.snapshot.clone())));
                let state = env.table.read_account(&account).await.expect("read");
                prop_assert_eq!(&state.corrupt, &[]);
                prop_assert_eq!(state.snapshots.len(), 1);
                prop_assert_eq!(&state.snapshots[&arn], &transition.snapshot);

                let mut sorted = expected.clone();
                sorted.sort_by_key(|change| change.version);
                let changes = env.table.changes_of(&account, &arn).await.expect("read");
                prop_assert_eq!(&changes, &sorted);
                let digests = |changes: &[Change]| changes.iter().map(Change::digest).collect();
                let (read, made): (Vec<_>, Vec<_>) = (digests(&changes), digests(&sorted));
                prop_assert_eq!(read, made, "what is read back has the same digest");
            }
            Ok(())
        },
    );
}

#[test]
fn status_index_has_present_connections_only() {
    for_many(&transition(), async |env, transition| {
        let account = fresh_account();
        let written = record(env, &account, None, &transition).await;
        prop_assert_eq!(written, WriteResult::Written);
        let Some(status) = &transition.snapshot.attributes.connection_status else {
            return Ok(());
        };
        let rows = env.table.connections_by_status(status).await.expect("read");
        let row = rows.into_iter().find(|row| row.account == account);
        if transition.snapshot.is_deleted() {
            prop_assert_eq!(row, None);
        } else {
            let row = row.expect("a row");
            prop_assert_eq!(row.arn, transition.snapshot.arn);
            // Later attributes are not projected: an index cannot be changed in
            // place.
            let projected = Attributes {
                provider_endpoint: None,
                unknown_members: UnknownMembers::default(),
                ..transition.snapshot.attributes
            };
            prop_assert_eq!(row.attributes, projected);
            prop_assert_eq!(row.first_seen_at, transition.snapshot.first_seen_at);
            prop_assert_eq!(row.status_since, transition.snapshot.status_since);
        }
        Ok(())
    });
}

#[test]
fn touch_changes_only_last_seen_and_regions() {
    let regions = prop::option::of(prop::collection::btree_set(a_region(), 0..5));
    for_many(
        &(transition(), window(), regions),
        async |env, (transition, window, regions)| {
            let account = fresh_account();
            let written = record(env, &account, None, &transition).await;
            prop_assert_eq!(written, WriteResult::Written);
            let listed_in: Option<Vec<Region>> =
                regions.map(BTreeSet::into_iter).map(Iterator::collect);
            let touch = Touch {
                snapshot: &transition.snapshot,
                window,
                listed_in: listed_in.clone(),
            };
            let written = env.table.touch(&account, &[touch]).await;

            let before = transition.snapshot.last_seen;
            let newer = window.began_at > before.began_at && window.ended_at >= before.ended_at;
            let expected = if newer {
                prop_assert_eq!(written, [WriteResult::Written]);
                Snapshot {
                    last_seen: window,
                    listed_in: listed_in.unwrap_or(transition.snapshot.listed_in.clone()),
                    ..transition.snapshot.clone()
                }
            } else {
                prop_assert_eq!(written, [WriteResult::Conflict]);
                transition.snapshot.clone()
            };
            let arn = &transition.snapshot.arn;
            let read = env.table.read_snapshot(&account, arn).await;
            prop_assert_eq!(read, Ok(Some(expected)));
            Ok(())
        },
    );
}

#[test]
fn run_record_round_trips() {
    for_many(&run_record(), async |env, run| {
        let run = RunRecord {
            account: fresh_account(),
            ..run
        };
        prop_assert_eq!(env.table.record_run(&run).await, WriteResult::Written);
        let read = env.table.read_run(&run.account, run.sequence).await;
        let read = read.expect("read").expect("a run");
        prop_assert_eq!(read.digest(), run.digest());
        prop_assert_eq!(&read, &run);
        let last = env.table.read_last_run(&run.account).await.expect("read");
        prop_assert_eq!(last.as_ref(), Some(&run));
        let runs = env.table.runs_of(&run.account, 10).await.expect("read");
        prop_assert_eq!(runs, [run]);
        Ok(())
    });
}

#[test]
fn account_record_round_trips() {
    for_many(
        &(account_record(), account_record()),
        async |env, (first, mut second)| {
            let account = fresh_account();
            let first = AccountRecord {
                account: account.clone(),
                ..first
            };
            second.account = account.clone();
            // A later record has a last complete run if an earlier one had.
            second.last_complete = second.last_complete.or(first.last_complete.clone());
            // It also keeps the regions that were listed.
            second.coverage.extend(first.coverage.clone());
            second.coverage_until.extend(first.coverage_until.clone());

            let mut previous = None;
            for record in [&first, &second] {
                let written = env.table.write_account(previous, record).await;
                prop_assert_eq!(written, WriteResult::Written);
                previous = Some(record);
                let read = env.table.read_record(&account).await;
                prop_assert_eq!(read, Ok(Some(record.clone())));
                let state = env.table.read_account(&account).await.expect("read");
                prop_assert_eq!(state.record.as_ref(), Some(record));
                prop_assert_eq!(&state.corrupt, &[]);
            }
            let accounts = env.table.accounts().await.expect("read");
            prop_assert!(accounts.contains(&account));
            Ok(())
        },
    );
}

// --- One write unit ---------------------------------------------------------

/// The service's regions. Other regions do not list the connections of opt-in
/// regions.
const REGIONS: [&str; 17] = [
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

/// Returns an item's size as DynamoDB counts it.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn size(item: &Item) -> usize {
    let attributes = item.iter();
    attributes
        .map(|(name, value)| name.len() + size_of_value(value))
        .sum()
}

fn size_of_value(value: &AttributeValue) -> usize {
    const NESTING: usize = 3;
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => {
            let significant = digits.trim_start_matches(['-', '0']).trim_end_matches('0');
            let significant = significant.chars().filter(char::is_ascii_digit).count();
            significant.div_ceil(2) + 1 + usize::from(digits.starts_with('-'))
        }
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::Ss(set) => NESTING + set.iter().map(|text| text.len() + 1).sum::<usize>(),
        AttributeValue::L(list) => {
            NESTING
                + list
                    .iter()
                    .map(|value| size_of_value(value) + 1)
                    .sum::<usize>()
        }
        AttributeValue::M(map) => NESTING + size(map) + map.len(),
        other => panic!("{other:?} is of a type never written"),
    }
}

#[test]
fn item_size_is_counted_as_by_dynamodb() {
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let n = |digits: &str| AttributeValue::N(digits.to_owned());
    for (value, bytes) in [
        (s(""), 0),
        (s("é"), 2),
        (n("0"), 1),
        (n("1"), 2),
        (n("1000"), 2),
        (n("12345"), 4),
        (n("-12"), 3),
        (AttributeValue::Null(true), 1),
        (AttributeValue::Ss(vec!["ab".to_owned(), "c".to_owned()]), 8),
        (AttributeValue::L(vec![s("abc"), n("7")]), 10),
        (
            AttributeValue::M(Item::from([("key".to_owned(), s("abc"))])),
            10,
        ),
    ] {
        assert_eq!(size_of_value(&value), bytes, "{value:?}");
    }
    assert_eq!(size(&Item::from([("name".to_owned(), s("abc"))])), 7);
}

#[tokio::test]
async fn largest_usual_snapshot_is_touched_for_one_write_unit() {
    // Lengths: a connection's name has at most 32 characters, a host's 64.
    // https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_CreateHost.html
    let arn = "arn:aws:codestar-connections:ap-southeast-1:123456789012:\
               connection/8c0a5f2e-3b41-4d0e-9a77-5e1c2f6b9d34";
    let host = format!(
        "arn:aws:codestar-connections:ap-southeast-1:123456789012:host/{}-1a2b3c4d",
        "h".repeat(64)
    );
    let entry = json!({
        "ConnectionName": "n".repeat(32),
        "ConnectionArn": arn,
        "ProviderType": "GitHubEnterpriseServer",
        "OwnerAccountId": "123456789012",
        "ConnectionStatus": "AVAILABLE",
        "HostArn": host,
    });
    let script = Script::start(move |_| scripted_service::last(vec![entry.clone()])).await;
    let env = TestEnv::new().await;
    let source = env.source_at(&script.endpoint);
    let handler = env.handler_of(source, env.table.clone());
    let summary = test_env::run(&handler, &json!({"regions": REGIONS})).await;
    assert_eq!(summary.outcome, Outcome::Complete);

    let arn: ConnectionArn = arn.parse().expect("an ARN");
    let sk = keys::snapshot_sk(&arn);
    let item = item(&env, &sk).await.expect("a snapshot");
    let snapshot = env.table.read_snapshot(&account(), &arn).await;
    let snapshot = snapshot.expect("read").expect("a snapshot");
    assert_eq!(snapshot.listed_in.len(), REGIONS.len());
    let size = size(&item);
    assert!(size <= 1024, "{size} bytes: {item:#?}");

    let meter = Arc::new(Meter::default());
    let later = Timestamp::from_millis(snapshot.last_seen.ended_at.millis() + 1);
    let touch = Touch {
        snapshot: &snapshot,
        window: Window {
            began_at: later,
            ended_at: later,
        },
        listed_in: None,
    };
    let table = env.table.metered(Arc::clone(&meter));
    assert_eq!(
        table.touch(&account(), &[touch]).await,
        [WriteResult::Written]
    );
    if env.reports_written_units() {
        assert_eq!(meter.capacity().write_units.to_string(), "1");
        assert_eq!(meter.capacity().index_write_units.to_string(), "0");
    }
}

// --- Edited by hand ---------------------------------------------------------

async fn item(env: &TestEnv, sk: &str) -> Option<Item> {
    item_at(env, &keys::account_pk(&account()), sk).await
}

async fn item_at(env: &TestEnv, pk: &str, sk: &str) -> Option<Item> {
    let request = env
        .table
        .client()
        .get_item()
        .table_name(env.table.name().as_str());
    let request = request
        .key(keys::PK, AttributeValue::S(pk.to_owned()))
        .key(keys::SK, AttributeValue::S(sk.to_owned()))
        .consistent_read(true);
    request.send().await.expect("read").item
}

async fn put(env: &TestEnv, item: Item) {
    let request = env
        .table
        .client()
        .put_item()
        .table_name(env.table.name().as_str());
    request.set_item(Some(item)).send().await.expect("put");
}

/// An edit of an item: sets an attribute or removes it.
type Edit = (&'static str, Option<AttributeValue>);

async fn edit(env: &TestEnv, pk: &str, sk: &str, (attribute, value): &Edit) -> Item {
    let mut item = item_at(env, pk, sk).await.expect("an item to edit");
    match value {
        Some(value) => item.insert((*attribute).to_owned(), value.clone()),
        None => Some(item.remove(*attribute).expect("an attribute to remove")),
    };
    put(env, item.clone()).await;
    item
}

fn s(text: &str) -> Option<AttributeValue> {
    Some(AttributeValue::S(text.to_owned()))
}

fn n(digits: &str) -> Option<AttributeValue> {
    Some(AttributeValue::N(digits.to_owned()))
}

/// Returns edits of a snapshot, each with the problem reported for the
/// attribute.
fn snapshot_edits() -> Vec<(Edit, &'static str)> {
    let flag = Some(AttributeValue::Bool(true));
    let no_region = AttributeValue::Ss(vec!["eu-west-1".to_owned(), "nowhere".to_owned()]);
    vec![
        (("connection_name", n("1")), "is not a text"),
        (("connection_status", flag.clone()), "is not a text"),
        (("host_arn", flag.clone()), "is not a text"),
        (("owner_account_id", n("123456789012")), "is not a text"),
        (
            ("provider_type", Some(AttributeValue::Null(true))),
            "is not a text",
        ),
        (("presence", None), "is missing"),
        (
            ("presence", s("GONE")),
            "\"GONE\" is neither PRESENT nor DELETED",
        ),
        (("first_seen_at", None), "is missing"),
        (("first_seen_at", s("")), "\"\" is not an RFC 3339 time"),
        (
            ("last_seen_at", s("yesterday")),
            "\"yesterday\" is not an RFC 3339 time",
        ),
        (("last_seen_at", n("1790845200")), "is not a text"),
        (("last_seen_until", None), "is missing"),
        (
            ("status_since", s("2026-13-01T00:00:00Z")),
            "is not an RFC 3339 time",
        ),
        (("version", None), "is missing or not a number"),
        (("version", s("1")), "is missing or not a number"),
        (("version", n("-1")), "is not a whole number"),
        (("version", n("1.5")), "is not a whole number"),
        (("version", n("4294967296")), "is not a whole number"),
        (("listed_in", s("eu-west-1")), "is not a set of texts"),
        (
            ("listed_in", Some(no_region)),
            "\"nowhere\" is not an AWS region code",
        ),
        (("digest", None), "is missing"),
        (("digest", s("abc")), "\"abc\" is not a digest"),
        (("v", None), "is missing: no item of this inventory"),
        (("v", s("1")), "is missing: no item of this inventory"),
        (("v", n("6")), "is 6: this software reads formats 1 to 5"),
    ]
}

#[tokio::test]
async fn edited_snapshot_is_reported_and_left_unchanged() {
    for (what, expected) in snapshot_edits() {
        let env = TestEnv::new().await;
        let edited = env.create("edited");
        let broken = env.create("broken");
        let usual = env.create("usual");
        env.run().await;
        env.set_status(&broken, "ERROR");
        let pk = keys::account_pk(&account());
        let sk = format!("CONNECTION#{edited}");
        let left = edit(&env, &pk, &sk, &what).await;
        let before = env
            .table
            .changes_of(&account(), &edited.parse().expect("an ARN"))
            .await;

        let summary = env.run().await;
        assert_eq!(summary.outcome, Outcome::Partial, "{what:?}");
        assert_eq!(
            summary.problems.len(),
            1,
            "{what:?}: {:?}",
            summary.problems
        );
        let problem = &summary.problems[0];
        let place = format!("item pk={pk:?} sk={sk:?}: attribute {}: ", what.0);
        assert!(
            problem.starts_with(&json_safe(&place)),
            "{what:?}: {problem}"
        );
        assert!(
            problem.contains(&json_safe(expected)),
            "{what:?}: {problem}"
        );

        assert_eq!(item(&env, &sk).await, Some(left), "{what:?}");
        let after = env
            .table
            .changes_of(&account(), &edited.parse().expect("an ARN"))
            .await;
        assert_eq!(after, before, "{what:?}");
        assert_eq!(
            changes(&summary),
            [(ChangeKind::StatusChanged, 1)],
            "{what:?}"
        );
        assert_eq!(env.story(&broken).await.len(), 2, "{what:?}");
        let seen = env
            .table
            .read_snapshot(&account(), &usual.parse().expect("an ARN"))
            .await;
        let seen = seen.expect("read").expect("a snapshot").last_seen.began_at;
        let run = env.runs().await.pop().expect("a run");
        assert_eq!(seen, run.listings[0].began_at, "{what:?}");
        assert_eq!(run.problems, summary.problems, "{what:?}");
    }
}

#[tokio::test]
async fn tombstone_without_deletion_time_is_reported() {
    let env = TestEnv::new().await;
    let deleted = env.create("gone");
    env.run().await;
    env.delete(&deleted);
    env.run().await;
    let sk = format!("CONNECTION#{deleted}");
    for attribute in ["deleted_at", "deleted_until"] {
        let original = item(&env, &sk).await.expect("a tombstone");
        edit(&env, &keys::account_pk(&account()), &sk, &(attribute, None)).await;
        let summary = env.run().await;
        assert_eq!(summary.outcome, Outcome::Partial);
        let expected = format!("attribute {attribute}: is missing");
        assert!(
            summary.problems[0].contains(&expected),
            "{:?}",
            summary.problems
        );
        put(&env, original).await;
        assert_eq!(
            env.run().await.outcome,
            Outcome::Complete,
            "the original is back"
        );
    }
}

#[tokio::test]
async fn item_with_a_key_of_no_connection_is_reported() {
    let env = TestEnv::new().await;
    let real = env.create("real");
    env.run().await;
    let original = item(&env, &format!("CONNECTION#{real}"))
        .await
        .expect("a snapshot");
    for (sk, expected) in [
        (
            "CONNECTION#garbage".to_owned(),
            "\"garbage\" is not a connection ARN",
        ),
        ("CONNECTION#".to_owned(), "\"\" is not a connection ARN"),
        (format!("CONNECTION#{real} "), "is not a connection ARN"),
        // A valid ARN without the prefix of a snapshot's key.
        (real.clone(), "does not begin with CONNECTION#"),
        ("ZEBRA".to_owned(), "does not begin with CONNECTION#"),
    ] {
        let mut stray = original.clone();
        stray.insert(keys::SK.to_owned(), AttributeValue::S(sk.clone()));
        stray.insert(
            "connection_name".to_owned(),
            AttributeValue::S("stray".to_owned()),
        );
        put(&env, stray.clone()).await;

        let summary = env.run().await;
        assert_eq!(summary.outcome, Outcome::Partial, "{sk}");
        let pk = keys::account_pk(&account());
        let place = json_safe(&format!("item pk={pk:?} sk={sk:?}: attribute sk: "));
        assert_eq!(summary.problems.len(), 1, "{:?}", summary.problems);
        assert!(
            summary.problems[0].starts_with(&place),
            "{:?}",
            summary.problems
        );
        assert!(
            summary.problems[0].contains(&json_safe(expected)),
            "{:?}",
            summary.problems
        );
        assert!(summary.changes.is_empty(), "{sk}: {:?}", summary.changes);
        assert_eq!(item(&env, &sk).await, Some(stray), "{sk}");

        let request = env
            .table
            .client()
            .delete_item()
            .table_name(env.table.name().as_str());
        let request = request
            .key(keys::PK, AttributeValue::S(pk))
            .key(keys::SK, AttributeValue::S(sk));
        request.send().await.expect("deleted");
    }
    assert_eq!(env.run().await.outcome, Outcome::Complete);
}

#[tokio::test]
async fn edited_account_record_is_reported_and_the_run_chain_continues() {
    for what in [
        ("sequence", s("1")),
        ("sequence", None),
        ("head", s("abc")),
        ("last_attempt", s("yesterday")),
        ("coverage", Some(AttributeValue::L(Vec::new()))),
        ("v", n("9")),
    ] {
        let env = TestEnv::new().await;
        let arn = env.create("one");
        env.run().await;
        env.run().await;
        let pk = keys::account_pk(&account());
        let left = edit(&env, &pk, keys::ACCOUNT_SK, &what).await;
        env.set_status(&arn, "ERROR");

        let summary = env.run().await;
        assert_eq!(summary.outcome, Outcome::Partial, "{what:?}");
        let place = format!("item pk={pk:?} sk={:?}: attribute ", keys::ACCOUNT_SK);
        let place = json_safe(&place);
        let problem = &summary.problems[0];
        assert!(problem.starts_with(&place), "{what:?}: {problem}");
        assert!(problem.contains(what.0), "{what:?}: {problem}");
        assert_eq!(
            changes(&summary),
            [(ChangeKind::StatusChanged, 1)],
            "{what:?}"
        );
        assert_eq!(env.runs().await.len(), 3, "{what:?}");
        assert_eq!(summary.sequence, Some(3), "{what:?}");
        assert_eq!(item(&env, keys::ACCOUNT_SK).await, Some(left), "{what:?}");
    }
}

/// Returns the item that could not be read.
fn corrupt<T: std::fmt::Debug>(read: Result<T, TableError>) -> CorruptItem {
    match read {
        Err(TableError::CorruptItem(corrupt)) => corrupt,
        other => panic!("a corrupt item, not {other:?}"),
    }
}

#[tokio::test]
async fn edited_change_or_run_is_rejected_with_key_and_attribute() {
    let binary = Some(AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(
        "x",
    )));
    let status = AttributeValue::M(Item::from([(
        "connection_status".to_owned(),
        AttributeValue::N("1".to_owned()),
    )]));
    let env = TestEnv::new().await;
    let arn = env.create("one");
    env.run().await;

    let (pk, sk) = (
        format!("CONNECTION#{}#{arn}", account()),
        keys::change_sk(1),
    );
    let original = item_at(&env, &pk, &sk).await.expect("a change");
    for (what, attribute, expected) in [
        (("version", s("1")), "version", "invalid type: string"),
        (("version", n("1.5")), "version", "invalid type"),
        (("kind", s("EXPLODED")), "kind", "EXPLODED"),
        (
            ("after", Some(status)),
            "after.connection_status",
            "invalid type",
        ),
        (
            ("observed_at", s("noon")),
            "observed_at",
            "not an RFC 3339 time",
        ),
        (("run_id", None), "(record)", "missing field `run_id`"),
        (("arn", s("garbage")), "arn", "not a connection ARN"),
        (
            ("before", binary.clone()),
            "before",
            "is of a type never written",
        ),
        (
            ("v", n("6")),
            "v",
            "is 6: this software reads formats 1 to 5",
        ),
        (("v", None), "v", "is missing"),
    ] {
        edit(&env, &pk, &sk, &what).await;
        let found = corrupt(
            env.table
                .changes_of(&account(), &arn.parse().expect("an ARN"))
                .await,
        );
        assert_eq!((&found.pk, &found.sk), (&pk, &sk), "{what:?}");
        assert_eq!(found.attribute, attribute, "{what:?}: {found}");
        assert!(found.problem.contains(expected), "{what:?}: {found}");
        put(&env, original.clone()).await;
    }

    let (pk, sk) = (keys::runs_pk(&account()), keys::run_sk(1));
    let original = item_at(&env, &pk, &sk).await.expect("a run");
    for (what, attribute, expected) in [
        (("sequence", s("1")), "sequence", "invalid type: string"),
        (("outcome", s("FINE")), "outcome", "FINE"),
        (("listings", s("none")), "listings", "invalid type: string"),
        (("changes", None), "(record)", "missing field `changes`"),
        (
            ("started_at", binary),
            "started_at",
            "is of a type never written",
        ),
        (
            ("v", n("0")),
            "v",
            "is 0: this software reads formats 1 to 5",
        ),
    ] {
        edit(&env, &pk, &sk, &what).await;
        for found in [
            corrupt(env.table.read_run(&account(), 1).await),
            corrupt(env.table.runs_of(&account(), 1).await),
        ] {
            assert_eq!((&found.pk, &found.sk), (&pk, &sk), "{what:?}");
            assert_eq!(found.attribute, attribute, "{what:?}: {found}");
            assert!(found.problem.contains(expected), "{what:?}: {found}");
        }
        put(&env, original.clone()).await;
    }
    assert_eq!(env.runs().await.len(), 1, "the original is read again");
}

#[tokio::test]
async fn edited_item_in_status_index_is_rejected_with_key_and_attribute() {
    let env = TestEnv::new().await;
    let arn = env.create("one");
    env.set_status(&arn, "AVAILABLE");
    env.run().await;
    let (pk, sk) = (keys::account_pk(&account()), format!("CONNECTION#{arn}"));
    let original = item(&env, &sk).await.expect("a snapshot");
    for (what, expected) in [
        (("connection_name", n("1")), "is not a text"),
        (("provider_type", n("1")), "is not a text"),
        (("first_seen_at", s("noon")), "is missing or not a time"),
        (("status_since", None), "is missing or not a time"),
    ] {
        edit(&env, &pk, &sk, &what).await;
        let found = corrupt(env.table.connections_by_status(&"AVAILABLE".into()).await);
        assert_eq!((&found.pk, &found.sk), (&pk, &sk), "{what:?}");
        assert_eq!(found.attribute, what.0, "{what:?}");
        assert!(found.problem.contains(expected), "{what:?}: {found}");
        put(&env, original.clone()).await;
    }
    assert_eq!(
        env.table
            .connections_by_status(&"AVAILABLE".into())
            .await
            .expect("read")
            .len(),
        1
    );
}
