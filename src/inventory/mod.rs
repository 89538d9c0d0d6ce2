//! One run of one account: list, read, compare, write, record.
//!
//! [`Inventory::run`] makes a run. [`writer`] applies its plan and
//! [`write_outcome`] says what came of that; [`previous_run`] checks the run
//! that it builds on; [`recorder`] reads and writes with retries, and appends
//! the run to the account's chain; [`summary`] is what the caller gets.
//!
//! Called by `lambda`. Imports `listing`, `table`, `aws` and `domain`.

pub mod previous_run;
pub mod recorder;
mod run;
mod run_draft;
mod run_spec;
pub mod summary;
pub mod write_outcome;
pub mod writer;

pub use run::{Inventory, RunOptions};
pub use run_spec::{CODE_VERSION, RunSpec};
pub use summary::Summary;
