//! The environment of all functions of the benchmark: a service that lists
//! connections, a share of which changes between two runs, and tables.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use axum::body::Bytes;
use axum::http::Response;
use codeconnections_inventory::local::EmbeddedTable;
use codeconnections_inventory::local::embedded::local_config;
use serde_json::Value;

use crate::Result;
use crate::fakes::certificate::Certificate;
use crate::fakes::http_server::Seen;
use crate::fakes::scripted_service::{Asked, arn, entry, play};
use crate::front::{Elsewhere, Front, Kept, Passed, Server};

pub const REGION: &str = "eu-west-1";

/// The tables of the peers: snapshots and changes.
pub const PEER_TABLE: &str = "peer-snapshots";
pub const PEER_HISTORY: &str = "peer-history";

pub struct World {
    pub service: Front,
    pub table: Front,
    /// The certificate to trust, with TLS.
    pub certificate: Option<PathBuf>,
    listed: Arc<Listed>,
    _embedded: Option<EmbeddedTable>,
}

/// The connections that the service lists.
struct Listed {
    connections: usize,
    /// Every n-th connection changes its status in each round; 0 for none.
    every: AtomicUsize,
    round: AtomicU64,
}

impl World {
    pub async fn new(connections: usize) -> Result<Self> {
        Self::with_tls(connections, None).await
    }

    /// Creates a world, with TLS if `tls` is given.
    pub async fn with_tls(connections: usize, tls: Option<&Certificate>) -> Result<Self> {
        let acceptor = || tls.map(|tls| tls.acceptor.clone());
        let embedded = EmbeddedTable::in_memory().await?;
        let client = Client::new(&local_config(embedded.endpoint()));
        create(&client, PEER_TABLE, &["ConnectionArn"]).await?;
        create(&client, PEER_HISTORY, &["ConnectionArn", "SeenAt"]).await?;
        let listed = Arc::new(Listed::of(connections));
        Ok(Self {
            service: Front::with_tls(Service(Arc::clone(&listed)), acceptor()).await,
            table: Front::with_tls(Elsewhere::at(embedded.endpoint()), acceptor()).await,
            certificate: tls.map(|tls| tls.file.clone()),
            listed,
            _embedded: Some(embedded),
        })
    }

    /// Creates a world of these proxies.
    pub fn of(connections: usize, [service, table]: [Front; 2]) -> Self {
        Self {
            service,
            table,
            certificate: None,
            listed: Arc::new(Listed::of(connections)),
            _embedded: None,
        }
    }

    pub fn connections(&self) -> usize {
        self.listed.connections
    }

    /// Sets the percentage of connections that change in each run.
    pub fn change(&self, percent: usize) {
        let every = 100_usize.checked_div(percent).unwrap_or(0);
        self.listed.every.store(every, Ordering::Relaxed);
        // The next round is the first in which they differ.
        self.listed.round.store(0, Ordering::Relaxed);
    }

    /// Starts the next round of changes.
    pub fn next_round(&self) {
        self.listed.round.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the latency of the service and the table.
    pub fn be_away(&self, service: Duration, table: Duration) {
        self.service.be_away(service);
        self.table.be_away(table);
    }

    /// Returns the traffic since the last call.
    pub fn passed(&self) -> Passed {
        self.service.passed().with(self.table.passed())
    }

    pub fn keep(&self) {
        self.service.keep();
        self.table.keep();
    }

    /// Returns the recordings of service and table.
    pub fn kept(&self) -> [Kept; 2] {
        [self.service.kept(), self.table.kept()]
    }
}

struct Service(Arc<Listed>);

impl Server for Service {
    async fn answer(&self, seen: &Seen) -> Result<Response<Bytes>> {
        let page = |asked: &Asked| asked.page(self.0.connections, |n| self.0.entry(n));
        Ok(play(seen, page).await)
    }
}

impl Listed {
    fn of(connections: usize) -> Self {
        Self {
            connections,
            every: AtomicUsize::new(0),
            round: AtomicU64::new(0),
        }
    }

    fn entry(&self, number: usize) -> Value {
        let changes = number.checked_rem(self.every.load(Ordering::Relaxed)) == Some(0);
        let odd = self.round.load(Ordering::Relaxed) % 2 == 1;
        let status = if changes && odd { "ERROR" } else { "AVAILABLE" };
        let arn = arn(REGION, &format!("8c0a5f2e-3b41-4d0e-9a77-{number:012}"));
        entry(&arn, &format!("connection-{number}"), status)
    }
}

/// Creates a table with string keys.
async fn create(client: &Client, name: &str, keys: &[&str]) -> Result<()> {
    let mut table = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for (key, kind) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute = AttributeDefinition::builder()
            .attribute_name(*key)
            .attribute_type(ScalarAttributeType::S);
        let part = KeySchemaElement::builder()
            .attribute_name(*key)
            .key_type(kind);
        table = table
            .attribute_definitions(attribute.build()?)
            .key_schema(part.build()?);
    }
    table.send().await?;
    Ok(())
}
