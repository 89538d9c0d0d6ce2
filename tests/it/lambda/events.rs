//! Each event shape is read as a request, or rejected with the wrong field.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it expects"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::support::TestEnv;
use crate::support::cases::cases;
use codeconnections_inventory::domain::{ApiCall, Filter, ProviderType, Trigger};
use codeconnections_inventory::lambda::event::{InvalidEvent, Request};
use codeconnections_inventory::lambda::sqs_batch::Batch;
use proptest::prelude::*;
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";

/// Reads a sample of `events/`.
fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("events")
        .join(name);
    let text = std::fs::read_to_string(&path).expect("a sample");
    serde_json::from_str(&text).expect("JSON")
}

fn read(event: &Value) -> Request {
    Request::from_event(event).unwrap_or_else(|refusal| panic!("{refusal}: {event}"))
}

fn refusal(event: &Value) -> InvalidEvent {
    Request::from_event(event).expect_err("refused")
}

/// Returns `event` with the field at `pointer` set or removed.
fn with(mut event: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let parent = event.pointer_mut(parent).and_then(Value::as_object_mut);
    let parent = parent.expect("a field to change");
    match value {
        Some(value) => parent.insert(field.to_owned(), value),
        None => Some(parent.remove(field).expect("a field to remove")),
    };
    event
}

fn regions(request: &Request) -> Option<Vec<&str>> {
    let regions = request.regions.as_ref()?;
    Some(regions.iter().map(|region| region.as_str()).collect())
}

#[test]
fn every_sample_event_is_accepted_and_has_its_own_id() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let mut samples = 0;
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("samples") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name");
        if name.ends_with(".json") {
            samples += 1;
            let event = sample(&name);
            let requests = match Batch::from_event(&event).expect("a batch or none") {
                Some(batch) => {
                    assert_eq!(batch.refused, [], "{name}");
                    batch
                        .requests
                        .into_iter()
                        .map(|(request, _)| request)
                        .collect()
                }
                None => vec![read(&event)],
            };
            // Two samples with one ID would be one event, delivered twice.
            for request in requests {
                let calls = request.trigger.calls().iter().map(|call| &*call.event_id);
                let all: BTreeSet<&str> = calls.chain(request.trigger.event_id()).collect();
                for id in all {
                    assert!(ids.insert(id.to_owned()), "{name} has another's id {id}");
                }
            }
        }
    }
    assert_eq!(samples, 11, "a new sample needs a test of its own here");
}

#[test]
fn rule_event_requests_the_configured_regions() {
    assert_eq!(
        read(&sample("scheduled-rule.json")),
        Request {
            account: None,
            regions: None,
            extra_regions: Vec::new(),
            filter: Filter::default(),
            accept_deletions: false,
            trigger: Trigger::Schedule {
                event_id: Some("53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa".into()),
                source_arn: Some(
                    "arn:aws:events:eu-west-1:123456789012:rule/\
                     codeconnections-inventory-Schedule-1A2B3C4D5E6F7"
                        .into()
                ),
            },
        }
    );
}

#[test]
fn scheduler_event_with_text_detail_requests_the_configured_regions() {
    let request = read(&sample("scheduler.json"));
    assert_eq!(request.regions, None);
    assert!(!request.accept_deletions);
    assert_eq!(
        request.trigger,
        Trigger::Schedule {
            event_id: Some("d32c5993-c7d9-4c9b-8e3f-0f6f5a1c2b7e".into()),
            source_arn: Some(
                "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/\
                 codeconnections-inventory"
                    .into()
            ),
        }
    );
}

#[test]
fn schedule_event_without_a_rule_is_accepted() {
    for resources in [None, Some(json!([])), Some(json!(null)), Some(json!([7]))] {
        let event = with(sample("scheduled-rule.json"), "/resources", resources);
        let Trigger::Schedule {
            source_arn,
            event_id,
        } = read(&event).trigger
        else {
            panic!("a schedule: {event}");
        };
        assert_eq!(source_arn, None);
        assert!(event_id.is_some());
    }
}

