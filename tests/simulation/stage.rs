//! The services of a life: an account whose states are all kept with their
//! times, and an embedded table. They handle requests one at a time, when they
//! arrive.

use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{Response, StatusCode};
use codeconnections_inventory::domain::{Clock, Timestamp};
use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::schedule::{REGIONS, STATUSES, State, listed_by, passes_filter};
use super::support::fakes::answers::PartialBatch;
use super::support::fakes::http_server::Seen;
use super::support::scripted_service::{Asked, Reply, arn, entry};
use super::support::test_env::ACCOUNT;

/// A clock of virtual time, which passes only while all tasks wait.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    began: tokio::time::Instant,
    /// The error of the clock in milliseconds.
    off: i64,
}

impl SimClock {
    pub fn new() -> Self {
        Self {
            began: tokio::time::Instant::now(),
            off: 0,
        }
    }

    pub fn off_by(self, seconds: i64) -> Self {
        Self {
            off: seconds * 1000,
            ..self
        }
    }

    /// The time at which every life begins, in milliseconds since the epoch.
    const START: i64 = 1_790_000_000_000;

    pub fn system_time(self) -> std::time::SystemTime {
        let millis = u64::try_from(self.now().millis()).expect("after 1970");
        std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.began.elapsed().as_millis()).expect("a short time");
        Timestamp::from_millis(Self::START + passed + self.off)
    }
}

/// A page as a run received it.
#[derive(Debug, Clone)]
pub struct Page {
    pub run: usize,
    pub region: usize,
    /// Where it begins in the listing.
    pub from: usize,
    pub entries: Vec<(usize, State)>,
    pub is_last: bool,
    pub filtered: bool,
}

/// The states of a connection, each with the time at which it began.
pub type Truth = Vec<(Timestamp, Option<State>)>;

pub struct Stage {
    pub clock: SimClock,
    pub truth: Mutex<Vec<Truth>>,
    /// The pages whose responses arrived complete.
    pub pages: Mutex<Vec<Page>>,
    database: Database,
}

pub fn connection_arn(connection: usize) -> String {
    arn(
        REGIONS[listed_by(connection)[0]],
        &format!("c{connection:02}"),
    )
}

impl Stage {
    pub fn new(at_first: &[Option<usize>]) -> Self {
        let clock = SimClock::new();
        let database = Database::memory().expect("a database");
        let first = |status: &Option<usize>| {
            let state = status.map(|status| State { status, host: 0 });
            vec![(Timestamp::from_millis(0), state)]
        };
        Self {
            clock,
            truth: Mutex::new(at_first.iter().map(first).collect()),
            pages: Mutex::default(),
            database,
        }
    }

    /// Changes a connection now.
    pub fn change(&self, connection: usize, change: impl FnOnce(Option<State>) -> Option<State>) {
        let mut truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        let life = &mut truth[connection];
        let before = life.last().expect("never empty").1;
        let after = change(before);
        if after != before {
            life.push((self.clock.now(), after));
        }
    }

    /// Carries out a request to the table.
    pub fn ask_table(&self, operation: &str, body: &[u8]) -> Response<Bytes> {
        let database = &self.database;
        match operation {
            "CreateTable" => carried_out(body, |request| database.create_table(request)),
            "Query" => carried_out(body, |request| database.query(request)),
            "Scan" => carried_out(body, |request| database.scan(request)),
            "ExecuteStatement" => carried_out(body, |request| database.execute_statement(request)),
            "ExecuteTransaction" => {
                carried_out(body, |request| database.execute_transaction(request))
            }
            "BatchExecuteStatement" => {
                carried_out(body, |request| database.batch_execute_statement(request))
            }
            other => panic!("the table is never asked for {other}"),
        }
    }

    /// Carries out a batch of which some statements are throttled: those whose
    /// bit is set.
    pub fn ask_table_in_part(&self, body: &[u8], refused: u64) -> Response<Bytes> {
        let is_refused = |place: usize| refused >> (place % 64) & 1 == 1;
        let batch = PartialBatch::new(body, |place| is_refused(place).then_some("ThrottlingError"));
        let Some(rest) = &batch.rest else {
            return of_table(200, &batch.response(None));
        };
        let answer = self.ask_table("BatchExecuteStatement", rest);
        if answer.status() != StatusCode::OK {
            return answer;
        }
        of_table(200, &batch.response(Some(answer.body())))
    }

    /// Returns the next two connections that a region lists now, and whether
    /// they are the last.
    fn listed(&self, region: usize, filtered: bool, from: usize) -> (Vec<(usize, State)>, bool) {
        let truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        let lists = |connection: &usize| {
            listed_by(*connection).contains(&region) && (!filtered || passes_filter(*connection))
        };
        let shown = (from..truth.len()).filter(lists).filter_map(|connection| {
            let state = truth[connection].last().expect("never empty").1?;
            Some((connection, state))
        });
        let mut entries: Vec<(usize, State)> = shown.collect();
        let is_last = entries.len() <= 2;
        entries.truncate(2);
        (entries, is_last)
    }

    /// Handles a request for a page, with the current state.
    pub fn ask_service(&self, run: usize, seen: &Seen) -> (Response<Bytes>, Page) {
        let asked = asked(seen);
        let region = REGIONS.iter().position(|r| *r == asked.region);
        let region = region.expect("a region");
        let filtered = asked.input["ProviderTypeFilter"].is_string();
        // A token has the last connection of its page, so concurrent changes do
        // not hide other connections.
        let from = asked.token.as_deref();
        let from: usize = from.map_or(0, |token| token.parse().expect("a token of ours"));
        let (entries, is_last) = self.listed(region, filtered, from);
        let next = entries.last().map_or(0, |(connection, _)| connection + 1);
        let next = (!is_last).then(|| next.to_string());
        let reply = Reply::Page(entries.iter().map(described).collect(), next);
        let page = Page {
            run,
            region,
            from,
            entries,
            is_last,
            filtered,
        };
        (asked.response(&reply), page)
    }
}

fn asked(seen: &Seen) -> Asked {
    Asked::read(seen).unwrap_or_else(|_| panic!("a request that can be read: {}", seen.uri))
}

fn described((connection, state): &(usize, State)) -> Value {
    let name = format!("c{connection:02}");
    let mut entry = entry(&connection_arn(*connection), &name, STATUSES[state.status]);
    if passes_filter(*connection) {
        entry["ProviderType"] = "GitLab".into();
    }
    if state.host > 0 {
        let host = format!(
            "arn:aws:codeconnections:eu-west-1:{ACCOUNT}:host/h-{}",
            state.host
        );
        entry["HostArn"] = host.into();
    }
    entry
}

fn carried_out<I: DeserializeOwned, O: Serialize>(
    body: &[u8],
    ask: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Response<Bytes> {
    let request = serde_json::from_slice(body).expect("a request that can be read");
    match ask(request) {
        Ok(answer) => of_table(200, &serde_json::to_string(&answer).expect("JSON")),
        Err(error) => of_table(error.status_code(), &error.to_json()),
    }
}

pub fn of_table(status: u16, body: &str) -> Response<Bytes> {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0");
    let body = Bytes::copy_from_slice(body.as_bytes());
    response.body(body).expect("a response")
}

/// Returns an error of the service.
pub fn of_service(seen: &Seen, status: u16, code: &'static str) -> Response<Bytes> {
    asked(seen).response(&Reply::Error(status, code))
}
