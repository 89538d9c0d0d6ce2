//! Pages through one region's connections, to the last token or to an error.
//!
//! The SDK's paginator is not used: it stops *silently* when a token repeats,
//! which would read as a complete listing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;

use super::source::{ConnectionSource, Entry, ListingRequest, Lists, Page, PageQuery, Target};
use crate::aws::observer::interrupted;
use crate::aws::retry::{AttemptError, FailedCall, GivenUp, Retries, RunPart};
use crate::aws::{CallError, CallErrorKind};
use crate::domain::ids::ParseError;
use crate::domain::listing::AccountListing;
use crate::domain::{Attributes, Connection, ConnectionArn, Filter, Listing, ListingEnd, Region};

impl<S: ConnectionSource> Lists<Connection> for S {
    /// Lists all regions of an account at the same time. A region that fails is
    /// part of the result.
    async fn list(&self, request: &ListingRequest<'_>) -> AccountListing {
        let lister = Lister {
            source: self,
            request,
        };
        let regions = request.regions.iter();
        let listings = join_all(regions.map(|region| lister.list_region(region)));
        AccountListing::new(request.filter.clone(), listings.await)
    }
}

/// Lists an account's connections.
struct Lister<'a, S> {
    source: &'a S,
    request: &'a ListingRequest<'a>,
}

impl<S: ConnectionSource> Lister<'_, S> {
    async fn list_region(&self, region: &Region) -> Listing {
        let ListingRequest {
            run_id,
            account,
            clock,
            ..
        } = *self.request;
        let target = Target {
            run_id,
            account,
            region,
        };
        let began_at = clock.now();
        let mut so_far = SoFar::default();
        let call_error = self.page_through(target, &mut so_far).await;
        let problem = call_error.err().or(so_far.problem);
        Listing {
            scope: region.clone(),
            began_at,
            // A clock that was set back meanwhile must not make an end that
            // is before the beginning.
            ended_at: clock.now().max(began_at),
            pages: so_far.pages,
            resources: so_far.connections,
            end: match problem {
                None => ListingEnd::Complete,
                Some(Problem { code, reason }) => ListingEnd::Incomplete {
                    code: code.into(),
                    reason: reason.into(),
                },
            },
        }
    }

    async fn page_through(&self, target: Target<'_>, so_far: &mut SoFar) -> Result<(), Problem> {
        let ListingRequest {
            filter,
            limits,
            meter,
            ..
        } = *self.request;
        let mut tokens = HashSet::new();
        let mut token: Option<String> = None;
        loop {
            let number = so_far.pages + 1;
            if number > limits.pages {
                return Err(Problem::new(
                    "PageLimit",
                    format!("still another page after {} pages", limits.pages),
                ));
            }
            let query = PageQuery {
                filter,
                token: token.as_deref(),
            };
            let page = self
                .page(target, &query, number)
                .await
                .map_err(|call_error| Problem::of_call(&call_error, number, filter))?;
            meter.count_page(page.entries.len());
            if meter.progress().listed > limits.connections {
                return Err(Problem::new(
                    "ConnectionLimit",
                    format!(
                        "page {number}: more than {} connections, which is what the memory \
                         is for",
                        limits.connections
                    ),
                ));
            }
            let next = page.next_token.clone();
            so_far.add(page);
            // An empty token can't be sent: it means the same as none.
            let Some(next) = next.filter(|token| !token.is_empty()) else {
                return Ok(());
            };
            if !tokens.insert(next.clone()) {
                return Err(Problem::new(
                    "TokenRepeated",
                    format!("page {number} gave a token that an earlier page gave already"),
                ));
            }
            token = Some(next);
        }
    }

    /// Reads one page, with retries. The SDK's own few are not enough for a
    /// listing of many pages: with 4 of 10 calls throttled, most would end in
    /// the middle.
    async fn page(
        &self,
        target: Target<'_>,
        query: &PageQuery<'_>,
        number: u32,
    ) -> Result<Page, CallError> {
        let retries = Retries {
            policy: self.request.retry_policy,
            until: self.request.deadline.listing,
            part: RunPart::Listing,
            meter: self.request.meter,
        };
        let failed = |call_error| FailedPage {
            target,
            subject: format!("{} page {number}", target.region),
            call_error,
        };
        let call = || async {
            let page = self.source.page(target, query, self.request.meter).await;
            page.map_err(failed)
        };
        match retries.retry(call, || failed(timed_out())).await {
            Ok(page) => Ok(page),
            Err(given_up) if given_up.is_interrupted => Err(interrupted()),
            Err(GivenUp {
                error, attempts, ..
            }) => Err(error.call_error.after(attempts)),
        }
    }
}

