//! What all functions of the benchmark find: a service that lists so many
//! connections, of which a share changes between two runs, and tables.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use axum::http::StatusCode;
use codeconnections_inventory::local::EmbeddedTable;
use codeconnections_inventory::local::codeconnections::protocol;
use codeconnections_inventory::local::embedded::local_config;
use serde_json::{Value, json};

use crate::Result;
use crate::front::{Answered, Asked, Elsewhere, Front, Kept, Passed, Server, whole};
use crate::tls::Tls;

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "eu-west-1";

/// The tables of the peers: snapshots, and what changed.
pub const PEER_TABLE: &str = "peer-snapshots";
pub const PEER_HISTORY: &str = "peer-history";

pub struct World {
    pub service: Front,
    pub table: Front,
    /// The certificate to trust, where they speak TLS.
    pub certificate: Option<PathBuf>,
    listed: Arc<Listed>,
    _embedded: Option<EmbeddedTable>,
}

/// What the service lists.
struct Listed {
    connections: usize,
    /// Each such connection's status is another in each round; none if 0.
    every: AtomicUsize,
    round: AtomicU64,
}

impl World {
    pub async fn new(connections: usize) -> Result<Self> {
        Self::with_tls(connections, None).await
    }

    /// One whose service and table speak TLS, if there is what it takes.
    pub async fn with_tls(connections: usize, tls: Option<&Tls>) -> Result<Self> {
        let acceptor = || tls.map(|tls| tls.acceptor.clone());
        let embedded = EmbeddedTable::in_memory().await?;
        let client = Client::new(&local_config(embedded.endpoint()));
        create(&client, PEER_TABLE, &["ConnectionArn"]).await?;
        create(&client, PEER_HISTORY, &["ConnectionArn", "SeenAt"]).await?;
        let listed = Arc::new(Listed::of(connections));
        Ok(Self {
            service: Front::with_tls(Service(Arc::clone(&listed)), acceptor()).await?,
            table: Front::with_tls(Elsewhere::at(embedded.endpoint()), acceptor()).await?,
            certificate: tls.map(|tls| tls.certificate.clone()),
            listed,
            _embedded: Some(embedded),
        })
    }

    /// A world that these fronts are all of.
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

    /// From now on, of 100 connections so many are changed in each run.
    pub fn change(&self, percent: usize) {
        let every = 100_usize.checked_div(percent).unwrap_or(0);
        self.listed.every.store(every, Ordering::Relaxed);
        // The next round is the first one, in which they differ from before.
        self.listed.round.store(0, Ordering::Relaxed);
    }

    /// The next run finds the next round of changes.
    pub fn next_round(&self) {
        self.listed.round.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on the service and the table are so far away.
    pub fn be_away(&self, service: Duration, table: Duration) {
        self.service.be_away(service);
        self.table.be_away(table);
    }

    /// What passed since this was last asked.
    pub fn passed(&self) -> Passed {
        self.service.passed().with(self.table.passed())
    }

    pub fn keep(&self) {
        self.service.keep();
        self.table.keep();
    }

    /// What was kept of both.
    pub fn kept(&self) -> [Kept; 2] {
        [self.service.kept(), self.table.kept()]
    }
}

struct Service(Arc<Listed>);

impl Server for Service {
    async fn answer(&self, asked: Asked) -> Result<Answered> {
        let call = match protocol::parse(asked.uri.path(), &asked.headers, &asked.body) {
            Ok(call) => call,
            Err(refusal) => return whole(refusal.into_response()).await,
        };
        let number = |field: &str| {
            let number = call.input[field].as_i64();
            number.and_then(|number| usize::try_from(number).ok())
        };
        let from = match call.input["NextToken"].as_str() {
            Some(token) => token.parse()?,
            None => 0,
        };
        let to = (from + number("MaxResults").unwrap_or(100)).min(self.0.connections);
        let mut page =
            json!({"Connections": (from..to).map(|n| self.0.connection(n)).collect::<Vec<_>>()});
        if to < self.0.connections {
            page["NextToken"] = to.to_string().into();
        }
        whole(protocol::respond(call.wire, StatusCode::OK, &page)).await
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

    fn connection(&self, number: usize) -> Value {
        let changes = number.checked_rem(self.every.load(Ordering::Relaxed)) == Some(0);
        let odd = self.round.load(Ordering::Relaxed) % 2 == 1;
        let status = if changes && odd { "ERROR" } else { "AVAILABLE" };
        json!({
            "ConnectionName": format!("connection-{number}"),
            "ConnectionArn": format!(
                "arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/\
                 8c0a5f2e-3b41-4d0e-9a77-{number:012}"
            ),
            "ProviderType": "GitHub",
            "OwnerAccountId": ACCOUNT,
            "ConnectionStatus": status,
        })
    }
}

/// A table whose keys are text.
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
