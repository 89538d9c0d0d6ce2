//! The Lambda runtime API for the process of one function. It records when the
//! function requests the next event, returns an event, and receives the response.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use codeconnections_inventory::domain::{Clock, SystemClock};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::Result;

/// The maximum duration of a Lambda function.
const LONGEST: Duration = Duration::from_secs(900);

/// The side of the benchmark.
pub struct Runtime {
    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub address: String,
    events: mpsc::UnboundedSender<Value>,
    polls: mpsc::UnboundedReceiver<Instant>,
    answers: mpsc::UnboundedReceiver<Response>,
    server: JoinHandle<()>,
}

/// A response of the function and its time.
struct Response {
    at: Instant,
    /// `response` or `error`.
    kind: String,
    body: Bytes,
}

/// The side of the function.
struct Api {
    events: Mutex<mpsc::UnboundedReceiver<Value>>,
    polls: mpsc::UnboundedSender<Instant>,
    answers: mpsc::UnboundedSender<Response>,
}

impl Runtime {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (events, to_hand_out) = mpsc::unbounded_channel();
        let (polled, polls) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let api = Api {
            events: Mutex::new(to_hand_out),
            polls: polled,
            answers: answered,
        };
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{kind}", post(take))
            .fallback(refuse)
            .with_state(Arc::new(api));
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self {
            address,
            events,
            polls,
            answers,
            server,
        })
    }

    /// Returns when the function requested the next event, that is, became idle.
    pub async fn polled(&mut self) -> Result<Instant> {
        let polled = tokio::time::timeout(LONGEST, self.polls.recv()).await?;
        Ok(polled.ok_or("the API ended")?)
    }

    /// Sends an event. Returns the response and its duration.
    pub async fn invoke(&mut self, event: &Value) -> Result<(Value, Duration)> {
        let began = Instant::now();
        self.events.send(event.clone())?;
        let response = tokio::time::timeout(LONGEST, self.answers.recv()).await?;
        let response = response.ok_or("the API ended")?;
        if response.kind != "response" {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            return Err(format!("the function failed: {body}").into());
        }
        Ok((serde_json::from_slice(&response.body)?, response.at - began))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(api): State<Arc<Api>>) -> (HeaderMap, String) {
    let mut events = api.events.lock().await;
    // Fails only when the benchmark has ended.
    let _ = api.polls.send(Instant::now());
    let Some(event) = events.recv().await else {
        return std::future::pending().await;
    };
    let longest = i64::try_from(LONGEST.as_millis()).expect("minutes");
    let deadline = SystemClock.now().millis() + longest;
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:inventory";
    let heads = [
        (
            "lambda-runtime-aws-request-id",
            "5f0e2a4c-8f0b-4b1e-9f5d-2d5a0c1b7e11",
        ),
        ("lambda-runtime-invoked-function-arn", arn),
        (
            "lambda-runtime-trace-id",
            "Root=1-5f0e2a4c-8f0b4b1e9f5d2d5a",
        ),
        ("content-type", "application/json"),
    ];
    let mut headers: HeaderMap = heads
        .into_iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("text")))
        .collect();
    let deadline = deadline.to_string().parse().expect("digits");
    headers.insert("lambda-runtime-deadline-ms", deadline);
    (headers, event.to_string())
}

async fn take(
    State(api): State<Arc<Api>>,
    Path((_, kind)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let at = Instant::now();
    let _ = api.answers.send(Response { at, kind, body });
    StatusCode::ACCEPTED
}

/// Receives initialization errors, which have another path.
async fn refuse(State(api): State<Arc<Api>>, body: Bytes) -> StatusCode {
    let (at, kind) = (Instant::now(), "error".to_owned());
    let _ = api.answers.send(Response { at, kind, body });
    StatusCode::ACCEPTED
}