#[test]
fn custom_scheduler_input_is_a_schedule_with_the_execution_id() {
    let request = read(&sample("scheduler-own-input.json"));
    assert_eq!(request.account, None);
    assert_eq!(regions(&request), Some(vec!["eu-west-1", "us-east-1"]));
    assert_eq!(
        request.trigger,
        Trigger::Schedule {
            event_id: Some("e7a1f0b4-2d35-4c8a-9b6e-1f4d8c3a5b92".into()),
            source_arn: Some(
                "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/\
                 codeconnections-inventory"
                    .into()
            ),
        }
    );
}

#[test]
fn empty_object_requests_the_configured_regions() {
    assert_eq!(
        read(&json!({})),
        Request {
            account: None,
            regions: None,
            extra_regions: Vec::new(),
            filter: Filter::default(),
            accept_deletions: false,
            trigger: Trigger::Request,
        }
    );
}

/// Returns the only call of a request.
fn call(request: &Request) -> &ApiCall {
    let [call] = request.trigger.calls() else {
        panic!("one call: {:?}", request.trigger);
    };
    call
}

#[test]
fn call_event_adds_its_region_to_the_configured_ones() {
    let request = read(&sample("cloudtrail-create-connection.json"));
    assert_eq!(request.account.as_ref().map(|a| a.as_str()), Some(ACCOUNT));
    assert_eq!(request.regions, None, "and in the configured ones");
    assert_eq!(request.extra_regions, ["eu-west-1".parse().unwrap()]);
    assert!(!request.accept_deletions);
    assert_eq!(
        *call(&request),
        ApiCall {
            event_id: "2f1d7c9a-6a0b-3c55-9c1e-7d8a4b6e2f10".into(),
            cloudtrail_id: Some("b7a3e0d4-52c6-4f1b-8e0a-94c1d2f3a6b5".into()),
            event_name: "CreateConnection".into(),
            event_time: Some("2026-10-08T16:21:07Z".parse().unwrap()),
            region: "eu-west-1".parse().unwrap(),
            principal_arn: Some(
                "arn:aws:sts::123456789012:assumed-role/PlatformEngineer/maria.example".into()
            ),
            source_ip: Some("203.0.113.24".into()),
            resource_arn: Some(
                "arn:aws:codeconnections:eu-west-1:123456789012:connection/\
                 8c0a5f2e-3b41-4d0e-9a77-5e1c2f6b9d34"
                    .into()
            ),
            error_code: None,
            principal_type: None,
            principal_id: None,
            principal_authority: None,
        }
    );
}

#[test]
fn event_of_the_older_prefix_is_accepted() {
    let request = read(&sample("cloudtrail-delete-connection-codestar.json"));
    let call = call(&request);
    assert_eq!(&*call.event_name, "DeleteConnection");
    assert_eq!(
        call.source_ip.as_deref(),
        Some("cloudformation.amazonaws.com")
    );
    assert_eq!(
        call.resource_arn.as_deref(),
        Some(
            "arn:aws:codestar-connections:eu-west-1:123456789012:connection/\
             1f7e6d5c-4b3a-4291-8070-6f5e4d3c2b1a"
        )
    );
}

