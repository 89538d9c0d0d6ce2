//! Invokes the function as the state machine does: once for each account of an
//! organization, through a role of that account. It is the function's own
//! binary under AWS's runtime emulator.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::support::proxy::{Act, Proxy};
use crate::support::runtime_emulator::{Emulator, Environment};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv};
use codeconnections_inventory::domain::{AccountId, Outcome, RunRecord};
use codeconnections_inventory::local::codeconnections::{
    CreateConnectionInput, ProviderType, Scope,
};
use serde_json::{Value, json};

const MEMBER: &str = "210987654321";
const OTHER: &str = "345678901234";
const EXTERNAL_ID: &str = "inventory-of-example";

/// A function that lists any account of the organization, and its requests to
/// STS.
struct Organization {
    env: TestEnv,
    emulator: Emulator,
    assumed: Arc<Mutex<Vec<String>>>,
    _sts: Proxy,
}

impl Organization {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        env.codeconnections.state().options_mut().external_id = Some(EXTERNAL_ID.to_owned());
        for account in [ACCOUNT, MEMBER, OTHER] {
            let input = CreateConnectionInput::new(&format!("of-{account}"), ProviderType::GitHub);
            let made = env
                .codeconnections
                .state()
                .create_connection(&Scope::new(account, REGION), input);
            made.expect("created");
        }
        let assumed = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&assumed);
        let sts = Proxy::start(env.service.endpoint(), move |seen| {
            let form = String::from_utf8_lossy(&seen.body).into_owned();
            noted.lock().expect("no panic").push(form);
            Act::Pass
        })
        .await;
        let environment = Environment::of(&env)
            .with("ACCOUNTS", "any")
            .with("MEMBER_ROLE_NAME", "readers/inventory")
            .with("EXTERNAL_ID", EXTERNAL_ID)
            .with("AWS_ENDPOINT_URL_STS", &sts.endpoint);
        Self {
            emulator: Emulator::start(environment).await,
            env,
            assumed,
            _sts: sts,
        }
    }

    fn deny(&self, account: &str) {
        let mut state = self.env.codeconnections.state();
        let denied = &mut state.options_mut().deny_assume_role;
        denied.insert(account.to_owned());
    }

    fn allow_all(&self) {
        let mut state = self.env.codeconnections.state();
        state.options_mut().deny_assume_role.clear();
    }

    async fn runs(&self, account: &str) -> Vec<RunRecord> {
        let account: AccountId = account.parse().expect("an account");
        let runs = self.env.table.runs_of(&account, 100).await;
        runs.expect("read")
    }

    /// Returns the requests to STS since the last call.
    fn assumed(&self) -> Vec<String> {
        std::mem::take(&mut *self.assumed.lock().expect("no panic"))
    }
}

/// Returns the event of the state machine for an account, in the execution
/// `execution`.
fn account_event(id: &str, execution: &str) -> Value {
    let event = include_str!("../../../events/organization-account.json");
    let mut event: Value = serde_json::from_str(event).expect("JSON");
    event["account"] = id.into();
    event["execution_id"] = execution.into();
    event
}

#[tokio::test]
async fn member_is_listed_through_its_role_with_run_id_as_session_name() {
    let organization = Organization::new().await;
    let event = account_event(MEMBER, "first");
    let answer = organization.emulator.invoke(&event).await.answer();
    assert_eq!(answer["outcome"], "COMPLETE", "{answer}");
    assert_eq!(answer["account"], MEMBER);
    assert_eq!(answer["changes"], json!({"FIRST_SEEN": 1}));
    let assumed = organization.assumed();
    let [form] = assumed.as_slice() else {
        panic!("one role: {assumed:?}");
    };
    let fields: BTreeSet<&str> = form.split('&').collect();
    let session = format!(
        "RoleSessionName={}",
        answer["run_id"].as_str().expect("an id")
    );
    let role = format!("RoleArn=arn%3Aaws%3Aiam%3A%3A{MEMBER}%3Arole%2Freaders%2Finventory");
    let external_id = format!("ExternalId={EXTERNAL_ID}");
    for field in [&session, &role, &external_id] {
        assert!(fields.contains(field.as_str()), "{field}: {form}");
    }

    // The next run has a session of its own.
    let answer = organization
        .emulator
        .invoke(&account_event(MEMBER, "second"))
        .await
        .answer();
    assert_eq!(answer["changes"], json!({}));
    let session = format!(
        "RoleSessionName={}",
        answer["run_id"].as_str().expect("an id")
    );
    let assumed = organization.assumed();
    assert!(assumed[0].contains(&session), "{assumed:?}");
    assert_eq!(assumed.len(), 1);
}

