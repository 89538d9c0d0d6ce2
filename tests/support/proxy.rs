//! A proxy between the code under test and an emulator. It counts requests and injects
//! faults on the wire, so that the SDK's own retries take part.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use futures_util::stream::{self, StreamExt};
use tokio::sync::{Notify, Semaphore};

use super::fakes::answers::{PartialBatch, table_error};
pub use super::fakes::http_server::Seen;
use super::fakes::http_server::{Answer, Cut, HttpServer, whole};
use super::fakes::upstream::Upstream;

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
        Self::Answer(status, table_error(code))
    }

    /// Returns the same error after the request was executed.
    pub fn fault_after(status: u16, code: &str) -> Self {
        Self::PassThenAnswer(status, table_error(code))
    }
}

/// Maximum concurrent forwarded requests: more than a test sends.
const PASSED_AT_ONCE: u32 = 10_000;

type Policy = dyn Fn(&Seen) -> Act + Send + Sync;

struct Inner {
    upstream: Mutex<String>,
    policy: Box<Policy>,
    hanging: Notify,
    passing: Semaphore,
    client: Upstream,
}

pub struct Proxy {
    pub endpoint: String,
    inner: Arc<Inner>,
    server: HttpServer,
}

impl Proxy {
    pub async fn start(
        upstream: &str,
        policy: impl Fn(&Seen) -> Act + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner {
            upstream: Mutex::new(upstream.to_owned()),
            policy: Box::new(policy),
            hanging: Notify::new(),
            passing: Semaphore::new(PASSED_AT_ONCE as usize),
            client: Upstream::new(),
        });
        let forwarding = Arc::clone(&inner);
        let server = HttpServer::start(move |seen| {
            let inner = Arc::clone(&forwarding);
            let act = (inner.policy)(&seen);
            // A separate task, which continues if the client disconnects.
            let done = tokio::spawn(async move { inner.carry_out(act, &seen).await });
            async { done.await.expect("no panic") }
        })
        .await;
        Self {
            endpoint: server.endpoint.clone(),
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
        self.server.close_connections().await
    }

    /// Returns the number of requests so far.
    pub fn count(&self) -> usize {
        self.server.count()
    }
}

impl Inner {
    async fn carry_out(&self, act: Act, seen: &Seen) -> Answer {
        match act {
            Act::Pass => self.pass(seen, seen.body.clone()).await,
            Act::PassForJson => {
                let mut answer = self.pass(seen, seen.body.clone()).await?;
                let json = header::HeaderValue::from_static("application/x-amz-json-1.1");
                answer.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok(answer)
            }
            Act::PassAs(other) => self.pass(seen, other).await,
            Act::Answer(status, instead) => respond(json_reply(status, instead)),
            Act::Reply(instead) => respond(instead),
            Act::PassThenAnswer(status, instead) => {
                self.pass_whole(seen, seen.body.clone()).await;
                respond(json_reply(status, instead))
            }
            Act::PassThenReply(instead) => {
                self.pass_whole(seen, seen.body.clone()).await;
                respond(instead)
            }
            Act::PassThenAlter(alter) => {
                let mut response = self.pass_whole(seen, seen.body.clone()).await;
                response.headers_mut().remove("x-amz-crc32");
                whole(response.map(|body| alter(&body).into()))
            }
            Act::PassSome(fails) => {
                let batch = PartialBatch::new(&seen.body, fails);
                let to_rest = match &batch.rest {
                    Some(rest) => Some(self.pass_whole(seen, rest.clone()).await.into_body()),
                    None => None,
                };
                respond(json_reply(200, batch.response(to_rest.as_deref())))
            }
            Act::After(time, then) => {
                tokio::time::sleep(time).await;
                Box::pin(self.carry_out(*then, seen)).await
            }
            Act::Slowly(time, first) => {
                let answer = Box::pin(self.carry_out(*first, seen)).await;
                tokio::time::sleep(time).await;
                answer
            }
            Act::Hang => {
                self.hanging.notify_one();
                std::future::pending().await
            }
            Act::PassThenHang => {
                self.pass_whole(seen, seen.body.clone()).await;
                self.hanging.notify_one();
                std::future::pending().await
            }
            Act::Cut => Err(Cut),
            Act::PassThenCut => {
                self.pass_whole(seen, seen.body.clone()).await;
                Err(Cut)
            }
            Act::PassThenCutWithin => {
                let response = self.pass_whole(seen, seen.body.clone()).await;
                let (mut head, whole) = response.into_parts();
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

    /// Forwards the request with this body.
    async fn pass(&self, seen: &Seen, body: Bytes) -> Answer {
        let Ok(_passing) = self.passing.acquire().await else {
            return std::future::pending().await;
        };
        let upstream = self.upstream();
        let answer = self.client.forward(&upstream, seen, body).await;
        Ok(answer.expect("upstream answers"))
    }

    /// Forwards the request with this body and reads the complete answer.
    async fn pass_whole(&self, seen: &Seen, body: Bytes) -> Response<Bytes> {
        let Ok(_passing) = self.passing.acquire().await else {
            return std::future::pending().await;
        };
        let upstream = self.upstream();
        let answer = self.client.forward_whole(&upstream, seen, body).await;
        answer.expect("upstream answers")
    }

    fn upstream(&self) -> String {
        self.upstream.lock().expect("no panic").clone()
    }
}

fn json_reply(status: u16, body: String) -> Reply {
    Reply::new(status, "application/x-amz-json-1.0", body)
}

fn respond(reply: Reply) -> Answer {
    let mut answer = Response::builder()
        .status(StatusCode::from_u16(reply.status).expect("a status"))
        .header(header::CONTENT_TYPE, reply.content_type);
    if reply.content_type == "application/cbor" {
        answer = answer.header("smithy-protocol", "rpc-v2-cbor");
    }
    Ok(answer.body(Body::from(reply.body)).expect("an answer"))
}