#[test]
fn resource_of_a_call_is_read_from_any_field_that_has_it() {
    for (name, about) in [
        (
            "cloudtrail-tag-resource.json",
            "connection/8c0a5f2e-3b41-4d0e-9a77-5e1c2f6b9d34",
        ),
        ("cloudtrail-update-host.json", "host/ghes-1a2b3c4d"),
    ] {
        let arn = format!("arn:aws:codeconnections:eu-west-1:{ACCOUNT}:{about}");
        let request = read(&sample(name));
        assert_eq!(
            call(&request).resource_arn.as_deref(),
            Some(&*arn),
            "{name}"
        );
    }
    // The request names the connection.
    let link = format!("arn:aws:codeconnections:eu-west-1:{ACCOUNT}:repository-link/8c0a5f2e");
    let linked = json!({"connectionArn": link.replace("repository-link", "connection")});
    let event = with(
        sample("cloudtrail-update-host.json"),
        "/detail/requestParameters",
        Some(linked),
    );
    let response = json!({"repositoryLinkInfo": {"repositoryLinkArn": link}});
    let event = with(event, "/detail/responseElements", Some(response));
    assert_eq!(call(&read(&event)).resource_arn.as_deref(), Some(&*link));

    let event = sample("cloudtrail-create-connection.json");
    for nothing in [
        None,
        Some(json!(null)),
        Some(json!("x")),
        Some(json!({"connectionArn": 7})),
    ] {
        let event = with(event.clone(), "/detail/responseElements", nothing);
        assert_eq!(call(&read(&event)).resource_arn, None);
    }
    // An operation without documented parameters may have it only here.
    let connection = format!("arn:aws:codeconnections:eu-west-1:{ACCOUNT}:connection/8c0a5f2e");
    let role = format!("arn:aws:iam::{ACCOUNT}:role/connection/x");
    let named = json!([7, {}, {"ARN": ""}, {"ARN": role}, {"ARN": connection}]);
    let event = with(event, "/detail/responseElements", None);
    let event = with(event, "/detail/resources", Some(named));
    assert_eq!(
        call(&read(&event)).resource_arn.as_deref(),
        Some(&*connection)
    );
}

#[test]
fn error_code_of_a_failed_call_is_recorded() {
    let event = sample("cloudtrail-create-connection.json");
    let event = with(event, "/detail/errorCode", Some(json!("AccessDenied")));
    assert_eq!(
        call(&read(&event)).error_code.as_deref(),
        Some("AccessDenied")
    );
}

/// Returns the recorded call of this identity.
fn recorded_by(identity: Option<Value>) -> Value {
    let event = sample("cloudtrail-create-connection.json");
    let event = with(event, "/detail/userIdentity", identity);
    serde_json::to_value(call(&read(&event))).expect("JSON")
}

