//! What is listed from: one method, so that everything behind it can be put
//! in its place.

use std::future::Future;

use crate::aws::{CallError, Meter};
use crate::domain::{AccountId, Attributes, Filter, Region, RunId};

/// A service that lists connections, a page at a time.
pub trait ConnectionSource: Send + Sync {
    /// One page of one account's connections, as one region tells them.
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

/// Who is asked, and for which run: a region, with an account's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The run.
    pub run_id: &'a RunId,
    /// The account.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PageQuery<'a> {
    /// What the listing is restricted to.
    pub filter: &'a Filter,
    /// The token that the page before gave; none for the first page.
    pub token: Option<&'a str>,
}

/// One page as it came, nothing checked.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Its entries: none at all is no sign that it is the last.
    pub entries: Vec<Entry>,
    /// The token of the next page; none means that this is the last.
    pub next_token: Option<String>,
}

/// One entry of a page as it came. Every field is optional on the wire.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The ARN, unchecked.
    pub arn: Option<String>,
    /// What else it tells.
    pub attributes: Attributes,
}
