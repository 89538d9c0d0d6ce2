//! What the inventory is about: connections, listings, snapshots, changes and
//! runs, and the pure comparison between them.
//!
//! Nothing here knows of AWS clients, tokio, HTTP, the environment or the
//! command line. Everything is plain data and plain functions, so that the
//! rules that make the record trustworthy can be read and tested on their own.

pub mod account;
pub mod arn;
pub mod attributes;
pub mod call;
pub mod change;
pub mod decide;
pub mod digest;
pub mod format;
pub mod ids;
pub mod listing;
pub mod members;
pub mod notice;
pub mod partition;
pub mod plan;
pub mod replay;
pub mod run;
pub mod seal;
pub mod snapshot;
pub mod text;
pub mod time;

pub use account::AccountRecord;
pub use arn::ConnectionArn;
pub use attributes::{Attributes, ConnectionStatus, ProviderType};
pub use call::{ApiCall, Cause};
pub use change::{Change, ChangeKind};
pub use digest::Digest;
pub use format::Format;
pub use ids::{AccountId, Region, RunId};
pub use listing::{Filter, Listing, ListingEnd};
pub use members::UnknownMembers;
pub use notice::Notice;
pub use run::{Outcome, RunRecord, Trigger};
pub use seal::Seal;
pub use snapshot::{Presence, Snapshot};
pub use time::{Clock, SystemClock, Timestamp};
