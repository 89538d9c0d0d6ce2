//! Copies runs of a chain into an archive, and deletes from the table what is there.

use serde::Serialize;

use super::error::ArchiveError;
use super::segment::{RUNS, Segment};
use crate::checkpoint::Store;
use crate::checkpoint::chain_state::ChainId;
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Digest, RunRecord, Timestamp};
use crate::table::read::audit::{LAST_RUN, MAX_RUNS_READ};
use crate::table::write::delete::Deletion;
use crate::table::{StoredKind, Table};

/// The most runs in a segment.
const IN_SEGMENT: usize = 5_000;

/// A segment ends with the run that reaches this size: several are read or written at the
/// same time, each within the time of one request.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

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

/// Moves old runs of one chain.
#[derive(Debug)]
pub struct Archiver<'a, K: StoredKind> {
    table: Table<K>,
    place: &'a Store,
    chain: ChainId,
    /// The segments of the chain, by their last number: they may overlap.
    segments: Vec<Segment>,
    /// Runs that ended from here on stay.
    before: Timestamp,
    /// The first run that stays whatever its age.
    keep_from: u64,
}

impl<'a, K: StoredKind> Archiver<'a, K> {
    /// Returns what archives the runs of `chain` that ended before `before`. `segments`
    /// are those of the archive.
    ///
    /// # Errors
    /// [`ArchiveError::Table`] if the table can't be read.
    pub async fn new(
        table: &Table,
        place: &'a Store,
        chain: &ChainId,
        segments: &[Segment],
        before: Timestamp,
    ) -> Result<Self, ArchiveError> {
        let table = table.of_kind::<K>();
        let keep_from = keep_from(&table, &chain.account).await?;
        let mut segments: Vec<Segment> = segments.to_vec();
        segments.retain(|segment| segment.chain == *chain);
        segments.sort_unstable_by_key(|segment| (segment.last, segment.first));
        Ok(Self {
            table,
            place,
            chain: chain.clone(),
            segments,
            before,
            keep_from,
        })
    }

    /// Adds old runs to the archive, and, if `delete`, deletes from the table what is
    /// there.
    ///
    /// # Errors
    /// [`ArchiveError`] if the runs don't follow those in the archive, or something can't
    /// be read, written or deleted: the next call continues.
    pub async fn archive(mut self, delete: bool) -> Result<Archived, ArchiveError> {
        let archived = self.copy().await?;
        let deleted = if delete { self.delete().await? } else { 0 };
        Ok(Archived {
            archived,
            last: self.segments.last().map_or(0, |segment| segment.last),
            deleted,
            chain: self.chain,
        })
    }

