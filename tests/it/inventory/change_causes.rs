//! Causes: which call explains which change of a connection.

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

/// A call at a second of a minute, by that second's name.
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
    let told = json!({"connection_status": "AVAILABLE", "host_arn": host});
    serde_json::from_value(told).expect("attributes")
}

/// The call that explains a change of connection `a`, which is behind [`HOST`]
/// before and after, where it was there.
fn explaining(kind: ChangeKind, calls: &[ApiCall]) -> Option<String> {
    explaining_with(kind, Some(HOST), Some(HOST), calls)
}

fn explaining_with(
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

/// Calls that AWS has, some of them of its console alone, and one that it may
/// have one day.
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
fn successful_call_about_a_connection_or_its_host_explains_any_change_of_it() {
    let connection = arn(REGION, "a");
    for kind in ChangeKind::ALL {
        for name in OTHER_CALLS {
            for about in [connection.as_str(), HOST] {
                let found = explaining(kind, &[call(1, name, Some(about))]);
                assert_eq!(found.as_deref(), Some(name), "{kind} {about}");
            }
        }
    }
}

#[test]
fn call_about_something_else_or_about_nothing_explains_nothing() {
    let other = arn(REGION, "b");
    for kind in ChangeKind::ALL {
        for name in OTHER_CALLS
            .into_iter()
            .chain(["CreateConnection", "DeleteConnection"])
        {
            for about in [Some(other.as_str()), Some(OTHER_HOST), None] {
                assert_eq!(
                    explaining(kind, &[call(1, name, about)]),
                    None,
                    "{kind} {name}"
                );
                let hostless = explaining_with(kind, None, None, &[call(1, name, about)]);
                assert_eq!(hostless, None, "{kind} {name}");
            }
        }
    }
}

#[test]
fn call_about_the_host_before_or_after_explains_a_change_of_host() {
    let kind = ChangeKind::AttributesChanged;
    for about in [HOST, OTHER_HOST] {
        let calls = [call(1, "UpdateHost", Some(about))];
        let found = explaining_with(kind, Some(HOST), Some(OTHER_HOST), &calls);
        assert_eq!(found.as_deref(), Some("UpdateHost"), "{about}");
    }
}

#[test]
fn creation_and_deletion_explain_what_they_say_and_nothing_else() {
    let connection = arn(REGION, "a");
    for kind in ChangeKind::ALL {
        let explains = |name| explaining(kind, &[call(1, name, Some(&connection))]).is_some();
        let there = matches!(kind, ChangeKind::FirstSeen | ChangeKind::Reappeared);
        assert_eq!(explains("CreateConnection"), there, "{kind}");
        let gone = kind == ChangeKind::Deleted;
        assert_eq!(explains("DeleteConnection"), gone, "{kind}");
        // A host's creation is not the connection's.
        for name in ["CreateConnection", "DeleteConnection"] {
            assert_eq!(explaining(kind, &[call(1, name, Some(HOST))]), None);
        }
    }
}

#[test]
fn call_about_the_connection_explains_better_than_a_later_one_about_its_host() {
    let connection = arn(REGION, "a");
    let calls = [
        call(1, "UpdateConnectionInstallation", Some(&connection)),
        call(2, "UpdateHost", Some(HOST)),
    ];
    let found = explaining(ChangeKind::StatusChanged, &calls);
    assert_eq!(found.as_deref(), Some("UpdateConnectionInstallation"));
}

#[test]
fn git_sync_calls_that_name_a_connection_explain_nothing() {
    let connection = arn(REGION, "a");
    for name in ["CreateRepositoryLink", "UpdateSyncConfiguration"] {
        let calls = [call(1, name, Some(&connection))];
        assert_eq!(explaining(ChangeKind::AttributesChanged, &calls), None);
    }
}

#[test]
fn refused_call_explains_nothing() {
    let connection = arn(REGION, "a");
    for kind in ChangeKind::ALL {
        for name in ["CreateConnection", "DeleteConnection", "UpdateHost"] {
            let mut refused = call(1, name, Some(&connection));
            refused.error_code = Some("AccessDenied".into());
            assert_eq!(explaining(kind, &[refused]), None, "{kind} {name}");
        }
    }
}

#[test]
fn call_that_the_rule_leaves_out_explains_nothing() {
    let connection = arn(REGION, "a");
    let pattern = &TEMPLATE["Resources"]["ConnectionEvents"]["Properties"]["EventPattern"];
    let left_out = list(&pattern["detail"]["eventName"][0]["anything-but"]);
    let left_out: Vec<String> = left_out.iter().map(text).collect();
    assert!(left_out.contains(&"TagResource".to_owned()), "{left_out:?}");
    let reads = ["ListConnections", "GetConnection"].map(str::to_owned);
    for name in left_out.into_iter().chain(reads) {
        for kind in ChangeKind::ALL {
            let found = explaining(kind, &[call(1, &name, Some(&connection))]);
            assert_eq!(found, None, "{kind} {name}");
        }
    }
}

#[test]
fn of_several_calls_the_one_whose_name_fits_is_taken_and_else_the_last() {
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
        let found = explaining(kind, &calls);
        assert_eq!(found.as_deref(), Some(expected), "{kind} {calls:?}");
    }
}

/// A change that no call explains, as this format has it.
fn unexplained(kind: ChangeKind, format: SchemaVersion) -> Change {
    let before = matches!(
        kind,
        ChangeKind::StatusChanged | ChangeKind::AttributesChanged | ChangeKind::Deleted
    );
    let after = kind != ChangeKind::Deleted;
    let told = json!({"connection_name": "storefront", "connection_status": "AVAILABLE"});
    let change = json!({
        "v": format,
        "account": ACCOUNT,
        "arn": arn(REGION, "a"),
        "version": 1,
        "kind": kind,
        "before": before.then_some(&told),
        "after": after.then_some(&told),
        "observed_at": "2026-10-01T09:00:00.000Z",
        "observed_until": "2026-10-01T09:00:01.000Z",
        "run_id": "01M3VHY0W0ACXC9WRWNKMNQWP1",
        "cause": {"kind": "NO_CALL_SEEN"},
    });
    serde_json::from_value(change).expect("a change")
}

/// Notices are stored, and verified by being made anew.
#[test]
fn notice_of_an_earlier_format_keeps_its_words() {
    for kind in ChangeKind::ALL {
        let altered = matches!(
            kind,
            ChangeKind::StatusChanged | ChangeKind::AttributesChanged
        );
        for format in [SchemaVersion::V3, SchemaVersion::V4] {
            let notice = EventSummary::of(&unexplained(kind, format));
            let expected = match altered {
                true => "provider side, no AWS call seen",
                false => "no AWS call seen",
            };
            assert_eq!(notice.cause, expected, "{kind} {format}");
            let deleted = notice.summary.contains(", was deleted by");
            assert_eq!(deleted, kind == ChangeKind::Deleted, "{}", notice.summary);
        }
        let notice = EventSummary::of(&unexplained(kind, SchemaVersion::V5));
        assert_eq!(notice.cause, "no matching AWS call observed", "{kind}");
        let unlisted = notice.summary.contains(", stopped being listed by");
        assert_eq!(unlisted, kind == ChangeKind::Deleted, "{}", notice.summary);
        assert!(!notice.summary.contains("deleted"), "{}", notice.summary);
    }
}
