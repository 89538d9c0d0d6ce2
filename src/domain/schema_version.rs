//! The format of what is stored, and which of them this software knows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of the format of one stored record: its attribute `v`.
///
/// What is written is always [`Format::CURRENT`]; earlier ones are read, and
/// are written anew in the current one where a record is written again.
/// Changes and runs are not, so each says which format it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum Format {
    /// Snapshots have no seal and account records no digest, and the version
    /// itself is in no digest.
    One,
    /// Every record is sealed by itself. Changes don't say why they came
    /// about, and have no notice.
    Two,
    /// Account records don't say when the listings were over that they tell the
    /// beginning of.
    Three,
    /// Attributes have no `provider_endpoint` and no `unknown_members`. Notices
    /// name the provider's side where no call was seen, and say "was deleted" of
    /// what is no longer listed.
    Four,
    /// The current one.
    Five,
}

impl Format {
    /// What is written.
    pub const CURRENT: Self = Self::Five;
    /// All that are read, the first one first.
    pub const ALL: [Self; 5] = [Self::One, Self::Two, Self::Three, Self::Four, Self::Five];

    /// The number that is stored.
    pub fn number(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
            Self::Five => 5,
        }
    }

    /// The format of a record in which none is named: only the first did
    /// not count its version as part of the record.
    pub(super) fn first() -> Self {
        Self::One
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn is_first(&self) -> bool {
        *self == Self::One
    }
}

/// A format that this software does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("format {0} is not known: this software reads formats 1 to 5")]
pub struct UnknownFormat(pub u32);

impl TryFrom<u32> for Format {
    type Error = UnknownFormat;

    fn try_from(number: u32) -> Result<Self, UnknownFormat> {
        let known = Self::ALL
            .into_iter()
            .find(|format| format.number() == number);
        known.ok_or(UnknownFormat(number))
    }
}

impl From<Format> for u32 {
    fn from(format: Format) -> Self {
        format.number()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}
