//! What checkpoints of a period state of the accounts in a bundle, without what they
//! state of others.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::archive::Files;
use crate::checkpoint::chain_state::ChainState;
use crate::checkpoint::envelope::Envelope;
use crate::checkpoint::make::read_states;
use crate::checkpoint::statement::{Checkpoint, Statement};
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

/// Adds the checkpoints that were made in a period, and the proofs of these accounts.
/// Returns the number of checkpoints.
///
/// # Errors
/// [`CheckpointError`] if they can't be read.
pub async fn add(
    files: &mut Files,
    store: &Store,
    accounts: &[AccountId],
    since: Timestamp,
    until: Timestamp,
) -> Result<u64, CheckpointError> {
    let accounts: BTreeSet<&AccountId> = accounts.iter().collect();
    let mut proofs = String::new();
    let mut number = 0;
    for stored in store.checkpoints(0).await? {
        let unreadable = |problem| CheckpointError::Unreadable {
            object: store.locate(&stored.name),
            problem,
        };
        let bytes = store.read(&stored).await?;
        let payload = Envelope::read(&bytes).and_then(|envelope| envelope.payload());
        let statement = payload.and_then(|payload| Statement::<Checkpoint>::read(&payload));
        let statement = statement.map_err(unreadable)?;
        let made_at = statement.predicate.made_at;
        if made_at <= since || made_at > until {
            continue;
        }
        let lines: Vec<String> = {
            let states = read_states(store, &statement).await?;
            states.iter().map(ChainState::line).collect()
        };
        let leaves = lines.iter().map(|line| merkle::leaf(line.as_bytes()));
        let leaves: Vec<Digest> = leaves.collect();
        for (index, line) in lines.iter().enumerate() {
            let state: Option<ChainState> = serde_json::from_str(line).ok();
            if state.is_some_and(|state| accounts.contains(&state.id.account)) {
                let proof = Proof {
                    checkpoint: stored.number,
                    leaf: line.clone(),
                    index,
                    path: merkle::inclusion_proof(&leaves, index),
                };
                proofs.push_str(&canonical_json(&proof));
                proofs.push('\n');
            }
        }
        files.insert(stored.name.clone(), bytes);
        number += 1;
    }
    if number > 0 {
        files.insert(PROOFS.to_owned(), proofs.into_bytes());
    }
    Ok(number)
}
