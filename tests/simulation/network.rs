//! The network between a run's process and the services. Above it is the SDK's
//! real HTTP stack; virtual time and a seed replace the sockets below.
//!
//! A sent request stays in flight whatever happens to its sender: it may arrive
//! after the process has ended, or after it was sent again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::body::Bytes;
use axum::http::Response;
use fastrand::Rng;
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use super::schedule::{Kill, Line, Run};
use super::stage::{Page, Stage, of_service, of_table};
use super::support::fakes::answers::{cancelled, table_error};
use super::support::fakes::http_server::Seen;

/// The network of one run.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    stage: Arc<Stage>,
    run: usize,
    denied: Vec<bool>,
    line: Line,
    killed: Option<Kill>,
    requests: AtomicU32,
    /// Signals that the process ends.
    end: Notify,
    /// The number of requests and responses in flight.
    in_flight: Arc<AtomicU32>,
    log: Log,
}

/// The outcome of each request of a life, in order. It is the same for the same
/// seed.
pub type Log = Arc<Mutex<Vec<String>>>;

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the line of run {}", self.0.run)
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passed,
    /// Refused with this status and code; nothing was done.
    Refused(u16, &'static str),
    /// The connection breaks before the request arrives.
    LostBefore,
    /// It breaks after the request was carried out.
    LostAfter,
    /// Neither the request nor a response ever arrives.
    Swallowed,
    /// Half of the response arrives.
    Garbled,
    /// A host in between returns an HTML page.
    Html,
    /// Some statements of a batch are refused.
    InPart(u64),
    /// Some statements of the transaction, by their bits, conflict with another one.
    Conflict(u64),
}

impl Network {
    pub fn new(stage: &Arc<Stage>, number: usize, run: &Run, log: &Log) -> Self {
        Self(Arc::new(Inner {
            stage: Arc::clone(stage),
            run: number,
            denied: run.denied.clone(),
            line: run.line,
            killed: run.killed,
            requests: AtomicU32::new(0),
            end: Notify::new(),
            in_flight: Arc::default(),
            log: Arc::clone(log),
        }))
    }

    /// Waits until the process has to end.
    pub async fn end(&self) {
        self.0.end.notified().await;
    }

