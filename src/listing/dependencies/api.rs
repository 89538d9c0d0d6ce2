//! Calls of one service in one region, with retries, page by page.

use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::SdkConfig;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use crate::aws::json_client::{FailedJsonCall, JsonClient, Operation};
use crate::aws::observer::interrupted;
use crate::aws::retry::{Retries, RunPart};
use crate::aws::{CallError, CallErrorKind};
use crate::domain::ids::ParseError;
use crate::domain::listing::NOT_ENABLED;
use crate::domain::{AccountId, Region};
use crate::listing::source::ListingRequest;

/// The services of one region, as one run calls them.
pub(super) struct Api<'a> {
    client: JsonClient<'a>,
    region: &'a Region,
    request: &'a ListingRequest<'a>,
    pages: AtomicU32,
}

/// An operation that lists something page by page.
pub(super) struct Pages {
    pub(super) operation: Operation,
    /// The member of the input that holds the token.
    pub(super) token: &'static str,
    /// The member of the output that holds the token of the next page.
    pub(super) next_token: &'static str,
    /// The member that holds the list.
    pub(super) items: &'static str,
}

/// The most resources that are read at the same time.
const CONCURRENCY: usize = 8;

/// The code of every service for an account that is not signed up for it.
/// <https://docs.aws.amazon.com/accounts/latest/reference/CommonErrors.html>
const OPT_IN_REQUIRED: &str = "OptInRequired";

/// Why a listing is not complete.
pub(super) struct Problem {
    pub(super) code: Box<str>,
    pub(super) reason: Box<str>,
}

impl Problem {
    pub(super) fn new(code: &str, reason: &str) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
        }
    }

    /// Returns the problem of an answer that lacks a member which every answer has.
    pub(super) fn of_answer(operation: Operation, member: &str) -> Self {
        let reason = format!("{}: an answer without {member}", operation.name());
        Self::new("UnreadableAnswer", &reason)
    }

    /// Returns true if a resource does not exist: it was deleted after it was listed.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(
            &*self.code,
            "PipelineNotFoundException" | "ResourceNotFoundException"
        )
    }

    /// Returns this problem, or another one that says more: a service that is not
    /// enabled must not hide a denial, which is no evidence for that.
    fn or_worse(self, other: Self) -> Self {
        if self.is_not_enabled() { other } else { self }
    }

    /// Returns true if the service says that it is not enabled.
    pub(super) fn is_not_enabled(&self) -> bool {
        *self.code == *NOT_ENABLED
    }

    /// Returns the problem of an entry that can't be recorded.
    fn of_entry(operation: Operation, malformed: &ParseError) -> Self {
        let operation = operation.name();
        Self::new("UnreadableEntry", &format!("{operation}: {malformed}"))
    }
}

impl<'a> Api<'a> {
    pub(super) fn new(
        config: &'a SdkConfig,
        request: &'a ListingRequest<'a>,
        region: &'a Region,
    ) -> Self {
        let meter = request.meter;
        Self {
            client: JsonClient { config, meter },
            region,
            request,
            pages: AtomicU32::new(0),
        }
    }

    /// Returns the region that is asked.
    pub(super) fn region(&self) -> &Region {
        self.region
    }

    /// Returns the account that is asked.
    pub(super) fn account(&self) -> &AccountId {
        self.request.account
    }