/// Covers the identities that CloudTrail documents, each without its optional
/// fields.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
#[test]
fn principal_without_arn_is_recorded_for_every_identity_type() {
    let store = "arn:aws:identitystore::123456789012:identitystore/d-9067642ac7";
    let role = "arn:aws:iam::123456789012:role/PlatformEngineer";
    for (identity, id, authority) in [
        (
            json!({"type": "Root", "principalId": ACCOUNT, "accountId": ACCOUNT}),
            Some(ACCOUNT),
            None,
        ),
        (
            json!({"type": "Root", "accountId": ACCOUNT}),
            Some(ACCOUNT),
            None,
        ),
        (
            json!({"type": "Root", "principalId": ACCOUNT, "accountId": ACCOUNT, "userName": "our-alias"}),
            Some("our-alias"),
            Some(ACCOUNT),
        ),
        (
            json!({"type": "IAMUser", "accountId": ACCOUNT, "userName": "maria"}),
            Some("maria"),
            Some(ACCOUNT),
        ),
        (
            json!({"type": "IAMUser", "principalId": "AIDAEXAMPLE"}),
            Some("AIDAEXAMPLE"),
            None,
        ),
        (
            json!({
                "type": "AssumedRole", "principalId": "AROAEXAMPLE:maria", "accountId": ACCOUNT,
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role}},
            }),
            Some("AROAEXAMPLE:maria"),
            Some(role),
        ),
        (
            json!({"type": "FederatedUser", "principalId": "123456789012:maria", "accountId": ACCOUNT}),
            Some("123456789012:maria"),
            Some(ACCOUNT),
        ),
        (
            json!({"type": "Directory", "accountId": ACCOUNT, "userName": "maria"}),
            Some("maria"),
            Some(ACCOUNT),
        ),
        (
            json!({"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": "210987654321"}),
            Some("AIDAEXAMPLE"),
            Some("210987654321"),
        ),
        (
            json!({"type": "AWSService", "invokedBy": "cloudformation.amazonaws.com"}),
            Some("cloudformation.amazonaws.com"),
            None,
        ),
        (
            json!({
                "type": "IdentityCenterUser", "accountId": ACCOUNT, "credentialId": "x",
                "onBehalfOf": {"userId": "544894e8-80c1-707f-60e3-3ba6510dfac1", "identityStoreArn": store},
            }),
            Some("544894e8-80c1-707f-60e3-3ba6510dfac1"),
            Some(store),
        ),
        (
            json!({
                "type": "SAMLUser", "principalId": "Tkx5NjQ=:maria", "userName": "maria",
                "identityProvider": "arn:aws:iam::123456789012:saml-provider/Okta",
            }),
            Some("maria"),
            Some("arn:aws:iam::123456789012:saml-provider/Okta"),
        ),
        (
            json!({
                "type": "WebIdentityUser", "principalId": "accounts.google.com:app:117",
                "userName": "117", "identityProvider": "accounts.google.com",
            }),
            Some("117"),
            Some("accounts.google.com"),
        ),
        (
            json!({"type": "Unknown", "principalId": "544894e8", "accountId": ACCOUNT, "userName": "Maria"}),
            Some("Maria"),
            Some(ACCOUNT),
        ),
        (json!({"type": "Unknown"}), None, None),
        (
            json!({"type": "TypeOfLaterYears", "principalId": "who"}),
            Some("who"),
            None,
        ),
    ] {
        for arn in [Value::Null, json!("")] {
            let mut identity = identity.clone();
            identity["arn"] = arn;
            let call = recorded_by(Some(identity.clone()));
            assert_eq!(call.get("principal_arn"), None, "{identity}");
            assert_eq!(call["principal_type"], identity["type"], "{identity}");
            assert_eq!(call["principal_id"].as_str(), id, "{identity}");
            assert_eq!(
                call["principal_authority"].as_str(),
                authority,
                "{identity}"
            );
            let read: ApiCall = serde_json::from_value(call).expect("a call");
            let words = read.in_words();
            let kind = identity["type"].as_str().expect("a type");
            for named in [Some(kind), id, authority].into_iter().flatten() {
                assert!(words.contains(named), "{words}: {identity}");
            }
        }
    }
}

#[test]
fn principal_with_arn_is_recorded_by_the_arn_only() {
    let identity = json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE:maria", "userName": "maria",
        "arn": "arn:aws:sts::123456789012:assumed-role/PlatformEngineer/maria",
        "accountId": ACCOUNT, "invokedBy": "cloudformation.amazonaws.com",
    });
    let call = recorded_by(Some(identity.clone()));
    assert_eq!(call["principal_arn"], identity["arn"]);
    for absent in ["principal_type", "principal_id", "principal_authority"] {
        assert_eq!(call.get(absent), None, "{absent}");
    }
}

#[test]
fn empty_text_is_treated_as_absent() {
    let event = sample("cloudtrail-create-connection.json");
    for pointer in [
        "/detail/sourceIPAddress",
        "/detail/errorCode",
        "/detail/eventID",
        "/detail/eventTime",
        "/detail/userIdentity/arn",
        "/detail/responseElements/connectionArn",
    ] {
        let empty = with(event.clone(), pointer, Some(json!("")));
        let absent = match event.pointer(pointer) {
            Some(_) => with(event.clone(), pointer, None),
            None => event.clone(),
        };
        assert_eq!(read(&empty), read(&absent), "{pointer}");
    }
    for (pointer, field) in [
        ("/id", "id"),
        ("/account", "account"),
        ("/detail/eventName", "detail.eventName"),
        ("/detail/awsRegion", "detail.awsRegion"),
    ] {
        let expected = InvalidEvent {
            field: field.to_owned(),
            problem: "is missing; should be a text".to_owned(),
        };
        let empty = with(event.clone(), pointer, Some(json!("")));
        assert_eq!(refusal(&empty), expected);
    }
    let nameless = with(
        sample("scheduled-rule.json"),
        "/resources",
        Some(json!([""])),
    );
    let absent = with(sample("scheduled-rule.json"), "/resources", None);
    assert_eq!(read(&nameless), read(&absent));
}

