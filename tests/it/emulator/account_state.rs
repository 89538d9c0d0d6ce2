//! The world's rules, without HTTP.
#![allow(clippy::expect_used, missing_docs)]

use codeconnections_inventory::local::codeconnections::*;

const A: &str = "111122223333";
const B: &str = "444455556666";

fn world() -> World {
    World::new(Options::default())
}

fn connect(world: &mut World, scope: &Scope, name: &str) -> String {
    world
        .create_connection(
            scope,
            CreateConnectionInput::new(name, ProviderType::GitHub),
        )
        .expect("a connection")
        .connection_arn
}

fn host(world: &mut World, scope: &Scope) -> String {
    let input = CreateHostInput::new("h", ProviderType::GitHubEnterpriseServer, "https://h");
    world.create_host(scope, input).expect("a host").host_arn
}

const EVERYTHING: ListConnectionsInput = ListConnectionsInput {
    provider_type_filter: None,
    host_arn_filter: None,
    max_results: None,
    next_token: None,
};

fn names(world: &World, scope: &Scope) -> Vec<String> {
    let page = world.list_connections(scope, &EVERYTHING).expect("a page");
    page.connections
        .into_iter()
        .map(|c| c.connection_name)
        .collect()
}

fn arn_input(arn: &str) -> ConnectionArnInput {
    ConnectionArnInput {
        connection_arn: arn.to_owned(),
    }
}

fn host_input(arn: &str) -> HostArnInput {
    HostArnInput {
        host_arn: arn.to_owned(),
    }
}

#[test]
fn the_same_seed_gives_the_same_arns_in_the_regions_partition() {
    let scope = Scope::new(A, "us-gov-west-1");
    let first = connect(&mut world(), &scope, "x");
    assert_eq!(first, connect(&mut world(), &scope, "x"));
    assert!(
        first.starts_with("arn:aws-us-gov:codeconnections:us-gov-west-1:111122223333:connection/")
    );
    let mut other = World::new(Options {
        seed: 1,
        ..Options::default()
    });
    assert_ne!(first, connect(&mut other, &scope, "x"));
}

#[test]
fn old_arns_are_for_the_old_api_only_and_only_on_request() {
    let mut old = Scope::new(A, "eu-west-1");
    old.namespace = Namespace::CodestarConnections;
    assert!(connect(&mut world(), &old, "x").contains(":codeconnections:"));
    let mut legacy = World::new(Options {
        legacy_arns: true,
        ..Options::default()
    });
    assert!(connect(&mut legacy, &old, "x").contains(":codestar-connections:"));
    assert!(host(&mut legacy, &old).contains(":codestar-connections:"));
    let new = Scope::new(A, "eu-west-1");
    assert!(connect(&mut legacy, &new, "y").contains(":codeconnections:"));
}

#[test]
fn a_listing_shows_all_regions_but_the_opt_in_ones() {
    let mut world = world();
    for region in ["eu-west-1", "us-east-1", "eu-south-1", "us-gov-west-1"] {
        connect(&mut world, &Scope::new(A, region), region);
    }
    connect(&mut world, &Scope::new(B, "eu-west-1"), "theirs");
    let seen = |region: &str| names(&world, &Scope::new(A, region));
    assert_eq!(seen("ap-northeast-1"), ["eu-west-1", "us-east-1"]);
    assert_eq!(seen("eu-south-1"), ["eu-west-1", "us-east-1", "eu-south-1"]);
    assert_eq!(seen("us-gov-west-1"), ["us-gov-west-1"]);
    world.options_mut().visibility = Visibility::PerRegion;
    assert_eq!(names(&world, &Scope::new(A, "eu-west-1")), ["eu-west-1"]);
}

#[test]
fn a_shared_connection_is_seen_but_not_changed() {
    let mut world = world();
    let (owner, other) = (Scope::new(A, "eu-west-1"), Scope::new(B, "us-east-1"));
    let arn = connect(&mut world, &owner, "x");
    let error = world
        .get_connection(&other, &arn_input(&arn))
        .expect_err("not shared");
    assert_eq!(error.kind, ErrorKind::ResourceNotFound);

    world.share(&arn, B).expect("shared");
    assert_eq!(names(&world, &other), ["x"]);
    let seen = world
        .get_connection(&other, &arn_input(&arn))
        .expect("shared")
        .connection;
    assert_eq!(
        (seen.connection_arn.as_str(), seen.owner_account_id.as_str()),
        (arn.as_str(), A)
    );
    let error = world
        .delete_connection(&other, &arn_input(&arn))
        .expect_err("not theirs");
    assert_eq!(error.kind, ErrorKind::AccessDenied);

    world.unshare(&arn, B).expect("taken back");
    assert!(names(&world, &other).is_empty());
    world
        .delete_connection(&owner, &arn_input(&arn))
        .expect("deleted");
    assert!(world.share(&arn, B).is_err());
}

#[test]
fn names_are_unique_in_an_account_unless_told_otherwise() {
    let mut world = world();
    connect(&mut world, &Scope::new(A, "eu-west-1"), "x");
    connect(&mut world, &Scope::new(B, "eu-west-1"), "x");
    let elsewhere = Scope::new(A, "us-east-1");
    let again = CreateConnectionInput::new("x", ProviderType::GitLab);
    let error = world
        .create_connection(&elsewhere, again)
        .expect_err("taken");
    assert_eq!(error.kind, ErrorKind::Validation);
    world.options_mut().unique_names = false;
    connect(&mut world, &elsewhere, "x");
}

