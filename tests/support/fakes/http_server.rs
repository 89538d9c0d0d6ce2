//! An HTTP server on a free port of loopback, for the fakes of tests and benchmarks.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A complete request as a server sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// 1 for the first one.
    pub number: usize,
    /// `ListConnections`, `BatchExecuteStatement`, `AssumeRole`, …
    pub operation: String,
    pub method: Method,
    /// The path with the query string.
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn new<B>(number: usize, request: axum::http::Request<B>, body: Bytes) -> Self {
        let (head, _) = request.into_parts();
        Self {
            number,
            operation: operation(&head.headers, &head.uri, &body),
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body,
        }
    }

    /// Returns the name that the request is signed for: `codepipeline`, `tagging`, …
    pub fn service(&self) -> &str {
        let header = self.headers.get("authorization");
        let header = header.and_then(|header| header.to_str().ok());
        let scope = header.and_then(|header| header.split("Credential=").nth(1));
        let service = scope.and_then(|scope| scope.split('/').nth(3));
        service.unwrap_or_default()
    }
}

/// Returns the operation: from a header for DynamoDB, the path for CodeConnections, a form
/// field for STS.
fn operation(headers: &HeaderMap, uri: &Uri, body: &[u8]) -> String {
    let target = headers.get("x-amz-target");
    let named = match target.and_then(|target| target.to_str().ok()) {
        Some(target) => target.rsplit('.').next(),
        None => uri.path().rsplit('/').next(),
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

/// Makes hyper close the connection without an answer, as it does if its service fails.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
pub struct Cut;

/// A response, or none.
pub type Answer = Result<Response<Body>, Cut>;

/// Returns a complete response as an answer.
pub fn whole(response: Response<Bytes>) -> Answer {
    Ok(response.map(Body::from))
}

/// A server of complete requests. It accepts no connections after it is dropped.
pub struct HttpServer {
    pub endpoint: String,
    counts: Arc<Counts>,
    listener: Listener,
}

#[derive(Default)]
struct Counts {
    requests: AtomicUsize,
    bytes: AtomicU64,
}

impl HttpServer {
    /// Starts a server that answers each request with the result of `answer`.
    pub async fn start<A>(answer: impl Fn(Seen) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Answer> + Send + 'static,
    {
        Self::with_tls(None, answer).await
    }

    /// Starts a server, with TLS if an acceptor is given.
    pub async fn with_tls<A>(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(Seen) -> A + Send + Sync + 'static,
    ) -> Self
    where
        A: Future<Output = Answer> + Send + 'static,
    {
        let counts = Arc::new(Counts::default());
        let (counted, answer) = (Arc::clone(&counts), Arc::new(answer));
        let is_encrypted = tls.is_some();
        let listener = Listener::start(move |stream| {
            let (tls, counts, answer) = (tls.clone(), Arc::clone(&counted), Arc::clone(&answer));
            async move { serve(stream, tls, counts, answer).await }
        })
        .await;
        let endpoint = match is_encrypted {
            true => format!("https://localhost:{}", listener.port),
            false => format!("http://127.0.0.1:{}", listener.port),
        };
        Self {
            endpoint,
            counts,
            listener,
        }
    }

    /// Returns the number of requests so far.
    pub fn count(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Returns the bytes in both directions since the last call, heads and bodies.
    pub fn take_bytes(&self) -> u64 {
        self.counts.bytes.swap(0, Ordering::Relaxed)
    }

    /// Closes all connections, as a server closes idle ones. New ones are still accepted.
    /// Returns the number of closed connections.
    pub async fn close_connections(&self) -> usize {
        self.listener.close_connections().await
    }
}

async fn serve<A>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    counts: Arc<Counts>,
    answer: Arc<impl Fn(Seen) -> A + Send + Sync + 'static>,
) where
    A: Future<Output = Answer> + Send + 'static,
{
    let counted = Counted {
        stream,
        counts: Arc::clone(&counts),
    };
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        let (counts, answer) = (Arc::clone(&counts), Arc::clone(&answer));
        async move {
            // It fails if the client ended in the middle of its request.
            let body = request.body_mut().collect().await.map_err(|_| Cut)?;
            let number = counts.requests.fetch_add(1, Ordering::SeqCst) + 1;
            answer(Seen::new(number, request, body.to_bytes())).await
        }
    });
    let http = http1::Builder::new();
    // It ends with an error if it is cut or the client has disconnected.
    let _ = match tls {
        None => http.serve_connection(TokioIo::new(counted), service).await,
        Some(tls) => match tls.accept(counted).await {
            Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
            Err(error) => return eprintln!("no TLS with a client: {error}"),
        },
    };
}

/// Accepts connections on a free port of loopback until it is dropped.
pub struct Listener {
    pub port: u16,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Starts to accept connections. Each is served by a task of its own.
    pub async fn start<S>(serve: impl Fn(TcpStream) -> S + Send + 'static) -> Self
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let connections: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let open = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Without it each body waits 40 ms for the acknowledgement of its head.
                let _ = stream.set_nodelay(true);
                let connection = tokio::spawn(serve(stream));
                let mut open = open.lock().expect("no panic");
                open.retain(|connection| !connection.is_finished());
                open.push(connection);
            }
        });
        Self {
            port,
            connections,
            accepting,
        }
    }

    async fn close_connections(&self) -> usize {
        let connections = std::mem::take(&mut *self.connections.lock().expect("no panic"));
        let number = connections
            .iter()
            .filter(|open| !open.is_finished())
            .count();
        for connection in connections {
            connection.abort();
            // It has ended, before or now.
            let _ = connection.await;
        }
        number
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A connection that counts its bytes.
struct Counted {
    stream: TcpStream,
    counts: Arc<Counts>,
}

impl Counted {
    fn add(&self, bytes: usize) {
        self.counts.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.add(buffer.filled().len() - before);
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
            self.add(written);
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
