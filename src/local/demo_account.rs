//! The account of the demo, which changes between runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::codeconnections::{
    CodeConnectionsEmulator, CreateConnectionInput, CreateHostInput, Operation, Options,
    ProviderType, Quotas, RegionAccess, Scope, ServiceError, ServiceState, Tag, TagResourceInput,
};
use super::dependency_services::{
    DependencyServices, Home, Pipeline, Project, ResourceShare, ServicesState,
};

/// The account of the sample events.
pub const ACCOUNT: &str = "123456789012";
/// The regions of the account. eu-south-1 is an opt-in region.
pub const REGIONS: [&str; 4] = ["eu-central-1", "eu-south-1", "eu-west-1", "us-east-1"];

const OPT_IN: &str = "eu-south-1";
const SCHEDULED: &str = include_str!("../../events/scheduled-rule.json");
const API_CALL: &str = include_str!("../../events/cloudtrail-create-connection.json");
const DIRECT: &str = include_str!("../../events/direct-request.json");
/// Path of the created connection in an event.
const MADE: &str = "/detail/responseElements/connectionArn";
/// The connection that the API call creates.
const NEW: &str = "ledger-api";
/// A connection that fails while a pipeline and a build project use it.
const FAILING: &str = "search-infra-019";
const HOUR: Duration = Duration::from_secs(3600);

/// One step of the demo: a change of the account and the event handled after it.
#[derive(Debug, Clone)]
pub struct Step {
    /// What happens, in at most 34 characters.
    pub title: &'static str,
    /// What happens, in a sentence.
    pub says: &'static str,
    /// True if the function of dependencies runs after the event, as it does once a
    /// day.
    pub lists_dependencies: bool,
    /// Time since the previous step.
    pub after: Duration,
    event: Value,
    change: fn(&mut ServiceState) -> Result<(), ServiceError>,
}

impl Step {
    /// Applies the change to the account and returns the event to handle.
    ///
    /// # Errors
    /// [`ServiceError`] if the emulator rejects the change.
    pub fn happen(&self, codeconnections: &CodeConnectionsEmulator) -> Result<Value, ServiceError> {
        let state = &mut codeconnections.state();
        (self.change)(state)?;
        let mut event = self.event.clone();
        if let Some(arn) = event.pointer_mut(MADE) {
            // The event names the connection created here.
            *arn = named(state, NEW).into();
        }
        Ok(event)
    }
}

/// Creates an account with a few hundred connections in several regions.
///
/// # Errors
/// [`ServiceError`] if the emulator rejects one of them.
pub fn codeconnections() -> Result<CodeConnectionsEmulator, ServiceError> {
    let codeconnections = CodeConnectionsEmulator::new(Options {
        default_account: ACCOUNT.to_owned(),
        quotas: Quotas {
            connections: 1000,
            ..Quotas::default()
        },
        ..Options::default()
    });
    populate(&mut codeconnections.state())?;
    Ok(codeconnections)
}

fn populate(state: &mut ServiceState) -> Result<(), ServiceError> {
    const TEAMS: [&str; 8] = [
        "payments", "identity", "search", "mobile", "data", "platform", "web", "risk",
    ];
    const PARTS: [&str; 8] = [
        "api", "ui", "jobs", "infra", "docs", "tests", "etl", "gateway",
    ];
    let host = state.create_host(
        &Scope::new(ACCOUNT, "eu-central-1"),
        CreateHostInput::new(
            "ghes-frankfurt",
            ProviderType::GitHubEnterpriseServer,
            "https://github.example.com",
        ),
    )?;
    state.set_status(&host.host_arn, "AVAILABLE")?;
    for number in 0..240 {
        let region = REGIONS[number % REGIONS.len()];
        let team = TEAMS[number / PARTS.len() % TEAMS.len()];
        let name = format!("{team}-{}-{number:03}", PARTS[number % PARTS.len()]);
        let scope = Scope::new(ACCOUNT, region);
        let input = match number % 12 {
            0 if region == "eu-central-1" => {
                CreateConnectionInput::through_host(&name, &host.host_arn)
            }
            1..=5 => CreateConnectionInput::new(&name, ProviderType::GitHub),
            6..=8 => CreateConnectionInput::new(&name, ProviderType::GitLab),
            9 | 10 => CreateConnectionInput::new(&name, ProviderType::Bitbucket),
            _ => CreateConnectionInput::new(&name, ProviderType::AzureDevOps),
        };
        let made = state.create_connection(&scope, input)?;
        let status = match number % 40 {
            7 => "PENDING",
            23 => "ERROR",
            _ => "AVAILABLE",
        };
        state.set_status(&made.connection_arn, status)?;
    }
    Ok(())
}

