//! Where checkpoints are: a bucket, or a directory.
//!
//! `checkpoints/0000000001.json` is the first one, in its envelope; `chains/` has
//! what each states of the chains, by the SHA-256 of the file.

use std::collections::BTreeMap;
#[cfg(feature = "cli")]
use std::path::PathBuf;

use super::envelope::Envelope;
use super::error::CheckpointError;
use super::statement::{Checkpoint, Statement};
use crate::aws::s3::{Bucket, ObjectVersion, Put};
use crate::domain::{Digest, Timestamp};

#[cfg(feature = "cli")]
use super::directory;

/// Where checkpoints are.
#[derive(Debug)]
pub enum Store {
    /// A bucket of Amazon S3.
    Bucket {
        /// The bucket.
        bucket: Bucket,
        /// What keys begin with: empty, or a path that ends in `/`.
        prefix: String,
    },
    /// A directory of this machine.
    #[cfg(feature = "cli")]
    Directory(PathBuf),
}

/// A checkpoint as it is stored.
#[derive(Debug)]
pub struct StoredCheckpoint {
    /// Its number, by its name.
    pub number: u64,
    /// Where it is.
    pub name: String,
    /// When S3 received it.
    pub received_at: Option<Timestamp>,
    /// What was done to it since.
    pub altered: Option<String>,
    /// The version that was received first.
    version: Option<String>,
}

/// The folder of the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints/";
const CHAINS: &str = "chains/";
const JSON: &str = "application/json";
const JSON_LINES: &str = "application/jsonl";

/// Returns the name of a checkpoint. Ten digits sort as the numbers do.
pub fn checkpoint_name(number: u64) -> String {
    format!("{CHECKPOINTS}{number:010}.json")
}

/// Returns the name of the chains' states with this digest.
pub fn chains_name(digest: Digest) -> String {
    format!("{CHAINS}{digest}.jsonl")
}

fn number_in(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(CHECKPOINTS)?.strip_suffix(".json")?;
    let number = digits.parse().ok()?;
    // More digits would not sort as the numbers do.
    (digits.len() == 10 && checkpoint_name(number) == name).then_some(number)
}

impl Store {
    /// Returns the checkpoints by number, from the one after `after` on.
    ///
    /// # Errors
    /// [`CheckpointError`] if they can't be listed.
    pub async fn checkpoints(&self, after: u64) -> Result<Vec<StoredCheckpoint>, CheckpointError> {
        match self {
            Self::Bucket { bucket, prefix } => {
                let within = format!("{prefix}{CHECKPOINTS}");
                let marker = match after {
                    0 => String::new(),
                    after => format!("{prefix}{}", checkpoint_name(after)),
                };
                let versions = bucket.versions(&within, &marker).await;
                let versions = versions
                    .map_err(|source| self.failed("ListObjectVersions", CHECKPOINTS, source))?;
                let mut found = of_versions(prefix, &versions);
                found.retain(|checkpoint| checkpoint.number > after);
                Ok(found)
            }
            #[cfg(feature = "cli")]
            Self::Directory(path) => {
                let names = directory::names(&path.join(CHECKPOINTS))?;
                let names = names.into_iter().map(|name| format!("{CHECKPOINTS}{name}"));
                let mut found: Vec<StoredCheckpoint> = names
                    .filter_map(|name| {
                        Some(StoredCheckpoint {
                            number: number_in(&name).filter(|number| *number > after)?,
                            name,
                            received_at: None,
                            altered: None,
                            version: None,
                        })
                    })
                    .collect();
                found.sort_by_key(|checkpoint| checkpoint.number);
                Ok(found)
            }
        }
    }

    /// Returns the content of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`] if it can't be read.
    pub async fn read(&self, stored: &StoredCheckpoint) -> Result<Vec<u8>, CheckpointError> {
        self.get(&stored.name, stored.version.as_deref()).await
    }

    /// Returns the statement in the content of a checkpoint, and its digest. Does not
    /// look at the signature.
    ///
    /// # Errors
    /// [`CheckpointError::Unreadable`] if it is none.
    pub fn statement_in(
        &self,
        stored: &StoredCheckpoint,
        content: &[u8],
    ) -> Result<(Statement<Checkpoint>, Digest), CheckpointError> {
        let statement = Envelope::read(content).and_then(|envelope| envelope.statement());
        statement.map_err(|problem| CheckpointError::Unreadable {
            object: self.locate(&stored.name),
            problem,
        })
    }

