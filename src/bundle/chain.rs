//! The runs of one account and kind in a bundle.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::checkpoint::chain_state::ChainId;
use crate::domain::{Change, Digest, Kind, RunId, RunRecord, Timestamp};

/// The runs of one account and kind, as they were verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundledChain {
    /// The account and the kind.
    #[serde(flatten)]
    pub id: ChainId,
    /// The number of its first run.
    pub first: u64,
    /// The number of its last run.
    pub last: u64,
    /// The number of the last run that a checkpoint states which a given key signed. This
    /// run and those before it were not rewritten since.
    pub proven: Option<u64>,
    /// The runs that changes since the first run name and that are not among these, each
    /// with the number of its changes. They crashed, were recorded later, or were made up.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub not_recorded: BTreeMap<RunId, u64>,
}

/// The runs of a chain, and what is known of its changes so far.
#[derive(Default)]
pub(super) struct Chain {
    runs: BTreeMap<u64, Run>,
    run_ids: BTreeSet<RunId>,
    not_recorded: BTreeMap<RunId, u64>,
    proven: Option<u64>,
}

#[derive(Clone, Copy)]
struct Run {
    digest: Digest,
    started_at: Timestamp,
    finished_at: Timestamp,
}

impl Chain {
    pub(super) fn add_run<K: Kind>(&mut self, run: &RunRecord<K>, digest: Digest) {
        self.run_ids.insert(run.run_id.clone());
        let times = Run {
            digest,
            started_at: run.started_at,
            finished_at: run.finished_at,
        };
        self.runs.insert(run.sequence, times);
    }

    /// Adds a change, after all runs. `until` is the end of the period. Returns what is
    /// wrong with it.
    pub(super) fn add_change<K: Kind>(
        &mut self,
        change: &Change<K>,
        until: Timestamp,
    ) -> Result<(), String> {
        let since = self.runs.values().map(|run| run.started_at).min();
        let is_known = self.run_ids.contains(&change.run_id);
        if !is_known && since.is_some_and(|since| change.observed_at > since) {
            let of_run = self.not_recorded.entry(change.run_id.clone());
            *of_run.or_default() += 1;
        }
        let ended = self.runs.values().map(|run| run.finished_at).max();
        match ended {
            None => Err("there is no run of its account".to_owned()),
            Some(ended) if change.observed_until > ended.max(until) => {
                Err("was observed after the period".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns true if no run is missing before the first one, whose period began at
    /// `since`.
    pub(super) fn begins_before(&self, since: Timestamp) -> bool {
        let first = self.runs.first_key_value();
        first.is_none_or(|(number, run)| *number == 1 || run.finished_at <= since)
    }

    /// Returns the number of the first run, and when it had finished.
    pub(super) fn first(&self) -> Option<(u64, Timestamp)> {
        let (number, run) = self.runs.first_key_value()?;
        Some((*number, run.finished_at))
    }

    /// Returns the digest of a run.
    pub(super) fn digest_of(&self, number: u64) -> Option<Digest> {
        self.runs.get(&number).map(|run| run.digest)
    }

    /// Notes that a checkpoint proves the runs up to this number.
    pub(super) fn prove(&mut self, number: u64) {
        self.proven = self.proven.max(Some(number));
    }

    /// Returns what was verified; `None` without a run.
    pub(super) fn verified(self, id: ChainId) -> Option<BundledChain> {
        Some(BundledChain {
            id,
            first: *self.runs.first_key_value()?.0,
            last: *self.runs.last_key_value()?.0,
            proven: self.proven,
            not_recorded: self.not_recorded,
        })
    }
}
