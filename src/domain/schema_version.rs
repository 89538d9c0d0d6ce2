//! The format of stored records, and the formats that this software reads.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of the format of one stored record: its attribute `v`.
///
/// Records are written in [`SchemaVersion::CURRENT`]. Earlier formats are read,
/// and a record that is written again is written in the current one. Changes
/// and runs are never written again, so each names its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum SchemaVersion {
    /// Snapshots have no seal and account records no digest, and the version
    /// itself is in no digest.
    V1,
    /// Every record has a checksum or a digest. Changes have no cause and no
    /// event summary.
    V2,
    /// Account records have only the start of the listings that they name.
    V3,
    /// Attributes have no `provider_endpoint` and no `unknown_members`. Event
    /// summaries name the provider's side where no call was seen, and say "was
    /// deleted" of connections that are no longer listed.
    V4,
    /// The current format.
    V5,
}

impl SchemaVersion {
    /// The format of new records.
    pub const CURRENT: Self = Self::V5;
    /// All formats that are read, in order.
    pub const ALL: [Self; 5] = [Self::V1, Self::V2, Self::V3, Self::V4, Self::V5];

    /// Returns the stored number.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }

    /// Returns the format of a record that names none: only the first format
    /// did not count its version as part of the record.
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
