//! Collecting: pages through the connections of each region. Knows nothing
//! of the table or of what was there before.

mod cbor;
pub mod codeconnections;
pub mod lister;
pub mod source;

pub use codeconnections::{CodeConnections, MemberRole};
pub use lister::{Limits, Lister};
pub use source::{ConnectionSource, Entry, Page, PageQuery, Target};
