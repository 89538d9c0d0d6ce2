//! A proxy in front of the service and the table. It counts requests and bytes,
//! adds latency, and can record responses and replay them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::Result;
use crate::responses::consumed_units;

/// A complete request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A server behind a proxy.
pub trait Server: Send + Sync + 'static {
    fn answer(&self, asked: Asked) -> impl Future<Output = Result<Answered>> + Send;
}

/// The traffic since the last call of [`Front::passed`].
#[derive(Debug, Clone, Default)]
pub struct Passed {
    /// Requests by operation.
    pub requests: BTreeMap<String, u64>,
    /// Bytes in both directions, heads and bodies.
    pub bytes: u64,
    pub read_units: f64,
    pub write_units: f64,
}

impl Passed {
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    pub fn with(mut self, other: Self) -> Self {
        for (operation, count) in other.requests {
            *self.requests.entry(operation).or_default() += count;
        }
        self.bytes += other.bytes;
        self.read_units += other.read_units;
        self.write_units += other.write_units;
        self
    }
}

/// Recorded requests with their responses, in order.
pub type Kept = Vec<(Asked, Answered)>;

#[derive(Default)]
struct State {
    passed: Mutex<Passed>,
    bytes: AtomicU64,
    away: Mutex<Duration>,
    keeping: Mutex<Option<Kept>>,
}