#[tokio::test]
async fn member_role_is_in_the_partition_of_the_function() {
    let env = TestEnv::new().await;
    for (region, partition) in [
        ("eu-central-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
    ] {
        let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let sts = Proxy::start(env.service.endpoint(), move |seen| {
            // Sending only fails when the test has already failed.
            let _ = sender.send(String::from_utf8_lossy(&seen.body).into_owned());
            Act::Answer(403, String::new())
        })
        .await;
        let environment = Environment::of(&env)
            .with("AWS_REGION", region)
            .with("REGIONS", region)
            .with("ACCOUNTS", "any")
            .with("MEMBER_ROLE_NAME", "inventory")
            .with("AWS_ENDPOINT_URL_STS", &sts.endpoint);
        let emulator = Emulator::start(environment).await;
        let (error_type, _) = emulator
            .invoke(&account_event(MEMBER, "first"))
            .await
            .error();
        assert_eq!(error_type, "RunFailed");
        let form = asked.recv().await.expect("STS was asked");
        let role = format!("RoleArn=arn%3A{partition}%3Aiam%3A%3A{MEMBER}%3Arole%2Finventory");
        assert!(
            form.split('&').any(|field| field == role),
            "{region}: {form}"
        );
    }
}

#[tokio::test]
async fn own_account_is_listed_with_own_credentials() {
    let organization = Organization::new().await;
    for event in [account_event(ACCOUNT, "first"), json!({})] {
        let answer = organization.emulator.invoke(&event).await.answer();
        assert_eq!(answer["outcome"], "COMPLETE", "{answer}");
        assert_eq!(answer["account"], ACCOUNT);
    }
    assert_eq!(organization.assumed(), [] as [&str; 0]);
}

#[tokio::test]
async fn denying_account_is_recorded_as_failed_and_keeps_its_connections() {
    let organization = Organization::new().await;
    let emulator = &organization.emulator;
    for member in [MEMBER, OTHER] {
        emulator
            .invoke(&account_event(member, "first"))
            .await
            .answer();
    }
    organization.deny(MEMBER);

    let (error_type, message) = emulator
        .invoke(&account_event(MEMBER, "second"))
        .await
        .error();
    let answer = emulator
        .invoke(&account_event(OTHER, "second"))
        .await
        .answer();

    assert_eq!(error_type, "RunFailed");
    assert!(message.contains("AccessDenied"), "{message}");
    assert_eq!(answer["outcome"], "COMPLETE");
    let runs = organization.runs(MEMBER).await;
    assert_eq!(runs.len(), 2);
    let failed = &runs[0];
    assert_eq!(failed.outcome, Outcome::Failed);
    let error = failed.listings[0].error.as_ref().expect("an error");
    assert!(
        error
            .message
            .contains("not authorized to perform: sts:AssumeRole"),
        "{}",
        error.message
    );
    assert!(failed.changes.is_empty(), "no deletion is recorded");
    assert_eq!(failed.connections, runs[1].connections);
}

#[tokio::test]
async fn wrong_external_id_fails_the_run() {
    let organization = Organization::new().await;
    organization
        .env
        .codeconnections
        .state()
        .options_mut()
        .external_id = Some("another".to_owned());
    let event = account_event(MEMBER, "first");
    let (error_type, _) = organization.emulator.invoke(&event).await.error();
    assert_eq!(error_type, "RunFailed");
}

#[tokio::test]
async fn repeated_execution_writes_nothing_after_a_complete_run() {
    let organization = Organization::new().await;
    let emulator = &organization.emulator;
    let event = account_event(MEMBER, "first");
    organization.deny(MEMBER);
    emulator.invoke(&event).await.error();
    organization.allow_all();
    let answer = emulator.invoke(&event).await.answer();
    assert_eq!(
        answer["already_recorded"], false,
        "a failed run is repeated"
    );
    let answer = emulator.invoke(&event).await.answer();
    assert_eq!(answer["already_recorded"], true);
    assert_eq!(organization.runs(MEMBER).await.len(), 2);
    // The same execution for another account is another event.
    let answer = emulator
        .invoke(&account_event(OTHER, "first"))
        .await
        .answer();
    assert_eq!(answer["already_recorded"], false);
}

#[tokio::test]
async fn one_function_lists_hundreds_of_accounts() {
    let organization = Organization::new().await;
    for number in 0..200_u64 {
        let id = (400_000_000_000 + number).to_string();
        let answer = organization
            .emulator
            .invoke(&account_event(&id, "first"))
            .await
            .answer();
        assert_eq!(answer["outcome"], "COMPLETE", "{id}: {answer}");
    }
    // Each account has its own session, in the same process.
    assert_eq!(organization.assumed().len(), 200);
    let accounts = organization.env.table.accounts().await.expect("read");
    assert_eq!(accounts.len(), 200);
}
