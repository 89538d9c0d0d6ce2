//! Reads snapshots of a query's response without the SDK's types.
//!
//! Hand-tuned: it saves a third of an unchanged run's instructions and changes
//! no result. Skip it unless you measure. A test compares it with the SDK's
//! reader.

pub(crate) mod response;
pub mod snapshot;
pub(crate) mod value;