#[test]
fn api_call_without_identity_is_accepted() {
    let event = sample("cloudtrail-create-connection.json");
    for identity in [
        None,
        Some(json!(null)),
        Some(json!({})),
        Some(json!({"type": 7, "onBehalfOf": "x", "userName": {}})),
        Some(json!("x")),
    ] {
        let event = with(event.clone(), "/detail/userIdentity", identity);
        let event = with(event, "/detail/sourceIPAddress", None);
        let event = with(event, "/detail/eventTime", None);
        let request = read(&event);
        let call = call(&request);
        assert_eq!((&call.principal_arn, &call.source_ip), (&None, &None));
        assert_eq!(call.event_time, None);
        assert_eq!(call.in_words(), "CreateConnection by somebody not named");
    }
}

#[test]
fn organization_event_requests_its_account_with_the_execution_id() {
    let request = read(&sample("organization-account.json"));
    let account = request.account.as_ref().map(|account| account.as_str());
    assert_eq!(account, Some("210987654321"));
    assert_eq!(
        (&request.regions, &request.extra_regions),
        (&None, &Vec::new())
    );
    let execution = "arn:aws:states:eu-west-1:123456789012:execution:codeconnections-inventory:\
                     2f8c1a6e-3b0d-4c59-8a72-0e5d9b7f1c34";
    assert_eq!(request.trigger.event_id(), Some(execution));
}

#[test]
fn direct_request_sets_account_regions_and_filter() {
    let request = read(&sample("direct-request.json"));
    assert_eq!(regions(&request), Some(vec!["eu-west-1", "us-east-1"]));
    assert!(request.accept_deletions);
    assert_eq!(request.trigger, Trigger::Request);

    let host = "arn:aws:codeconnections:eu-central-1:123456789012:host/ghes-1a2b3c4d";
    let request = read(&json!({
        "account": ACCOUNT,
        "regions": ["us-east-1", "eu-west-1", "us-east-1"],
        "ProviderTypeFilter": "GitHubEnterpriseServer",
        "HostArnFilter": host,
        "accept_deletions": false,
    }));
    assert_eq!(request.account.as_ref().map(|a| a.as_str()), Some(ACCOUNT));
    assert_eq!(
        regions(&request),
        Some(vec!["eu-west-1", "us-east-1"]),
        "sorted, each once"
    );
    assert_eq!(
        request.filter,
        Filter {
            provider_type: Some(ProviderType::GitHubEnterpriseServer),
            host_arn: Some(host.into()),
        }
    );
}

#[test]
fn filter_accepts_an_unknown_provider_type() {
    let request = read(&json!({"ProviderTypeFilter": "Codeberg"}));
    let provider = request.filter.provider_type.expect("a provider");
    assert_eq!(provider.as_str(), "Codeberg");
}

#[test]
fn host_filter_defaults_to_the_hosts_region() {
    let host = "arn:aws:codestar-connections:eu-central-1:123456789012:host/ghes-1a2b3c4d";
    let request = read(&json!({"HostArnFilter": host}));
    assert_eq!(regions(&request), Some(vec!["eu-central-1"]));
    let request = read(&json!({"HostArnFilter": host, "regions": ["us-east-1"]}));
    assert_eq!(regions(&request), Some(vec!["us-east-1"]));
}

