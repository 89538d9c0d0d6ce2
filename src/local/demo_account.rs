//! An account that changes between runs: what the demo shows.

use std::time::Duration;

use serde_json::Value;

use super::codeconnections::{
    CreateConnectionInput, CreateHostInput, Options, ProviderType, Quotas, RegionAccess, Scope,
    ServiceError, StandIn, World,
};

/// The account that the sample events come from.
pub const ACCOUNT: &str = "123456789012";
/// The regions that it uses; eu-south-1 keeps its connections to itself.
pub const REGIONS: [&str; 4] = ["eu-central-1", "eu-south-1", "eu-west-1", "us-east-1"];

const OPT_IN: &str = "eu-south-1";
const SCHEDULED: &str = include_str!("../../events/scheduled-rule.json");
const API_CALL: &str = include_str!("../../events/cloudtrail-create-connection.json");
const DIRECT: &str = include_str!("../../events/direct-request.json");
/// Where an event has the connection that a call made.
const MADE: &str = "/detail/responseElements/connectionArn";
/// The connection that is made by a call.
const NEW: &str = "ledger-api";
const HOUR: Duration = Duration::from_secs(3600);

/// One step of the demo: what happens to the account, and the event that is
/// handled then.
#[derive(Debug, Clone)]
pub struct Step {
    /// What happens, in a line.
    pub says: &'static str,
    /// How long after the step before.
    pub after: Duration,
    event: Value,
    change: fn(&mut World) -> Result<(), ServiceError>,
}

impl Step {
    /// Lets it happen to the account, and gives the event that is then
    /// handled.
    ///
    /// # Errors
    /// [`ServiceError`] if the stand-in refuses.
    pub fn happen(&self, stand_in: &StandIn) -> Result<Value, ServiceError> {
        let world = &mut stand_in.world();
        (self.change)(world)?;
        let mut event = self.event.clone();
        if let Some(arn) = event.pointer_mut(MADE) {
            // What the sample tells of is what was made here.
            *arn = named(world, NEW).into();
        }
        Ok(event)
    }
}

/// An account with a few hundred connections over several regions.
///
/// # Errors
/// [`ServiceError`] if the stand-in refuses to make it.
pub fn stand_in() -> Result<StandIn, ServiceError> {
    let stand_in = StandIn::new(Options {
        default_account: ACCOUNT.to_owned(),
        quotas: Quotas {
            connections: 1000,
            ..Quotas::default()
        },
        ..Options::default()
    });
    populate(&mut stand_in.world())?;
    Ok(stand_in)
}

fn populate(world: &mut World) -> Result<(), ServiceError> {
    const TEAMS: [&str; 8] = [
        "payments", "identity", "search", "mobile", "data", "platform", "web", "risk",
    ];
    const PARTS: [&str; 8] = [
        "api", "ui", "jobs", "infra", "docs", "tests", "etl", "gateway",
    ];
    let host = world.create_host(
        &Scope::new(ACCOUNT, "eu-central-1"),
        CreateHostInput::new(
            "ghes-frankfurt",
            ProviderType::GitHubEnterpriseServer,
            "https://github.example.com",
        ),
    )?;
    world.set_status(&host.host_arn, "AVAILABLE")?;
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
        let made = world.create_connection(&scope, input)?;
        let status = match number % 40 {
            7 => "PENDING",
            23 => "ERROR",
            _ => "AVAILABLE",
        };
        world.set_status(&made.connection_arn, status)?;
    }
    Ok(())
}

/// What happens to the account, run by run.
///
/// # Errors
/// If a sample event is not JSON.
pub fn steps() -> Result<Vec<Step>, serde_json::Error> {
    let scheduled = |number: u32| event(SCHEDULED, number);
    Ok(vec![
        Step {
            says: "the first scheduled run: every connection is seen for the first time",
            after: HOUR,
            event: scheduled(1)?,
            change: |_| Ok(()),
        },
        Step {
            says: "an hour in which nothing happens: nothing is recorded but that it was looked at",
            after: HOUR,
            event: scheduled(2)?,
            change: |_| Ok(()),
        },
        Step {
            says: "maria.example creates a connection: CloudTrail tells of the call, and a run follows",
            after: HOUR / 3,
            event: event(API_CALL, 3)?,
            change: |world| {
                let scope = Scope::new(ACCOUNT, "eu-west-1");
                let input = CreateConnectionInput::new(NEW, ProviderType::GitHub);
                world.create_connection(&scope, input).map(drop)
            },
        },
        Step {
            says: "it is approved in the console, and two others break at their provider: no event tells of that",
            after: HOUR * 2 / 3,
            event: scheduled(4)?,
            change: |world| {
                world.set_status(&named(world, NEW), "AVAILABLE")?;
                world.set_status(&named(world, "payments-gateway-007"), "ERROR")?;
                world.set_status(&named(world, "search-infra-019"), "ERROR")
            },
        },
        Step {
            says: "two connections of eu-south-1 are deleted, but a policy now denies that region: they may still exist",
            after: HOUR,
            event: scheduled(5)?,
            change: |world| {
                deny(world, true);
                world.delete(&named(world, "identity-ui-009"))?;
                world.delete(&named(world, "mobile-ui-089"))
            },
        },
        Step {
            says: "eu-south-1 answers again, without them: now the removals are certain; a host was replaced, too",
            after: HOUR,
            event: scheduled(6)?,
            change: |world| {
                deny(world, false);
                let moved = world
                    .connections()
                    .find(|record| record.connection.host_arn.is_some())
                    .map(|record| record.connection.connection_arn.clone())
                    .unwrap_or_default();
                let host =
                    "arn:aws:codeconnections:eu-central-1:123456789012:host/ghes-munich-5f0c1a2b";
                world.set_connection_host(&moved, Some(host.to_owned()))
            },
        },
        Step {
            says: "the same event is delivered a second time: nothing is written",
            after: Duration::from_secs(40),
            event: scheduled(6)?,
            change: |_| Ok(()),
        },
        Step {
            says: "every connection of the account but 40 disappears at once: the guard holds that back",
            after: HOUR,
            event: scheduled(7)?,
            change: |world| {
                let arns: Vec<String> = world
                    .connections()
                    .map(|record| record.connection.connection_arn.clone())
                    .collect();
                arns.iter().skip(40).try_for_each(|arn| world.delete(arn))
            },
        },
        Step {
            says: "somebody has looked, and says that it is meant: a direct request that accepts the deletions",
            after: HOUR / 4,
            event: direct()?,
            change: |_| Ok(()),
        },
    ])
}

/// A sample event with an id of its own.
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

fn named(world: &World, name: &str) -> String {
    world
        .connections()
        .find(|record| record.connection.connection_name == name)
        .map(|record| record.connection.connection_arn.clone())
        .unwrap_or_default()
}

fn deny(world: &mut World, denied: bool) {
    let place = (ACCOUNT.to_owned(), OPT_IN.to_owned());
    let access = &mut world.options_mut().region_access;
    if denied {
        access.insert(place, RegionAccess::Denied);
    } else {
        access.remove(&place);
    }
}
