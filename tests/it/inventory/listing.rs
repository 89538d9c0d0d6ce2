//! A listing reads every page to the last token. Otherwise it is incomplete,
//! has a reason, and is no evidence of deletions.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::time::Duration;

use crate::support::scripted_service::{Asked, Reply, Script, arn, entry, last};
use crate::support::test_env::{self, ACCOUNT, REGION, TestEnv, account, changes, region};
use codeconnections_inventory::domain::{ChangeKind, Outcome};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::lambda::handler::{AllowedAccounts, Handler, HandlerError};
use codeconnections_inventory::lambda::response::Response;
use codeconnections_inventory::listing::{CodeConnections, Limits, MemberRole};
use codeconnections_inventory::local::codeconnections::{
    CreateConnectionInput, Fault, ProviderType, RegionAccess, Scope,
};
use codeconnections_inventory::local::embedded::local_config;
use serde_json::{Value, json};

/// Runs against a scripted service, over the environment's table.
async fn scripted(
    env: &TestEnv,
    event: &Value,
    lines: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Summary {
    env.clock.advance(test_env::HOUR);
    let script = Script::start(lines).await;
    let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
    test_env::run(&handler, event).await
}

/// Returns the error code of the only listing.
fn error_code(summary: &Summary) -> &str {
    let [listing] = summary.listings.as_slice() else {
        panic!("one listing: {summary:?}");
    };
    assert!(!listing.complete);
    &listing.error.as_ref().expect("a reason").code
}

/// Asserts that connection `kept` is not recorded as deleted.
async fn assert_not_deleted(env: &TestEnv, kept: &str) {
    assert_eq!(env.connection(kept).await.deleted_at, None);
}

#[tokio::test]
async fn listing_reads_all_pages_of_100_entries() {
    let env = TestEnv::new().await;
    for number in 0..250 {
        env.create(&format!("c{number}"));
    }
    let summary = env.run().await;
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(summary.listings[0].pages, 3);
    assert_eq!(summary.listings[0].connections, 250);
    assert_eq!(summary.requests.listing, 3);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 250)]);
}

