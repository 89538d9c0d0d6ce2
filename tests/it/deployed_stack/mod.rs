//! The template, deployed into ministack, an emulator of AWS: the real function with the
//! deployed schedule, queues, pipes and state machine.
//!
//! The emulator lacks some features. They are tested in another way or not at all:
//!
//! - It refuses events of sources that begin with `aws.`. The tests check which events
//!   the rule for API calls matches, and send its deliveries to its queue themselves
//!   (`calls.rs`, `dependency_calls.rs`).
//! - It invokes a function with at most 10 messages of a queue and without a batching
//!   window. On AWS a batch has up to 100 messages of `EventBatchWindow`; a test invokes
//!   the function with such a batch.
//! - It invokes a function asynchronously once, without retries. The retries of the
//!   schedule's events and their way to the failure queue are not tested.
//! - The streams of its tables lack PartiQL writes, and the function writes only with
//!   PartiQL. Tests of streams let the function write to Amazon's DynamoDB Local
//!   (`notifications.rs`).
//! - Its pipes have neither filters nor input templates, and deliver to topics only. The
//!   tests apply filters and templates to the records of DynamoDB Local and put the
//!   results on the bus.
//! - Its state machines can't call Organizations, and its Organizations has no pages. A
//!   function replaces the resource of that step (`tests/python/organizations.py`). Its
//!   errors have no name, so the retry of a throttled listing is not tested.
//! - It retries a step immediately, as configured here, and without jitter.
//! - It creates roles and policies, but does not enforce them.
//! - It deploys no Object Lock, and enforces no policy of a bucket. moto has Object Lock
//!   (`lambda::checkpoints`); the template's is looked at in `deploy::checkpoints`.
//! - It creates alarms and the dashboard, but evaluates no metrics. It refuses alarms on
//!   expressions, so they are left out.
//! - It has no trails in a stack. The trail of `Watch=data-events` is looked at in
//!   `deploy::watch`.

mod calls;
mod checkpoints;
mod dependency_calls;
mod lake;
mod notifications;
mod organization;
mod schedule;
mod story;
mod watch;
