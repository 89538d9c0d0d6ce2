//! One run of one account: list, read, compare, write, record.
//!
//! [`Inventory::run`] makes a run. `apply` applies its plan, `change_batch` writes
//! changes together and [`writer`] one connection, `consumers` looks up what a change
//! breaks, and [`write_outcome`] is the result; [`previous_run`] checks
//! the run that it builds on; [`retrying_table`] reads and writes with retries;
//! [`recorder`] appends the run to the account's chain; [`summary`] is the
//! response.
//!
//! Called by `lambda`. Imports `listing`, `table`, `aws` and `domain`.

mod apply;
mod change_batch;
mod consumers;
pub mod previous_run;
pub mod recorder;
pub mod retrying_table;
mod run;
mod run_draft;
mod run_spec;
pub mod summary;
pub mod write_outcome;
pub mod writer;

pub use run::{Inventory, RunOptions};
pub use run_spec::{CODE_VERSION, RunSpec};
pub use summary::Summary;
