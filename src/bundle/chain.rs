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
    /// When the first of them had begun, and the last one had finished.
    lasted: Option<(Timestamp, Timestamp)>,
    not_recorded: BTreeMap<RunId, u64>,
    proven: Option<u64>,
}

#[derive(Clone, Copy)]
struct Run {
    digest: Digest,
    finished_at: Timestamp,
}

impl Chain {
    pub(super) fn add_run<K: Kind>(&mut self, run: &RunRecord<K>, digest: Digest) {
        let (began, ended) = (run.started_at, run.finished_at);
        let lasted = self.lasted.unwrap_or((began, ended));
        self.lasted = Some((began.min(lasted.0), ended.max(lasted.1)));
        self.run_ids.insert(run.run_id.clone());
        let finished_at = ended;
        self.runs.insert(
            run.sequence,
            Run {
                digest,
                finished_at,
            },
        );
    }

    /// Adds a change, after all runs. `until` is the end of the period. Returns what is
    /// wrong with it.
    pub(super) fn add_change<K: Kind>(
        &mut self,
        change: &Change<K>,
        until: Timestamp,
    ) -> Result<(), String> {
        let Some((began, ended)) = self.lasted else {
            return Err("there is no run of its account".to_owned());
        };
        if change.observed_at > began && !self.run_ids.contains(&change.run_id) {
            let of_run = self.not_recorded.entry(change.run_id.clone());
            *of_run.or_default() += 1;
        }
        if change.observed_until > ended.max(until) {
            return Err("was observed after the period".to_owned());
        }
        Ok(())
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
