//! The answer: what a run did, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::meter::{Capacity, Requests};
use crate::domain::run::ListingReport;
use crate::domain::{AccountId, ChangeKind, Digest, Outcome, RunId, RunRecord};

/// What one run did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The run.
    pub run_id: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// The account that was asked.
    pub account: AccountId,
    /// The run's number in the account's chain; none if it could not be
    /// recorded.
    pub sequence: Option<u64>,
    /// Each region's answer.
    pub listings: Vec<ListingReport>,
    /// The account's connections after the run, by status; those that are
    /// gone are not counted.
    pub connections: BTreeMap<String, u64>,
    /// The changes that the run recorded, by kind.
    pub changes: BTreeMap<ChangeKind, u64>,
    /// Deletions that the guard held back.
    pub tombstones_held_back: u64,
    /// Planned writes that were not made.
    pub unwritten: u64,
    /// What is missing, in a line each.
    pub problems: Vec<String>,
    /// Whether this very event had been dealt with before: then nothing was
    /// written, and this is what the run said that did.
    pub already_recorded: bool,
    /// Requests sent.
    pub requests: Requests,
    /// Capacity units used.
    pub capacity: Capacity,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The digest of the run's record: the head of the account's chain. None
    /// if it could not be recorded.
    pub digest: Option<Digest>,
}

/// The answer to one event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// One account was asked.
    One(Box<Summary>),
    /// Several were.
    Several {
        /// One summary each.
        runs: Vec<Summary>,
    },
}

impl Answer {
    /// The summaries, one an account.
    pub fn runs(&self) -> &[Summary] {
        match self {
            Self::One(summary) => std::slice::from_ref(summary),
            Self::Several { runs } => runs,
        }
    }
}

impl Summary {
    /// What `run` did, with what it cost.
    pub fn new(run: &RunRecord, recorded: bool, requests: Requests, capacity: Capacity) -> Self {
        Self {
            run_id: run.run_id.clone(),
            outcome: run.outcome,
            account: run.account.clone(),
            sequence: recorded.then_some(run.sequence),
            listings: run.listings.clone(),
            connections: run.connections.clone(),
            changes: run.changes.clone(),
            tombstones_held_back: run.tombstones_held_back,
            unwritten: run.unwritten,
            problems: run.problems.clone(),
            already_recorded: false,
            requests,
            capacity,
            duration_ms: run.finished_at.millis_since(run.started_at),
            digest: recorded.then(|| run.digest()),
        }
    }

    /// Why the run is not complete, in one line.
    pub fn reason(&self) -> String {
        match self.problems.as_slice() {
            [] => self.outcome.to_string(),
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
        }
    }
}
