//! Checks which API call explains which change of a connection.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::scripted_service::arn;
use crate::support::template::{TEMPLATE, list, text};
use crate::support::test_env::{ACCOUNT, REGION};
use codeconnections_inventory::domain::kind::Changed;
use codeconnections_inventory::domain::{
    ApiCall, Attributes, Cause, Change, ChangeKind, Connection, EventSummary, SchemaVersion,
};
use serde_json::json;

const HOST: &str = "arn:aws:codeconnections:eu-west-1:123456789012:host/ghes-1a2b3c4d";
const OTHER_HOST: &str = "arn:aws:codeconnections:eu-west-1:123456789012:host/other-1a2b3c4d";

/// Returns a call at the given second of a fixed minute. Its event ID names the
/// second.
fn call(second: u32, name: &str, about: Option<&str>) -> ApiCall {
    let call = json!({
        "event_id": format!("at {second}"),
        "event_name": name,
        "event_time": format!("2026-10-01T09:00:{second:02}.000Z"),
        "region": REGION,
        "resource_arn": about,
    });
    serde_json::from_value(call).expect("a call")
}

fn attributes(host: Option<&str>) -> Attributes {
    let value = json!({"connection_status": "AVAILABLE", "host_arn": host});
    serde_json::from_value(value).expect("attributes")
}

/// Returns the name of the call that explains a change of connection `a`, whose
/// host is [`HOST`] before and after the change.
fn explaining_call(kind: ChangeKind, calls: &[ApiCall]) -> Option<String> {
    explaining_call_with_hosts(kind, Some(HOST), Some(HOST), calls)
}

fn explaining_call_with_hosts(
    kind: ChangeKind,
    before: Option<&str>,
    after: Option<&str>,
    calls: &[ApiCall],
) -> Option<String> {
    let arn = arn(REGION, "a").parse().expect("an ARN");
    let (before, after) = (attributes(before), attributes(after));
    let was_there = !matches!(kind, ChangeKind::FirstSeen | ChangeKind::Reappeared);
    let changed = Changed::<Connection> {
        kind,
        id: &arn,
        before: was_there.then_some(&before),
        after: (kind != ChangeKind::Deleted).then_some(&after),
    };
    match Cause::of(changed, calls) {
        Cause::ApiCall(call) => Some(call.event_name.into()),
        Cause::NoCallSeen => None,
    }
}

/// AWS calls, some of which only the console makes, and a hypothetical future
/// one.
const OTHER_CALLS: [&str; 8] = [
    "UpdateConnectionInstallation",
    "StartOAuthHandshake",
    "StartAppRegistrationHandshake",
    "RegisterAppCode",
    "CreateHost",
    "UpdateHost",
    "DeleteHost",
    "UserFutureCall",
];

#[test]
fn successful_call_on_connection_or_host_explains_any_change() {
    let connection = arn(REGION, "a");
    // ARNs made before July 2024 are named in both spellings.
    let earlier = |arn: &str| arn.replace(":codeconnections:", ":codestar-connections:");
    let named = [connection.clone(), HOST.to_owned()];
    let named = named.iter().flat_map(|arn| [arn.clone(), earlier(arn)]);
    let named: Vec<String> = named.collect();
    for kind in ChangeKind::ALL {
        for name in OTHER_CALLS {
            for about in &named {
                let found = explaining_call(kind, &[call(1, name, Some(about))]);
                assert_eq!(found.as_deref(), Some(name), "{kind} {about}");
            }
        }
    }
}

#[test]
fn call_on_another_or_no_resource_explains_nothing() {
    let other = arn(REGION, "b");
    for kind in ChangeKind::ALL {
        for name in OTHER_CALLS
            .into_iter()
            .chain(["CreateConnection", "DeleteConnection"])
        {
            for about in [Some(other.as_str()), Some(OTHER_HOST), None] {
                assert_eq!(
                    explaining_call(kind, &[call(1, name, about)]),
                    None,
                    "{kind} {name}"
                );
                let hostless =
                    explaining_call_with_hosts(kind, None, None, &[call(1, name, about)]);
                assert_eq!(hostless, None, "{kind} {name}");
            }
        }
    }
}

#[test]
fn call_on_old_or_new_host_explains_host_change() {
    let kind = ChangeKind::AttributesChanged;
    for about in [HOST, OTHER_HOST] {
        let calls = [call(1, "UpdateHost", Some(about))];
        let found = explaining_call_with_hosts(kind, Some(HOST), Some(OTHER_HOST), &calls);
        assert_eq!(found.as_deref(), Some("UpdateHost"), "{about}");
    }
}

#[test]
fn create_and_delete_calls_explain_only_appearance_and_deletion() {
    let connection = arn(REGION, "a");
    for kind in ChangeKind::ALL {
        let explains = |name| explaining_call(kind, &[call(1, name, Some(&connection))]).is_some();
        let appears = matches!(kind, ChangeKind::FirstSeen | ChangeKind::Reappeared);
        assert_eq!(explains("CreateConnection"), appears, "{kind}");
        let is_deleted = kind == ChangeKind::Deleted;
        assert_eq!(explains("DeleteConnection"), is_deleted, "{kind}");
        // A connection's call on a host explains nothing.
        for name in ["CreateConnection", "DeleteConnection"] {
            assert_eq!(explaining_call(kind, &[call(1, name, Some(HOST))]), None);
        }
    }
}

#[test]
fn connection_call_takes_precedence_over_later_host_call() {
    let connection = arn(REGION, "a");
    let calls = [
        call(1, "UpdateConnectionInstallation", Some(&connection)),
        call(2, "UpdateHost", Some(HOST)),
    ];
    let found = explaining_call(ChangeKind::StatusChanged, &calls);
    assert_eq!(found.as_deref(), Some("UpdateConnectionInstallation"));
}