    /// Returns the chains' states with this digest, in a bucket the version that was
    /// received first. The caller compares the digest.
    ///
    /// # Errors
    /// [`CheckpointError`] if they can't be read.
    pub async fn read_chains(&self, digest: Digest) -> Result<Vec<u8>, CheckpointError> {
        self.first_version(&chains_name(digest)).await
    }

    /// Returns what has this name, in a bucket the version that was received first.
    ///
    /// # Errors
    /// [`CheckpointError`] if it can't be read.
    pub async fn first_version(&self, name: &str) -> Result<Vec<u8>, CheckpointError> {
        let version = match self {
            Self::Bucket { bucket, prefix } => {
                let key = format!("{prefix}{name}");
                let versions = bucket.versions(&key, "").await;
                let versions =
                    versions.map_err(|source| self.failed("ListObjectVersions", name, source))?;
                let of_key = versions.into_iter().rev().filter(|it| it.key == key);
                let mut oldest_first = of_key.filter(|it| !it.is_delete_marker);
                oldest_first.next().map(|it| it.id)
            }
            #[cfg(feature = "cli")]
            Self::Directory(_) => None,
        };
        self.get(name, version.as_deref()).await
    }

    /// Returns the names of what is in a folder, which ends in `/`: those of deleted
    /// objects, too, of which a bucket has versions.
    ///
    /// # Errors
    /// [`CheckpointError`] if they can't be listed.
    #[cfg(feature = "cli")]
    pub async fn names(&self, folder: &str) -> Result<Vec<String>, CheckpointError> {
        match self {
            Self::Bucket { bucket, prefix } => {
                let versions = bucket.versions(&format!("{prefix}{folder}"), "").await;
                let versions =
                    versions.map_err(|source| self.failed("ListObjectVersions", folder, source))?;
                let kept = versions.into_iter().filter(|it| !it.is_delete_marker);
                let names = kept.filter_map(|it| Some(it.key.strip_prefix(prefix)?.to_owned()));
                let mut names: Vec<String> = names.collect();
                names.dedup();
                Ok(names)
            }
            Self::Directory(path) => {
                let names = directory::names(&path.join(folder))?.into_iter();
                Ok(names.map(|name| format!("{folder}{name}")).collect())
            }
        }
    }

    /// Waits until the names in a folder of a directory would survive a loss of power.
    ///
    /// # Errors
    /// [`CheckpointError`] if that fails.
    #[cfg(feature = "cli")]
    pub fn settle(&self, folder: &str) -> Result<(), CheckpointError> {
        match self {
            Self::Bucket { .. } => Ok(()),
            Self::Directory(path) => directory::settle(&path.join(folder)),
        }
    }

    /// Puts a checkpoint, unless there is one with its number.
    ///
    /// # Errors
    /// [`CheckpointError`] if it can't be put.
    pub async fn put_checkpoint(
        &self,
        number: u64,
        content: &[u8],
    ) -> Result<Put, CheckpointError> {
        let name = checkpoint_name(number);
        let put = self.put(&name, content, JSON).await?;
        // A request that is sent again finds what the first one put.
        if put == Put::Exists && self.get(&name, None).await? == content {
            return Ok(Put::Done);
        }
        Ok(put)
    }

    /// Puts the chains' states, and returns their digest. The same ones may be there.
    ///
    /// # Errors
    /// [`CheckpointError`] if they can't be put.
    pub async fn put_chains(&self, lines: &[u8]) -> Result<Digest, CheckpointError> {
        let digest = Digest::of_bytes(lines);
        self.put(&chains_name(digest), lines, JSON_LINES).await?;
        Ok(digest)
    }

    async fn get(&self, name: &str, version: Option<&str>) -> Result<Vec<u8>, CheckpointError> {
        match self {
            Self::Bucket { bucket, prefix } => {
                let got = bucket.get(&format!("{prefix}{name}"), version).await;
                let got = got.map_err(|source| self.failed("GetObject", name, source))?;
                Ok(got.content)
            }
            #[cfg(feature = "cli")]
            Self::Directory(path) => directory::read(&path.join(name)),
        }
    }

