//! What checkpoints of a period state of the accounts in a bundle, without what they
//! state of others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::archive::Files;
use crate::checkpoint::chain_state::{ChainKind, ChainState};
use crate::checkpoint::make::read_states;
use crate::checkpoint::statement::{Checkpoint, Statement};
use crate::checkpoint::store::StoredCheckpoint;
use crate::checkpoint::{CheckpointError, Store, merkle};
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Digest, Timestamp};

/// The proofs in an archive.
pub const PROOFS: &str = "checkpoints/proofs.jsonl";

/// A proof that a checkpoint states a chain's state: the hashes that lead from its line
/// to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The number of the checkpoint.
    pub checkpoint: u64,
    /// The line that is a leaf of the tree.
    pub leaf: String,
    /// Its place among the leaves.
    pub index: usize,
    /// The hashes beside the way up, the lowest first.
    pub path: Vec<Digest>,
}

/// What was added.
#[derive(Debug, Default)]
pub struct Added {
    /// The number of checkpoints.
    pub checkpoints: u64,
    /// What can't be read of them.
    pub problems: Vec<String>,
    /// The first and the last run that they state, by kind and account.
    pub runs: BTreeMap<ChainKind, BTreeMap<AccountId, RangeInclusive<u64>>>,
}

/// A checkpoint as it is stored.
struct Read {
    stored: StoredCheckpoint,
    content: Vec<u8>,
    statement: Result<Statement<Checkpoint>, CheckpointError>,
}

impl Read {
    fn made_at(&self) -> Option<Timestamp> {
        let statement = self.statement.as_ref().ok();
        statement.map(|statement| statement.predicate.made_at)
    }
}

/// Adds the checkpoints that were made in a period, and the proofs of these accounts. One
/// that can't be read is added as it is, if it stands between such checkpoints.
///
/// # Errors
/// [`CheckpointError`] if they can't be read.
pub async fn add(
    files: &mut Files,
    store: &Store,
    accounts: &[AccountId],
    since: Timestamp,
    until: Timestamp,
) -> Result<Added, CheckpointError> {
    let accounts: BTreeSet<&AccountId> = accounts.iter().collect();
    let mut proofs = String::new();
    let mut added = Added::default();
    for Read {
        stored,
        content,
        statement,
    } in of_period(store, since, until).await?
    {
        let states = match statement {
            Ok(statement) => read_states(store, &statement).await,
            Err(error) => Err(error),
        };
        let states = match states {
            Err(error) if error.is_content() => {
                added.problems.push(error.to_string());
                Vec::new()
            }
            states => states?,
        };
        let lines: Vec<String> = states.iter().map(ChainState::line).collect();
        let leaves = lines.iter().map(|line| merkle::leaf(line.as_bytes()));
        let paths = merkle::inclusion_proofs(&leaves.collect::<Vec<_>>());
        let leaves = states.iter().zip(lines).zip(paths);
        for (index, ((state, leaf), path)) in leaves.enumerate() {
            if accounts.contains(&state.id.account) {
                let runs = added.runs.entry(state.id.kind).or_default();
                let run = state.runs;
                let stated = runs.entry(state.id.account.clone()).or_insert(run..=run);
                *stated = run.min(*stated.start())..=run.max(*stated.end());
                let proof = Proof {
                    checkpoint: stored.number,
                    leaf,
                    index,
                    path,
                };
                proofs.push_str(&canonical_json(&proof));
                proofs.push('\n');
            }
        }
        files.insert(stored.name, content);
        added.checkpoints += 1;
    }
    if added.checkpoints > 0 {
        files.insert(PROOFS.to_owned(), proofs.into_bytes());
    }
    Ok(added)
}

/// Reads the checkpoints that were made in a period, or may have been.
async fn of_period(
    store: &Store,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<Read>, CheckpointError> {
    let mut found: Vec<Read> = Vec::new();
    for stored in store.checkpoints(0).await? {
        let content = store.read(&stored).await?;
        let statement = store.statement_in(&stored, &content);
        found.push(Read {
            statement: statement.map(|(statement, _)| statement),
            content,
            stored,
        });
    }
    let mut times: Vec<Option<Timestamp>> = found.iter().map(Read::made_at).collect();
    for i in 1..times.len() {
        times[i] = times[i].or(times[i - 1]);
    }
    // The time of one that can't be read lies between those of its neighbours.
    let mut next = None;
    let mut may_be: Vec<bool> = Vec::new();
    for (read, before) in found.iter().zip(times).rev() {
        next = read.made_at().or(next);
        let is_late = next.is_none_or(|next| next > since);
        may_be.push(is_late && before.is_none_or(|before| before <= until));
    }
    let mut may_be = may_be.into_iter().rev();
    found.retain(|_| may_be.next().unwrap_or_default());
    Ok(found)
}