#[test]
fn null_is_treated_as_absent() {
    let nothing = json!({
        "account": null,
        "regions": null,
        "accept_deletions": null,
        "ProviderTypeFilter": null,
        "HostArnFilter": null,
        "schedule_arn": null,
        "scheduled_time": null,
        "execution_id": null,
        "attempt_number": null,
    });
    assert_eq!(read(&nothing), read(&json!({})));
}

#[tokio::test]
async fn filter_of_dependencies_is_refused_by_its_field() {
    let env = TestEnv::new().await;
    let connections = env.handler();
    let dependencies = connections.of_dependencies();
    let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/ghes-1a2b3c4d";
    for (field, value) in [("ProviderTypeFilter", "GitHub"), ("HostArnFilter", host)] {
        let event = json!({field: value});
        let handled = dependencies.handle(&event, Duration::from_secs(60)).await;
        let error = handled.expect_err("refused");
        assert_eq!(error.error_type(), "InvalidEvent");
        assert_eq!(
            error.to_string(),
            format!(
                "invalid event: {field}: can't be used here: dependencies are listed without a filter"
            )
        );
    }
    assert!(env.runs().await.is_empty());
}

#[test]
fn event_that_is_no_object_is_rejected() {
    for (event, name) in [
        (json!(null), "null"),
        (json!(true), "true or false"),
        (json!(1.5), "a number"),
        (json!("run"), "a text"),
        (json!([{}]), "a list"),
    ] {
        assert_eq!(
            refusal(&event).to_string(),
            format!("invalid event: (event): is {name}; should be an object")
        );
    }
}

#[test]
fn direct_request_with_invalid_field_is_rejected_by_name() {
    let no_region = "is not an AWS region code such as eu-west-1";
    let no_host = "is not a host ARN such as \
                   arn:aws:codeconnections:eu-west-1:123456789012:host/name-1a2b3c4d";
    for (event, field, problem) in [
        (
            json!({"regions": "eu-west-1"}),
            "regions",
            "is a text; should be a list such as [\"eu-west-1\"]".to_owned(),
        ),
        (
            json!({"regions": {}}),
            "regions",
            "is an object; should be a list such as [\"eu-west-1\"]".to_owned(),
        ),
        (
            json!({"regions": []}),
            "regions",
            "is empty; name a region, or leave the field out for the configured ones".to_owned(),
        ),
        (
            json!({"regions": ["eu-west-1", 2]}),
            "regions[1]",
            "is a number; should be a text".to_owned(),
        ),
        (
            json!({"regions": [null]}),
            "regions[0]",
            "is null; should be a text".to_owned(),
        ),
        (
            json!({"regions": ["eu-west-1", "everywhere"]}),
            "regions[1]",
            format!("\"everywhere\" {no_region}"),
        ),
        (
            json!({"regions": [""]}),
            "regions[0]",
            format!("\"\" {no_region}"),
        ),
        (
            json!({"accept_deletions": "true"}),
            "accept_deletions",
            "is a text; should be true or false".to_owned(),
        ),
        (
            json!({"accept_deletions": 1}),
            "accept_deletions",
            "is a number; should be true or false".to_owned(),
        ),
        (
            json!({"account": 123_456_789_012_u64}),
            "account",
            "is a number; should be a text".to_owned(),
        ),
        (
            json!({"account": "1234"}),
            "account",
            "\"1234\" is not an AWS account id (12 digits, such as 123456789012)".to_owned(),
        ),
        (
            json!({"ProviderTypeFilter": ["GitHub"]}),
            "ProviderTypeFilter",
            "is a list; should be a text".to_owned(),
        ),
        (json!({"account": ""}), "account", "is empty".to_owned()),
        (
            json!({"ProviderTypeFilter": ""}),
            "ProviderTypeFilter",
            "is empty".to_owned(),
        ),
        (
            json!({"HostArnFilter": false}),
            "HostArnFilter",
            "is true or false; should be a text".to_owned(),
        ),
        (
            json!({"HostArnFilter": "ghes"}),
            "HostArnFilter",
            format!("\"ghes\" {no_host}"),
        ),
        (
            json!({"HostArnFilter": "ghes", "regions": ["eu-west-1"]}),
            "HostArnFilter",
            format!("\"ghes\" {no_host}"),
        ),
        (
            json!({"HostArnFilter": "arn:aws:codeconnections:eu-west-1:123456789012:connection/8f2c"}),
            "HostArnFilter",
            format!("\"arn:aws:codeconnections:eu-west-1:123456789012:connection/8f2c\" {no_host}"),
        ),
        (
            json!({"schedule_arn": 1}),
            "schedule_arn",
            "is a number; should be a text".to_owned(),
        ),
        (
            json!({"execution_id": {}}),
            "execution_id",
            "is an object; should be a text".to_owned(),
        ),
        (
            json!({"scheduled_time": 1}),
            "scheduled_time",
            "is a number; should be a text".to_owned(),
        ),
    ] {
        let expected = InvalidEvent {
            field: field.to_owned(),
            problem,
        };
        assert_eq!(refusal(&event), expected, "{event}");
    }
}

