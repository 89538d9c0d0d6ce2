//! Copies checkpoints to another place, such as a bucket of another account.

use super::error::CheckpointError;
use super::store::{Store, StoredCheckpoint, checkpoint_name};
use crate::aws::error::chain;
use crate::aws::s3::Put;

/// Copies the checkpoints after the last one that `to` has, with the states that they
/// refer to. Returns their number. One that can't be read, or whose states can't, is
/// copied as it is: `verify` names it there, too.
///
/// # Errors
/// [`CheckpointError`] if they can't be read or put: the next call continues.
/// [`CheckpointError::Occupied`] if `to` has others than `from`.
pub async fn copy_missing(from: &Store, to: &Store) -> Result<u64, CheckpointError> {
    let occupied = |number| CheckpointError::Occupied {
        object: to.locate(&checkpoint_name(number)),
    };
    let there = to.checkpoints(0).await?.pop();
    let last = there.as_ref().map_or(0, |checkpoint| checkpoint.number);
    if let Some(there) = &there {
        let own = from.checkpoints(last - 1).await?;
        let own = own.first().filter(|own| own.number == last);
        let is_same = match own {
            Some(own) => from.read(own).await? == to.read(there).await?,
            None => false,
        };
        if !is_same {
            return Err(occupied(last));
        }
    }
    let mut copied = 0;
    for stored in from.checkpoints(last).await? {
        let bytes = from.read(&stored).await?;
        // The states first, so that no checkpoint refers to what is not there.
        match copy_states(from, to, &stored, &bytes).await {
            Ok(()) => {}
            Err(error) if error.is_content() => {
                let error = chain(&error);
                tracing::warn!(
                    checkpoint = stored.number,
                    error,
                    "a checkpoint can't be read; it is copied unchanged"
                );
            }
            Err(error) => return Err(error),
        }
        match to.put_checkpoint(stored.number, &bytes).await? {
            Put::Done => copied += 1,
            Put::Exists => return Err(occupied(stored.number)),
        }
    }
    Ok(copied)
}

/// Copies the states that a checkpoint refers to.
async fn copy_states(
    from: &Store,
    to: &Store,
    stored: &StoredCheckpoint,
    content: &[u8],
) -> Result<(), CheckpointError> {
    let (statement, _) = from.statement_in(stored, content)?;
    for subject in &statement.subject {
        let states = from.read_chains(subject.digest.sha256).await?;
        to.put_chains(&states).await?;
    }
    Ok(())
}
