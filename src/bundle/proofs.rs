//! What checkpoints of a period state of the accounts in a bundle, without what they
//! state of others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::archive::Files;
use crate::checkpoint::chain_state::{ChainKind, ChainState};
use crate::checkpoint::make::read_states;
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
    /// The last run that they state, by kind and account.
    pub runs: BTreeMap<ChainKind, BTreeMap<AccountId, u64>>,
}

/// Adds the checkpoints that were made in a period, and the proofs of these accounts.
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
    for stored in store.checkpoints(0).await? {
        let content = store.read(&stored).await?;
        let (statement, _) = store.statement_in(&stored, &content)?;
        let made_at = statement.predicate.made_at;
        if made_at <= since || made_at > until {
            continue;
        }
        let states = read_states(store, &statement).await?;
        let lines: Vec<String> = states.iter().map(ChainState::line).collect();
        let leaves = lines.iter().map(|line| merkle::leaf(line.as_bytes()));
        let paths = merkle::inclusion_proofs(&leaves.collect::<Vec<_>>());
        let leaves = states.iter().zip(lines).zip(paths);
        for (index, ((state, leaf), path)) in leaves.enumerate() {
            if accounts.contains(&state.id.account) {
                let runs = added.runs.entry(state.id.kind).or_default();
                runs.insert(state.id.account.clone(), state.runs);
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
