//! ListConnections: pages through the connections of each region.
//!
//! [`source`] is the trait that a run lists through, [`codeconnections`] the
//! service behind it, `lister` the paging with its [`limits`] and retries; `cbor`
//! reads the responses and keeps members that no SDK models. [`dependencies`] lists
//! what uses connections.
//!
//! Knows nothing of the table or of earlier runs. Called by `inventory` and
//! `lambda`. Imports `aws` and `domain`.

mod cbor;
pub mod codeconnections;
pub mod dependencies;
pub mod limits;
mod lister;
pub mod source;

pub use codeconnections::{CodeConnections, MemberRole};
pub use limits::Limits;
pub use source::{ConnectionSource, Entry, ListingRequest, Lists, Page, PageQuery, Target};
