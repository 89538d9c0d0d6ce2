//! A server that sends the exact bytes of a test, endlessly if needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fakes::http_server::Listener;

/// An answer as sent on the wire.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Status line and headers.
    pub head: Vec<u8>,
    /// Sent after the head.
    pub body: Vec<u8>,
    /// The number of times that the body is sent.
    pub times: u64,
    /// The pause after each time.
    pub pause: Duration,
}

const CBOR: &str = "smithy-protocol: rpc-v2-cbor\r\ncontent-type: application/cbor\r\n";
const JSON: &str = "content-type: application/x-amz-json-1.0\r\n";

impl Raw {
    /// Creates an answer with these headers, a content length and a body.
    pub fn with(headers: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len();
        Self {
            head: format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n").into(),
            body,
            times: 1,
            pause: Duration::ZERO,
        }
    }

    /// Creates an answer of CodeConnections.
    pub fn cbor(body: impl Into<Vec<u8>>) -> Self {
        Self::with(CBOR, body)
    }

    /// Creates an answer of DynamoDB.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::with(JSON, body)
    }

    /// Creates an answer with a body of this content length.
    pub fn announced(bytes: u64) -> Self {
        const CHUNK: u64 = 64 * 1024;
        Self {
            head: format!("HTTP/1.1 200 OK\r\n{CBOR}content-length: {bytes}\r\n\r\n").into(),
            body: vec![b' '; usize::try_from(CHUNK).expect("small")],
            times: bytes / CHUNK,
            pause: Duration::ZERO,
        }
    }

    /// Creates an answer with an endless chunked body.
    pub fn endless(chunk: &[u8]) -> Self {
        let mut body = format!("{:x}\r\n", chunk.len()).into_bytes();
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
        Self {
            head: format!("HTTP/1.1 200 OK\r\n{CBOR}transfer-encoding: chunked\r\n\r\n").into(),
            body,
            times: u64::MAX,
            pause: Duration::ZERO,
        }
    }

    /// Creates an answer with endless headers.
    pub fn endless_headers() -> Self {
        Self {
            head: b"HTTP/1.1 200 OK\r\n".to_vec(),
            body: b"x-another: header\r\n".to_vec(),
            times: u64::MAX,
            pause: Duration::ZERO,
        }
    }

    /// Creates an answer with an endless body of one byte per second.
    pub fn drip() -> Self {
        Self {
            pause: Duration::from_secs(1),
            ..Self::endless(b" ")
        }
    }
}

/// A server of such answers.
pub struct Hostile {
    pub endpoint: String,
    counts: Arc<Counts>,
    _listener: Listener,
}

#[derive(Default)]
struct Counts {
    requests: AtomicUsize,
    sent: AtomicU64,
}

impl Hostile {
    /// Starts a server that answers each request with the result of `answers` for its
    /// number, from 0.
    pub async fn start(answers: impl Fn(usize) -> Raw + Send + Sync + 'static) -> Self {
        let answers = Arc::new(answers);
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let listener = Listener::start(move |stream| {
            let (answers, counts) = (Arc::clone(&answers), Arc::clone(&counted));
            async move {
                let number = counts.requests.fetch_add(1, Ordering::SeqCst);
                // Fails when the client closes the connection.
                let _ = serve(stream, &answers(number), &counts.sent).await;
            }
        })
        .await;
        Self {
            endpoint: format!("http://127.0.0.1:{}", listener.port),
            counts,
            _listener: listener,
        }
    }

    /// Starts a server with the same answer to all requests.
    pub async fn always(answer: Raw) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    /// Returns the number of requests so far.
    pub fn count(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Returns the number of sent bytes of bodies, received or not.
    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, answer: &Raw, sent: &AtomicU64) -> std::io::Result<()> {
    read_request(&mut stream).await?;
    stream.write_all(&answer.head).await?;
    for _ in 0..answer.times {
        stream.write_all(&answer.body).await?;
        sent.fetch_add(answer.body.len() as u64, Ordering::SeqCst);
        if !answer.pause.is_zero() {
            tokio::time::sleep(answer.pause).await;
        }
    }
    // One answer per connection.
    stream.shutdown().await
}

/// Reads a request to its end.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..read]);
        let head = request.windows(4).position(|end| end == b"\r\n\r\n");
        let Some(head) = head else { continue };
        let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
        if request.len() >= head + 4 + length {
            return Ok(());
        }
    }
}
