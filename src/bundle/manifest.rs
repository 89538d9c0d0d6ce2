//! The manifest: an in-toto statement that names each file with its SHA-256.

use serde::{Deserialize, Serialize};

use super::archive::Files;
use crate::checkpoint::statement::{Predicate, Statement, Subject};
use crate::domain::{AccountId, Timestamp};

/// The manifest in an archive.
pub const MANIFEST: &str = "manifest.json";
/// The same in an envelope with its signature.
pub const SIGNED_MANIFEST: &str = "manifest.dsse.json";

/// What a bundle is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// The start of its period.
    pub since: Timestamp,
    /// The end of its period.
    pub until: Timestamp,
    /// The accounts with runs in it.
    pub accounts: Vec<AccountId>,
    /// The name of the table.
    pub table: String,
    /// The version of this software.
    pub code_version: String,
}

impl Predicate for Bundle {
    const TYPE: &'static str = "urn:codeconnections-inventory:evidence-bundle:v1";
}

/// Returns the manifest of files.
pub fn of(files: &Files, bundle: Bundle) -> Statement<Bundle> {
    let subjects = files.iter();
    let subjects = subjects.map(|(name, content)| Subject::of(name.clone(), content));
    Statement::new(subjects.collect(), bundle)
}