#[test]
fn unknown_field_is_rejected_with_the_known_ones() {
    for unknown in [
        "region",
        "Regions",
        "acceptDeletions",
        "detail",
        "Records",
        "",
    ] {
        let event = json!({"regions": ["eu-west-1"], unknown: null});
        assert_eq!(
            refusal(&event),
            InvalidEvent {
                field: unknown.to_owned(),
                problem: "is not known; a request has account, regions, accept_deletions, \
                          ProviderTypeFilter, HostArnFilter, schedule_arn, scheduled_time, \
                          execution_id, attempt_number"
                    .to_owned(),
            }
        );
    }
}

#[test]
fn event_of_another_type_or_source_is_rejected() {
    let rule = sample("scheduled-rule.json");
    let call = sample("cloudtrail-create-connection.json");
    let text = |value: &str| Some(json!(value));
    let missing = "is missing; should be a text";
    for (event, field, problem) in [
        (
            with(
                rule.clone(),
                "/detail-type",
                text("EC2 Instance State-change Notification"),
            ),
            "detail-type",
            "\"EC2 Instance State-change Notification\" is not known; should be \
             \"Scheduled Event\" or \"AWS API Call via CloudTrail\"",
        ),
        (
            with(rule.clone(), "/detail-type", None),
            "detail-type",
            missing,
        ),
        (
            with(rule.clone(), "/detail-type", Some(json!(1))),
            "detail-type",
            "is a number; should be a text",
        ),
        (with(rule.clone(), "/source", None), "source", missing),
        (
            with(rule.clone(), "/source", Some(json!([]))),
            "source",
            "is a list; should be a text",
        ),
        (
            with(rule.clone(), "/source", text("aws.codeconnections")),
            "source",
            "\"aws.codeconnections\" is not known; should be aws.events or aws.scheduler",
        ),
        (
            with(call.clone(), "/source", text("aws.s3")),
            "source",
            "\"aws.s3\" is not known; should be aws.codeconnections or aws.codestar-connections",
        ),
        (with(rule.clone(), "/account", None), "account", missing),
        (
            with(rule.clone(), "/account", text("me")),
            "account",
            "\"me\" is not an AWS account id (12 digits, such as 123456789012)",
        ),
        (with(rule.clone(), "/id", None), "id", missing),
        (with(rule, "/id", text("")), "id", missing),
        (
            with(call.clone(), "/id", Some(json!(7))),
            "id",
            "is a number; should be a text",
        ),
        (with(call.clone(), "/account", None), "account", missing),
        (
            with(call.clone(), "/detail", None),
            "detail",
            "is missing; should be an object",
        ),
        (
            with(call.clone(), "/detail", text("{}")),
            "detail",
            "is a text; should be an object",
        ),
        (
            with(call.clone(), "/detail/awsRegion", None),
            "detail.awsRegion",
            missing,
        ),
        (
            with(call.clone(), "/detail/awsRegion", text("global")),
            "detail.awsRegion",
            "\"global\" is not an AWS region code such as eu-west-1",
        ),
        (
            with(call.clone(), "/detail/eventName", None),
            "detail.eventName",
            missing,
        ),
        (
            with(call.clone(), "/detail/eventTime", text("yesterday")),
            "detail.eventTime",
            "\"yesterday\" is not an RFC 3339 time such as 2026-10-01T09:00:00Z",
        ),
        (
            with(call.clone(), "/detail/eventID", Some(json!(1))),
            "detail.eventID",
            "is a number; should be a text",
        ),
        (
            with(call, "/detail/sourceIPAddress", Some(json!({}))),
            "detail.sourceIPAddress",
            "is an object; should be a text",
        ),
    ] {
        let expected = InvalidEvent {
            field: field.to_owned(),
            problem: problem.to_owned(),
        };
        assert_eq!(refusal(&event), expected, "{event}");
    }
}

