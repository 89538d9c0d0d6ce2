//! AWS's own Python client against both ends: it makes things happen in the
//! stand-in, and reads the table, as somebody would who has none of this code.
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

/// The stand-in with everything that `emulator_client.py` can be told of.
async fn held_against_the_model(legacy_arns: bool) -> String {
    let (account, denied, not_enabled) = ("444455556666", "eu-west-3", "ap-east-1");
    let nobody = "999999999999";
    let place = |region: &str| (account.to_owned(), region.to_owned());
    let codeconnections = CodeConnectionsEmulator::new(Options {
        legacy_arns,
        deny_assume_role: [nobody.to_owned()].into(),
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
        nobody,
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
async fn every_answer_of_the_stand_in_is_one_that_the_service_model_allows() {
    let told = held_against_the_model(false).await;
    assert!(told.ends_with("all good\n"), "{told}");
}

#[tokio::test]
async fn so_is_every_answer_with_arns_as_they_were_before_july_2024() {
    let told = held_against_the_model(true).await;
    assert!(told.ends_with("all good\n"), "{told}");
}

/// A member that AWS adds must fail this, whoever pins the newer botocore.
#[tokio::test]
async fn members_of_a_connection_are_those_of_botocores_model() {
    let told = fine(python("connection_model.py", &[]).await);
    let model: Value = serde_json::from_str(&told).expect("JSON");
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
    // Ours are named as the API names them, in snake case; the ARN is the key.
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

/// An account that boto3 made and changed, with a scan after each.
struct Story {
    env: TestEnv,
    folder: TempDir,
}

impl Story {
    async fn happened() -> Self {
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

        this.at_the_service("create").await;
        let summary = ccinv.json(&scan).await;
        assert_eq!(summary["account"], ACCOUNT, "as STS says");
        assert_eq!(summary["changes"], json!({"FIRST_SEEN": 5}));
        this.at_the_service("change").await;
        let summary = ccinv.json(&scan).await;
        let changes = json!({"FIRST_SEEN": 1, "STATUS_CHANGED": 2, "DELETED": 1});
        assert_eq!(summary["changes"], changes);
        this
    }

    async fn at_the_service(&self, step: &str) {
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
async fn what_boto3_did_to_an_account_boto3_finds_in_the_table_and_can_verify() {
    let story = Story::happened().await;

    let told = fine(story.check().await);

    assert_eq!(told, "verified 9 changes, 6 snapshots, 2 runs\n");
}

/// The check above would be worth nothing if it could not fail.
#[tokio::test]
async fn a_record_that_somebody_edits_no_longer_verifies() {
    let story = Story::happened().await;
    let name = story.env.table.name().as_str();
    let client = story.env.table.client();
    let connections = story.env.connections().await;
    let doomed = connections
        .iter()
        .find(|row| row.deleted_at.is_some())
        .expect("the one that is gone");
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
