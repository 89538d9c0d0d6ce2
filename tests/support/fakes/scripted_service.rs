//! A scripted CodeConnections in the client's own protocol, with pages that the real service
//! never returns, or not on demand.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{Response, StatusCode};
use codeconnections_inventory::local::codeconnections::protocol::{self, Refusal, Wire};
use serde_json::{Value, json};

use super::http_server::{HttpServer, Seen, whole};

const ACCOUNT: &str = "123456789012";

/// A request for a page.
#[derive(Debug, Clone)]
pub struct Asked {
    /// 1 for the first request to this script.
    pub number: usize,
    /// The access key, which names the account.
    pub account: String,
    pub region: String,
    pub token: Option<String>,
    pub input: Value,
    wire: Wire,
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

pub struct Script {
    pub endpoint: String,
    server: HttpServer,
}

impl Script {
    pub async fn start(lines: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let lines = Arc::new(lines);
        let server = HttpServer::start(move |seen| {
            let lines = Arc::clone(&lines);
            async move { whole(play(&seen, &*lines).await) }
        })
        .await;
        Self {
            endpoint: server.endpoint.clone(),
            server,
        }
    }

    /// Returns the number of requests so far.
    pub fn count(&self) -> usize {
        self.server.count()
    }
}

/// Answers one request for a page.
pub async fn play(seen: &Seen, lines: impl Fn(&Asked) -> Reply) -> Response<Bytes> {
    match Asked::read(seen) {
        Err(refusal) => refusal.into_response(),
        Ok(asked) => match lines(&asked) {
            Reply::Hang => std::future::pending().await,
            reply => asked.response(&reply),
        },
    }
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// The refusal of a request that can't be read.
    pub fn read(seen: &Seen) -> Result<Self, Refusal> {
        let call = protocol::parse(seen.uri.path(), &seen.headers, &seen.body)?;
        assert_eq!(call.operation, "ListConnections");
        Ok(Self {
            number: seen.number,
            account: call.credential.access_key.clone(),
            region: call.credential.region.clone(),
            token: call.input["NextToken"].as_str().map(str::to_owned),
            input: call.input,
            wire: call.wire,
        })
    }

    /// Returns the response to this request.
    pub fn response(&self, reply: &Reply) -> Response<Bytes> {
        let status = |status: u16| StatusCode::from_u16(status).expect("a status");
        match reply {
            Reply::Page(entries, token) => {
                let mut page = json!({"Connections": entries});
                if let Some(token) = token {
                    page["NextToken"] = token.as_str().into();
                }
                protocol::respond(self.wire, StatusCode::OK, &page)
            }
            Reply::Error(number, code) => {
                let error = json!({
                    "__type": format!("com.amazonaws.codeconnections#{code}"),
                    "message": "as the script says",
                });
                protocol::respond(self.wire, status(*number), &error)
            }
            Reply::Garbage(number, bytes) => {
                let mut response = protocol::respond(self.wire, status(*number), &Value::Null);
                *response.body_mut() = Bytes::from_static(bytes);
                response
            }
            Reply::Hang => panic!("no response"),
        }
    }

    /// Returns the page that is asked for of a listing of `total` connections. The token of
    /// a page is the number of its first connection.
    pub fn page(&self, total: usize, entry: impl Fn(usize) -> Value) -> Reply {
        let token = self.token.as_deref();
        let from = token.map_or(0, |token| token.parse().expect("a token of this listing"));
        let size = self.input["MaxResults"].as_u64().unwrap_or(100);
        let to = total.min(from + usize::try_from(size).expect("a page"));
        let next = (to < total).then(|| to.to_string());
        Reply::Page((from..to).map(entry).collect(), next)
    }
}

/// Returns the ARN with this id in the test account.
pub fn arn(region: &str, id: &str) -> String {
    format!("arn:aws:codeconnections:{region}:{ACCOUNT}:connection/{id}")
}

/// Returns a complete entry, which the test account owns.
pub fn entry(arn: &str, name: &str, status: &str) -> Value {
    json!({
        "ConnectionName": name,
        "ConnectionArn": arn,
        "ProviderType": "GitHub",
        "OwnerAccountId": ACCOUNT,
        "ConnectionStatus": status,
    })
}

/// Returns the last page of a listing.
pub fn last(entries: Vec<Value>) -> Reply {
    Reply::Page(entries, None)
}
