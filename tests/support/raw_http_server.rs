//! A server that answers what no service would: byte for byte what a test
//! says, without end where it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// An answer, as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Sent first: status line, headers and all.
    pub head: Vec<u8>,
    /// Sent after it.
    pub body: Vec<u8>,
    /// How often the body is sent.
    pub times: u64,
    /// Waited after each time.
    pub pause: Duration,
}

const CBOR: &str = "smithy-protocol: rpc-v2-cbor\r\ncontent-type: application/cbor\r\n";
const JSON: &str = "content-type: application/x-amz-json-1.0\r\n";

impl Raw {
    /// Headers, and a body that they announce.
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

    /// An answer of CodeConnections.
    pub fn cbor(body: impl Into<Vec<u8>>) -> Self {
        Self::with(CBOR, body)
    }

    /// An answer of DynamoDB.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::with(JSON, body)
    }

    /// A body of so many bytes, announced.
    pub fn announced(bytes: u64) -> Self {
        const CHUNK: u64 = 64 * 1024;
        Self {
            head: format!("HTTP/1.1 200 OK\r\n{CBOR}content-length: {bytes}\r\n\r\n").into(),
            body: vec![b' '; usize::try_from(CHUNK).expect("small")],
            times: bytes / CHUNK,
            pause: Duration::ZERO,
        }
    }

    /// A body in chunks, of which there is always another one.
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

    /// Headers of which there is always another one.
    pub fn endless_headers() -> Self {
        Self {
            head: b"HTTP/1.1 200 OK\r\n".to_vec(),
            body: b"x-another: header\r\n".to_vec(),
            times: u64::MAX,
            pause: Duration::ZERO,
        }
    }

    /// A byte a second, of which there is always another one.
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
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicUsize,
    sent: AtomicU64,
}

impl Hostile {
    /// Answers each request with what `answers` says, which is given its
    /// number, from 0.
    pub async fn start(answers: impl Fn(usize) -> Raw + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let answers = Arc::new(answers);
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, counts) = (Arc::clone(&answers), Arc::clone(&counted));
                tokio::spawn(async move {
                    let number = counts.requests.fetch_add(1, Ordering::SeqCst);
                    // The other side hangs up as soon as it has enough.
                    let _ = serve(stream, &answers(number), &counts.sent).await;
                });
            }
        });
        Self {
            endpoint,
            counts,
            server,
        }
    }

    /// The same answer to all.
    pub async fn always(answer: Raw) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Bytes of bodies that went out so far, many of which nobody read.
    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.server.abort();
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
    // One answer a connection: so each has a request of its own.
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
