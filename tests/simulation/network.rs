//! The line between a run's process and the services: the SDK's HTTP client
//! with everything above it, and below it, in the place of sockets, virtual
//! time and a seed.
//!
//! A request that was sent is on its way whatever becomes of who sent it: it
//! may arrive after the process has ended, or after it was sent again.

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
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use fastrand::Rng;
use tokio::sync::{Notify, oneshot};

use super::schedule::{Kill, Line, Run};
use super::stage::{Answer, Stage, of_service, of_table};

/// One run's line.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    stage: Arc<Stage>,
    run: usize,
    denied: Vec<bool>,
    line: Line,
    killed: Option<Kill>,
    requests: AtomicU32,
    /// The process is to end.
    end: Notify,
    /// Requests that are on their way, and their answers.
    under_way: Arc<AtomicU32>,
    log: Log,
}

/// What happened on all lines, in order: the same for the same seed.
pub type Log = Arc<Mutex<Vec<String>>>;

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the line of run {}", self.0.run)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passed,
    /// Refused with this status and code; nothing was done.
    Refused(u16, &'static str),
    /// The connection breaks before the request arrives.
    LostBefore,
    /// It breaks after the request was carried out.
    LostAfter,
    /// Neither the request nor an answer ever arrives.
    Swallowed,
    /// An answer that is none.
    Garbled,
    /// Something on the way answers, as a page for people.
    Html,
    /// Some statements of a batch are refused.
    InPart(u64),
    /// Two transactions met.
    Conflict,
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
            under_way: Arc::default(),
            log: Arc::clone(log),
        }))
    }

    /// Waits until the process is to end.
    pub async fn end(&self) {
        self.0.end.notified().await;
    }

    /// Waits until nothing is on its way any more.
    pub async fn quiet(&self) {
        while self.0.under_way.load(Ordering::SeqCst) > 0 {
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
        inner.under_way.fetch_add(1, Ordering::SeqCst);
        tokio::task::spawn_local(async move {
            let under_way = Arc::clone(&inner.under_way);
            if let Some(result) = inner.carry(number, request).await {
                let page = result.as_ref().ok().and_then(|(_, page)| page.clone());
                let pages = &inner.stage.pages;
                if answer.send(result.map(|(answer, _)| answer)).is_ok() {
                    let mut pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
                    pages.extend(page);
                }
            } else {
                // Nobody answers; whoever waits has to give up by himself.
                answer.closed_by_asker().await;
            }
            under_way.fetch_sub(1, Ordering::SeqCst);
        });
        HttpConnectorFuture::new(async move {
            match answered.await {
                Ok(result) => result,
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// Waits until the asker has given up.
trait ClosedByAsker {
    async fn closed_by_asker(self);
}

impl<T> ClosedByAsker for oneshot::Sender<T> {
    async fn closed_by_asker(mut self) {
        self.closed().await;
    }
}

type Carried = Result<(HttpResponse, Option<super::stage::Page>), ConnectorError>;

impl Inner {
    /// Brings a request to its service and its answer back.
    async fn carry(&self, number: u32, request: HttpRequest) -> Option<Carried> {
        let mut dice =
            Rng::with_seed(self.line.seed ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let operation = operation(&request);
        let fate = self.fate(&operation, &mut dice);
        let (there, back) = (self.way(&mut dice), self.way(&mut dice));
        let kill = self.killed.filter(|kill| kill.at == number);
        if kill.is_some_and(|kill| !kill.after) {
            self.tell(number, &operation, "the process ends before it");
            self.end.notify_one();
            return None;
        }
        if fate == Fate::Swallowed {
            self.tell(number, &operation, "swallowed");
            return None;
        }
        tokio::time::sleep(there).await;
        let answer = match fate {
            Fate::LostBefore => None,
            _ => Some(self.answer(&operation, fate, &request).await),
        };
        let told = answer.as_ref().map_or(0, |answer| answer.status);
        self.tell(number, &operation, &format!("{fate:?} {told}"));
        if kill.is_some() {
            self.end.notify_one();
            return None;
        }
        tokio::time::sleep(back).await;
        let answer = match (fate, answer) {
            (Fate::Passed | Fate::Refused(..) | Fate::InPart(_) | Fate::Conflict, Some(answer)) => {
                answer
            }
            (Fate::Garbled, Some(answer)) => Answer {
                body: answer.body.slice(..answer.body.len() / 2),
                page: None,
                ..answer
            },
            (Fate::Html, _) => Answer {
                status: 200,
                headers: vec![("content-type", "text/html")],
                body: "<html>welcome to this network</html>".into(),
                page: None,
            },
            (Fate::LostAfter | Fate::LostBefore | Fate::Swallowed, _) | (_, None) => {
                return Some(Err(ConnectorError::io("the connection was cut".into())));
            }
        };
        let page = answer.page.clone();
        Some(Ok((response(answer), page)))
    }

    async fn answer(&self, operation: &str, fate: Fate, request: &HttpRequest) -> Answer {
        let body = request.body().bytes().expect("a body in memory");
        let of_listing = operation == "ListConnections";
        match fate {
            Fate::Refused(status, code) if of_listing => of_service(status, code).await,
            Fate::Refused(status, code) => of_table(
                status,
                &format!(
                    r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"injected"}}"#
                ),
            ),
            Fate::Conflict => of_table(
                400,
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"injected",
                "CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"injected"}]}"#,
            ),
            Fate::InPart(refused) => self.stage.ask_table_in_part(body, refused),
            _ if of_listing => {
                let headers = headers(request);
                let region = headers.get("authorization").and_then(|a| a.to_str().ok());
                let region = region.expect("a signature");
                let denied = super::schedule::REGIONS
                    .iter()
                    .zip(&self.denied)
                    .any(|(name, denied)| *denied && region.contains(name));
                if denied {
                    return of_service(403, "AccessDeniedException").await;
                }
                let path = request.uri();
                let path = path
                    .splitn(4, '/')
                    .nth(3)
                    .map_or("/".to_owned(), |p| format!("/{p}"));
                self.stage
                    .ask_service(self.run, &path, &headers, body)
                    .await
            }
            _ => self.stage.ask_table(operation, body),
        }
    }

    fn way(&self, dice: &mut Rng) -> Duration {
        // Most are quick, on slow lines too.
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
            _ if operation == "ExecuteTransaction" => Fate::Conflict,
            _ => Fate::Refused(503, "ServiceUnavailable"),
        }
    }

    fn tell(&self, number: u32, operation: &str, what: &str) {
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

fn operation(request: &HttpRequest) -> String {
    let told = match request.headers().get("x-amz-target") {
        Some(target) => target.rsplit('.').next(),
        None => request.uri().rsplit('/').next(),
    };
    told.unwrap_or("").to_owned()
}

fn headers(request: &HttpRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let name = HeaderName::try_from(name).expect("a name");
        headers.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn response(answer: Answer) -> HttpResponse {
    let status = answer.status.try_into().expect("a status");
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body.to_vec()));
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value);
    }
    response
}
