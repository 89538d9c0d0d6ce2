//! Copies checkpoints to another place, such as a bucket of another account.

use super::envelope::Envelope;
use super::error::CheckpointError;
use super::statement::{Checkpoint, Statement};
use super::store::Store;

/// Copies the checkpoints that `to` lacks since its last one, with the states that they
/// refer to. Returns their number.
///
/// # Errors
/// [`CheckpointError`] if they can't be read or put. The next call continues.
pub async fn copy_missing(from: &Store, to: &Store) -> Result<u64, CheckpointError> {
    let last = to.checkpoints(0).await?.pop();
    let last = last.map_or(0, |checkpoint| checkpoint.number);
    let mut copied = 0;
    for stored in from.checkpoints(last).await? {
        let unreadable = |problem| CheckpointError::Unreadable {
            object: from.locate(&stored.name),
            problem,
        };
        let bytes = from.read(&stored).await?;
        let payload = Envelope::read(&bytes).and_then(|envelope| envelope.payload());
        let statement = payload.and_then(|payload| Statement::<Checkpoint>::read(&payload));
        let statement = statement.map_err(unreadable)?;
        // The states first, so that no checkpoint refers to what is not there.
        for subject in &statement.subject {
            let states = from.read_chains(subject.digest.sha256).await?;
            to.put_chains(&states).await?;
        }
        to.put_checkpoint(stored.number, &bytes).await?;
        copied += 1;
    }
    Ok(copied)
}
