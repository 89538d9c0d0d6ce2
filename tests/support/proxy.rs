//! A proxy between the code under test and a stand-in: it counts requests and
//! interferes with those that a test picks, over the wire, so that the SDK's
//! own retries take part.

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
    pub body: Bytes,
}

/// What the proxy does with a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Passes it on, and its answer back.
    Pass,
    /// Passes it on, and back its answer as JSON: moto calls CodePipeline's HTML.
    PassForJson,
    /// Passes on this body in the place of its own.
    PassAs(Bytes),
    /// Answers itself, as DynamoDB answers; the request goes nowhere.
    Answer(u16, String),
    /// Passes it on, and answers something else: the answer is lost.
    PassThenAnswer(u16, String),
    /// The same as `Answer`, in any other form.
    Reply(Reply),
    /// The same as `PassThenAnswer`, in any other form.
    PassThenReply(Reply),
    /// Passes it on, and back what this makes of the answer's body.
    PassThenAlter(fn(&[u8]) -> Vec<u8>),
    /// Passes on the statements of a batch for which this has no error code
    /// (by their place), and answers with those codes for the others.
    PassSome(fn(usize) -> Option<&'static str>),
    /// Waits so long, and does this then, whether or not somebody still waits
    /// for the answer.
    After(Duration, Box<Act>),
    /// Does this, and holds the answer back so long.
    Slowly(Duration, Box<Act>),
    /// Never answers; the request goes nowhere.
    Hang,
    /// Passes it on, and never answers.
    PassThenHang,
    /// Closes the connection without an answer; the request goes nowhere.
    Cut,
    /// Passes it on, and closes the connection without an answer.
    PassThenCut,
    /// Passes it on, gives the head of the answer and half of its body, and
    /// closes the connection.
    PassThenCutWithin,
}

/// An answer that the proxy gives itself.
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
    /// A fault of DynamoDB, with its HTTP status.
    pub fn fault(status: u16, code: &str) -> Self {
        Self::Answer(status, fault_body(code))
    }

    /// The same, after the request was carried out.
    pub fn fault_after(status: u16, code: &str) -> Self {
        Self::PassThenAnswer(status, fault_body(code))
    }
}

fn fault_body(code: &str) -> String {
    format!("{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"message\":\"injected\"}}")
}

/// Requests that are passed on at the same time, at most: more than a test makes.
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
        // Otherwise each body waits 40 ms for its head to be acknowledged.
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

    /// Passes requests on to another address from now on.
    pub fn lead_to(&self, upstream: &str) {
        *self.inner.upstream.lock().expect("no panic") = upstream.to_owned();
    }

    /// Waits until a request is left without an answer; what it asked for is
    /// then done, or will not be.
    pub async fn hangs(&self) {
        self.inner.hanging.notified().await;
    }

    /// Passes no request on any more, and waits for those under way. Without it
    /// the requests of a client that has gone may still be carried out, at a
    /// time that the test takes for a much later one.
    pub async fn shut(&self) {
        let all = self.inner.passing.acquire_many(PASSED_AT_ONCE).await;
        all.expect("shut once").forget();
        self.inner.passing.close();
    }

    /// Closes all connections, as a server does with those that were idle for
    /// long; new ones are accepted as ever.
    pub async fn close_connections(&self) -> usize {
        let connections = std::mem::take(&mut *self.inner.connections.lock().expect("no panic"));
        let open = connections.iter().filter(|open| !open.is_finished());
        let number = open.count();
        for connection in connections {
            connection.abort();
            // It is gone, whether it had ended before or ends now.
            let _ = connection.await;
        }
        number
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.inner.count.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The connection is to be closed without an answer: what hyper does when its
/// service fails.
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
            // It ends with an error where it is cut, or the client has gone.
            let _ = served.await;
        });
        let mut connections = inner.connections.lock().expect("no panic");
        connections.retain(|connection| !connection.is_finished());
        connections.push(connection);
    }
}

async fn forward(inner: Arc<Inner>, request: Request) -> Answered {
    let (mut parts, body) = request.into_parts();
    // A client that is ended in the middle of its request.
    let Ok(body) = body.collect().await else {
        return Err(Cut);
    };
    let body = body.to_bytes();
    let seen = Seen {
        number: inner.count.fetch_add(1, Ordering::SeqCst) + 1,
        operation: operation(&parts, &body),
        body: body.clone(),
    };
    let act = (inner.policy)(&seen);
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let upstream = inner.upstream.lock().expect("no panic").clone();
    parts.uri = format!("{upstream}{path}").parse().expect("a URI");
    parts.headers.remove(header::HOST);
    // It is set anew, for whatever body is passed on.
    parts.headers.remove(header::CONTENT_LENGTH);
    // A task of its own: what is to happen happens also if the client leaves.
    let done = tokio::spawn(async move { inner.carry_out(act, parts, body).await });
    done.await.expect("no panic")
}

/// What is asked for: a header of DynamoDB's protocol, the end of the path in
/// CodeConnections', a field of the form in STS's.
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
                // The half is sent before the body is asked for the rest.
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

    /// The same, to the last byte of the answer.
    async fn pass_whole(&self, parts: Parts, body: Bytes) -> (axum::http::response::Parts, Bytes) {
        let (mut head, body) = self.pass(parts, body).await.into_parts();
        let body = body.collect().await.expect("upstream's answer");
        // They are those of the whole body.
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