    /// Puts lines of JSON, unless there is something with this name. Returns whether
    /// they are there now.
    ///
    /// # Errors
    /// [`CheckpointError`] if they can't be put.
    #[cfg(feature = "cli")]
    pub async fn put_lines(&self, name: &str, lines: &[u8]) -> Result<bool, CheckpointError> {
        Ok(match self.put(name, lines, JSON_LINES).await? {
            Put::Done => true,
            Put::Exists => self.first_version(name).await? == lines,
        })
    }

    async fn put(
        &self,
        name: &str,
        content: &[u8],
        media_type: &str,
    ) -> Result<Put, CheckpointError> {
        match self {
            Self::Bucket { bucket, prefix } => {
                let key = format!("{prefix}{name}");
                let put = bucket.put_new(&key, content, media_type).await;
                put.map_err(|source| self.failed("PutObject", name, source))
            }
            #[cfg(feature = "cli")]
            Self::Directory(path) => directory::put_new(&path.join(name), content),
        }
    }

    /// Returns where something of this name is.
    pub fn locate(&self, name: &str) -> String {
        match self {
            Self::Bucket { bucket, prefix } => format!("s3://{}/{prefix}{name}", bucket.name),
            #[cfg(feature = "cli")]
            Self::Directory(path) => path.join(name).display().to_string(),
        }
    }

    fn failed(
        &self,
        operation: &'static str,
        name: &str,
        source: crate::aws::CallError,
    ) -> CheckpointError {
        CheckpointError::S3 {
            operation,
            object: self.locate(name),
            source,
        }
    }
}

/// Returns the checkpoints among versions, of which the newest of each key comes first.
/// Of each the version that was received first counts: Object Lock keeps it, whatever
/// was put over it.
fn of_versions(prefix: &str, versions: &[ObjectVersion]) -> Vec<StoredCheckpoint> {
    let mut by_number: BTreeMap<u64, Vec<&ObjectVersion>> = BTreeMap::new();
    for version in versions {
        let name = version.key.strip_prefix(prefix);
        if let Some(number) = name.and_then(number_in) {
            by_number.entry(number).or_default().push(version);
        }
    }
    let of_number = |(number, versions): (u64, Vec<&ObjectVersion>)| {
        let first = versions.iter().rev().find(|it| !it.is_delete_marker)?;
        let others = versions.iter().filter(|it| it.id != first.id);
        let newest = others.max_by_key(|it| it.received_at);
        Some(StoredCheckpoint {
            number,
            name: checkpoint_name(number),
            received_at: Some(first.received_at),
            altered: newest.map(|newest| {
                let done = match newest.is_delete_marker {
                    true => "was deleted",
                    false => "was overwritten",
                };
                format!(
                    "{done} at {}; its first version is used",
                    newest.received_at
                )
            }),
            version: Some(first.id.clone()),
        })
    };
    by_number.into_iter().filter_map(of_number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_version_of_a_checkpoint_counts() {
        let version = |key: &str, id: &str, minute: i64, is_delete_marker| ObjectVersion {
            key: format!("p/{key}"),
            id: id.to_owned(),
            received_at: Timestamp::from_millis(minute * 60_000),
            is_delete_marker,
        };
        let versions = [
            version("checkpoints/0000000001.json", "b", 2, false),
            version("checkpoints/0000000001.json", "a", 1, false),
            version("checkpoints/0000000002.json", "d", 4, true),
            version("checkpoints/0000000002.json", "c", 3, false),
            version("checkpoints/0000000003.json", "e", 5, false),
            version("checkpoints/3.json", "f", 5, false),
            version("checkpoints/0000000004.json", "g", 6, true),
        ];
        let found = of_versions("p/", &versions);
        let found = found.iter().map(|it| {
            let version = it.version.as_deref().unwrap();
            (
                it.number,
                version,
                it.altered.as_deref().unwrap_or_default(),
            )
        });
        assert_eq!(
            found.collect::<Vec<_>>(),
            [
                (
                    1,
                    "a",
                    "was overwritten at 1970-01-01T00:02:00.000Z; its first version is used"
                ),
                (
                    2,
                    "c",
                    "was deleted at 1970-01-01T00:04:00.000Z; its first version is used"
                ),
                (3, "e", ""),
            ]
        );
    }
}
