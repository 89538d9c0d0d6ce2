//! The guard against mass deletion: how many deletions one run may record.

/// The guard against mass deletion: how many connections one run may tombstone
/// without confirmation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TombstoneGuard {
    /// Any number.
    Off,
    /// Holds deletions back if they exceed this share of the account's
    /// connections and [`TombstoneGuard::FEW`].
    Share(f64),
}

impl TombstoneGuard {
    /// Deletions up to this number are never held back.
    pub const FEW: usize = 10;

    /// Returns true if `deletions` of `present` connections are too many.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn holds_back(self, deletions: usize, present: usize) -> bool {
        match self {
            Self::Off => false,
            Self::Share(share) => {
                deletions > Self::FEW && deletions as f64 > share * present as f64
            }
        }
    }
}
