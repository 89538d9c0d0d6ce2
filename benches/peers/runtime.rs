//! The Lambda runtime API for the process of one function. It records when the
//! function requests the next event, returns an event, and receives the response.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response as HttpResponse, StatusCode};
use codeconnections_inventory::domain::{Clock, SystemClock};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};

use crate::Result;
use crate::fakes::http_server::{Answer, HttpServer, Seen};

/// The maximum duration of a Lambda function.
const LONGEST: Duration = Duration::from_secs(900);

/// The side of the benchmark.
pub struct Runtime {
    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub address: String,
    events: mpsc::UnboundedSender<Value>,
    polls: mpsc::UnboundedReceiver<Instant>,
    answers: mpsc::UnboundedReceiver<Response>,
    _server: HttpServer,
}

/// A response of the function and its time.
struct Response {
    at: Instant,
    is_error: bool,
    body: Bytes,
}

/// The side of the function.
struct Api {
    events: Mutex<mpsc::UnboundedReceiver<Value>>,
    polls: mpsc::UnboundedSender<Instant>,
    answers: mpsc::UnboundedSender<Response>,
}

impl Runtime {
    pub async fn start() -> Self {
        let (events, to_hand_out) = mpsc::unbounded_channel();
        let (polled, polls) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let api = Api {
            events: Mutex::new(to_hand_out),
            polls: polled,
            answers: answered,
        };
        let api = Arc::new(api);
        let server = HttpServer::start(move |seen| {
            let api = Arc::clone(&api);
            async move { api.answer(seen).await }
        })
        .await;
        Self {
            address: server.endpoint.replace("http://", ""),
            events,
            polls,
            answers,
            _server: server,
        }
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
        if response.is_error {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            return Err(format!("the function failed: {body}").into());
        }
        Ok((serde_json::from_slice(&response.body)?, response.at - began))
    }
}

impl Api {
    async fn answer(&self, seen: Seen) -> Answer {
        if seen.uri.path() == "/2018-06-01/runtime/invocation/next" {
            return Ok(self.next().await);
        }
        let response = Response {
            at: Instant::now(),
            // Initialization errors have another path.
            is_error: !seen.uri.path().ends_with("/response"),
            body: seen.body,
        };
        let _ = self.answers.send(response);
        let mut accepted = HttpResponse::default();
        *accepted.status_mut() = StatusCode::ACCEPTED;
        Ok(accepted)
    }

    async fn next(&self) -> HttpResponse<Body> {
        let mut events = self.events.lock().await;
        // Fails only when the benchmark has ended.
        let _ = self.polls.send(Instant::now());
        let Some(event) = events.recv().await else {
            return std::future::pending().await;
        };
        let longest = i64::try_from(LONGEST.as_millis()).expect("minutes");
        let deadline = SystemClock.now().millis() + longest;
        let heads = [
            (
                "lambda-runtime-aws-request-id",
                "5f0e2a4c-8f0b-4b1e-9f5d-2d5a0c1b7e11",
            ),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-west-1:123456789012:function:inventory",
            ),
            (
                "lambda-runtime-trace-id",
                "Root=1-5f0e2a4c-8f0b4b1e9f5d2d5a",
            ),
            ("content-type", "application/json"),
        ];
        let mut response = HttpResponse::new(event.to_string().into());
        let headers = response.headers_mut();
        for (name, value) in heads {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert("lambda-runtime-deadline-ms", deadline.into());
        response
    }
}
