//! The environment of a test: an embedded table, a CodeConnections emulator, and a clock.
//!
//! `TEST_DYNAMODB_ENDPOINT` selects another implementation of DynamoDB for the table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use codeconnections_inventory::audit::{Audit, ConnectionFilter, ConnectionRow};
use codeconnections_inventory::aws::{Meter, RetryPolicy};
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::domain::{
    AccountId, Change, ChangeKind, Outcome, Region, RunRecord, Timestamp,
};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::inventory::{Inventory, RunOptions};
use codeconnections_inventory::lambda::handler::{AllowedAccounts, Handler, HandlerError};
use codeconnections_inventory::lambda::response::Response;
use codeconnections_inventory::listing::{CodeConnections, ConnectionSource, Limits};
use codeconnections_inventory::local::codeconnections::{
    CodeConnectionsEmulator, CreateConnectionInput, Options, ProviderType, Quotas, RegionAccess,
    Scope,
};
use codeconnections_inventory::local::embedded::local_config;
use codeconnections_inventory::local::{EmbeddedTable, EmulatorService, ManualClock};
use codeconnections_inventory::table::{Table, schema};
use serde_json::{Value, json};

pub use super::cases::environment;

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "eu-west-1";
pub const START: &str = "2026-10-01T09:00:00Z";
pub const HOUR: Duration = Duration::from_secs(3600);

pub struct TestEnv {
    pub codeconnections: CodeConnectionsEmulator,
    pub service: EmulatorService,
    pub table: Table,
    pub clock: Arc<ManualClock>,
    pub table_endpoint: String,
    _embedded: Option<EmbeddedTable>,
}

pub type TestHandler<S = CodeConnections> = Handler<S, Arc<ManualClock>>;

static TABLES: AtomicU32 = AtomicU32::new(0);

impl TestEnv {
    pub async fn new() -> Self {
        Self::with_table_at(environment("TEST_DYNAMODB_ENDPOINT")).await
    }

    /// Creates an environment whose table is at `endpoint`, or embedded if that is none.
    pub async fn with_table_at(endpoint: Option<String>) -> Self {
        let codeconnections = CodeConnectionsEmulator::new(Options {
            default_account: ACCOUNT.to_owned(),
            quotas: Quotas {
                connections: 1_000_000,
                ..Quotas::default()
            },
            unique_names: false,
            ..Options::default()
        });
        let service = EmulatorService::start(codeconnections.clone(), 0)
            .await
            .expect("a port");
        let (table, table_endpoint, embedded) = table(endpoint).await;
        Self {
            codeconnections,
            service,
            table,
            clock: Arc::new(ManualClock::at(START.parse().expect("a time"))),
            table_endpoint,
            _embedded: embedded,
        }
    }

    /// Returns true if the table reports the consumed capacity of PartiQL batches. DynamoDB
    /// and the embedded table do; Amazon's DynamoDB Local reports only that of queries.
    pub fn reports_written_units(&self) -> bool {
        self._embedded.is_some()
    }

    /// Returns the function's handler, with the test clock and short backoffs.
    pub fn handler(&self) -> TestHandler {
        self.handler_of(self.source_at(self.service.endpoint()), self.table.clone())
    }

    pub fn handler_of<S: ConnectionSource>(&self, source: S, table: Table) -> TestHandler<S> {
        Handler {
            inventory: Inventory {
                source,
                table,
                clock: Arc::clone(&self.clock),
                options: options(),
            },
            accounts: AllowedAccounts::Listed(vec![account()]),
            regions: vec![region(REGION)],
            retired_regions: Vec::new(),
            random: || fastrand::u128(..),
        }
    }

    /// Returns a source that lists from `endpoint`.
    pub fn source_at(&self, endpoint: &str) -> CodeConnections {
        CodeConnections::new(quick(endpoint), Some(account()), None)
    }

    /// Returns the table at another `endpoint`.
    pub fn table_at(&self, endpoint: &str) -> Table {
        Table::new(Client::new(&quick(endpoint)), self.table.name().clone())
    }