/// Creates what uses the connections of an account, tags some of them and shares one.
///
/// # Errors
/// [`ServiceError`] if the emulator rejects something.
pub fn dependency_services(
    codeconnections: &CodeConnectionsEmulator,
) -> Result<DependencyServices, ServiceError> {
    let services = DependencyServices::default();
    let state = &mut codeconnections.state();
    use_connections(state, &mut services.state());
    synchronize_stack(state)?;
    let owners = [
        (FAILING, "search"),
        ("payments-api-000", "payments"),
        ("payments-docs-004", "payments"),
    ];
    for (name, team) in owners {
        let resource_arn = named(state, name);
        let Some(region) = resource_arn.split(':').nth(3) else {
            continue;
        };
        let scope = Scope::new(ACCOUNT, region);
        let tags = vec![Tag {
            key: "team".to_owned(),
            value: team.to_owned(),
        }];
        state.tag_resource(&scope, TagResourceInput { resource_arn, tags })?;
    }
    Ok(services)
}

fn use_connections(state: &ServiceState, services: &mut ServicesState) {
    let pipeline = |region: &str, name: &str, connection: &str, repository: &str| Pipeline {
        home: Home::new(ACCOUNT, region),
        name: name.to_owned(),
        connection_arn: named(state, connection),
        full_repository_id: repository.to_owned(),
        branch_name: "main".to_owned(),
    };
    services.pipelines = vec![
        pipeline("us-east-1", "search-deploy", FAILING, "search/infra"),
        pipeline(
            "eu-central-1",
            "payments-release",
            "payments-api-000",
            "payments/api",
        ),
    ];
    let project =
        |region: &str, name: &str, connection: &str, source_type: &str, url: &str| Project {
            home: Home::new(ACCOUNT, region),
            name: name.to_owned(),
            connection_arn: named(state, connection),
            source_type: source_type.to_owned(),
            location: url.to_owned(),
            source_version: "main".to_owned(),
        };
    services.projects = vec![
        project(
            "us-east-1",
            "search-tests",
            FAILING,
            "GITLAB",
            "https://gitlab.com/search/infra.git",
        ),
        // Among those that disappear.
        project(
            "eu-central-1",
            "web-nightly",
            "web-docs-052",
            "GITHUB",
            "https://github.com/web/docs.git",
        ),
    ];
    services.resource_shares = vec![ResourceShare {
        home: Home::new(ACCOUNT, "eu-central-1"),
        id: "2f6e1c1d-58b5-4c3a-9d0e-6a1b7c8d9e0f".to_owned(),
        connection_arn: named(state, "payments-docs-004"),
        principal: "999999999999".to_owned(),
        is_external: true,
    }];
}

/// Keeps a stack in sync with a repository.
fn synchronize_stack(state: &mut ServiceState) -> Result<(), ServiceError> {
    let scope = Scope::new(ACCOUNT, "us-east-1");
    let link = json!({
        "ConnectionArn": named(state, "payments-infra-003"),
        "OwnerId": "payments",
        "RepositoryName": "infra",
    });
    let link = state.perform(&scope, Operation::CreateRepositoryLink, link)?;
    let configuration = json!({
        "Branch": "main",
        "ConfigFile": "network.yaml",
        "RepositoryLinkId": link["RepositoryLinkInfo"]["RepositoryLinkId"],
        "ResourceName": "payments-network",
        "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/git-sync"),
        "SyncType": "CFN_STACK_SYNC",
    });
    let operation = Operation::CreateSyncConfiguration;
    state.perform(&scope, operation, configuration).map(drop)
}