#[test]
fn rejection_is_one_short_line() {
    let long = "x".repeat(100_000);
    for event in [
        json!({"regions": [long]}),
        json!({"account": long}),
        json!({"HostArnFilter": long}),
        json!({"detail-type": long, "source": "aws.events"}),
        json!({"detail-type": "Scheduled Event", "source": long}),
        json!({long: 1}),
        json!({"regions": ["a\nb"]}),
        json!({"a\nb": 1}),
    ] {
        let message = refusal(&event).to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(
            message.len() < 600,
            "{} bytes: {message:.200}",
            message.len()
        );
    }
}

/// Generates any JSON, often with words that events use.
fn any_event() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "detail-type",
        "source",
        "detail",
        "account",
        "id",
        "resources",
        "regions",
        "accept_deletions",
        "ProviderTypeFilter",
        "HostArnFilter",
        "schedule_arn",
        "execution_id",
        "scheduled_time",
        "attempt_number",
        "awsRegion",
        "eventName",
        "userIdentity",
        "arn",
        "sourceIPAddress",
        "Scheduled Event",
        "AWS API Call via CloudTrail",
        "aws.events",
        "aws.codeconnections",
        ACCOUNT,
        "eu-west-1",
    ]);
    let text = prop_oneof![4 => words.prop_map(str::to_owned), 1 => any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..10)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Generates a sample event with one field, at any depth, replaced by any JSON.
fn mutated_event() -> impl Strategy<Value = Value> {
    let samples = prop::sample::select(vec![
        "scheduled-rule.json",
        "scheduler.json",
        "scheduler-own-input.json",
        "cloudtrail-create-connection.json",
        "direct-request.json",
    ]);
    (samples, any::<prop::sample::Index>(), any_event()).prop_map(|(name, which, value)| {
        let mut event = sample(name);
        let mut places = Vec::new();
        pointers(&event, "", &mut places);
        let place = which.get(&places).clone();
        *event.pointer_mut(&place).expect("a place") = value;
        event
    })
}

fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, v)| (key.clone(), v)).collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        pointers(child, &format!("{path}/{key}"), found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(500)))]

    /// Any JSON is a request with sorted, non-empty regions, or a rejection
    /// with a problem.
    #[test]
    fn any_json_is_a_request_or_a_rejection(event in prop_oneof![any_event(), mutated_event()]) {
        match Request::from_event(&event) {
            Ok(request) => {
                prop_assert!(event.is_object());
                if let Some(regions) = request.regions {
                    prop_assert!(!regions.is_empty());
                    prop_assert!(regions.is_sorted_by(|a, b| a < b), "{:?}", regions);
                }
            }
            Err(refusal) => {
                prop_assert!(!refusal.problem.is_empty());
                prop_assert_eq!(refusal.to_string().lines().count(), 1);
            }
        }
    }
}
