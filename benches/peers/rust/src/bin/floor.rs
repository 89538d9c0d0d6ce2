//! A function that sends the recorded requests of the inventory byte for byte, in their
//! order of dependency, and discards the answers: no SDK, no signing, no parsing, no plan.
//! The difference to the inventory is the cost of its logic.
//!
//!     floor FILE [listing]
//!
//! With `listing` it sends only the pages, one after another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// Concurrent writes, as many as of the inventory.
const CONCURRENCY: usize = 8;

#[derive(Deserialize)]
struct Asked {
    uri: String,
    headers: Vec<(String, String)>,
    /// In base64.
    body: String,
}

/// Recorded requests, in the order in which they were sent.
#[derive(Deserialize)]
struct Script {
    listing: Vec<Asked>,
    reads: Vec<Asked>,
    writes: Vec<Asked>,
    /// After all writes.
    last: Vec<Asked>,
}

struct Floor {
    client: Client<HttpConnector, Full<Bytes>>,
    listing: Vec<Request<Full<Bytes>>>,
    reads: Vec<Request<Full<Bytes>>>,
    writes: Vec<Request<Full<Bytes>>>,
    last: Vec<Request<Full<Bytes>>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("floor FILE [listing]")?;
    let only_listing = arguments.next().is_some();
    let script: Script = serde_json::from_slice(&std::fs::read(file)?)?;
    let requests = |asked: &[Asked]| asked.iter().map(request).collect::<Result<Vec<_>, Error>>();
    let mut floor = Floor {
        client: Client::builder(TokioExecutor::new()).build_http(),
        listing: requests(&script.listing)?,
        reads: requests(&script.reads)?,
        writes: requests(&script.writes)?,
        last: requests(&script.last)?,
    };
    drop(script);
    if only_listing {
        floor.reads.clear();
        floor.writes.clear();
        floor.last.clear();
    }
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| floor.run().await)).await
}

impl Floor {
    async fn run(&self) -> Result<Value, Error> {
        let (listed, read) =
            tokio::join!(self.one_by_one(&self.listing), self.one_by_one(&self.reads));
        let mut bytes = listed? + read?;
        let mut writes = stream::iter(&self.writes)
            .map(|request| self.send(request))
            .buffer_unordered(CONCURRENCY);
        while let Some(answered) = writes.next().await {
            bytes += answered?;
        }
        bytes += self.one_by_one(&self.last).await?;
        Ok(json!({ "bytes": bytes }))
    }

    async fn one_by_one(&self, requests: &[Request<Full<Bytes>>]) -> Result<usize, Error> {
        let mut bytes = 0;
        for request in requests {
            bytes += self.send(request).await?;
        }
        Ok(bytes)
    }

    async fn send(&self, request: &Request<Full<Bytes>>) -> Result<usize, Error> {
        let answer = self.client.request(request.clone()).await?;
        if !answer.status().is_success() {
            return Err(format!("{} to {}", answer.status(), request.uri()).into());
        }
        let mut body = answer.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(bytes)
    }
}

fn request(asked: &Asked) -> Result<Request<Full<Bytes>>, Error> {
    let mut request = Request::post(&asked.uri);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let body = STANDARD.decode(&asked.body)?;
    Ok(request.body(Full::new(body.into()))?)
}