/// Returns the steps of the demo.
///
/// # Errors
/// If a sample event is not JSON.
pub fn steps() -> Result<Vec<Step>, serde_json::Error> {
    let scheduled = |number: u32| event(SCHEDULED, number);
    Ok(vec![
        Step {
            title: "first scheduled run",
            says: "the first scheduled run observes every connection for the first time; the second function records what uses them, hosts, tags and shares",
            lists_dependencies: true,
            after: HOUR,
            event: scheduled(1)?,
            change: |_| Ok(()),
        },
        Step {
            title: "an hour without changes",
            says: "an hour without changes: only the run itself is recorded",
            lists_dependencies: false,
            after: HOUR,
            event: scheduled(2)?,
            change: |_| Ok(()),
        },
        Step {
            title: "maria.example creates ledger-api",
            says: "maria.example creates ledger-api: CloudTrail reports the call, and a run follows",
            lists_dependencies: false,
            after: HOUR / 3,
            event: event(API_CALL, 3)?,
            change: |state| {
                let scope = Scope::new(ACCOUNT, "eu-west-1");
                let input = CreateConnectionInput::new(NEW, ProviderType::GitHub);
                state.create_connection(&scope, input).map(drop)
            },
        },
        Step {
            title: "ledger-api approved, 2 others fail",
            says: "ledger-api is approved in the console, and two others fail at their provider: AWS sends no event; a pipeline and a build project use one of the two",
            lists_dependencies: false,
            after: HOUR * 2 / 3,
            event: scheduled(4)?,
            change: |state| {
                state.set_status(&named(state, NEW), "AVAILABLE")?;
                state.set_status(&named(state, "payments-gateway-007"), "ERROR")?;
                state.set_status(&named(state, FAILING), "ERROR")
            },
        },
        Step {
            title: "eu-south-1 denied, 2 deleted there",
            says: "two connections in eu-south-1 are deleted, but a policy now denies that region: they may still exist",
            lists_dependencies: false,
            after: HOUR,
            event: scheduled(5)?,
            change: |state| {
                deny(state, true);
                state.delete(&named(state, "identity-ui-009"))?;
                state.delete(&named(state, "mobile-ui-089"))
            },
        },
        Step {
            title: "eu-south-1 back, a host replaced",
            says: "eu-south-1 is readable again, and lists neither: both deletions are recorded; a host was replaced, too",
            lists_dependencies: false,
            after: HOUR,
            event: scheduled(6)?,
            change: |state| {
                deny(state, false);
                let moved = state
                    .connections()
                    .find(|record| record.connection.host_arn.is_some())
                    .map(|record| record.connection.connection_arn.clone())
                    .unwrap_or_default();
                let host =
                    "arn:aws:codeconnections:eu-central-1:123456789012:host/ghes-munich-5f0c1a2b";
                state.set_connection_host(&moved, Some(host.to_owned()))
            },
        },
        Step {
            title: "same event delivered again",
            says: "the same event is delivered a second time: nothing is written",
            lists_dependencies: false,
            after: Duration::from_secs(40),
            event: scheduled(6)?,
            change: |_| Ok(()),
        },
        Step {
            title: "all but 40 connections disappear",
            says: "all connections but 40 disappear at once: the tombstone guard holds the deletions back",
            lists_dependencies: false,
            after: HOUR,
            event: scheduled(7)?,
            change: |state| {
                let arns: Vec<String> = state
                    .connections()
                    .map(|record| record.connection.connection_arn.clone())
                    .collect();
                arns.iter().skip(40).try_for_each(|arn| state.delete(arn))
            },
        },
        Step {
            title: "deletions accepted",
            says: "an operator confirms the deletions: a direct request accepts them",
            lists_dependencies: false,
            after: HOUR / 4,
            event: direct()?,
            change: |_| Ok(()),
        },
    ])
}

/// Returns a sample event with a unique id.
fn event(sample: &str, number: u32) -> Result<Value, serde_json::Error> {
    let mut event: Value = serde_json::from_str(sample)?;
    event["id"] = format!("00000000-0000-4000-8000-{number:012}").into();
    Ok(event)
}

fn direct() -> Result<Value, serde_json::Error> {
    let mut event: Value = serde_json::from_str(DIRECT)?;
    event["regions"] = REGIONS.as_slice().into();
    Ok(event)
}

fn named(state: &ServiceState, name: &str) -> String {
    state
        .connections()
        .find(|record| record.connection.connection_name == name)
        .map(|record| record.connection.connection_arn.clone())
        .unwrap_or_default()
}

fn deny(state: &mut ServiceState, denied: bool) {
    let restriction = denied.then_some(RegionAccess::Denied);
    state.set_region_access(ACCOUNT, OPT_IN, restriction);
}
