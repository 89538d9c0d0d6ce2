//! Tests what a run lists, compares and writes.

mod broken_consumers;
mod change_batches;
mod change_causes;
mod clock_skew;
mod comparison;
mod indeterminate_writes;
mod later_members;
mod listing;
mod random_histories;
mod region_agreement;
mod stale_observations;
mod unconfirmed_deletions;
mod writing;
