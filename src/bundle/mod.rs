//! Evidence bundles: what an auditor gets of a period, in one archive that is checked
//! without a network and without this software.
//!
//! [`archive`] writes and reads the files, [`records`] gathers runs and changes as they
//! were digested, [`proofs`] has what signed checkpoints state of them, [`manifest`]
//! names each file with its digest, and [`verify`] checks all of that again, each
//! [`chain`] of runs by itself.
//!
//! Called by `cli`. Imports `checkpoint`, `audit`, `table` and `domain`.

pub mod archive;
pub mod chain;
pub mod manifest;
pub mod proofs;
pub mod records;
pub mod verify;
