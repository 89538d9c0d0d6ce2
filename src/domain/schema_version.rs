//! The format of what is stored, and which of them this software knows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of the format of one stored record: its attribute `v`.
///
/// What is written is always [`SchemaVersion::CURRENT`]; earlier ones are read, and
/// are written anew in the current one where a record is written again.
/// Changes and runs are not, so each says which format it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum SchemaVersion {
    /// Snapshots have no seal and account records no digest, and the version
    /// itself is in no digest.
    V1,
    /// Every record is sealed by itself. Changes don't say why they came
    /// about, and have no notice.
    V2,
    /// Account records don't say when the listings were over that they tell the
    /// beginning of.
    V3,
    /// Attributes have no `provider_endpoint` and no `unknown_members`. Notices
    /// name the provider's side where no call was seen, and say "was deleted" of
    /// what is no longer listed.
    V4,
    /// The current one.
    V5,
}

impl SchemaVersion {
    /// What is written.
    pub const CURRENT: Self = Self::V5;
    /// All that are read, the first one first.
    pub const ALL: [Self; 5] = [Self::V1, Self::V2, Self::V3, Self::V4, Self::V5];

    /// The number that is stored.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }

    /// The format of a record in which none is named: only the first did
    /// not count its version as part of the record.
    pub(super) fn first() -> Self {
        Self::V1
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn is_first(&self) -> bool {
        *self == Self::V1
    }
}

/// A format that this software does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("format {0} is not known: this software reads formats 1 to 5")]
pub struct UnknownFormat(pub u32);

impl TryFrom<u32> for SchemaVersion {
    type Error = UnknownFormat;

    fn try_from(number: u32) -> Result<Self, UnknownFormat> {
        let known = Self::ALL
            .into_iter()
            .find(|format| format.number() == number);
        known.ok_or(UnknownFormat(number))
    }
}

impl From<SchemaVersion> for u32 {
    fn from(format: SchemaVersion) -> Self {
        format.number()
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}
