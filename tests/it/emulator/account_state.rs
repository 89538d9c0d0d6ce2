//! Tests the rules of the emulator's state, without HTTP.
#![allow(clippy::expect_used, missing_docs)]

use codeconnections_inventory::local::codeconnections::*;

const A: &str = "111122223333";
const B: &str = "444455556666";

fn state() -> ServiceState {
    ServiceState::new(Options::default())
}

fn connect(state: &mut ServiceState, scope: &Scope, name: &str) -> String {
    state
        .create_connection(
            scope,
            CreateConnectionInput::new(name, ProviderType::GitHub),
        )
        .expect("a connection")
        .connection_arn
}

fn host(state: &mut ServiceState, scope: &Scope) -> String {
    let input = CreateHostInput::new("h", ProviderType::GitHubEnterpriseServer, "https://h");
    state.create_host(scope, input).expect("a host").host_arn
}

const EVERYTHING: ListConnectionsInput = ListConnectionsInput {
    provider_type_filter: None,
    host_arn_filter: None,
    max_results: None,
    next_token: None,
};

fn names(state: &ServiceState, scope: &Scope) -> Vec<String> {
    let page = state.list_connections(scope, &EVERYTHING).expect("a page");
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
fn seed_determines_arns_in_the_partition_of_the_region() {
    let scope = Scope::new(A, "us-gov-west-1");
    let first = connect(&mut state(), &scope, "x");
    assert_eq!(first, connect(&mut state(), &scope, "x"));
    assert!(
        first.starts_with("arn:aws-us-gov:codeconnections:us-gov-west-1:111122223333:connection/")
    );
    let mut other = ServiceState::new(Options {
        seed: 1,
        ..Options::default()
    });
    assert_ne!(first, connect(&mut other, &scope, "x"));
}

#[test]
fn legacy_arns_require_the_legacy_api_and_an_option() {
    let mut old = Scope::new(A, "eu-west-1");
    old.namespace = Namespace::CodestarConnections;
    assert!(connect(&mut state(), &old, "x").contains(":codeconnections:"));
    let mut legacy = ServiceState::new(Options {
        legacy_arns: true,
        ..Options::default()
    });
    assert!(connect(&mut legacy, &old, "x").contains(":codestar-connections:"));
    assert!(host(&mut legacy, &old).contains(":codestar-connections:"));
    let new = Scope::new(A, "eu-west-1");
    assert!(connect(&mut legacy, &new, "y").contains(":codeconnections:"));
}

#[test]
fn listing_has_default_regions_and_its_own_opt_in_region() {
    let mut state = state();
    for region in ["eu-west-1", "us-east-1", "eu-south-1", "us-gov-west-1"] {
        connect(&mut state, &Scope::new(A, region), region);
    }
    connect(&mut state, &Scope::new(B, "eu-west-1"), "theirs");
    let seen = |region: &str| names(&state, &Scope::new(A, region));
    assert_eq!(seen("ap-northeast-1"), ["eu-west-1", "us-east-1"]);
    assert_eq!(seen("eu-south-1"), ["eu-west-1", "us-east-1", "eu-south-1"]);
    assert_eq!(seen("us-gov-west-1"), ["us-gov-west-1"]);
    state.options_mut().visibility = Visibility::PerRegion;
    assert_eq!(names(&state, &Scope::new(A, "eu-west-1")), ["eu-west-1"]);
}

#[test]
fn shared_connection_is_visible_but_read_only() {
    let mut state = state();
    let (owner, other) = (Scope::new(A, "eu-west-1"), Scope::new(B, "us-east-1"));
    let arn = connect(&mut state, &owner, "x");
    let error = state
        .get_connection(&other, &arn_input(&arn))
        .expect_err("not shared");
    assert_eq!(error.kind, ErrorKind::ResourceNotFound);

    state.share(&arn, B).expect("shared");
    assert_eq!(names(&state, &other), ["x"]);
    let seen = state
        .get_connection(&other, &arn_input(&arn))
        .expect("shared")
        .connection;
    assert_eq!(
        (seen.connection_arn.as_str(), seen.owner_account_id.as_str()),
        (arn.as_str(), A)
    );
    let error = state
        .delete_connection(&other, &arn_input(&arn))
        .expect_err("not theirs");
    assert_eq!(error.kind, ErrorKind::AccessDenied);

    state.unshare(&arn, B).expect("taken back");
    assert!(names(&state, &other).is_empty());
    state
        .delete_connection(&owner, &arn_input(&arn))
        .expect("deleted");
    assert!(state.share(&arn, B).is_err());
}

#[test]
fn names_are_unique_in_an_account_unless_disabled() {
    let mut state = state();
    connect(&mut state, &Scope::new(A, "eu-west-1"), "x");
    connect(&mut state, &Scope::new(B, "eu-west-1"), "x");
    let elsewhere = Scope::new(A, "us-east-1");
    let again = CreateConnectionInput::new("x", ProviderType::GitLab);
    let error = state
        .create_connection(&elsewhere, again)
        .expect_err("taken");
    assert_eq!(error.kind, ErrorKind::Validation);
    state.options_mut().unique_names = false;
    connect(&mut state, &elsewhere, "x");
}

#[test]
fn quotas_apply_across_all_regions() {
    let mut state = ServiceState::new(Options {
        quotas: Quotas {
            connections: 1,
            hosts: 1,
            tags: 1,
        },
        ..Options::default()
    });
    let scope = Scope::new(A, "eu-west-1");
    let elsewhere = Scope::new(A, "us-east-1");
    let arn = connect(&mut state, &scope, "x");
    let more = CreateConnectionInput::new("y", ProviderType::GitHub);
    let error = state
        .create_connection(&elsewhere, more)
        .expect_err("too many");
    assert_eq!(error.kind, ErrorKind::LimitExceeded);

    host(&mut state, &scope);
    let more = CreateHostInput::new("i", ProviderType::GitLabSelfManaged, "https://i");
    let error = state.create_host(&elsewhere, more).expect_err("too many");
    assert_eq!(error.kind, ErrorKind::LimitExceeded);

    let tag = |key: &str| TagResourceInput {
        resource_arn: arn.clone(),
        tags: vec![Tag {
            key: key.to_owned(),
            value: String::new(),
        }],
    };
    state.tag_resource(&scope, tag("a")).expect("the first");
    state.tag_resource(&scope, tag("a")).expect("the same");
    let error = state.tag_resource(&scope, tag("b")).expect_err("too many");
    assert_eq!(error.kind, ErrorKind::LimitExceeded);
    let error = state
        .tag_resource(&scope, tag("AWS:x"))
        .expect_err("reserved");
    assert_eq!(error.kind, ErrorKind::Validation);
}

#[test]
fn hosts_are_regional_and_reject_conflicting_requests() {
    let mut state = state();
    let scope = Scope::new(A, "eu-west-1");
    let elsewhere = Scope::new(A, "us-east-1");
    let host = host(&mut state, &scope);
    assert!(state.get_host(&scope, &host_input(&host)).is_ok());
    assert!(state.get_host(&elsewhere, &host_input(&host)).is_err());

    let through = || CreateConnectionInput::through_host("x", &host);
    let error = state
        .create_connection(&elsewhere, through())
        .expect_err("elsewhere");
    assert_eq!(error.kind, ErrorKind::ResourceNotFound);
    state
        .set_status(&host, "VPC_CONFIG_INITIALIZING")
        .expect("a status");
    let error = state
        .create_connection(&scope, through())
        .expect_err("busy");
    assert_eq!(error.kind, ErrorKind::ResourceUnavailable);
    let update = UpdateHostInput {
        host_arn: host.clone(),
        provider_endpoint: Some("https://new".to_owned()),
        vpc_configuration: None,
    };
    let error = state.update_host(&scope, update.clone()).expect_err("busy");
    assert_eq!(error.kind, ErrorKind::Conflict);
    state.set_status(&host, "AVAILABLE").expect("a status");
    state.update_host(&scope, update).expect("updated");
    let shown = state
        .get_host(&scope, &host_input(&host))
        .expect("the host");
    assert_eq!(shown.provider_endpoint, "https://new");

    let connection = state
        .create_connection(&scope, through())
        .expect("made")
        .connection_arn;
    let shown = state
        .get_connection(&scope, &arn_input(&connection))
        .expect("shown")
        .connection;
    assert_eq!(shown.provider_type, ProviderType::GitHubEnterpriseServer);
    let error = state
        .delete_host(&scope, &host_input(&host))
        .expect_err("in use");
    assert_eq!(error.kind, ErrorKind::ResourceUnavailable);

    // Listings are global, so the filter works in any region.
    let filter = ListConnectionsInput {
        host_arn_filter: Some(host.clone()),
        ..EVERYTHING
    };
    let found = state.list_connections(&elsewhere, &filter).expect("a page");
    assert_eq!(found.connections.len(), 1);
    state.delete(&connection).expect("deleted");
    state
        .delete_host(&scope, &host_input(&host))
        .expect("deleted");
    let error = state
        .list_connections(&scope, &filter)
        .expect_err("no host");
    assert_eq!(error.kind, ErrorKind::ResourceNotFound);
}

#[test]
fn console_actions_change_what_no_api_call_can() {
    let mut state = state();
    let scope = Scope::new(A, "eu-west-1");
    let arn = connect(&mut state, &scope, "x");
    state.set_status(&arn, "AVAILABLE").expect("a status");
    state.rename_connection(&arn, "y").expect("a name");
    state
        .set_provider(&arn, ProviderType::GitLabSelfManaged)
        .expect("a provider");
    state
        .set_connection_host(&arn, Some("gone".to_owned()))
        .expect("a host");
    let record = state.connections().next().expect("a record");
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
    let error = state
        .set_status(&arn, "VPC_CONFIG_DELETING")
        .expect_err("a host's status");
    assert_eq!(error.kind, ErrorKind::Validation);
    assert!(state.set_status("nothing", "AVAILABLE").is_err());
}
