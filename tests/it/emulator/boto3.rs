//! Tests both ends with AWS's own Python client: it changes the emulator's
//! account and reads the table, independently of this code.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;

use crate::support::ccinv::Ccinv;
use crate::support::python::{fine, python};
use crate::support::test_env::{ACCOUNT, TestEnv};
use codeconnections_inventory::domain::{
    Attributes, ChangeKind, ConnectionStatus, ProviderType, UnknownMembers,
};
use codeconnections_inventory::local::EmulatorService;
use codeconnections_inventory::local::codeconnections::{
    CodeConnectionsEmulator, Connection, Options, RegionAccess,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs `emulator_client.py` against an emulator with everything that its
/// options cover. Returns its output.
async fn check_against_model(legacy_arns: bool) -> String {
    let (account, denied, not_enabled) = ("444455556666", "eu-west-3", "ap-east-1");
    let denied_role_account = "999999999999";
    let place = |region: &str| (account.to_owned(), region.to_owned());
    let codeconnections = CodeConnectionsEmulator::new(Options {
        legacy_arns,
        deny_assume_role: [denied_role_account.to_owned()].into(),
        region_access: [
            (place(denied), RegionAccess::Denied),
            (place(not_enabled), RegionAccess::NotEnabled),
        ]
        .into(),
        ..Options::default()
    });
    let service = EmulatorService::start(codeconnections, 0)
        .await
        .expect("a port");
    let (denied, not_enabled) = (
        format!("{account}/{denied}"),
        format!("{account}/{not_enabled}"),
    );
    let mut arguments = vec![
        service.endpoint(),
        "--denies-role-in",
        denied_role_account,
        "--denied",
        &denied,
        "--not-enabled",
        &not_enabled,
    ];
    if legacy_arns {
        arguments.push("--legacy-arns");
    }
    fine(python("emulator_client.py", &arguments).await)
}

#[tokio::test]
async fn emulator_responses_match_the_service_model() {
    let output = check_against_model(false).await;
    assert!(output.ends_with("all good\n"), "{output}");
}

#[tokio::test]
async fn emulator_responses_with_legacy_arns_match_the_service_model() {
    let output = check_against_model(true).await;
    assert!(output.ends_with("all good\n"), "{output}");
}

/// Fails if a newer pinned botocore has a member that AWS added.
#[tokio::test]
async fn connection_members_match_the_botocore_model() {
    let output = fine(python("connection_model.py", &[]).await);
    let model: Value = serde_json::from_str(&output).expect("JSON");
    let sorted = |names: &mut dyn Iterator<Item = String>| names.collect::<BTreeSet<_>>();
    let words = |name: &str| {
        let words = model[name].as_array().expect("a list").iter();
        sorted(&mut words.map(|word| word.as_str().expect("a text").to_owned()))
    };
    let members = model["members"].as_object().expect("members");
    assert!(members.values().all(|of_type| of_type == "string"));
    let theirs = sorted(&mut members.keys().cloned());

    let codeconnections = sorted(&mut Connection::MEMBERS.iter().map(ToString::to_string));
    assert_eq!(codeconnections, theirs);
    // Attributes have the names of the API in snake case; the ARN is the key.
    let whole = Attributes {
        connection_name: Some("".into()),
        connection_status: Some(ConnectionStatus::Pending),
        host_arn: Some("".into()),
        owner_account_id: Some("".into()),
        provider_endpoint: Some("".into()),
        provider_type: Some(ProviderType::GitHub),
        unknown_members: UnknownMembers::default(),
    };
    let ours = json!(whole);
    let ours = ours.as_object().expect("an object").keys();
    let ours = ours.map(|name| name.split('_').map(capitalized).collect());
    let ours = sorted(&mut ours.chain(["ConnectionArn".to_owned()]));
    assert_eq!(ours, theirs);

    let providers = ProviderType::KNOWN.iter().map(ToString::to_string);
    assert_eq!(sorted(&mut providers.into_iter()), words("ProviderType"));
    let statuses = ConnectionStatus::KNOWN.iter().map(ToString::to_string);
    assert_eq!(sorted(&mut statuses.into_iter()), words("ConnectionStatus"));
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// An account that boto3 created and changed, with a scan after each step.
struct Story {
    env: TestEnv,
    folder: TempDir,
}

impl Story {
    async fn new() -> Self {
        let this = Self {
            env: TestEnv::new().await,
            folder: TempDir::new().expect("a folder"),
        };
        let ccinv = Ccinv::at(&this.env);
        let table = this.env.table.name().as_str();
        let scan = [
            "scan",
            "--json",
            "--regions",
            "eu-west-1,eu-south-1",
            "--table",
            table,
        ];

        this.run_at_service("create").await;
        let summary = ccinv.json(&scan).await;
        assert_eq!(summary["account"], ACCOUNT, "as STS says");
        assert_eq!(summary["changes"], json!({"FIRST_SEEN": 5}));
        this.run_at_service("change").await;
        let summary = ccinv.json(&scan).await;
        let changes = json!({"FIRST_SEEN": 1, "STATUS_CHANGED": 2, "DELETED": 1});
        assert_eq!(summary["changes"], changes);
        this
    }

    async fn run_at_service(&self, step: &str) {
        let url = self.env.service.endpoint();
        let done = self.step(step, &["--service", url]).await;
        fine(done);
    }

    async fn check(&self) -> Result<String, String> {
        let table = self.env.table.name().as_str();
        let endpoint = self.env.table_endpoint.as_str();
        self.step("check", &["--table-endpoint", endpoint, "--table", table])
            .await
    }

    async fn step(&self, step: &str, arguments: &[&str]) -> Result<String, String> {
        let state = self.folder.path().join("state.json");
        let state = state.to_str().expect("UTF-8");
        let common = [step, "--account", ACCOUNT, "--state", state];
        python("inventory_story.py", &[&common, arguments].concat()).await
    }
}

#[tokio::test]
async fn boto3_finds_and_verifies_its_own_changes_in_the_table() {
    let story = Story::new().await;

    let output = fine(story.check().await);

    assert_eq!(output, "verified 9 changes, 6 snapshots, 2 runs\n");
}

/// Shows that the check above can fail.
#[tokio::test]
async fn edited_record_fails_verification() {
    let story = Story::new().await;
    let name = story.env.table.name().as_str();
    let client = story.env.table.client();
    let connections = story.env.connections().await;
    let doomed = connections
        .iter()
        .find(|row| row.deleted_at.is_some())
        .expect("the deleted connection");
    let arn = doomed.connection_arn.as_str();
    assert_eq!(
        story.env.story(arn).await.last(),
        Some(&(ChangeKind::Deleted, None))
    );
    let edited = client
        .execute_statement()
        .statement(format!(
            "UPDATE \"{name}\" SET \"observed_until\" = '2030-01-01T00:00:00.000Z' \
             WHERE \"pk\" = 'CONNECTION#{ACCOUNT}#{arn}' AND \"sk\" = 'CHANGE#0000000002'"
        ))
        .send();
    edited.await.expect("edited");

    let failure = story.check().await.expect_err("it must not verify");

    assert!(failure.contains("CHANGE#0000000002: digest"), "{failure}");
}