    /// Copies runs, and returns their number.
    async fn copy(&mut self) -> Result<u64, ArchiveError> {
        let (mut number, mut head) = match self.segments.last() {
            Some(last) => {
                let runs = self.read(last).await?;
                (last.last, runs.last().map(RunRecord::digest))
            }
            None => (0, None),
        };
        let mut copied = 0;
        loop {
            let (before, keep_from) = (self.before, self.keep_from);
            // With the one after them, which has to refer to the last of them.
            let mut runs: Vec<RunRecord<K>> = Vec::new();
            let mut lines: Vec<String> = Vec::new();
            let mut bytes = 0;
            let each = |run: RunRecord<K>| {
                let is_old = run.finished_at < before && run.sequence < keep_from;
                let goes_on = is_old && runs.len() < IN_SEGMENT && bytes < SEGMENT_BYTES;
                let line = canonical_json(&run) + "\n";
                bytes += line.len();
                lines.push(line);
                runs.push(run);
                goes_on
            };
            let account = &self.chain.account;
            self.table.runs_from(account, number + 1, each).await?;
            for run in &runs {
                self.require_next(run, number, head)?;
                (number, head) = (run.sequence, Some(run.digest()));
            }
            let next = runs.pop();
            lines.truncate(runs.len());
            let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
                return Ok(copied);
            };
            (number, head) = (last.sequence, next.and_then(|next| next.previous_digest));
            let segment = Segment {
                chain: self.chain.clone(),
                first: first.sequence,
                last: last.sequence,
            };
            let name = segment.name();
            let lines = lines.concat();
            if !self.place.put_lines(&name, lines.as_bytes()).await? {
                let object = self.place.locate(&name);
                return Err(ArchiveError::Occupied { object });
            }
            self.segments.push(segment);
            copied += runs.len() as u64;
        }
    }

    /// Refuses a run that is not the next one.
    fn require_next(
        &self,
        run: &RunRecord<K>,
        number: u64,
        head: Option<Digest>,
    ) -> Result<(), ArchiveError> {
        if run.sequence == number + 1 && run.previous_digest == head {
            return Ok(());
        }
        let sequence = run.sequence;
        Err(self.broken(match number {
            0 => {
                format!("run {sequence} is the first in the table; use the archive of those before")
            }
            _ => format!("run {sequence} does not follow run {number}"),
        }))
    }

    /// Reads the runs of a segment.
    async fn read(&self, segment: &Segment) -> Result<Vec<RunRecord<K>>, ArchiveError> {
        let name = segment.name();
        let content = self.place.first_version(&name).await?;
        let runs = segment.runs::<K>(&content);
        runs.map_err(|problem| ArchiveError::Segment {
            object: self.place.locate(&name),
            problem,
        })
    }

    /// Deletes old runs that are in the archive from the table, each as the archive has
    /// it, and returns their number. One after the other: what is left has no gap.
    async fn delete(&self) -> Result<u64, ArchiveError> {
        if self.segments.is_empty() {
            return Ok(0);
        }
        let account = &self.chain.account;
        let mut first = 0;
        let each = |run: RunRecord<K>| {
            first = run.sequence;
            false
        };
        self.table.runs_from(account, 1, each).await?;
        self.place.settle(RUNS)?;
        let mut next = first;
        let mut deleted = 0;
        for segment in self.segments.iter().filter(|it| it.last >= first) {
            for run in self.read(segment).await? {
                let sequence = run.sequence;
                if sequence < next {
                    continue;
                }
                if run.finished_at >= self.before || sequence >= self.keep_from {
                    return Ok(deleted);
                }
                if sequence > next {
                    return Err(self.broken(format!("the archive lacks run {next}")));
                }
                match self.table.delete_run(&run).await? {
                    Deletion::Deleted => deleted += 1,
                    // By another call.
                    Deletion::WasNotThere => {}
                    Deletion::Differs => {
                        let problem = format!("run {sequence} is not the one in the archive");
                        return Err(self.broken(problem));
                    }
                }
                next += 1;
            }
        }
        Ok(deleted)
    }

    fn broken(&self, problem: String) -> ArchiveError {
        ArchiveError::Chain {
            chain: self.chain.clone(),
            problem,
        }
    }
}

/// Returns the first run of an account that stays whatever its age: the first in the
/// table if no run is complete, 0 if there is none.
///
/// These stay: the last complete run and all after it, the runs that answers about now
/// read for what these did not list, and the run that the account's record names and
/// those after it, from which the next run takes its number.
async fn keep_from<K: StoredKind>(
    table: &Table<K>,
    account: &AccountId,
) -> Result<u64, ArchiveError> {
    let mut keep_from = 0;
    let mut read = 0;
    let mut found_complete = false;
    let mut unlisted: Option<Vec<K::Scope>> = None;
    let each = |run: RunRecord<K>| {
        read += 1;
        found_complete |= run.is_evidence();
        let scopes = || run.listings.iter().map(|it| it.region.clone()).collect();
        let unlisted = unlisted.get_or_insert_with(scopes);
        for (scope, _) in run.covered() {
            unlisted.retain(|it| *it != scope);
        }
        keep_from = run.sequence;
        !found_complete || (read < MAX_RUNS_READ && !unlisted.is_empty())
    };
    table.runs_back_from(account, LAST_RUN, each).await?;
    let record = table.read_record(account).await?;
    let named = record.map_or(0, |record| record.sequence);
    Ok(keep_from.min(named))
}