#[tokio::test]
async fn max_results_is_always_sent() {
    let env = TestEnv::new().await;
    let summary = scripted(&env, &json!({}), |asked| {
        assert_eq!(asked.input["MaxResults"], 100);
        last(vec![])
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Complete);
}

#[tokio::test]
async fn empty_or_short_page_with_token_does_not_end_listing() {
    let env = TestEnv::new().await;
    let summary = scripted(&env, &json!({}), |asked| {
        let token = |t: &str| Some(t.to_owned());
        match asked.token.as_deref() {
            None => Reply::Page(vec![], token("1")),
            Some("1") => Reply::Page(vec![entry(&arn(REGION, "a"), "a", "PENDING")], token("2")),
            Some("2") => Reply::Page(vec![], token("3")),
            Some("3") => last(vec![entry(&arn(REGION, "b"), "b", "ERROR")]),
            other => panic!("no such token: {other:?}"),
        }
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(summary.listings[0].pages, 4);
    assert_eq!(summary.connections["PENDING"], 1);
    assert_eq!(summary.connections["ERROR"], 1);
}

#[tokio::test]
async fn empty_token_ends_listing() {
    let env = TestEnv::new().await;
    let summary = scripted(&env, &json!({}), |asked| {
        assert_eq!(asked.token, None);
        Reply::Page(vec![], Some(String::new()))
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Complete);
}

#[tokio::test]
async fn arn_on_two_pages_is_one_connection_as_on_the_later_page() {
    let env = TestEnv::new().await;
    let twice = arn(REGION, "twice");
    let listed = twice.clone();
    let summary = scripted(&env, &json!({}), move |asked| match asked.token {
        None => Reply::Page(vec![entry(&listed, "n", "PENDING")], Some("1".into())),
        Some(_) => last(vec![entry(&listed, "n", "AVAILABLE")]),
    })
    .await;
    assert_eq!(summary.listings[0].connections, 1);
    let status = Some("AVAILABLE".to_owned());
    assert_eq!(env.story(&twice).await, [(ChangeKind::FirstSeen, status)]);
}

#[tokio::test]
async fn connection_listed_by_two_regions_is_one_and_records_both() {
    let env = TestEnv::new().await;
    let shared = env.create_in("us-east-1", "shared");
    env.clock.advance(test_env::HOUR);
    let event = json!({"regions": ["us-east-1", "eu-west-1"]});
    let summary = test_env::run(&env.handler(), &event).await;
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
    assert_eq!(summary.listings.len(), 2);
    let row = env.connection(&shared).await;
    assert_eq!(row.region, "us-east-1", "the region is the one in the ARN");
    let state = env.table.read_account(&account()).await.expect("read");
    let snapshot = &state.snapshots[&shared.parse().expect("an ARN")];
    assert_eq!(
        snapshot.listed_in,
        [region("eu-west-1"), region("us-east-1")]
    );
}

#[tokio::test]
async fn missing_fields_and_unknown_values_are_recorded_unchanged() {
    let env = TestEnv::new().await;
    let bare = arn(REGION, "bare");
    let odd = arn(REGION, "odd");
    let (one, two) = (bare.clone(), odd.clone());
    let summary = scripted(&env, &json!({}), move |_| {
        last(vec![
            json!({"ConnectionArn": one}),
            json!({
                "ConnectionArn": two,
                "ConnectionName": "nämé \u{1F980}",
                "ProviderType": "SomethingNew",
                "ConnectionStatus": "HIBERNATING",
                "SomeNewField": {"deep": [1, 2]},
            }),
            json!({"ConnectionArn": arn(REGION, "empty"), "ConnectionStatus": ""}),
        ])
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(summary.connections["NOT_REPORTED"], 2);
    assert_eq!(summary.connections["HIBERNATING"], 1);
    let row = env.connection(&bare).await;
    assert_eq!(row.attributes.connection_name, None);
    assert_eq!(row.attributes.connection_status, None);
    let row = env.connection(&odd).await;
    assert_eq!(
        row.attributes.connection_name.as_deref(),
        Some("nämé \u{1F980}")
    );
    assert_eq!(
        row.attributes
            .provider_type
            .map(|p| p.to_string())
            .as_deref(),
        Some("SomethingNew")
    );
}

#[tokio::test]
async fn arns_of_any_prefix_partition_and_owner_are_listed() {
    let env = TestEnv::new().await;
    let arns = [
        "arn:aws:codestar-connections:eu-west-1:123456789012:connection/old",
        "arn:aws-us-gov:codeconnections:us-gov-west-1:123456789012:connection/gov",
        "arn:aws:codeconnections:eu-west-1:999999999999:connection/of-another-account",
    ];
    let summary = scripted(&env, &json!({}), move |_| {
        last(
            arns.iter()
                .map(|arn| entry(arn, "n", "AVAILABLE"))
                .collect(),
        )
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Complete);
    for arn in arns {
        let row = env.connection(arn).await;
        assert_eq!(row.account.as_str(), ACCOUNT, "the account that was asked");
        assert_eq!(env.story(arn).await.len(), 1);
    }
}

#[tokio::test]
async fn repeated_token_makes_listing_incomplete() {
    let env = TestEnv::new().await;
    let kept = env.create("kept");
    env.run().await;
    let summary = scripted(&env, &json!({}), |_| {
        Reply::Page(vec![], Some("same".into()))
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(error_code(&summary), "TokenRepeated");
    assert_eq!(summary.listings[0].pages, 2);
    assert_not_deleted(&env, &kept).await;
}

#[tokio::test]
async fn token_cycle_makes_listing_incomplete() {
    let env = TestEnv::new().await;
    let kept = env.create("kept");
    env.run().await;
    let summary = scripted(&env, &json!({}), |asked| {
        let next = match asked.token.as_deref() {
            Some("A") => "B",
            Some("B") => "C",
            _ => "A",
        };
        Reply::Page(vec![], Some(next.into()))
    })
    .await;
    assert_eq!(error_code(&summary), "TokenRepeated");
    assert_eq!(summary.listings[0].pages, 4);
    assert_not_deleted(&env, &kept).await;
}

#[tokio::test]
async fn endless_listing_stops_at_page_limit() {
    let env = TestEnv::new().await;
    let kept = env.create("kept");
    env.run().await;
    env.clock.advance(test_env::HOUR);
    let script = Script::start(|asked| {
        let id = format!("n{}", asked.number);
        Reply::Page(vec![entry(&arn(REGION, &id), &id, "PENDING")], Some(id))
    })
    .await;
    let mut handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
    handler.inventory.options.limits = Limits {
        pages: 7,
        ..Limits::default()
    };
    let summary = test_env::run(&handler, &json!({})).await;
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(error_code(&summary), "PageLimit");
    assert_eq!(script.count(), 7);
    assert_eq!(
        changes(&summary),
        [(ChangeKind::FirstSeen, 7)],
        "what was seen is recorded"
    );
    assert_not_deleted(&env, &kept).await;
}

#[tokio::test]
async fn entry_without_valid_arn_makes_listing_incomplete_and_rest_is_recorded() {
    for (wrong, code) in [
        (json!({"ConnectionName": "nameless"}), "EntryWithoutArn"),
        (
            json!({"ConnectionArn": "arn:aws:s3:::bucket"}),
            "UnreadableArn",
        ),
        (json!({"ConnectionArn": ""}), "UnreadableArn"),
    ] {
        let env = TestEnv::new().await;
        let kept = env.create("kept");
        env.run().await;
        let summary = scripted(&env, &json!({}), move |asked| match asked.token {
            None => Reply::Page(vec![wrong.clone()], Some("next".into())),
            Some(_) => last(vec![entry(&arn(REGION, "new"), "new", "PENDING")]),
        })
        .await;
        assert_eq!(summary.outcome, Outcome::Partial);
        assert_eq!(error_code(&summary), code);
        assert!(
            summary.problems[0].contains("entry 1 of page 1"),
            "{:?}",
            summary.problems
        );
        assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
        assert_not_deleted(&env, &kept).await;
    }
}

#[tokio::test]
async fn expired_token_makes_listing_incomplete_and_next_run_starts_over() {
    // The service models no error for it; these are errors of other AWS
    // services.
    for code in [
        "InvalidNextTokenException",
        "ExpiredNextTokenException",
        "ValidationException",
    ] {
        let env = TestEnv::new().await;
        let kept = env.create("kept");
        env.run().await;
        let summary = scripted(&env, &json!({}), move |asked| match asked.token {
            None => {
                let seen = entry(&arn(REGION, "new"), "new", "PENDING");
                Reply::Page(vec![seen], Some("until-noon".into()))
            }
            Some(_) => Reply::Error(400, code),
        })
        .await;
        assert_eq!(summary.outcome, Outcome::Partial);
        assert_eq!(error_code(&summary), code);
        assert!(summary.problems[0].contains("page 2"), "{summary:?}");
        assert_eq!(summary.requests.listing, 2, "the request is not repeated");
        assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
        assert_not_deleted(&env, &kept).await;
        let next = env.run().await;
        assert_eq!(next.outcome, Outcome::Complete);
        assert!(next.listings[0].complete);
    }
}

#[tokio::test]
async fn response_without_list_is_an_error_and_no_empty_listing() {
    let env = TestEnv::new().await;
    let kept = env.create("kept");
    env.run().await;
    env.clock.advance(test_env::HOUR);
    // An empty map; and one whose list is null.
    for nothing in [&b"\xa0"[..], &b"\xa1\x6bConnections\xf6"[..]] {
        let script = Script::start(move |_| Reply::Garbage(200, nothing)).await;
        let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
        let answer = handler.handle(&json!({}), Duration::from_secs(1)).await;
        let Err(HandlerError::RunFailed(answer)) = answer else {
            panic!("no page was received: {answer:?}");
        };
        assert_eq!(error_code(&answer.runs()[0]), "UnreadableAnswer");
        assert_not_deleted(&env, &kept).await;
    }
}

#[tokio::test]
async fn a_listing_survives_four_of_ten_calls_throttled() {
    let env = TestEnv::new().await;
    for number in 0..1_000 {
        env.create(&format!("c{number}"));
    }
    env.codeconnections.set_faults(|request| {
        matches!(request.sequence % 10, 1 | 3 | 4 | 5).then_some(Fault::Throttle)
    });
    let summary = test_env::long_run(&env.handler(), &json!({})).await;
    assert_eq!(summary.listings[0].connections, 1_000);
    assert!(
        summary.requests.listing > 10,
        "retries are counted: {:?}",
        summary.requests
    );
}

#[tokio::test]
async fn transient_faults_are_retried() {
    let env = TestEnv::new().await;
    let summary = scripted(&env, &json!({}), |asked| match asked.number {
        1..=8 => Reply::Error(400, "ThrottlingException"),
        9..=16 => Reply::Error(500, "InternalFailure"),
        17..=24 => Reply::Error(503, "ServiceUnavailableException"),
        25..=32 => Reply::Error(429, "SomethingElse"),
        33..=40 => Reply::Garbage(200, b"\xffno CBOR"),
        _ => last(vec![entry(&arn(REGION, "a"), "a", "PENDING")]),
    })
    .await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(summary.connections["PENDING"], 1);
}

#[tokio::test]
async fn throttling_beyond_the_listing_time_makes_listing_incomplete() {
    let env = TestEnv::new().await;
    let kept = env.create("kept");
    env.run().await;
    let script = Script::start(|asked| match asked.token {
        None => Reply::Page(
            vec![entry(&arn(REGION, "new"), "new", "PENDING")],
            Some("next".into()),
        ),
        Some(_) => Reply::Error(400, "ThrottlingException"),
    })
    .await;
    env.clock.advance(test_env::HOUR);
    let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
    let answer = handler.handle(&json!({}), Duration::from_secs(6)).await;
    let Ok(Response::One(summary)) = answer else {
        panic!("PARTIAL answers normally: {answer:?}");
    };
    assert_eq!(summary.outcome, Outcome::Partial);
    assert_eq!(error_code(&summary), "ThrottlingException");
    assert_eq!(changes(&summary), [(ChangeKind::FirstSeen, 1)]);
    assert_not_deleted(&env, &kept).await;
    assert_eq!(
        env.runs().await.len(),
        2,
        "there was time left to record the run"
    );
}

#[tokio::test]
async fn hanging_region_does_not_block_other_regions() {
    let env = TestEnv::new().await;
    let script = Script::start(|asked| match asked.region.as_str() {
        "us-east-1" => Reply::Hang,
        region => last(vec![entry(&arn(region, "a"), "a", "PENDING")]),
    })
    .await;
    let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
    let event = json!({"regions": ["us-east-1", "eu-west-1"]});
    let answer = handler.handle(&event, Duration::from_secs(6)).await;
    let summary = &answer.as_ref().expect("PARTIAL answers normally").runs()[0];
    assert_eq!(summary.outcome, Outcome::Partial);
    assert!(summary.listings[0].complete);
    assert_eq!(
        &*summary.listings[1].error.as_ref().expect("a reason").code,
        "TimedOut"
    );
    assert_eq!(changes(summary), [(ChangeKind::FirstSeen, 1)]);
}

#[tokio::test]
async fn denied_or_disabled_region_is_incomplete_and_others_are_listed() {
    for (access, code) in [
        (RegionAccess::Denied, "AccessDeniedException"),
        (RegionAccess::NotEnabled, "UnrecognizedClientException"),
    ] {
        let env = TestEnv::new().await;
        let kept = env.create_in("eu-south-1", "kept");
        let event = json!({"regions": ["eu-south-1", "eu-west-1"]});
        test_env::run(&env.handler(), &event).await;
        env.delete(&kept);
        let listed = env.create("there");
        env.set_region_access("eu-south-1", Some(access));
        env.clock.advance(test_env::HOUR);
        let summary = test_env::run(&env.handler(), &event).await;
        assert_eq!(summary.outcome, Outcome::Partial);
        assert_eq!(
            &*summary.listings[0].error.as_ref().expect("a reason").code,
            code
        );
        assert!(summary.listings[1].complete);
        assert_eq!(env.story(&listed).await.len(), 1);
        assert_not_deleted(&env, &kept).await;
        let recorded = env.runs().await;
        assert_eq!(recorded[1].outcome, Outcome::Partial);
        assert_eq!(recorded[1].listings, summary.listings);
    }
}

#[tokio::test]
async fn run_without_any_listing_is_recorded_as_failed() {
    let env = TestEnv::new().await;
    env.codeconnections.set_faults(|_| Some(Fault::Deny));
    env.clock.advance(test_env::HOUR);
    let answer = env
        .handler()
        .handle(&json!({}), Duration::from_secs(60))
        .await;
    let Err(error @ HandlerError::RunFailed(_)) = answer else {
        panic!("FAILED is the function's error: {answer:?}");
    };
    assert_eq!(error.error_type(), "RunFailed");
    assert!(
        error.to_string().contains("AccessDeniedException"),
        "{error}"
    );
    let runs = env.runs().await;
    assert_eq!(runs[0].outcome, Outcome::Failed);
    assert!(!runs[0].listings[0].complete);
}

#[tokio::test]
async fn filtered_run_records_changes_but_no_deletions() {
    let env = TestEnv::new().await;
    let scope = Scope::new(ACCOUNT, REGION);
    let gitlab = CreateConnectionInput::new("gl", ProviderType::GitLab);
    let made = env
        .codeconnections
        .state()
        .create_connection(&scope, gitlab);
    let gitlab = made.expect("created").connection_arn;
    let github = env.create("gh");
    let deleted = env.create("gone");
    env.run().await;
    env.delete(&deleted);
    env.set_status(&github, "ERROR");
    env.set_status(&gitlab, "ERROR");
    let filtered = json!({"ProviderTypeFilter": "GitHub"});
    env.clock.advance(test_env::HOUR);
    let summary = test_env::run(&env.handler(), &filtered).await;
    assert_eq!(summary.outcome, Outcome::Complete);
    assert_eq!(summary.listings[0].connections, 1);
    assert_eq!(changes(&summary), [(ChangeKind::StatusChanged, 1)]);
    assert_not_deleted(&env, &deleted).await;
    assert_eq!(env.story(&gitlab).await.len(), 1, "it was not listed");
    let record = &env.runs().await[1];
    assert_eq!(
        record.filter.provider_type.as_ref().map(|p| p.as_str()),
        Some("GitHub")
    );
    // A filtered run is no evidence of absence for later runs either. The next
    // full run is, and its window begins when the connection was last seen.
    let summary = env.run().await;
    assert_eq!(
        changes(&summary),
        [(ChangeKind::StatusChanged, 1), (ChangeKind::Deleted, 1)]
    );
}

#[tokio::test]
async fn host_filter_lists_the_hosts_region_and_reports_an_unknown_host() {
    let env = TestEnv::new().await;
    let host = "arn:aws:codeconnections:us-west-2:123456789012:host/ghes-1a2b3c4d";
    let summary = test_env::run(&env.handler(), &json!({"HostArnFilter": host})).await;
    assert_eq!(summary.outcome, Outcome::Failed, "nothing was observed");
    assert_eq!(summary.listings[0].region, region("us-west-2"));
    let error = summary.listings[0].error.as_ref().expect("a reason");
    assert_eq!(&*error.code, "ResourceNotFoundException");
    assert!(
        error.message.contains("HostArnFilter names no host") && error.message.contains(host),
        "{}",
        error.message
    );
    assert!(env.connections().await.is_empty());
}

#[tokio::test]
async fn regions_are_listed_concurrently() {
    // Each region answers only once all of them have asked.
    let env = TestEnv::new().await;
    let regions = [
        "ap-south-1",
        "eu-west-1",
        "sa-east-1",
        "us-east-1",
        "us-west-2",
    ];
    let asked = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let seen = std::sync::Arc::clone(&asked);
    let script = Script::start(move |request| {
        let mut asked = seen.lock().expect("not poisoned");
        asked.insert(request.region.clone());
        if asked.len() == regions.len() {
            last(vec![])
        } else {
            Reply::Error(400, "ThrottlingException")
        }
    })
    .await;
    let handler = env.handler_of(env.source_at(&script.endpoint), env.table.clone());
    let summary = test_env::run(&handler, &json!({"regions": regions})).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(summary.listings.len(), regions.len());
}

#[tokio::test]
async fn each_account_has_its_own_run_through_the_member_role() {
    let env = TestEnv::new().await;
    let other = "222222222222";
    let denied = "333333333333";
    env.create("mine");
    let scope = Scope::new(other, REGION);
    let input = CreateConnectionInput::new("theirs", ProviderType::GitHub);
    env.codeconnections
        .state()
        .create_connection(&scope, input)
        .expect("created");
    env.codeconnections
        .state()
        .options_mut()
        .deny_assume_role
        .insert(denied.to_owned());
    let role = MemberRole {
        name: "inventory".into(),
        external_id: Some("xid".into()),
    };
    let config = local_config(env.service.endpoint());
    let source = CodeConnections::new(config, Some(account()), Some(role));
    let handler = Handler {
        accounts: AllowedAccounts::Listed(
            [ACCOUNT, other]
                .map(|id| id.parse().expect("an account"))
                .to_vec(),
        ),
        ..env.handler_of(source, env.table.clone())
    };
    let answer = handler
        .handle(&json!({}), Duration::from_secs(60))
        .await
        .expect("handled");
    let json = serde_json::to_value(&answer).expect("JSON");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(2));
    for run in answer.runs() {
        assert_eq!(run.outcome, Outcome::Complete);
        assert_eq!(changes(run), [(ChangeKind::FirstSeen, 1)]);
    }
    // Only the run of an account whose role can't be assumed fails.
    let handler = Handler {
        accounts: AllowedAccounts::Listed(
            [ACCOUNT, denied]
                .map(|id| id.parse().expect("an account"))
                .to_vec(),
        ),
        ..handler
    };
    env.clock.advance(test_env::HOUR);
    let answer = handler.handle(&json!({}), Duration::from_secs(60)).await;
    let Err(HandlerError::RunFailed(answer)) = answer else {
        panic!("one run failed: {answer:?}");
    };
    let outcomes: Vec<Outcome> = answer.runs().iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Outcome::Complete, Outcome::Failed]);
}
