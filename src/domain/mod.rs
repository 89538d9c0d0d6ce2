//! Pure rules of the inventory: connections, listings, snapshots, changes and
//! runs, and the comparison between them.
//!
//! Plain data and plain functions, so that the rules that make the record
//! trustworthy can be read and tested on their own. Knows no AWS client, tokio,
//! HTTP, environment or command line. Everything imports this folder; it
//! imports nothing of the rest.

pub mod account;
pub mod agreement;
pub mod api_call;
pub mod arn;
pub mod attributes;
pub mod cause;
pub mod change;
pub mod change_kind;
pub mod checksum;
pub mod closing;
pub mod connection;
pub mod consumer_counts;
pub mod dependency;
pub mod dependency_type;
pub mod diff;
pub mod digest;
pub mod duration;
pub mod event_summary;
pub mod finding;
pub mod ids;
pub mod kind;
pub mod listing;
pub mod listing_group;
pub mod partition;
pub mod plan;
pub mod replay;
pub mod run;
pub mod schema_version;
pub mod snapshot;
pub mod text;
pub mod time;
pub mod tombstone_guard;
pub mod trigger;
pub mod unknown_members;

pub use account::AccountRecord;
pub use agreement::Agreement;
pub use api_call::ApiCall;
pub use arn::ConnectionArn;
pub use attributes::{Attributes, ConnectionStatus, ProviderType};
pub use cause::Cause;
pub use change::Change;
pub use change_kind::ChangeKind;
pub use checksum::Seal;
pub use closing::Closing;
pub use connection::Connection;
pub use consumer_counts::ConsumerCounts;
pub use dependency::{Dependency, DependencyAttributes, DependencyId, SourceScope};
pub use dependency_type::DependencyType;
pub use digest::Digest;
pub use duration::Duration;
pub use event_summary::EventSummary;
pub use finding::{
    EvaluationBasis, EvaluationScope, Finding, FindingAttributes, FindingId, FindingSummary,
    RuleFileVersion, RuleId,
};
pub use ids::{AccountId, Identifier, Region, RunId};
pub use kind::Kind;
pub use listing::{Filter, Listing, ListingEnd};
pub use listing_group::ListingGroup;
pub use run::{Outcome, RunRecord};
pub use schema_version::SchemaVersion;
pub use snapshot::{Presence, Snapshot};
pub use time::{Clock, SystemClock, Timestamp};
pub use tombstone_guard::TombstoneGuard;
pub use trigger::Trigger;
pub use unknown_members::UnknownMembers;