    /// Waits until nothing is in flight.
    pub async fn quiet(&self) {
        while self.0.in_flight.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl HttpClient for Network {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let number = self.0.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let (answer, answered) = oneshot::channel();
        let inner = Arc::clone(&self.0);
        inner.in_flight.fetch_add(1, Ordering::SeqCst);
        tokio::task::spawn_local(async move {
            let in_flight = Arc::clone(&inner.in_flight);
            if let Some(result) = inner.carry(number, request).await {
                let (result, page) = match result {
                    Ok((answer, page)) => (Ok(answer), page),
                    Err(error) => (Err(error), None),
                };
                let pages = &inner.stage.pages;
                if answer.send(result).is_ok() {
                    let mut pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
                    pages.extend(page);
                }
            } else {
                // There is no response; the caller has to time out.
                answer.closed_by_caller().await;
            }
            in_flight.fetch_sub(1, Ordering::SeqCst);
        });
        HttpConnectorFuture::new(async move {
            match answered.await {
                Ok(result) => result,
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// Waits until the caller has given up.
trait ClosedByCaller {
    async fn closed_by_caller(self);
}

impl<T> ClosedByCaller for oneshot::Sender<T> {
    async fn closed_by_caller(mut self) {
        self.closed().await;
    }
}

type Carried = Result<(HttpResponse, Option<Page>), ConnectorError>;

/// A response, with the page of a listing if it has one.
type Answer = (Response<Bytes>, Option<Page>);

impl Inner {
    /// Delivers a request to its service, and the response to the caller.
    async fn carry(&self, number: u32, request: HttpRequest) -> Option<Carried> {
        let mut dice =
            Rng::with_seed(self.line.seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let seen = seen(number, request);
        let operation = &seen.operation;
        let fate = self.fate(operation, &mut dice);
        let (there, back) = (self.delay(&mut dice), self.delay(&mut dice));
        let kill = self.killed.filter(|kill| kill.at == number);
        if kill.is_some_and(|kill| !kill.after) {
            self.log_request(number, operation, "the process ends before it");
            self.end.notify_one();
            return None;
        }
        if fate == Fate::Swallowed {
            self.log_request(number, operation, "swallowed");
            return None;
        }
        tokio::time::sleep(there).await;
        let answer = match fate {
            Fate::LostBefore => None,
            _ => Some(self.answer(fate, &seen)),
        };
        let status = answer
            .as_ref()
            .map_or(0, |(answer, _)| answer.status().as_u16());
        self.log_request(number, operation, &format!("{fate:?} {status}"));
        if kill.is_some() {
            self.end.notify_one();
            return None;
        }
        tokio::time::sleep(back).await;
        let (answer, page) = match (fate, answer) {
            (
                Fate::Passed | Fate::Refused(..) | Fate::InPart(_) | Fate::Conflict(_),
                Some(answer),
            ) => answer,
            (Fate::Garbled, Some((answer, _))) => {
                (answer.map(|body| body.slice(..body.len() / 2)), None)
            }
            (Fate::Html, _) => {
                let html = Bytes::from_static(b"<html>welcome to this network</html>");
                let answer = Response::builder().header("content-type", "text/html");
                (answer.body(html).expect("a response"), None)
            }
            (Fate::LostAfter | Fate::LostBefore | Fate::Swallowed, _) | (_, None) => {
                return Some(Err(ConnectorError::io("the connection was cut".into())));
            }
        };
        let answer = answer.map(|body| SdkBody::from(body.to_vec()));
        Some(Ok((answer.try_into().expect("a response"), page)))
    }

    fn answer(&self, fate: Fate, seen: &Seen) -> Answer {
        let of_listing = seen.operation == "ListConnections";
        let answer = match fate {
            Fate::Refused(status, code) if of_listing => of_service(seen, status, code),
            Fate::Refused(status, code) => of_table(status, &table_error(code)),
            Fate::Conflict(which) => of_table(400, &cancelled(&conflicts(&seen.body, which))),
            Fate::InPart(refused) => self.stage.ask_table_in_part(&seen.body, refused),
            _ if of_listing => {
                let signature = seen.headers.get("authorization");
                let signature = signature.and_then(|signature| signature.to_str().ok());
                let signature = signature.expect("a signature");
                let denied = super::schedule::REGIONS
                    .iter()
                    .zip(&self.denied)
                    .any(|(name, denied)| *denied && signature.contains(name));
                if !denied {
                    let (answer, page) = self.stage.ask_service(self.run, seen);
                    return (answer, Some(page));
                }
                of_service(seen, 403, "AccessDeniedException")
            }
            _ => self.stage.ask_table(&seen.operation, &seen.body),
        };
        (answer, None)
    }

    fn delay(&self, dice: &mut Rng) -> Duration {
        // Most are short, even if the line is slow.
        let most = if dice.u8(..4) == 0 {
            self.line.slowest
        } else {
            self.line.slowest.min(20)
        };
        Duration::from_millis(dice.u64(0..=most))
    }

    fn fate(&self, operation: &str, dice: &mut Rng) -> Fate {
        if dice.u16(..1000) >= self.line.faults {
            return Fate::Passed;
        }
        let throttled = match operation {
            "ListConnections" => "ThrottlingException",
            _ => "ProvisionedThroughputExceededException",
        };
        match dice.u8(..20) {
            0..=3 => Fate::Refused(400, throttled),
            4..=5 => Fate::Refused(500, "InternalServerError"),
            6..=7 => Fate::LostBefore,
            8..=11 => Fate::LostAfter,
            12 => Fate::Swallowed,
            13 => Fate::Garbled,
            14 => Fate::Html,
            15 => Fate::Refused(400, "ExpiredTokenException"),
            _ if operation == "BatchExecuteStatement" => Fate::InPart(dice.u64(..)),
            _ if operation == "ExecuteTransaction" => Fate::Conflict(dice.u64(..)),
            _ => Fate::Refused(503, "ServiceUnavailable"),
        }
    }

    fn log_request(&self, number: u32, operation: &str, what: &str) {
        use codeconnections_inventory::domain::Clock;
        let line = format!(
            "{} run {} request {number} {operation}: {what}",
            self.stage.clock.now(),
            self.run
        );
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }
}

/// Returns the reasons of a transaction of which some statements conflict.
fn conflicts(body: &[u8], which: u64) -> Vec<&'static str> {
    let body: Value = serde_json::from_slice(body).expect("JSON");
    let statements = body["TransactStatements"].as_array().expect("statements");
    let reason = |place: usize| match which >> (place % 64) & 1 {
        0 => "None",
        _ => "TransactionConflict",
    };
    (0..statements.len()).map(reason).collect()
}

fn seen(number: u32, request: HttpRequest) -> Seen {
    let body = Bytes::copy_from_slice(request.body().bytes().expect("a body in memory"));
    let request = request.try_into_http1x().expect("a request");
    Seen::new(number as usize, request, body)
}