#[test]
fn quotas_hold_over_all_regions() {
    let mut world = World::new(Options {
        quotas: Quotas {
            connections: 1,
            hosts: 1,
            tags: 1,
        },
        ..Options::default()
    });
    let scope = Scope::new(A, "eu-west-1");
    let elsewhere = Scope::new(A, "us-east-1");
    let arn = connect(&mut world, &scope, "x");
    let more = CreateConnectionInput::new("y", ProviderType::GitHub);
    let error = world
        .create_connection(&elsewhere, more)
        .expect_err("too many");
    assert_eq!(error.kind, ErrorKind::LimitExceeded);

    host(&mut world, &scope);
    let more = CreateHostInput::new("i", ProviderType::GitLabSelfManaged, "https://i");
    let error = world.create_host(&elsewhere, more).expect_err("too many");
    assert_eq!(error.kind, ErrorKind::LimitExceeded);

    let tag = |key: &str| TagResourceInput {
        resource_arn: arn.clone(),
        tags: vec![Tag {
            key: key.to_owned(),
            value: String::new(),
        }],
    };
    world.tag_resource(&scope, tag("a")).expect("the first");
    world.tag_resource(&scope, tag("a")).expect("the same");
    let error = world.tag_resource(&scope, tag("b")).expect_err("too many");
    assert_eq!(error.kind, ErrorKind::LimitExceeded);
    let error = world
        .tag_resource(&scope, tag("AWS:x"))
        .expect_err("reserved");
    assert_eq!(error.kind, ErrorKind::Validation);
}

#[test]
fn hosts_are_regional_and_guard_their_connections() {
    let mut world = world();
    let scope = Scope::new(A, "eu-west-1");
    let elsewhere = Scope::new(A, "us-east-1");
    let host = host(&mut world, &scope);
    assert!(world.get_host(&scope, &host_input(&host)).is_ok());
    assert!(world.get_host(&elsewhere, &host_input(&host)).is_err());

    let through = || CreateConnectionInput::through_host("x", &host);
    let error = world
        .create_connection(&elsewhere, through())
        .expect_err("elsewhere");
    assert_eq!(error.kind, ErrorKind::ResourceNotFound);
    world
        .set_status(&host, "VPC_CONFIG_INITIALIZING")
        .expect("a status");
    let error = world
        .create_connection(&scope, through())
        .expect_err("busy");
    assert_eq!(error.kind, ErrorKind::ResourceUnavailable);
    let update = UpdateHostInput {
        host_arn: host.clone(),
        provider_endpoint: Some("https://new".to_owned()),
        vpc_configuration: None,
    };
    let error = world.update_host(&scope, update.clone()).expect_err("busy");
    assert_eq!(error.kind, ErrorKind::Conflict);
    world.set_status(&host, "AVAILABLE").expect("a status");
    world.update_host(&scope, update).expect("updated");
    let shown = world
        .get_host(&scope, &host_input(&host))
        .expect("the host");
    assert_eq!(shown.provider_endpoint, "https://new");

    let connection = world
        .create_connection(&scope, through())
        .expect("made")
        .connection_arn;
    let shown = world
        .get_connection(&scope, &arn_input(&connection))
        .expect("shown")
        .connection;
    assert_eq!(shown.provider_type, ProviderType::GitHubEnterpriseServer);
    let error = world
        .delete_host(&scope, &host_input(&host))
        .expect_err("in use");
    assert_eq!(error.kind, ErrorKind::ResourceUnavailable);

    // Listings are global, so the filter is good from anywhere.
    let filter = ListConnectionsInput {
        host_arn_filter: Some(host.clone()),
        ..EVERYTHING
    };
    let found = world.list_connections(&elsewhere, &filter).expect("a page");
    assert_eq!(found.connections.len(), 1);
    world.delete(&connection).expect("deleted");
    world
        .delete_host(&scope, &host_input(&host))
        .expect("deleted");
    let error = world
        .list_connections(&scope, &filter)
        .expect_err("no host");
    assert_eq!(error.kind, ErrorKind::ResourceNotFound);
}

#[test]
fn the_console_can_do_what_no_call_can() {
    let mut world = world();
    let scope = Scope::new(A, "eu-west-1");
    let arn = connect(&mut world, &scope, "x");
    world.set_status(&arn, "AVAILABLE").expect("a status");
    world.rename_connection(&arn, "y").expect("a name");
    world
        .set_provider(&arn, ProviderType::GitLabSelfManaged)
        .expect("a provider");
    world
        .set_connection_host(&arn, Some("gone".to_owned()))
        .expect("a host");
    let record = world.connections().next().expect("a record");
    assert_eq!(
        record.connection.connection_status,
        ConnectionStatus::Available
    );
    assert_eq!(record.connection.connection_name, "y");
    assert_eq!(
        record.connection.provider_type,
        ProviderType::GitLabSelfManaged
    );
    assert_eq!(record.connection.host_arn.as_deref(), Some("gone"));
    let error = world
        .set_status(&arn, "VPC_CONFIG_DELETING")
        .expect_err("a host's status");
    assert_eq!(error.kind, ErrorKind::Validation);
    assert!(world.set_status("nothing", "AVAILABLE").is_err());
}
