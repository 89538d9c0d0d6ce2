//! A server in front of the service or the table. It counts requests and bytes,
//! adds latency, and can record responses and replay them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Response, StatusCode};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;

use crate::Result;
use crate::fakes::answers::consumed_units;
use crate::fakes::http_server::{HttpServer, Seen, whole};
use crate::fakes::upstream::Upstream;

/// What answers the requests behind a front.
pub trait Server: Send + Sync + 'static {
    fn answer(&self, seen: &Seen) -> impl Future<Output = Result<Response<Bytes>>> + Send;
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
pub type Kept = Vec<(Seen, Response<Bytes>)>;

#[derive(Default)]
struct State {
    passed: Mutex<Passed>,
    away: Mutex<Duration>,
    keeping: Mutex<Option<Kept>>,
}

pub struct Front {
    pub endpoint: String,
    state: Arc<State>,
    http: HttpServer,
}

impl Front {
    pub async fn before(server: impl Server) -> Self {
        Self::with_tls(server, None).await
    }

    /// Starts a front, with TLS if an acceptor is given.
    pub async fn with_tls(server: impl Server, tls: Option<TlsAcceptor>) -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::new((Arc::clone(&state), server));
        let http = HttpServer::with_tls(tls, move |seen| {
            let shared = Arc::clone(&shared);
            async move { whole(answer(&shared.0, &shared.1, seen).await) }
        })
        .await;
        Self {
            endpoint: http.endpoint.clone(),
            state,
            http,
        }
    }

    /// Sets the latency that is added to each response.
    pub fn be_away(&self, time: Duration) {
        *locked(&self.state.away) = time;
    }

    /// Returns the traffic since the last call.
    pub fn passed(&self) -> Passed {
        Passed {
            bytes: self.http.take_bytes(),
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

    /// Starts a front that replays recorded responses, without a server. Requests
    /// that are `alike` get their responses in turn.
    pub async fn with_answers(
        kept: &Kept,
        alike: impl Fn(&Seen) -> Bytes + Send + Sync + 'static,
    ) -> Self {
        let mut again: Again = HashMap::new();
        for (seen, response) in kept {
            let responses = again.entry(alike(seen)).or_default();
            responses.push_back(response.clone());
        }
        Self::before(Recorded {
            again: Mutex::new(again),
            alike: Box::new(alike),
        })
        .await
    }
}

async fn answer(state: &State, server: &impl Server, seen: Seen) -> Response<Bytes> {
    let away = *locked(&state.away);
    tokio::time::sleep(away).await;
    let mut response = match server.answer(&seen).await {
        Ok(response) => response,
        Err(error) => {
            eprintln!("a request failed in front of its server: {error}");
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            return response;
        }
    };
    let units = response.extensions_mut().remove::<Units>();
    let units = units.map_or(0.0, |Units(units)| units);
    let mut passed = locked(&state.passed);
    *passed.requests.entry(seen.operation.clone()).or_default() += 1;
    if matches!(seen.operation.as_str(), "Query" | "Scan" | "GetItem") {
        passed.read_units += units;
    } else {
        passed.write_units += units;
    }
    if let Some(kept) = locked(&state.keeping).as_mut() {
        kept.push((seen, response.clone()));
    }
    response
}

/// The capacity that a request consumed, by which a server extends its response.
#[derive(Debug, Clone, Copy)]
struct Units(f64);

/// More items than a page of 1 MB can contain: the items here, and the rows of the
/// index of accounts, have more than 65 bytes each.
const NO_PAGE_HAS: u64 = 16_000;

/// Forwards requests to another server and asks for the consumed capacity.
///
/// Without a limit the embedded table reads the whole rest of a partition or table
/// for each page, so requests get a limit that changes no page.
pub struct Elsewhere {
    endpoint: String,
    client: Upstream,
}

impl Elsewhere {
    pub fn at(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            client: Upstream::new(),
        }
    }
}

impl Server for Elsewhere {
    async fn answer(&self, seen: &Seen) -> Result<Response<Bytes>> {
        let mut body: Value = serde_json::from_slice(&seen.body)?;
        let asked_for_units = body["ReturnConsumedCapacity"].is_string();
        if !asked_for_units {
            body["ReturnConsumedCapacity"] = "TOTAL".into();
        }
        let limited =
            matches!(seen.operation.as_str(), "Query" | "Scan") && body["Limit"].is_null();
        if limited {
            body["Limit"] = NO_PAGE_HAS.into();
        }
        let body = body.to_string().into();
        let mut response = self
            .client
            .forward_whole(&self.endpoint, seen, body)
            .await?;
        // It is that of the original body.
        response.headers_mut().remove("x-amz-crc32");
        if let Ok(mut answer) = serde_json::from_slice::<Value>(response.body()) {
            if limited && answer["ScannedCount"] == NO_PAGE_HAS {
                return Err("items are so small that a page could have more of them".into());
            }
            let units = Units(consumed_units(&answer));
            response.extensions_mut().insert(units);
            if !asked_for_units && let Some(fields) = answer.as_object_mut() {
                fields.remove("ConsumedCapacity");
                *response.body_mut() = serde_json::to_vec(fields)?.into();
            }
        }
        Ok(response)
    }
}

/// Returns the key of a request. Requests with the same key get the same responses.
type Alike = Box<dyn Fn(&Seen) -> Bytes + Send + Sync>;

/// Returns the body without the order of its members, which differs between
/// processes.
pub fn same_members(seen: &Seen) -> Bytes {
    let body = serde_json::from_slice::<Value>(&seen.body);
    body.map_or_else(|_| seen.body.clone(), |body| body.to_string().into())
}

/// Returns the operation, ignoring times in the body. Suitable if the pages of one
/// listing and one query are requested in turn, and equally long batches get equal
/// responses.
pub fn what_is_asked(seen: &Seen) -> Bytes {
    seen.operation.clone().into()
}

/// Recorded responses by the key of their requests.
type Again = HashMap<Bytes, VecDeque<Response<Bytes>>>;

struct Recorded {
    again: Mutex<Again>,
    alike: Alike,
}

impl Server for Recorded {
    async fn answer(&self, seen: &Seen) -> Result<Response<Bytes>> {
        let mut again = locked(&self.again);
        let responses = again.get_mut(&(self.alike)(seen));
        let responses = responses.ok_or("a request that was not recorded")?;
        responses.rotate_left(1);
        Ok(responses.back().ok_or("no answer")?.clone())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics with it")
}
