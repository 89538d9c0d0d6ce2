//! A proxy between the code under test and an emulator. It counts requests and injects
//! faults on the wire, so that the SDK's own retries take part.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode, header};
use futures_util::stream::{self, StreamExt};
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// A request as the proxy sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// 1 for the first one.
    pub number: usize,
    /// `ListConnections`, `BatchExecuteStatement`, `AssumeRole`, …
    pub operation: String,
    /// The name that the request is signed for: `codepipeline`, `tagging`, …
    pub service: String,
    pub method: String,
    /// With the query string.
    pub path: String,
    pub body: Bytes,
}

/// An action of the proxy on a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Forwards the request and its answer.
    Pass,
    /// Forwards the request, and its answer as JSON: moto labels CodePipeline's as HTML.
    PassForJson,
    /// Forwards this body instead of its own.
    PassAs(Bytes),
    /// Answers itself in the form of DynamoDB, without forwarding.
    Answer(u16, String),
    /// Forwards the request and answers something else: the answer is lost.
    PassThenAnswer(u16, String),
    /// Same as `Answer`, in any form.
    Reply(Reply),
    /// Same as `PassThenAnswer`, in any form.
    PassThenReply(Reply),
    /// Forwards the request, and its answer with an altered body.
    PassThenAlter(fn(&[u8]) -> Vec<u8>),
    /// Forwards the statements of a batch for which this function of their position returns
    /// no error code. The others get their code as the answer.
    PassSome(fn(usize) -> Option<&'static str>),
    /// Acts after a delay, even if the client has disconnected.
    After(Duration, Box<Act>),
    /// Acts at once, and delays the answer.
    Slowly(Duration, Box<Act>),
    /// Never answers, without forwarding.
    Hang,
    /// Forwards the request and never answers.
    PassThenHang,
    /// Closes the connection without an answer, without forwarding.
    Cut,
    /// Forwards the request and closes the connection without an answer.
    PassThenCut,
    /// Forwards the request, sends the head of the answer and half of its body, and closes
    /// the connection.
    PassThenCutWithin,
}

/// An answer of the proxy itself.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Bytes,
}

impl Reply {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
        }
    }
}

impl Act {
    /// Returns an error of DynamoDB with its HTTP status.
    pub fn fault(status: u16, code: &str) -> Self {
        Self::Answer(status, fault_body(code))
    }

    /// Returns the same error after the request was executed.
    pub fn fault_after(status: u16, code: &str) -> Self {
        Self::PassThenAnswer(status, fault_body(code))
    }
}

fn fault_body(code: &str) -> String {
    format!("{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"message\":\"injected\"}}")
}

/// Maximum concurrent forwarded requests: more than a test sends.
const PASSED_AT_ONCE: u32 = 10_000;

type Policy = dyn Fn(&Seen) -> Act + Send + Sync;

struct Inner {
    upstream: Mutex<String>,
    policy: Box<Policy>,
    count: AtomicUsize,
    hanging: Notify,
    passing: Semaphore,
    connections: Mutex<Vec<JoinHandle<()>>>,
    client: Client<HttpConnector, Body>,
}