    /// Runs the default handler after an hour.
    pub async fn run(&self) -> Summary {
        self.clock.advance(HOUR);
        run(&self.handler(), &json!({})).await
    }

    /// Runs with a listing from `endpoint`.
    pub async fn run_with(&self, endpoint: &str, event: &Value) -> Summary {
        let handler = self.handler_of(self.source_at(endpoint), self.table.clone());
        run(&handler, event).await
    }

    pub fn create(&self, name: &str) -> String {
        self.create_in(REGION, name)
    }

    pub fn create_in(&self, region: &str, name: &str) -> String {
        let scope = Scope::new(ACCOUNT, region);
        let input = CreateConnectionInput::new(name, ProviderType::GitHub);
        let made = self
            .codeconnections
            .state()
            .create_connection(&scope, input);
        made.expect("created").connection_arn
    }

    pub fn set_status(&self, arn: &str, status: &str) {
        self.codeconnections
            .state()
            .set_status(arn, status)
            .expect("set");
    }

    pub fn delete(&self, arn: &str) {
        self.codeconnections.state().delete(arn).expect("deleted");
    }

    /// Denies access to this region.
    pub fn deny(&self, region: &str) {
        self.set_region_access(region, Some(RegionAccess::Denied));
    }

    /// Allows access to this region again.
    pub fn allow(&self, region: &str) {
        self.set_region_access(region, None);
    }

    pub fn set_region_access(&self, region: &str, restriction: Option<RegionAccess>) {
        let mut world = self.codeconnections.state();
        world.set_region_access(ACCOUNT, region, restriction);
    }

    pub fn audit(&self) -> Audit {
        Audit::new(self.table.clone())
    }

    /// Returns the kind and the status after of each change of a connection.
    pub async fn story(&self, arn: &str) -> Vec<(ChangeKind, Option<String>)> {
        story(&self.changes(arn).await)
    }

    pub async fn changes(&self, arn: &str) -> Vec<Change> {
        let arn = arn.parse().expect("an ARN");
        let changes = self.table.changes_of(&account(), &arn).await.expect("read");
        assert_chained(&changes);
        changes
    }

    pub async fn connections(&self) -> Vec<ConnectionRow> {
        let filter = ConnectionFilter {
            include_deleted: true,
            ..ConnectionFilter::default()
        };
        self.audit().connections(&filter).await.expect("read")
    }

    pub async fn connection(&self, arn: &str) -> ConnectionRow {
        let rows = self.connections().await;
        let found = rows
            .into_iter()
            .find(|row| row.connection_arn.as_str() == arn);
        found.unwrap_or_else(|| panic!("{arn} is in the table"))
    }

    /// Returns the account's runs, oldest first. Asserts their chain.
    pub async fn runs(&self) -> Vec<RunRecord> {
        let mut runs = self.table.runs_of(&account(), 10_000).await.expect("read");
        runs.reverse();
        for (i, run) in runs.iter().enumerate() {
            assert_eq!(run.sequence, i as u64 + 1, "runs are numbered without gaps");
            let before = i.checked_sub(1).map(|before| runs[before].digest());
            assert_eq!(
                run.previous_digest,
                before,
                "run {} refers to the one before",
                i + 1
            );
        }
        runs
    }
}

/// Asserts that changes are numbered from 1 and each refers to the one before.
pub fn assert_chained(changes: &[Change]) {
    for (i, change) in changes.iter().enumerate() {
        assert_eq!(
            change.version as usize,
            i + 1,
            "changes are numbered without gaps"
        );
        let before = i.checked_sub(1).map(|before| changes[before].digest());
        assert_eq!(
            change.previous_digest, before,
            "each change refers to the one before"
        );
        if let Some(seen) = change.previously_seen_at {
            assert!(
                seen <= change.observed_until,
                "a window does not end before it begins: {change:?}"
            );
        }
    }
}

pub fn story(changes: &[Change]) -> Vec<(ChangeKind, Option<String>)> {
    let status = |change: &Change| change.after.as_ref().map(|a| a.status_word().to_owned());
    changes
        .iter()
        .map(|change| (change.kind, status(change)))
        .collect()
}

