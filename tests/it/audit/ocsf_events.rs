//! OCSF events of recorded runs are valid by the published schema and have the
//! recorded content.
#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::ccinv::Ccinv;
use crate::support::python::{fine, python};
use crate::support::scripted_service::{Script, arn, last};
use crate::support::test_env::{ACCOUNT, HOUR, TestEnv, account};
use codeconnections_inventory::compliance::check::Verdict;
use codeconnections_inventory::compliance::evidence::RecordKey;
use codeconnections_inventory::compliance::kinds::Shared;
use codeconnections_inventory::compliance::rule::{Rule, Scope};
use codeconnections_inventory::compliance::severity::Severity;
use codeconnections_inventory::compliance::subject::Subject;
use codeconnections_inventory::domain::{Snapshot, Timestamp};
use codeconnections_inventory::output::ocsf::{
    ConnectionRecord, EvaluatedRule, SCHEMA_VERSION, compliance_event, inventory_event,
};
use codeconnections_inventory::table::keys;
use serde_json::{Value, json};
use tempfile::TempDir;

const INVENTORY: &str = "cloud_resources_inventory_info";
const COMPLIANCE: &str = "compliance_finding";
const MARKUP: &str = "<script>\"x\"</script>\n\u{202e}\u{7f}=é";

/// Validates events against the published schema of a class.
async fn validated(class: &str, events: &[Value]) -> Result<String, String> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("events.jsonl");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(&file, lines).expect("written");
    let file = file.to_str().expect("UTF-8");
    python("ocsf_events.py", &[SCHEMA_VERSION, class, file]).await
}

/// The snapshots that two runs left of every kind of connection, sorted by ARN.
struct Recorded {
    snapshots: Vec<Snapshot>,
}

impl Recorded {
    async fn by_two_runs() -> Self {
        let env = TestEnv::new().await;
        let whole = |id: &str, status: &str| {
            json!({
                "ConnectionArn": arn("eu-west-1", id),
                "ConnectionName": format!("{id}-name"),
                "ConnectionStatus": status,
                "ProviderType": "GitHub",
                "OwnerAccountId": ACCOUNT,
            })
        };
        let mut hosted = whole("d-hosted", "ERROR");
        hosted["ProviderType"] = "GitHubEnterpriseServer".into();
        hosted["HostArn"] = "arn:aws:codeconnections:eu-west-1:123456789012:host/ghe-1".into();
        let mut markup = whole("e-markup", MARKUP);
        markup["ConnectionName"] = MARKUP.into();
        markup["ProviderType"] = MARKUP.into();
        let shared = "arn:aws-us-gov:codestar-connections:us-gov-west-1:999999999999:connection/f";
        let after = vec![
            whole("a-pending", "PENDING"),
            whole("b-available", "AVAILABLE"),
            hosted,
            markup,
            json!({"ConnectionArn": arn("eu-west-1", "g-bare")}),
            json!({"ConnectionArn": shared, "ConnectionStatus": ""}),
        ];
        let mut before = after.clone();
        before[1]["ConnectionStatus"] = "PENDING".into();
        before.push(whole("c-gone", "AVAILABLE"));
        for entries in [before, after] {
            env.clock.advance(HOUR);
            let script = Script::start(move |_| last(entries.clone())).await;
            env.run_with(&script.endpoint, &json!({})).await;
        }
        let state = env.table.read_account(&account()).await.expect("read");
        assert_eq!(state.corrupt, []);
        let mut snapshots: Vec<Snapshot> = state.snapshots.into_values().collect();
        snapshots.sort_by(|a, b| a.arn.cmp(&b.arn));
        assert_eq!((snapshots.len(), env.runs().await.len()), (7, 2));
        Self { snapshots }
    }

    fn snapshot(&self, id: &str) -> &Snapshot {
        let found = self.snapshots.iter().find(|s| s.arn.id() == id);
        found.expect("recorded")
    }
}

fn json_of(event: &impl serde::Serialize) -> Value {
    serde_json::to_value(event).expect("JSON")
}

/// Returns the event of a snapshot with all optional data; `None` if it is deleted.
fn exported(snapshot: &Snapshot) -> Option<Value> {
    let account = account();
    let record = ConnectionRecord::of_snapshot(&account, snapshot)?;
    Some(json_of(&inventory_event(&record)))
}

fn full(snapshot: &Snapshot) -> Value {
    exported(snapshot).expect("it is present")
}

