//! A scripted CodeConnections in the SDK's own protocol, with pages that the real service
//! never returns, or not on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use codeconnections_inventory::local::codeconnections::protocol;
use codeconnections_inventory::local::codeconnections::protocol::Wire;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request for a page.
#[derive(Debug, Clone)]
pub struct Asked {
    /// 1 for the first request to this script.
    pub number: usize,
    pub account: String,
    pub region: String,
    pub token: Option<String>,
    pub input: Value,
}

/// An answer of the script.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A page: entries in the form of the API, and the next token.
    Page(Vec<Value>, Option<String>),
    /// An error of the service.
    Error(u16, &'static str),
    /// Bytes that are not an answer.
    Garbage(u16, &'static [u8]),
    /// No answer.
    Hang,
}

type Lines = dyn Fn(&Asked) -> Reply + Send + Sync;

struct Inner {
    lines: Box<Lines>,
    count: AtomicUsize,
}

pub struct Script {
    pub endpoint: String,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Script {
    pub async fn start(lines: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let inner = Arc::new(Inner {
            lines: Box::new(lines),
            count: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let app = Router::new().fallback(play).with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("serves");
        });
        Self {
            endpoint,
            inner,
            server,
        }
    }

    /// Returns the number of requests so far.
    pub fn count(&self) -> usize {
        self.inner.count.load(Ordering::SeqCst)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn play(
    State(inner): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let call = match protocol::parse(uri.path(), &headers, &body) {
        Ok(call) => call,
        Err(refusal) => return refusal.into_response(),
    };
    assert_eq!(call.operation, "ListConnections");
    let asked = Asked {
        number: inner.count.fetch_add(1, Ordering::SeqCst) + 1,
        account: call.credential.access_key.clone(),
        region: call.credential.region.clone(),
        token: call.input["NextToken"].as_str().map(str::to_owned),
        input: call.input,
    };
    match (inner.lines)(&asked) {
        Reply::Page(entries, token) => {
            let mut page = json!({"Connections": entries});
            if let Some(token) = token {
                page["NextToken"] = token.into();
            }
            protocol::respond(Wire::CBOR, StatusCode::OK, &page)
        }
        Reply::Error(status, code) => {
            let status = StatusCode::from_u16(status).expect("a status");
            let error = json!({
                "__type": format!("com.amazonaws.codeconnections#{code}"),
                "message": "as the script says",
            });
            protocol::respond(Wire::CBOR, status, &error)
        }
        Reply::Garbage(status, bytes) => Response::builder()
            .status(status)
            .header("smithy-protocol", "rpc-v2-cbor")
            .header("content-type", "application/cbor")
            .body(Body::from(bytes))
            .expect("an answer"),
        Reply::Hang => std::future::pending().await,
    }
}

/// Returns the ARN with this id in the test account.
pub fn arn(region: &str, id: &str) -> String {
    format!("arn:aws:codeconnections:{region}:123456789012:connection/{id}")
}

/// Returns a complete entry.
pub fn entry(arn: &str, name: &str, status: &str) -> Value {
    json!({
        "ConnectionName": name,
        "ConnectionArn": arn,
        "ProviderType": "GitHub",
        "OwnerAccountId": "123456789012",
        "ConnectionStatus": status,
    })
}

/// Returns the last page of a listing.
pub fn last(entries: Vec<Value>) -> Reply {
    Reply::Page(entries, None)
}