    /// Returns the number of responses so far.
    pub(super) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Calls an operation, with retries until the time for listing is over.
    pub(super) async fn call(&self, operation: Operation, input: &Value) -> Result<Value, Problem> {
        let retries = Retries {
            policy: self.request.retry_policy,
            until: self.request.deadline.listing,
            part: RunPart::Listing,
            meter: self.request.meter,
        };
        let name = operation.name();
        let failed = |call_error| FailedJsonCall {
            operation: name,
            subject: self.region.to_string(),
            call_error,
        };
        let call = || async {
            let response = self.client.call(operation, self.region, input).await;
            response.map_err(failed)
        };
        let timed_out = || {
            let problem = "no answer before the time for listing was over";
            failed(CallError::new(CallErrorKind::TimedOut, "TimedOut", problem))
        };
        let response = retries.retry(call, timed_out).await.map_err(|given_up| {
            let call_error = if given_up.is_interrupted {
                interrupted()
            } else {
                given_up.error.call_error.after(given_up.attempts)
            };
            let code = match &*call_error.code {
                OPT_IN_REQUIRED => NOT_ENABLED,
                code => code,
            };
            Problem::new(code, &format!("{name}: {call_error}"))
        })?;
        self.pages.fetch_add(1, Ordering::Relaxed);
        Ok(response)
    }

    /// Returns the items of all pages that an input lists.
    pub(super) async fn all(&self, pages: Pages, mut input: Value) -> Result<Vec<Value>, Problem> {
        let name = pages.operation.name();
        let mut all = Vec::new();
        let mut tokens = HashSet::new();
        for _ in 0..self.request.limits.pages {
            let mut page = self.call(pages.operation, &input).await?;
            // An empty page has an empty list. An answer without one must not be
            // taken for "none".
            let Some(Value::Array(listed)) = page.get_mut(pages.items).map(Value::take) else {
                return Err(Problem::of_answer(pages.operation, pages.items));
            };
            all.extend(listed);
            let token = text(&page, pages.next_token);
            let Some(token) = token.filter(|token| !token.is_empty()) else {
                return Ok(all);
            };
            if !tokens.insert(token.to_owned()) {
                let reason = format!("{name} gave a token that an earlier page gave already");
                return Err(Problem::new("TokenRepeated", &reason));
            }
            input[pages.token] = token.into();
        }
        let limit = self.request.limits.pages;
        let reason = format!("{name}: still another page after {limit} pages");
        Err(Problem::new("PageLimit", &reason))
    }
}

/// Reads each of the listed resources, some at the same time. One that can't be
/// read, such as one that a policy denies, hides no other.
pub(super) async fn read_each<L, T, F>(
    listed: Vec<L>,
    found: &mut Vec<T>,
    read: impl Fn(L) -> F,
) -> Result<(), Problem>
where
    F: Future<Output = Result<Vec<T>, Problem>>,
{
    let mut all = stream::iter(listed).map(read).buffer_unordered(CONCURRENCY);
    let mut read = Ok(());
    while let Some(one) = all.next().await {
        read = both(read, one.map(|one| found.extend(one)));
    }
    read
}

/// Joins two parts, of which each is listed even if the other can't be.
pub(super) fn both(one: Result<(), Problem>, other: Result<(), Problem>) -> Result<(), Problem> {
    match (one, other) {
        (Err(one), Err(other)) => Err(one.or_worse(other)),
        (one, other) => one.and(other),
    }
}

/// Adds the entries of a listing that can be recorded. The problem is that of the
/// first that can't.
pub(super) fn add<T>(
    found: &mut Vec<T>,
    operation: Operation,
    entries: impl IntoIterator<Item = Result<T, ParseError>>,
) -> Result<(), Problem> {
    let mut problem = None;
    for entry in entries {
        match entry {
            Ok(entry) => found.push(entry),
            Err(malformed) => {
                problem = problem.or(Some(Problem::of_entry(operation, &malformed)));
            }
        }
    }
    problem.map_or(Ok(()), Err)
}

/// Returns a member that is a text.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// Returns a copy of a member; null if there is none.
pub(super) fn member(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

/// Returns the items of a list that every answer has, even an empty one. An answer
/// without it must not be taken for "none".
pub(super) fn required_list<'a>(
    operation: Operation,
    value: &'a Value,
    name: &str,
) -> Result<&'a [Value], Problem> {
    let items = value.get(name).and_then(Value::as_array);
    items
        .map(Vec::as_slice)
        .ok_or_else(|| Problem::of_answer(operation, name))
}

/// Returns the items of a list that its service may omit; none if it does.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