/// Returns the event of a snapshot with the data of an index only; `None` if it is
/// deleted.
fn bare(snapshot: &Snapshot) -> Option<Value> {
    let account = account();
    Some(json_of(&inventory_event(&ConnectionRecord {
        last_seen_at: None,
        listed_in: None,
        digest: None,
        ..ConnectionRecord::of_snapshot(&account, snapshot)?
    })))
}

const RULE: &str = "connections-are-completed";
const CONTROLS: [&str; 3] = [
    "NIST SP 800-53 Rev. 5 CM-8",
    "NIST SP 800-53 Rev. 5 CM-8(3)",
    "PCI DSS 4.0.1 12.5.1",
];

fn rule(severity: Severity) -> Rule {
    let controls = CONTROLS.map(|control| control.parse().expect("a control"));
    Rule {
        id: RULE.parse().expect("an id"),
        severity,
        title: "No connection stays PENDING for more than a week".to_owned(),
        controls: controls.into(),
        remediation: Some("Complete it in the console, or delete it.".to_owned()),
        requirement: Shared.into(),
        scope: Scope::default(),
        except: Vec::new(),
    }
}

/// Returns the finding of a rule for a connection, or for the account without one.
fn evaluated(verdict: Verdict, severity: Severity, snapshot: Option<&Snapshot>) -> Value {
    let account = account();
    let at: Timestamp = "2026-10-02T00:00:00.500Z".parse().expect("a time");
    let key = RecordKey {
        pk: keys::account_pk(&account),
        sk: snapshot.map_or_else(
            || keys::ACCOUNT_SK.to_owned(),
            |snapshot| keys::snapshot_sk(&snapshot.arn),
        ),
    };
    json_of(&compliance_event(&EvaluatedRule {
        rule: &rule(severity),
        verdict,
        message: "it is PENDING since 2026-10-01".into(),
        account: &account,
        subject: &snapshot.map_or(Subject::Account, |snapshot| Subject::Connection {
            arn: snapshot.arn.clone(),
            name: snapshot.attributes.connection_name.clone(),
        }),
        evidence: vec![&key],
        since: snapshot.map(|snapshot| snapshot.status_since),
        at,
    }))
}

/// Returns a finding without optional data.
fn evaluated_barely() -> Value {
    json_of(&compliance_event(&EvaluatedRule {
        rule: &Rule {
            title: String::new(),
            controls: Vec::new(),
            remediation: None,
            ..rule(Severity::Low)
        },
        verdict: Verdict::InsufficientData,
        message: MARKUP.into(),
        account: &account(),
        subject: &Subject::Account,
        evidence: Vec::new(),
        since: None,
        at: Timestamp::from_millis(0),
    }))
}

#[tokio::test]
async fn inventory_events_of_every_kind_follow_the_published_schema() {
    let recorded = Recorded::by_two_runs().await;
    let full_ones = recorded.snapshots.iter().filter_map(exported);
    let bare_ones = recorded.snapshots.iter().filter_map(bare);
    let events: Vec<Value> = full_ones.chain(bare_ones).collect();

    let output = fine(validated(INVENTORY, &events).await);

    assert_eq!(output, format!("12 valid events of {INVENTORY} 1.6.0\n"));
}

#[tokio::test]
async fn findings_of_every_verdict_and_severity_follow_the_published_schema() {
    let recorded = Recorded::by_two_runs().await;
    let severities = [
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    let mut events = vec![evaluated_barely()];
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::InsufficientData] {
        for severity in severities {
            events.push(evaluated(verdict, severity, None));
            for snapshot in &recorded.snapshots {
                events.push(evaluated(verdict, severity, Some(snapshot)));
            }
        }
    }

    let output = fine(validated(COMPLIANCE, &events).await);

    assert_eq!(output, format!("121 valid events of {COMPLIANCE} 1.6.0\n"));
}

#[tokio::test]
async fn exported_events_follow_the_published_schema() {
    let env = TestEnv::new().await;
    for name in ["api", MARKUP] {
        env.create(name);
    }
    env.run().await;
    let table = env.table.name().as_str();
    let export = ["export", "--format", "ocsf", "--table", table];
    let lines = Ccinv::at(&env).fine(&export).await;
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();

    let output = fine(validated(INVENTORY, &events).await);

    assert_eq!(output, format!("2 valid events of {INVENTORY} 1.6.0\n"));
}