pub struct Front {
    pub endpoint: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl Front {
    pub async fn before(server: impl Server) -> Result<Self> {
        Self::with_tls(server, None).await
    }

    /// Starts a proxy, with TLS if an acceptor is given.
    pub async fn with_tls(server: impl Server, tls: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let endpoint = match tls {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let state = Arc::new(State::default());
        let serving = serve(listener, tls, Arc::clone(&state), Arc::new(server));
        Ok(Self {
            endpoint,
            state,
            server: tokio::spawn(serving),
        })
    }

    /// Sets the latency that is added to each response.
    pub fn be_away(&self, time: Duration) {
        *locked(&self.state.away) = time;
    }

    /// Returns the traffic since the last call.
    pub fn passed(&self) -> Passed {
        Passed {
            bytes: self.state.bytes.swap(0, Ordering::Relaxed),
            ..std::mem::take(&mut locked(&self.state.passed))
        }
    }

    /// Starts recording.
    pub fn keep(&self) {
        *locked(&self.state.keeping) = Some(Kept::new());
    }

    /// Stops recording and returns what was recorded.
    pub fn kept(&self) -> Kept {
        locked(&self.state.keeping).take().unwrap_or_default()
    }

    /// Starts a proxy that replays recorded responses, without a server. Requests
    /// that are `alike` get their responses in turn.
    pub async fn with_answers(kept: &Kept, alike: Alike) -> Result<Self> {
        let mut again: Again = HashMap::new();
        for (asked, answered) in kept {
            let answers = again.entry(alike(asked)).or_default();
            answers.push_back(answered.clone());
        }
        Self::before(Recorded {
            again: Mutex::new(again),
            alike,
        })
        .await
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    state: Arc<State>,
    server: Arc<impl Server>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let counted = Counted {
            stream,
            state: Arc::clone(&state),
        };
        let (state, server) = (Arc::clone(&state), Arc::clone(&server));
        let service = service_fn(move |request| {
            let (state, server) = (Arc::clone(&state), Arc::clone(&server));
            async move { Ok::<_, Infallible>(answer(&state, &*server, request).await) }
        });
        let tls = tls.clone();
        tokio::spawn(async move {
            let http = http1::Builder::new();
            // It ends with an error when the process of the function ends.
            let _ = match tls {
                None => http.serve_connection(TokioIo::new(counted), service).await,
                Some(tls) => match tls.accept(counted).await {
                    Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                    Err(error) => return eprintln!("no TLS with a function: {error}"),
                },
            };
        });
    }
}

async fn answer(
    state: &State,
    server: &impl Server,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    match pass(state, server, request).await {
        Ok(answered) => {
            let mut response = Response::new(Full::new(answered.body));
            *response.status_mut() = answered.status.try_into().expect("a status");
            *response.headers_mut() = answered.headers;
            response
        }
        Err(error) => {
            eprintln!("a request failed in front of its server: {error}");
            let mut response = Response::new(Full::default());
            *response.status_mut() = axum::http::StatusCode::BAD_GATEWAY;
            response
        }
    }
}

async fn pass(state: &State, server: &impl Server, request: Request<Incoming>) -> Result<Answered> {
    let (head, body) = request.into_parts();
    let asked = Asked {
        uri: head.uri,
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    };
    let operation = operation(&asked);
    let away = *locked(&state.away);
    tokio::time::sleep(away).await;
    let mut answered = server.answer(asked.clone()).await?;
    let units = answered.headers.remove(UNITS).map_or(0.0, |units| {
        let units = units.to_str().ok().and_then(|units| units.parse().ok());
        units.unwrap_or(0.0)
    });
    if let Some(kept) = locked(&state.keeping).as_mut() {
        kept.push((asked, answered.clone()));
    }
    let mut passed = locked(&state.passed);
    *passed.requests.entry(operation.clone()).or_default() += 1;
    if matches!(operation.as_str(), "Query" | "Scan" | "GetItem") {
        passed.read_units += units;
    } else {
        passed.write_units += units;
    }
    Ok(answered)
}

/// Header in which a server reports consumed capacity to its proxy.
pub const UNITS: &str = "x-units";

/// Returns the operation of a request: `ListConnections`, `Query`, …
pub fn operation(asked: &Asked) -> String {
    let target = asked.headers.get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let operation = match target {
        Some(target) => target.rsplit('.').next(),
        None => asked.uri.path().rsplit('/').next(),
    };
    operation.unwrap_or("").to_owned()
}

/// More items than a page of 1 MB can contain: the items here have more than 105
/// bytes each.
const NO_PAGE_HAS: u64 = 10_000;

/// Forwards requests to another server and asks for the consumed capacity.
///
/// Without a limit the embedded table reads the whole rest of a partition or table
/// for each page, so requests get a limit that changes no page.
pub struct Elsewhere {
    endpoint: String,
    client: hyper_util::client::legacy::Client<
        hyper_util::client::legacy::connect::HttpConnector,
        Full<Bytes>,
    >,
}

impl Elsewhere {
    pub fn at(endpoint: &str) -> Self {
        let executor = hyper_util::rt::TokioExecutor::new();
        Self {
            endpoint: endpoint.to_owned(),
            client: hyper_util::client::legacy::Client::builder(executor).build_http(),
        }
    }
}

impl Server for Elsewhere {
    async fn answer(&self, asked: Asked) -> Result<Answered> {
        let mut body: Value = serde_json::from_slice(&asked.body)?;
        let asked_for_units = body["ReturnConsumedCapacity"].is_string();
        if !asked_for_units {
            body["ReturnConsumedCapacity"] = "TOTAL".into();
        }
        let limited =
            matches!(operation(&asked).as_str(), "Query" | "Scan") && body["Limit"].is_null();
        if limited {
            body["Limit"] = NO_PAGE_HAS.into();
        }
        let mut request = Request::post(format!("{}{}", self.endpoint, asked.uri.path()));
        for (name, value) in &asked.headers {
            if name != "content-length" && name != "host" {
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(Bytes::from(body.to_string())))?;
        let response = self.client.request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        let (mut headers, mut kept) = (head.headers, body.clone());
        // Headers that depend on the body.
        headers.remove("content-length");
        headers.remove("x-amz-crc32");
        if let Ok(mut answer) = serde_json::from_slice::<Value>(&body) {
            if limited && answer["ScannedCount"] == NO_PAGE_HAS {
                return Err("items are so small that a page could have more of them".into());
            }
            let used = consumed_units(&answer);
            headers.insert(UNITS, used.to_string().parse()?);
            if !asked_for_units && let Some(fields) = answer.as_object_mut() {
                fields.remove("ConsumedCapacity");
                kept = serde_json::to_vec(fields)?.into();
            }
        }
        Ok(Answered {
            status: head.status.as_u16(),
            headers,
            body: kept,
        })
    }
}

/// Returns the key of a request. Requests with the same key get the same responses.
pub type Alike = fn(&Asked) -> Bytes;

/// Returns the body without the order of its members, which differs between
/// processes.
pub fn same_members(asked: &Asked) -> Bytes {
    let body = serde_json::from_slice::<Value>(&asked.body);
    body.map_or_else(|_| asked.body.clone(), |body| body.to_string().into())
}

/// Returns the operation, ignoring times in the body. Suitable if the pages of one
/// listing and one query are requested in turn, and equally long batches get equal
/// responses.
pub fn what_is_asked(asked: &Asked) -> Bytes {
    operation(asked).into()
}

/// Recorded responses by the key of their requests.
type Again = HashMap<Bytes, VecDeque<Answered>>;

struct Recorded {
    again: Mutex<Again>,
    alike: Alike,
}

impl Server for Recorded {
    async fn answer(&self, asked: Asked) -> Result<Answered> {
        let mut again = locked(&self.again);
        let answers = again.get_mut(&(self.alike)(&asked));
        let answers = answers.ok_or("a request that was not recorded")?;
        answers.rotate_left(1);
        Ok(answers.back().ok_or("no answer")?.clone())
    }
}

/// Collects a response of axum.
pub async fn whole(response: Response<Body>) -> Result<Answered> {
    let (head, body) = response.into_parts();
    Ok(Answered {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    })
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics with it")
}

/// A connection that counts its bytes.
struct Counted {
    stream: TcpStream,
    state: Arc<State>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read_bytes = buffer.filled().len() - before;
        self.state
            .bytes
            .fetch_add(read_bytes as u64, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = written {
            self.state
                .bytes
                .fetch_add(written as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
