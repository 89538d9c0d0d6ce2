//! Files of an archive, each with runs of one chain.

use crate::checkpoint::Store;
use crate::checkpoint::chain_state::{ChainId, ChainKind};
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Connection, Dependency, Finding, RunRecord};
use crate::table::StoredKind;
use crate::table::codec::{Item, run_item};

use super::error::ArchiveError;

/// The folder of the files.
pub(super) const RUNS: &str = "runs/";

/// A file of an archive: the runs `first` to `last` of a chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// The chain.
    pub chain: ChainId,
    /// The number of its first run.
    pub first: u64,
    /// The number of its last run.
    pub last: u64,
}

/// What a segment holds.
#[derive(Debug, Default)]
pub struct Content {
    /// The runs, as items of the table.
    pub items: Vec<Item>,
    /// What is wrong: lines that are not the run that belongs there, and their number.
    pub problems: Vec<String>,
}

impl Segment {
    /// Returns its name in the archive. Twelve digits sort as the numbers do.
    pub fn name(&self) -> String {
        let Self { chain, first, last } = self;
        let (account, kind) = (&chain.account, chain.kind);
        format!("{RUNS}{account}.{kind}.{first:012}-{last:012}.jsonl")
    }

    fn parse(name: &str) -> Option<Self> {
        let parts = name.strip_prefix(RUNS)?.strip_suffix(".jsonl")?;
        let mut parts = parts.split('.');
        let account: AccountId = parts.next()?.parse().ok()?;
        let kind = parts.next()?;
        let kind = ChainKind::ALL.into_iter().find(|it| it.as_str() == kind)?;
        let (first, last) = parts.next()?.split_once('-')?;
        let segment = Self {
            chain: ChainId { account, kind },
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        };
        let is_one = segment.first <= segment.last && segment.name() == name;
        is_one.then_some(segment)
    }

    /// Returns the segments in an archive, by chain and number.
    ///
    /// # Errors
    /// [`ArchiveError::Place`] if they can't be listed.
    pub async fn list(place: &Store) -> Result<Vec<Self>, ArchiveError> {
        let names = place.names(RUNS).await?;
        let mut segments: Vec<Self> = names.iter().filter_map(|name| Self::parse(name)).collect();
        segments.sort_unstable();
        Ok(segments)
    }

    /// Reads it. In a bucket the version counts that was received first.
    ///
    /// # Errors
    /// [`ArchiveError::Place`] if it can't be read.
    pub async fn read(&self, place: &Store) -> Result<Content, ArchiveError> {
        let bytes = place.first_version(&self.name()).await?;
        Ok(match self.chain.kind {
            ChainKind::Connections => self.content::<Connection>(&bytes),
            ChainKind::Dependencies => self.content::<Dependency>(&bytes),
            ChainKind::Findings => self.content::<Finding>(&bytes),
        })
    }

    fn content<K: StoredKind>(&self, bytes: &[u8]) -> Content {
        let (runs, problems) = self.parse_lines::<K>(bytes);
        Content {
            items: runs.iter().map(run_item).collect(),
            problems,
        }
    }

    /// Returns the runs in its content.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn runs<K: StoredKind>(&self, bytes: &[u8]) -> Result<Vec<RunRecord<K>>, String> {
        let (runs, problems) = self.parse_lines(bytes);
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(runs),
        }
    }

    /// Returns the runs in its lines, and what is wrong with the lines.
    fn parse_lines<K: StoredKind>(&self, bytes: &[u8]) -> (Vec<RunRecord<K>>, Vec<String>) {
        let (mut runs, mut problems) = (Vec::new(), Vec::new());
        let mut expected = self.first;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for (number, line) in (1..).zip(lines) {
            match self.run::<K>(line.strip_suffix(b"\n").unwrap_or(line)) {
                Ok(run) => {
                    if run.sequence != expected {
                        let sequence = run.sequence;
                        problems.push(format!(
                            "line {number}: is run {sequence}, not run {expected}"
                        ));
                    }
                    expected = run.sequence + 1;
                    runs.push(run);
                }
                Err(problem) => {
                    problems.push(format!("line {number}: {problem}"));
                    expected += 1;
                }
            }
        }
        if expected != self.last + 1 {
            problems.push(format!(
                "ends before run {expected}, not after run {}",
                self.last
            ));
        }
        (runs, problems)
    }

    /// Returns the run in a line.
    fn run<K: StoredKind>(&self, line: &[u8]) -> Result<RunRecord<K>, String> {
        let run: RunRecord<K> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        // What the line says beyond the run would be lost.
        if canonical_json(&run).as_bytes() != line {
            return Err("is not written as this software writes a run".to_owned());
        }
        if run.account != self.chain.account {
            return Err(format!("is a run of account {}", run.account));
        }
        Ok(run)
    }

    /// Returns the partition key of its runs.
    pub fn partition(&self) -> String {
        let account = &self.chain.account;
        match self.chain.kind {
            ChainKind::Connections => Connection::KEYS.runs_pk(account),
            ChainKind::Dependencies => Dependency::KEYS.runs_pk(account),
            ChainKind::Findings => Finding::KEYS.runs_pk(account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_segments_are_read_as_written() {
        let name = "runs/123456789012.dependencies.000000000001-000000000744.jsonl";
        let segment = Segment::parse(name).unwrap();
        assert_eq!((segment.first, segment.last), (1, 744));
        assert_eq!(segment.name(), name);
        for other in [
            "runs/123456789012.dependencies.1-744.jsonl",
            "runs/123456789012.dependencies.000000000744-000000000001.jsonl",
            "runs/123456789012.hosts.000000000001-000000000744.jsonl",
            "runs/123456789012.dependencies.000000000001-000000000744.more.jsonl",
            "123456789012.dependencies.000000000001-000000000744.jsonl",
            "runs/README.md",
        ] {
            assert_eq!(Segment::parse(other), None, "{other}");
        }
    }
}