/// An edit that makes an event invalid, and the expected message.
type Break = (fn(&mut Value), &'static str);

/// Asserts that the validation reports each edit, with its message and its line only.
async fn assert_each_is_rejected(class: &str, valid: &Value, breaks: &[Break]) {
    let broken: Vec<Value> = breaks
        .iter()
        .map(|(break_it, _)| {
            let mut event = valid.clone();
            break_it(&mut event);
            event
        })
        .collect();

    let failure = validated(class, &broken).await.expect_err("all are broken");

    let reported: Vec<&str> = failure.trim_end().lines().collect();
    for (number, (_, expected)) in breaks.iter().enumerate() {
        let line = format!("line {}: {expected}", number + 1);
        let found = reported.iter().filter(|l| l.starts_with(&line)).count();
        assert_eq!(found, 1, "{line:?} in {failure}");
    }
    assert_eq!(reported.len(), breaks.len(), "{failure}");
}

fn remove(event: &mut Value, name: &str) {
    let removed = event.as_object_mut().and_then(|event| event.remove(name));
    assert!(removed.is_some(), "{name} was there");
}

#[tokio::test]
async fn invalid_inventory_event_is_rejected() {
    let recorded = Recorded::by_two_runs().await;
    let valid = full(recorded.snapshot("b-available"));
    let breaks: [Break; 14] = [
        (|e| remove(e, "time"), "$: 'time' is a required property"),
        (
            |e| remove(&mut e["metadata"], "version"),
            "$.metadata: 'version' is a required property",
        ),
        (
            |e| remove(&mut e["cloud"], "provider"),
            "$.cloud: 'provider' is a required property",
        ),
        (
            |e| e["class_uid"] = 5024.into(),
            "$.class_uid: 5023 was expected",
        ),
        (
            |e| e["severity_id"] = 7.into(),
            "$.severity_id: 7 is not one of",
        ),
        (
            |e| e["connection_status"] = "AVAILABLE".into(),
            "$: Additional properties are not allowed ('connection_status' was unexpected)",
        ),
        (
            |e| e["resources"][0]["arn"] = "arn".into(),
            "$.resources[0]: Additional properties are not allowed ('arn' was unexpected)",
        ),
        (
            |e| e["time"] = "2026-10-01T09:00:00.000Z".into(),
            "$.time: '2026-10-01T09:00:00.000Z' is not of type 'integer'",
        ),
        // An attribute of the profile, without the profile.
        (
            |e| {
                e["metadata"]["profiles"] = json!([]);
                remove(&mut e["resources"][0], "region");
            },
            "$.resources[0]: Additional properties are not allowed ('cloud_partition' was unexpected)",
        ),
        (
            |e| {
                e["type_uid"] = 502_301.into();
                e["type_name"] = "Cloud Resources Inventory Info: Log".into();
            },
            "type_uid is 502301",
        ),
        (
            |e| e["activity_name"] = "Log".into(),
            "activity_id is 2, 'Collect', but activity_name is 'Log'",
        ),
        (
            |e| e["status_id"] = 2.into(),
            "status_id is 2, 'Failure', but status is 'Success'",
        ),
        (
            |e| e["metadata"]["version"] = "1.5.0".into(),
            "metadata.version is 1.5.0",
        ),
        (
            |e| e["observables"][1]["value"] = "arn".into(),
            "observable resources[].uid is 'arn', which is not there",
        ),
    ];
    assert_each_is_rejected(INVENTORY, &valid, &breaks).await;
}

#[tokio::test]
async fn invalid_finding_is_rejected() {
    let recorded = Recorded::by_two_runs().await;
    let snapshot = recorded.snapshot("a-pending");
    let valid = evaluated(Verdict::Fail, Severity::High, Some(snapshot));
    let breaks: [Break; 7] = [
        (
            |e| remove(e, "compliance"),
            "$: 'compliance' is a required property",
        ),
        (
            |e| remove(&mut e["finding_info"], "uid"),
            "$.finding_info: 'uid' is a required property",
        ),
        (
            |e| e["class_uid"] = 2004.into(),
            "$.class_uid: 2003 was expected",
        ),
        (
            |e| e["compliance"]["rule"] = "x".into(),
            "$.compliance: Additional properties are not allowed ('rule' was unexpected)",
        ),
        (
            |e| remove(&mut e["evidences"][0], "data"),
            "$.evidences[0]: {'name': 'DynamoDB item'} is not valid under any of the given schemas",
        ),
        (
            |e| e["compliance"]["status"] = "NotJudged".into(),
            "compliance.status_id is 3, 'Fail', but status is 'NotJudged'",
        ),
        (
            |e| {
                let resource = e["resources"][0].clone();
                e["resource"] = resource;
            },
            "resource is deprecated",
        ),
    ];
    assert_each_is_rejected(COMPLIANCE, &valid, &breaks).await;
}

#[tokio::test]
async fn inventory_event_contains_every_recorded_attribute() {
    let recorded = Recorded::by_two_runs().await;
    let snapshot = recorded.snapshot("d-hosted");
    let arn = arn("eu-west-1", "d-hosted");

    let mut event = full(snapshot);

    let uid = event["metadata"]["uid"].take();
    assert_eq!(uid.as_str().map(str::len), Some(64), "{uid}");
    assert_eq!(
        event,
        json!({
            "category_uid": 5, "category_name": "Discovery",
            "class_uid": 5023, "class_name": "Cloud Resources Inventory Info",
            "activity_id": 2, "activity_name": "Collect",
            "type_uid": 502_302, "type_name": "Cloud Resources Inventory Info: Collect",
            "severity_id": 1, "severity": "Informational",
            "status_id": 1, "status": "Success",
            // 11:00, the time of the second run; first seen at 10:00.
            "time": 1_790_852_400_000_i64, "timezone_offset": 0,
            "start_time": 1_790_848_800_000_i64, "end_time": 1_790_852_400_000_i64,
            "message": format!("{arn} is present, in status ERROR"),
            "metadata": {
                "version": "1.6.0", "profiles": ["cloud"], "uid": null,
                "product": {
                    "name": "codeconnections-inventory",
                    "vendor_name": "codeconnections-inventory",
                    "version": env!("CARGO_PKG_VERSION"),
                },
            },
            "cloud": {
                "provider": "AWS", "region": "eu-west-1", "cloud_partition": "aws",
                "account": {"uid": ACCOUNT, "type": "AWS Account", "type_id": 10},
            },
            "region": "eu-west-1",
            "resources": [{
                "uid": arn, "name": "d-hosted-name",
                "type": "AWS::CodeConnections::Connection",
                "role_id": 1, "role": "Target",
                "owner": {"account": {"uid": ACCOUNT, "type": "AWS Account", "type_id": 10}},
                "region": "eu-west-1", "cloud_partition": "aws",
                "data": {
                    "connection_name": "d-hosted-name",
                    "connection_status": "ERROR",
                    "host_arn": "arn:aws:codeconnections:eu-west-1:123456789012:host/ghe-1",
                    "owner_account_id": ACCOUNT,
                    "provider_type": "GitHubEnterpriseServer",
                },
            }],
            "observables": [
                {"name": "cloud.account.uid", "type": "Account Object: uid", "type_id": 35, "value": ACCOUNT},
                {"name": "resources[].uid", "type": "Resource UID", "type_id": 10, "value": arn},
                {"name": "resources[].name", "type": "Resource Details Object: name", "type_id": 38, "value": "d-hosted-name"},
            ],
            "unmapped": {
                "presence": "PRESENT",
                "first_seen_at": "2026-10-01T10:00:00.000Z",
                "status_since": "2026-10-01T10:00:00.000Z",
                "last_seen_at": "2026-10-01T11:00:00.000Z",
                "version": 1,
                "digest": snapshot.digest,
                "listed_in": ["eu-west-1"],
            },
        })
    );
}

#[tokio::test]
async fn unknown_and_shared_connections_are_marked_and_deleted_ones_have_no_event() {
    let recorded = Recorded::by_two_runs().await;
    let of = |id| full(recorded.snapshot(id));

    assert_eq!(exported(recorded.snapshot("c-gone")), None);

    let markup = of("e-markup");
    assert_eq!(markup["resources"][0]["name"], MARKUP, "as AWS gave it");
    assert_eq!(markup["resources"][0]["data"]["connection_status"], MARKUP);

    let bare = of("g-bare");
    assert_eq!(bare["resources"][0]["data"], json!({}));
    assert_eq!(bare["resources"][0].get("name"), None);

    let shared = of("f");
    assert_eq!(
        shared["cloud"]["account"]["uid"], ACCOUNT,
        "the listed account"
    );
    let resource = &shared["resources"][0];
    assert_eq!(resource["owner"]["account"]["uid"], "999999999999");
    assert_eq!(resource["cloud_partition"], "aws-us-gov");
    assert_eq!(resource["data"], json!({"connection_status": ""}));
}

#[tokio::test]
async fn event_uid_identifies_the_observation() {
    let recorded = Recorded::by_two_runs().await;
    let uid = |event: &Value| event["metadata"]["uid"].as_str().map(str::to_owned);
    let snapshot = recorded.snapshot("a-pending");
    let event = full(snapshot);

    assert_eq!(event, full(snapshot), "made again");
    let barely = bare(snapshot).expect("it is present");
    assert_eq!(uid(&event), uid(&barely), "with less optional data");
    let events = recorded.snapshots.iter().filter_map(bare);
    let mut uids: Vec<_> = events.map(|event| uid(&event)).collect();
    let account = account();
    let earlier = ConnectionRecord {
        collected_at: snapshot.first_seen_at,
        ..ConnectionRecord::of_snapshot(&account, snapshot).expect("it is present")
    };
    uids.push(uid(&json_of(&inventory_event(&earlier))));
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), 7, "another connection or time is another event");
}

