//! A proxy between the code under test and a stand-in: it counts requests and
//! interferes with those that a test picks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A request as the proxy sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// 1 for the first one.
    pub number: usize,
    /// `ListConnections`, `BatchExecuteStatement`, …
    pub operation: String,
    pub body: Bytes,
}

/// What the proxy does with a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Passes it on, and its answer back.
    Pass,
    /// Passes on this body in the place of its own.
    PassAs(Bytes),
    /// Answers itself; the request goes nowhere.
    Answer(u16, String),
    /// Passes it on, and answers something else: the answer is lost.
    PassThenAnswer(u16, String),
    /// Never answers; the request goes nowhere.
    Hang,
    /// Passes it on, and never answers.
    PassThenHang,
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

type Policy = dyn Fn(&Seen) -> Act + Send + Sync;

struct Inner {
    upstream: String,
    policy: Box<Policy>,
    count: AtomicUsize,
    hanging: Notify,
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
            upstream: upstream.to_owned(),
            policy: Box::new(policy),
            count: AtomicUsize::new(0),
            hanging: Notify::new(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let app = Router::new()
            .fallback(forward)
            .with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("serves");
        });
        Self {
            endpoint,
            inner,
            server,
        }
    }

    /// Waits until a request is left without an answer; what it asked for is
    /// then done, or will not be.
    pub async fn hangs(&self) {
        self.inner.hanging.notified().await;
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

async fn forward(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let target = parts
        .headers
        .get("x-amz-target")
        .and_then(|t| t.to_str().ok());
    let operation = match target {
        Some(target) => target.rsplit('.').next(),
        None => parts.uri.path().rsplit('/').next(),
    };
    let seen = Seen {
        number: inner.count.fetch_add(1, Ordering::SeqCst) + 1,
        operation: operation.unwrap_or("").to_owned(),
        body: body.clone(),
    };
    let act = (inner.policy)(&seen);
    let path = parts
        .uri
        .path_and_query()
        .map_or("/", |p| p.as_str())
        .to_owned();
    parts.uri = format!("{}{path}", inner.upstream).parse().expect("a URI");
    parts.headers.remove(header::HOST);
    // It is set anew, for whatever body is passed on.
    parts.headers.remove(header::CONTENT_LENGTH);
    let pass = async |body: Bytes| {
        let request = Request::from_parts(parts.clone(), Body::from(body));
        let answer = inner
            .client
            .request(request)
            .await
            .expect("upstream answers");
        answer.map(Body::new)
    };
    match act {
        Act::Pass => pass(body).await,
        Act::PassAs(other) => pass(other).await,
        Act::Answer(status, instead) => answer(status, instead),
        Act::PassThenAnswer(status, instead) => {
            let passed = pass(body).await.into_body();
            passed.collect().await.expect("upstream's answer");
            answer(status, instead)
        }
        Act::Hang => {
            inner.hanging.notify_one();
            std::future::pending().await
        }
        Act::PassThenHang => {
            let passed = pass(body).await.into_body();
            passed.collect().await.expect("upstream's answer");
            inner.hanging.notify_one();
            std::future::pending().await
        }
    }
}

fn answer(status: u16, body: String) -> Response<Body> {
    Response::builder()
        .status(StatusCode::from_u16(status).expect("a status"))
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
        .body(Body::from(body))
        .expect("an answer")
}
