//! The template deployed into an emulator of AWS, ministack, and run there: the
//! real function, started by what the template says starts it, and told of by
//! what it says tells.
//!
//! What the emulator can't do is shown otherwise, or is not shown:
//!
//! - It refuses events of sources that begin with `aws.`. The rule for calls on
//!   connections is asked which events it takes, and its deliveries are put onto
//!   its queue by the test (`calls.rs`).
//! - It hands a function at most 10 messages of a queue at once and waits for no
//!   batching window. On AWS they are 100, gathered for `EventBatchWindow`: the
//!   function is given such a batch by the test.
//! - It tries a function's asynchronous call once, and leaves what failed there:
//!   that EventBridge's ticks are tried again and end in the queue of failures is
//!   not shown.
//! - The streams of its tables tell nothing of what PartiQL writes, as all that the
//!   function writes is. Where a stream matters the function writes into Amazon's
//!   DynamoDB Local (`notifications.rs`).
//! - Its pipes have neither filter nor input template, and deliver to topics
//!   only. Filters and templates are applied to DynamoDB Local's records by the
//!   test, and what they make is put onto the bus.
//! - Its state machines can't ask Organizations, and its Organizations know no
//!   pages. A function takes the place of that step's resource
//!   (`tests/python/organizations.py`). Its errors have no name, so that a throttled
//!   listing is tried again is not shown.
//! - It waits not at all before another attempt of a step, as it is set up here,
//!   and knows no jitter.
//! - Roles and policies are made, and never asked.
//! - Alarms and the dashboard are made; no metric is worked out. An alarm on an
//!   expression is refused and left out.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod notifications;
mod organization;
mod schedule;
mod story;