#[tokio::test]
async fn finding_contains_the_evaluated_rule_and_its_evidence() {
    let recorded = Recorded::by_two_runs().await;
    let snapshot = recorded.snapshot("a-pending");
    let arn = arn("eu-west-1", "a-pending");
    let fail = evaluated(Verdict::Fail, Severity::High, Some(snapshot));

    assert_eq!(
        fail["finding_info"],
        json!({
            "uid": format!("{RULE}/{ACCOUNT}/{arn}"),
            "title": "No connection stays PENDING for more than a week",
            "desc": "it is PENDING since 2026-10-01",
            "created_time": 1_790_899_200_500_i64,
            "first_seen_time": 1_790_848_800_000_i64,
            "last_seen_time": 1_790_899_200_500_i64,
            "analytic": {
                "uid": RULE, "name": "No connection stays PENDING for more than a week",
                "type_id": 1, "type": "Rule",
            },
        })
    );
    assert_eq!(
        fail["compliance"],
        json!({
            "control": RULE,
            "status_id": 3, "status": "Fail",
            "status_details": ["it is PENDING since 2026-10-01"],
            "standards": ["NIST SP 800-53 Rev. 5", "PCI DSS 4.0.1"],
            "requirements": [
                "NIST SP 800-53 Rev. 5 CM-8", "NIST SP 800-53 Rev. 5 CM-8(3)", "PCI DSS 4.0.1 12.5.1",
            ],
            "checks": [{
                "uid": RULE, "name": "No connection stays PENDING for more than a week",
                "severity_id": 4, "severity": "High", "status_id": 3, "status": "Fail",
            }],
        })
    );
    assert_eq!(
        fail["evidences"],
        json!([{
            "name": "DynamoDB item",
            "data": {"pk": format!("ACCOUNT#{ACCOUNT}"), "sk": format!("CONNECTION#{arn}")},
        }])
    );
    let remediation = json!({"desc": "Complete it in the console, or delete it."});
    assert_eq!(fail["remediation"], remediation);
    assert_eq!(fail["resources"][0]["uid"], arn.as_str());
    assert_eq!(fail["severity"], "High");

    let of_account = evaluated(Verdict::InsufficientData, Severity::High, None);
    assert_eq!(
        of_account["compliance"]["status"], "Warning",
        "never a pass"
    );
    assert_eq!(of_account["severity"], "High");
    assert_eq!(of_account["resources"][0]["uid"], ACCOUNT);
    assert_eq!(of_account["cloud"].get("region"), None);
    let uid = &of_account["finding_info"]["uid"];
    assert_eq!(uid, &json!(format!("{RULE}/{ACCOUNT}")));
}

/// A consumer that keeps only the newest event of each finding stays correct.
#[tokio::test]
async fn compliant_again_is_the_same_finding_without_remediation() {
    let recorded = Recorded::by_two_runs().await;
    let snapshot = recorded.snapshot("a-pending");
    let fail = evaluated(Verdict::Fail, Severity::High, Some(snapshot));
    let pass = evaluated(Verdict::Pass, Severity::High, Some(snapshot));

    assert_eq!(pass["finding_info"]["uid"], fail["finding_info"]["uid"]);
    assert_ne!(pass["metadata"]["uid"], fail["metadata"]["uid"]);
    assert_eq!(pass["severity"], "Informational");
    assert_eq!(pass["compliance"]["checks"][0]["severity"], "High");
    assert_eq!(pass.get("remediation"), None);
}