/// A page that could not be read.
struct FailedPage<'a> {
    target: Target<'a>,
    subject: String,
    call_error: CallError,
}

impl AttemptError for FailedPage<'_> {
    fn failed_call(&self) -> Option<FailedCall<'_>> {
        Some(FailedCall {
            operation: "ListConnections",
            subject: &self.subject,
            call_error: &self.call_error,
        })
    }

    fn log_retry(&self, failed: u32, wait: Duration) {
        tracing::debug!(
            run_id = %self.target.run_id,
            account = %self.target.account,
            region = %self.target.region,
            error.code = %self.call_error.code,
            failed,
            wait_ms = wait.as_millis(),
            "listing page will be asked for again"
        );
    }
}

/// The longest attribute that can be recorded: four times the longest value of
/// the service's model. A change holds the attributes before and after and has
/// to fit an item. A status is part of an index's key, which is limited too.
/// Unknown members have limits of their own.
const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// Returns the first attribute that is too long to be recorded, and its bytes.
fn too_long(attributes: &Attributes) -> Option<(&'static str, usize)> {
    attributes
        .fields()
        .into_iter()
        .map(|(name, text)| (name.api_name(), text.map_or(0, str::len)))
        .find(|(_, bytes)| *bytes > MAX_ATTRIBUTE_BYTES)
}

fn timed_out() -> CallError {
    let problem = "no answer before the time for listing was over";
    CallError::new(CallErrorKind::TimedOut, "TimedOut", problem)
}

/// The pages of a listing so far.
#[derive(Default)]
struct SoFar {
    pages: u32,
    connections: HashMap<ConnectionArn, Attributes>,
    /// The first entry that can't be read. The others are kept.
    problem: Option<Problem>,
}

impl SoFar {
    fn add(&mut self, page: Page) {
        self.pages += 1;
        for (i, Entry { arn, attributes }) in page.entries.into_iter().enumerate() {
            match readable(arn.as_deref(), &attributes) {
                Ok(arn) => {
                    // The same ARN on a later page is newer.
                    self.connections.insert(arn, attributes);
                }
                // The first of many is enough.
                Err(_) if self.problem.is_some() => {}
                Err(unreadable) => {
                    let place = format!("entry {} of page {}", i + 1, self.pages);
                    self.problem = Some(unreadable.into_problem(&place));
                }
            }
        }
    }
}

/// An entry that can't be recorded.
enum EntryError {
    NoArn,
    Arn(ParseError),
    AttributeTooLong(ConnectionArn, &'static str, usize),
}

/// Returns the ARN of an entry that can be recorded.
fn readable(arn: Option<&str>, attributes: &Attributes) -> Result<ConnectionArn, EntryError> {
    let arn = arn.ok_or(EntryError::NoArn)?;
    let arn: ConnectionArn = arn.parse().map_err(EntryError::Arn)?;
    match too_long(attributes) {
        None => Ok(arn),
        Some((field, bytes)) => Err(EntryError::AttributeTooLong(arn, field, bytes)),
    }
}

impl EntryError {
    fn into_problem(self, place: &str) -> Problem {
        match self {
            Self::NoArn => Problem::new("EntryWithoutArn", format!("{place} has no ARN")),
            Self::Arn(malformed) => Problem::new("UnreadableArn", format!("{place}: {malformed}")),
            Self::AttributeTooLong(arn, field, bytes) => Problem::new(
                "AttributeTooLong",
                format!(
                    "{place} ({arn}): {field} has {bytes} bytes; at most {MAX_ATTRIBUTE_BYTES} can be recorded"
                ),
            ),
        }
    }
}

/// The reason why a listing is not complete.
struct Problem {
    code: String,
    reason: String,
}

impl Problem {
    fn new(code: &str, reason: String) -> Self {
        Self {
            code: code.to_owned(),
            reason,
        }
    }

    fn of_call(call_error: &CallError, page: u32, filter: &Filter) -> Self {
        let mut reason = format!("page {page}: {call_error}");
        match (call_error.kind, &filter.host_arn) {
            (CallErrorKind::NotFound, Some(host)) => {
                reason = format!("HostArnFilter names no host here: {host} ({call_error})");
            }
            (CallErrorKind::Denied, _) if &*call_error.code == "UnrecognizedClientException" => {
                reason.push_str(" (is the region enabled for this account?)");
            }
            _ => {}
        }
        Self::new(&call_error.code, reason)
    }
}