pub struct Proxy {
    pub endpoint: String,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(
        upstream: &str,
        policy: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let mut connector = HttpConnector::new();
        // Without it each body waits 40 ms for the acknowledgement of its head.
        connector.set_nodelay(true);
        let inner = Arc::new(Inner {
            upstream: Mutex::new(upstream.to_owned()),
            policy: Box::new(policy),
            count: AtomicUsize::new(0),
            hanging: Notify::new(),
            passing: Semaphore::new(PASSED_AT_ONCE as usize),
            connections: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let server = tokio::spawn(serve(listener, Arc::clone(&inner)));
        Self {
            endpoint,
            inner,
            server,
        }
    }

    /// Forwards requests to another address from now on.
    pub fn set_upstream(&self, upstream: &str) {
        *self.inner.upstream.lock().expect("no panic") = upstream.to_owned();
    }

    /// Waits until a request is left without an answer. By then it is executed, or never
    /// will be.
    pub async fn hangs(&self) {
        self.inner.hanging.notified().await;
    }

    /// Stops forwarding and waits for the requests in flight. Otherwise requests of a
    /// disconnected client could still be executed at a much later time of the test.
    pub async fn shut(&self) {
        let all = self.inner.passing.acquire_many(PASSED_AT_ONCE).await;
        all.expect("shut once").forget();
        self.inner.passing.close();
    }

    /// Closes all connections, as a server closes idle ones. New ones are still accepted.
    /// Returns the number of closed connections.
    pub async fn close_connections(&self) -> usize {
        let connections = std::mem::take(&mut *self.inner.connections.lock().expect("no panic"));
        let open = connections.iter().filter(|open| !open.is_finished());
        let number = open.count();
        for connection in connections {
            connection.abort();
            // It has ended, before or now.
            let _ = connection.await;
        }
        number
    }

    /// Returns the number of requests so far.
    pub fn count(&self) -> usize {
        self.inner.count.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Makes hyper close the connection without an answer, as it does if its service fails.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

type Answered = Result<Response<Body>, Cut>;

async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        connection.set_nodelay(true).expect("an option");
        let forwarding = Arc::clone(&inner);
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            forward(Arc::clone(&forwarding), request.map(Body::new))
        });
        let connection = tokio::spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            // It ends with an error if it is cut or the client has disconnected.
            let _ = served.await;
        });
        let mut connections = inner.connections.lock().expect("no panic");
        connections.retain(|connection| !connection.is_finished());
        connections.push(connection);
    }
}

/// Returns the service in the credential scope of a signed request.
fn signed_for(parts: &Parts) -> String {
    let header = parts.headers.get("authorization");
    let header = header.and_then(|header| header.to_str().ok());
    let scope = header.and_then(|header| header.split("Credential=").nth(1));
    let service = scope.and_then(|scope| scope.split('/').nth(3));
    service.unwrap_or_default().to_owned()
}

async fn forward(inner: Arc<Inner>, request: Request) -> Answered {
    let (mut parts, body) = request.into_parts();
    // The client ended in the middle of its request.
    let Ok(body) = body.collect().await else {
        return Err(Cut);
    };
    let body = body.to_bytes();
    let seen = Seen {
        number: inner.count.fetch_add(1, Ordering::SeqCst) + 1,
        operation: operation(&parts, &body),
        service: signed_for(&parts),
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        body: body.clone(),
    };
    let act = (inner.policy)(&seen);
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let upstream = inner.upstream.lock().expect("no panic").clone();
    parts.uri = format!("{upstream}{path}").parse().expect("a URI");
    parts.headers.remove(header::HOST);
    // It is set again for the forwarded body.
    parts.headers.remove(header::CONTENT_LENGTH);
    // A separate task, which continues if the client disconnects.
    let done = tokio::spawn(async move { inner.carry_out(act, parts, body).await });
    done.await.expect("no panic")
}

/// Returns the operation: from a header for DynamoDB, the path for CodeConnections, a form
/// field for STS.
fn operation(parts: &Parts, body: &[u8]) -> String {
    let target = parts.headers.get("x-amz-target");
    let named = match target.and_then(|t| t.to_str().ok()) {
        Some(target) => target.rsplit('.').next(),
        None => parts.uri.path().rsplit('/').next(),
    };
    let form = || {
        let form = std::str::from_utf8(body).ok()?;
        let action = |field: &str| field.strip_prefix("Action=").map(str::to_owned);
        form.split('&').find_map(action)
    };
    match named {
        Some("") | None => form().unwrap_or_default(),
        Some(named) => named.to_owned(),
    }
}

