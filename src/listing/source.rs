//! The source of listings: a trait with one method, which tests and the
//! emulator implement too.

use std::future::Future;

use super::limits::Limits;
use crate::aws::{CallError, Deadline, Meter, RetryPolicy};
use crate::domain::listing::AccountListing;
use crate::domain::{AccountId, Attributes, Clock, Filter, Kind, Region, RunId};

/// What lists the resources of one kind.
pub trait Lists<K: Kind>: Send + Sync {
    /// Lists an account for a run. Whatever fails is part of the result.
    fn list(&self, request: &ListingRequest<'_>) -> impl Future<Output = AccountListing<K>>;
}

/// The listing that a run asks for.
#[derive(Debug, Clone, Copy)]
pub struct ListingRequest<'a> {
    /// The run: it is named in log lines and in the sessions of assumed roles.
    pub run_id: &'a RunId,
    /// The account.
    pub account: &'a AccountId,
    /// The regions.
    pub regions: &'a [Region],
    /// The filter.
    pub filter: &'a Filter,
    /// The time by which it has to end.
    pub deadline: Deadline,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Which errors are retried, and when.
    pub retry_policy: RetryPolicy,
    /// Its limits.
    pub limits: Limits,
    /// The run's meter.
    pub meter: &'a Meter,
}

/// A service that lists connections, a page at a time.
pub trait ConnectionSource: Send + Sync {
    /// Returns one page of one account's connections, as one region lists them.
    ///
    /// # Errors
    /// The [`CallError`] that the call ended in, after the SDK's own retries.
    fn page(
        &self,
        target: Target<'_>,
        query: &PageQuery<'_>,
        meter: &Meter,
    ) -> impl Future<Output = Result<Page, CallError>> + Send;
}

/// The target of a listing: a region, with an account's credentials, for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The run.
    pub run_id: &'a RunId,
    /// The account.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
}

/// The page to request.
#[derive(Debug, Clone, Copy)]
pub struct PageQuery<'a> {
    /// The filter of the listing.
    pub filter: &'a Filter,
    /// The token of the page before; `None` for the first page.
    pub token: Option<&'a str>,
}

/// One page as received, not checked.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Its entries. An empty page is not necessarily the last.
    pub entries: Vec<Entry>,
    /// The token of the next page; `None` on the last page.
    pub next_token: Option<String>,
}

/// One entry of a page as received. Every field is optional on the wire.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The ARN, unchecked.
    pub arn: Option<String>,
    /// Its attributes.
    pub attributes: Attributes,
}
