//! Copies runs of a chain into an archive, and deletes from the table what is there.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::error::ArchiveError;
use super::segment::Segment;
use crate::checkpoint::Store;
use crate::checkpoint::chain_state::ChainId;
use crate::domain::digest::canonical_json;
use crate::domain::{Digest, RunRecord, Timestamp};
use crate::table::{StoredKind, Table};

/// The most runs in a segment: some megabytes.
const IN_SEGMENT: usize = 5_000;

/// Deletions under way at the same time.
const AT_ONCE: usize = 16;

/// What was done with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archived {
    /// The chain.
    #[serde(flatten)]
    pub chain: ChainId,
    /// The number of runs that were added to the archive.
    pub archived: u64,
    /// The last run in the archive; 0 if there is none.
    pub last: u64,
    /// The number of runs that were deleted from the table.
    pub deleted: u64,
}

/// Adds the runs of a chain that ended before a time to the archive, without the last
/// run of the chain, which the next one refers to. `segments` are those of the archive,
/// to which new ones are added.
///
/// # Errors
/// [`ArchiveError`] if the runs don't follow those in the archive, or something can't be
/// read or written: the next call continues.
pub async fn archive<K: StoredKind>(
    table: &Table,
    place: &Store,
    chain: &ChainId,
    segments: &mut Vec<Segment>,
    before: Timestamp,
) -> Result<Archived, ArchiveError> {
    let table = table.of_kind::<K>();
    let broken = |problem: String| ArchiveError::Chain {
        chain: chain.clone(),
        problem,
    };
    let last_segment = segments.iter().filter(|it| it.chain == *chain).max();
    let mut head = match last_segment {
        Some(segment) => Some(last_digest::<K>(place, segment).await?),
        None => None,
    };
    let mut number = last_segment.map_or(0, |segment| segment.last);
    let mut result = Archived {
        chain: chain.clone(),
        archived: 0,
        last: number,
        deleted: 0,
    };
    loop {
        // One more than fit: the last run of a chain stays out.
        let mut runs: Vec<RunRecord<K>> = Vec::new();
        let each = |run: RunRecord<K>| {
            let goes_on = run.finished_at < before && runs.len() < IN_SEGMENT;
            runs.push(run);
            goes_on
        };
        table.runs_from(&chain.account, number + 1, each).await?;
        runs.pop();
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
            return Ok(result);
        };
        let segment = Segment {
            chain: chain.clone(),
            first: first.sequence,
            last: last.sequence,
        };
        let mut lines = String::new();
        for run in &runs {
            if run.sequence != number + 1 || run.previous_digest != head {
                return Err(broken(format!("run {} does not follow", run.sequence)));
            }
            (number, head) = (run.sequence, Some(run.digest()));
            lines.push_str(&canonical_json(run));
            lines.push('\n');
        }
        let name = segment.name();
        if !place.put_lines(&name, lines.as_bytes()).await? {
            let object = place.locate(&name);
            return Err(ArchiveError::Occupied { object });
        }
        segments.push(segment);
        result.archived += runs.len() as u64;
        result.last = number;
    }
}

/// Returns the digest of the last run in a segment.
async fn last_digest<K: StoredKind>(
    place: &Store,
    segment: &Segment,
) -> Result<Digest, ArchiveError> {
    let content = place.first_version(&segment.name()).await?;
    let mut lines = content.split(|byte| *byte == b'\n');
    let last = lines.rfind(|line| !line.is_empty());
    match last.map(|line| segment.run::<K>(line)) {
        Some(Ok(run)) if run.sequence == segment.last => Ok(run.digest()),
        Some(Err(problem)) => Err(line_error(place, segment, problem)),
        _ => Err(line_error(
            place,
            segment,
            "does not end with its last run".to_owned(),
        )),
    }
}

fn line_error(place: &Store, segment: &Segment, problem: String) -> ArchiveError {
    ArchiveError::Line {
        object: place.locate(&segment.name()),
        problem,
    }
}

/// Deletes the runs of a chain from the table that ended before a time and are in the
/// archive, as the archive has them. Returns their number; those that were deleted
/// before are not counted.
///
/// # Errors
/// [`ArchiveError`] if a run of the table is another one, or something can't be read or
/// deleted: the next call continues.
pub async fn delete_archived<K: StoredKind>(
    table: &Table,
    place: &Store,
    chain: &ChainId,
    segments: &[Segment],
    before: Timestamp,
) -> Result<u64, ArchiveError> {
    let table = &table.of_kind::<K>();
    let mut deleted = 0;
    for segment in segments.iter().filter(|it| it.chain == *chain) {
        let content = place.first_version(&segment.name()).await?;
        let lines = content.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        let runs: Result<Vec<RunRecord<K>>, ArchiveError> = lines
            .map(|line| {
                let run = segment.run::<K>(line);
                run.map_err(|problem| line_error(place, segment, problem))
            })
            .collect();
        let old = runs?.into_iter().filter(|run| run.finished_at < before);
        let deletions = old.map(async |run: RunRecord<K>| {
            let sequence = run.sequence;
            match table.delete_run(&run).await? {
                Some(was_there) => Ok(u64::from(was_there)),
                None => Err(ArchiveError::Chain {
                    chain: chain.clone(),
                    problem: format!("run {sequence} is not the one in the archive"),
                }),
            }
        });
        let deletions = stream::iter(deletions).buffer_unordered(AT_ONCE);
        deleted += deletions
            .try_fold(0, async |sum, each| Ok(sum + each))
            .await?;
    }
    Ok(deleted)
}