#[test]
fn git_sync_calls_explain_nothing() {
    let connection = arn(REGION, "a");
    for name in ["CreateRepositoryLink", "UpdateSyncConfiguration"] {
        let calls = [call(1, name, Some(&connection))];
        assert_eq!(explaining_call(ChangeKind::AttributesChanged, &calls), None);
    }
}

#[test]
fn refused_call_explains_nothing() {
    let connection = arn(REGION, "a");
    for kind in ChangeKind::ALL {
        for name in ["CreateConnection", "DeleteConnection", "UpdateHost"] {
            let mut refused = call(1, name, Some(&connection));
            refused.error_code = Some("AccessDenied".into());
            assert_eq!(explaining_call(kind, &[refused]), None, "{kind} {name}");
        }
    }
}

#[test]
fn call_excluded_by_event_rule_explains_nothing() {
    let connection = arn(REGION, "a");
    let pattern = &TEMPLATE["Resources"]["ConnectionEvents"]["Properties"]["EventPattern"];
    let left_out = list(&pattern["detail"]["eventName"][0]["anything-but"]);
    let left_out: Vec<String> = left_out.iter().map(text).collect();
    assert!(left_out.contains(&"TagResource".to_owned()), "{left_out:?}");
    let reads = ["ListConnections", "GetConnection"].map(str::to_owned);
    for name in left_out.into_iter().chain(reads) {
        for kind in ChangeKind::ALL {
            let found = explaining_call(kind, &[call(1, &name, Some(&connection))]);
            assert_eq!(found, None, "{kind} {name}");
        }
    }
}

#[test]
fn cause_is_the_call_with_matching_name_or_else_the_last() {
    let a = arn(REGION, "a");
    let about = Some(a.as_str());
    for (kind, calls, expected) in [
        (
            ChangeKind::FirstSeen,
            vec![
                call(1, "CreateConnection", about),
                call(2, "UpdateConnectionInstallation", about),
                call(3, "UpdateHost", Some(HOST)),
            ],
            "CreateConnection",
        ),
        (
            ChangeKind::Reappeared,
            vec![
                call(3, "DeleteConnection", about),
                call(1, "UpdateHost", Some(HOST)),
                call(2, "CreateConnection", about),
            ],
            "CreateConnection",
        ),
        (
            ChangeKind::Deleted,
            vec![
                call(2, "DeleteConnection", about),
                call(9, "UpdateHost", Some(HOST)),
            ],
            "DeleteConnection",
        ),
        (
            ChangeKind::StatusChanged,
            vec![
                call(5, "CreateConnection", about),
                call(2, "UpdateConnectionInstallation", about),
                call(1, "UpdateHost", Some(HOST)),
                call(6, "DeleteConnection", about),
                call(7, "TagResource", about),
            ],
            "UpdateConnectionInstallation",
        ),
        (
            ChangeKind::StatusChanged,
            vec![
                call(4, "UpdateHost", Some(HOST)),
                call(2, "UpdateHost", Some(HOST)),
                call(1, "StartOAuthHandshake", about),
                call(3, "UpdateConnectionInstallation", about),
            ],
            "UpdateConnectionInstallation",
        ),
    ] {
        let found = explaining_call(kind, &calls);
        assert_eq!(found.as_deref(), Some(expected), "{kind} {calls:?}");
    }
}

/// Returns a change that no call explains, in the given format.
fn unexplained(kind: ChangeKind, format: SchemaVersion) -> Change {
    let before = matches!(
        kind,
        ChangeKind::StatusChanged | ChangeKind::AttributesChanged | ChangeKind::Deleted
    );
    let after = kind != ChangeKind::Deleted;
    let attributes = json!({"connection_name": "storefront", "connection_status": "AVAILABLE"});
    let change = json!({
        "v": format,
        "account": ACCOUNT,
        "arn": arn(REGION, "a"),
        "version": 1,
        "kind": kind,
        "before": before.then_some(&attributes),
        "after": after.then_some(&attributes),
        "observed_at": "2026-10-01T09:00:00.000Z",
        "observed_until": "2026-10-01T09:00:01.000Z",
        "run_id": "01M3VHY0W0ACXC9WRWNKMNQWP1",
        "cause": {"kind": "NO_CALL_SEEN"},
    });
    serde_json::from_value(change).expect("a change")
}

/// Event summaries are stored, and `verify` regenerates them to compare.
#[test]
fn event_summary_of_earlier_format_keeps_its_wording() {
    for kind in ChangeKind::ALL {
        let altered = matches!(
            kind,
            ChangeKind::StatusChanged | ChangeKind::AttributesChanged
        );
        for format in [SchemaVersion::V3, SchemaVersion::V4] {
            let event_summary = EventSummary::of(&unexplained(kind, format));
            let expected = match altered {
                true => "provider side, no AWS call seen",
                false => "no AWS call seen",
            };
            assert_eq!(event_summary.cause, expected, "{kind} {format}");
            let deleted = event_summary.summary.contains(", was deleted by");
            assert_eq!(
                deleted,
                kind == ChangeKind::Deleted,
                "{}",
                event_summary.summary
            );
        }
        let event_summary = EventSummary::of(&unexplained(kind, SchemaVersion::V5));
        assert_eq!(
            event_summary.cause, "no matching AWS call observed",
            "{kind}"
        );
        let unlisted = event_summary.summary.contains(", stopped being listed by");
        assert_eq!(
            unlisted,
            kind == ChangeKind::Deleted,
            "{}",
            event_summary.summary
        );
        assert!(
            !event_summary.summary.contains("deleted"),
            "{}",
            event_summary.summary
        );
    }
}