/// Handles an event. Returns the summary of its run, with any outcome.
pub async fn run<S: ConnectionSource>(handler: &TestHandler<S>, event: &Value) -> Summary {
    run_for(handler, event, Duration::from_secs(60)).await
}

/// Handles an event with a long timeout, for a run of thousands of connections. Asserts
/// that it is complete.
pub async fn long_run<S: ConnectionSource>(handler: &TestHandler<S>, event: &Value) -> Summary {
    let summary = run_for(handler, event, Duration::from_secs(900)).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    summary
}

pub async fn run_for<S: ConnectionSource>(
    handler: &TestHandler<S>,
    event: &Value,
    time: Duration,
) -> Summary {
    // Another table can be much slower than the embedded one.
    let time = match environment("TEST_DYNAMODB_ENDPOINT") {
        Some(_) => time * 5,
        None => time,
    };
    match handler.handle(event, time).await {
        Ok(Response::One(summary)) | Err(HandlerError::RunFailed(Response::One(summary))) => {
            *summary
        }
        other => panic!("one run, not {other:?}"),
    }
}

pub fn account() -> AccountId {
    ACCOUNT.parse().expect("an account")
}

pub fn region(name: &str) -> Region {
    name.parse().expect("a region")
}

/// Returns the event of the API call that created a connection.
pub fn call_that_made(arn: &str) -> Value {
    let sample = include_str!("../../events/cloudtrail-create-connection.json");
    let mut event: Value = serde_json::from_str(sample).expect("JSON");
    event["detail"]["responseElements"]["connectionArn"] = arn.into();
    event
}

/// Returns a client configuration with the SDK's default retries and short backoffs.
pub fn quick(endpoint: &str) -> SdkConfig {
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(5));
    local_config(endpoint)
        .into_builder()
        .retry_config(retries)
        .build()
}

/// Returns the default options with short backoffs.
pub fn options() -> RunOptions {
    RunOptions {
        guard: TombstoneGuard::Share(0.5),
        concurrency: 4,
        retry_policy: RetryPolicy {
            initial_backoff: Duration::from_millis(1),
            max_backoff: Duration::from_millis(5),
            unreachable_tries: 3,
        },
        limits: Limits::default(),
    }
}

/// Returns the changes of a summary by kind.
pub fn changes(summary: &Summary) -> Vec<(ChangeKind, u64)> {
    summary
        .changes
        .iter()
        .map(|(kind, n)| (*kind, *n))
        .collect()
}

/// A DynamoDB for many tables: at `TEST_DYNAMODB_ENDPOINT`, or embedded, which ends when
/// this value is dropped.
pub struct Place {
    pub endpoint: String,
    _embedded: Option<EmbeddedTable>,
}

impl Place {
    pub async fn new() -> Self {
        if let Some(endpoint) = environment("TEST_DYNAMODB_ENDPOINT") {
            return Self {
                endpoint,
                _embedded: None,
            };
        }
        let embedded = EmbeddedTable::in_memory().await.expect("an embedded table");
        Self {
            endpoint: embedded.endpoint().to_owned(),
            _embedded: Some(embedded),
        }
    }
}

async fn table(endpoint: Option<String>) -> (Table, String, Option<EmbeddedTable>) {
    let Some(endpoint) = endpoint else {
        let embedded = EmbeddedTable::in_memory().await.expect("an embedded table");
        let endpoint = embedded.endpoint().to_owned();
        return (embedded.table().clone(), endpoint, Some(embedded));
    };
    let name = unique_table_name().parse().expect("a table name");
    let client = Client::new(&local_config(&endpoint));
    schema::create(&client, &name).await.expect("a table");
    (Table::new(client, name), endpoint, None)
}

/// Returns the name of a new table. It begins with the path of the test, which is the name
/// of its thread, with dots: `.ci/second-table` counts the tables of each module.
fn unique_table_name() -> String {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed").replace("::", ".");
    let number = TABLES.fetch_add(1, Ordering::Relaxed);
    format!("{test}-{}-{number}", std::process::id())
}