impl Inner {
    async fn carry_out(&self, act: Act, parts: Parts, body: Bytes) -> Answered {
        match act {
            Act::Pass => Ok(self.pass(parts, body).await),
            Act::PassForJson => {
                let mut answer = self.pass(parts, body).await;
                let json = header::HeaderValue::from_static("application/x-amz-json-1.1");
                answer.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok(answer)
            }
            Act::PassAs(other) => Ok(self.pass(parts, other).await),
            Act::Answer(status, instead) => Ok(respond(json_reply(status, instead))),
            Act::Reply(instead) => Ok(respond(instead)),
            Act::PassThenAnswer(status, instead) => {
                self.pass_whole(parts, body).await;
                Ok(respond(json_reply(status, instead)))
            }
            Act::PassThenReply(instead) => {
                self.pass_whole(parts, body).await;
                Ok(respond(instead))
            }
            Act::PassThenAlter(alter) => {
                let (head, whole) = self.pass_whole(parts, body).await;
                Ok(Response::from_parts(head, Body::from(alter(&whole))))
            }
            Act::PassSome(fails) => Ok(self.pass_some(parts, &body, fails).await),
            Act::After(time, then) => {
                tokio::time::sleep(time).await;
                Box::pin(self.carry_out(*then, parts, body)).await
            }
            Act::Slowly(time, first) => {
                let answer = Box::pin(self.carry_out(*first, parts, body)).await;
                tokio::time::sleep(time).await;
                answer
            }
            Act::Hang => {
                self.hanging.notify_one();
                std::future::pending().await
            }
            Act::PassThenHang => {
                self.pass_whole(parts, body).await;
                self.hanging.notify_one();
                std::future::pending().await
            }
            Act::Cut => Err(Cut),
            Act::PassThenCut => {
                self.pass_whole(parts, body).await;
                Err(Cut)
            }
            Act::PassThenCutWithin => {
                let (mut head, whole) = self.pass_whole(parts, body).await;
                head.headers
                    .insert(header::CONTENT_LENGTH, whole.len().into());
                let half = whole.slice(..whole.len() / 2);
                // The first half is sent before the body is polled for the rest.
                let rest = async {
                    tokio::task::yield_now().await;
                    Err(Cut)
                };
                let halves = stream::iter([Ok(half)]).chain(stream::once(rest));
                let body = Body::from_stream(halves);
                Ok(Response::from_parts(head, body))
            }
        }
    }

    async fn pass(&self, parts: Parts, body: Bytes) -> Response<Body> {
        let Ok(_passing) = self.passing.acquire().await else {
            return std::future::pending().await;
        };
        let request = Request::from_parts(parts, Body::from(body));
        let answer = self.client.request(request).await;
        answer.expect("upstream answers").map(Body::new)
    }

    /// Forwards the request and reads the complete answer.
    async fn pass_whole(&self, parts: Parts, body: Bytes) -> (axum::http::response::Parts, Bytes) {
        let (mut head, body) = self.pass(parts, body).await.into_parts();
        let body = body.collect().await.expect("upstream's answer");
        // These headers are for the original body.
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove("x-amz-crc32");
        (head, body.to_bytes())
    }

    async fn pass_some(
        &self,
        parts: Parts,
        body: &[u8],
        fails: fn(usize) -> Option<&'static str>,
    ) -> Response<Body> {
        let mut batch: Value = serde_json::from_slice(body).expect("JSON");
        let statements = batch["Statements"].as_array_mut().expect("statements");
        let asked = statements.len();
        let mut place = 0;
        statements.retain(|_| {
            place += 1;
            fails(place - 1).is_none()
        });
        let mut answered = Vec::new();
        if !statements.is_empty() {
            let (_, answer) = self.pass_whole(parts, batch.to_string().into()).await;
            let mut answer: Value = serde_json::from_slice(&answer).expect("JSON");
            let responses = answer["Responses"].as_array_mut().expect("responses");
            answered = std::mem::take(responses);
        }
        let mut answered = answered.into_iter();
        let of = |place| match fails(place) {
            Some(code) => json!({"Error": {"Code": code, "Message": "injected"}}),
            None => answered.next().expect("one for each statement"),
        };
        let responses: Vec<Value> = (0..asked).map(of).collect();
        respond(json_reply(200, json!({"Responses": responses}).to_string()))
    }
}

fn json_reply(status: u16, body: String) -> Reply {
    Reply::new(status, "application/x-amz-json-1.0", body)
}

fn respond(reply: Reply) -> Response<Body> {
    let mut answer = Response::builder()
        .status(StatusCode::from_u16(reply.status).expect("a status"))
        .header(header::CONTENT_TYPE, reply.content_type);
    if reply.content_type == "application/cbor" {
        answer = answer.header("smithy-protocol", "rpc-v2-cbor");
    }
    answer.body(Body::from(reply.body)).expect("an answer")
}
