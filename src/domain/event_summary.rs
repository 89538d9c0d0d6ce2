//! The event summary: a change as its event describes it to people.
//!
//! It only repeats the change. It is stored with the change because the pipe
//! that publishes changes from the table's stream can only copy attributes, and
//! its behaviour on a missing attribute is not documented. So every text of a
//! summary is always present, and empty where it has no value.

use serde::Serialize;

use super::text::json_safe;
use super::{Attributes, Cause, Change, ChangeKind, SchemaVersion};

/// The summary of a change, besides the change's own attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventSummary {
    /// The connection's name.
    pub connection_name: String,
    /// Its provider.
    pub provider_type: String,
    /// Its status before; empty if it was not there.
    pub status_before: String,
    /// Its status after; empty if it is not there any more.
    pub status_after: String,
    /// The cause, as far as it is known: who called which operation.
    pub cause: String,
    /// All of this in a sentence.
    pub summary: String,
}

impl EventSummary {
    /// Returns the summary of a change.
    pub fn of(change: &Change) -> Self {
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let newest = after.or(before);
        let status = |attributes: Option<&Attributes>| match attributes {
            Some(attributes) => attributes.status_word().to_owned(),
            None => String::new(),
        };
        let name = newest.and_then(|a| a.connection_name.as_deref());
        let provider = newest.and_then(|a| a.provider_type.as_ref());
        let mut notice = Self {
            connection_name: name.unwrap_or_default().to_owned(),
            provider_type: provider.map(ToString::to_string).unwrap_or_default(),
            status_before: status(before),
            status_after: status(after),
            cause: cause_in_words(change),
            summary: String::new(),
        };
        notice.summary = json_safe(&notice.sentence(change));
        notice
    }

    fn sentence(&self, change: &Change) -> String {
        let name = match self.connection_name.as_str() {
            "" => change.arn.as_str(),
            name => name,
        };
        let Self {
            status_before: before,
            status_after: after,
            cause,
            ..
        } = self;
        let what = match change.kind {
            ChangeKind::FirstSeen => format!("{name} was first seen, {after},"),
            ChangeKind::StatusChanged => format!("{name} went from {before} to {after}"),
            ChangeKind::AttributesChanged => format!("{name} was altered, {after} as before,"),
            ChangeKind::Deleted if change.format <= SchemaVersion::V4 => {
                format!("{name}, which was {before}, was deleted")
            }
            ChangeKind::Deleted => format!("{name}, which was {before}, stopped being listed"),
            ChangeKind::Reappeared => format!("{name} is there again, {after},"),
        };
        let until = change.observed_until.to_the_second();
        let when = match change.previously_seen_at {
            Some(from) => format!("between {} and {until}", from.to_the_second()),
            None => format!("by {until}"),
        };
        let why = match cause.as_str() {
            "" => String::new(),
            cause => format!(" ({cause})"),
        };
        let used_by = match change.consumers.in_words() {
            Some(consumers) => format!("; used by {consumers}, as last recorded"),
            None => String::new(),
        };
        format!("{what} {when}{why}, in account {}{used_by}", change.account)
    }
}

/// Describes the cause as the change's format does: the summary is stored, so
/// earlier formats keep their wording.
fn cause_in_words(change: &Change) -> String {
    let Some(cause) = &change.cause else {
        return String::new();
    };
    match (cause, change.kind) {
        (Cause::NoCallSeen, kind) if change.format <= SchemaVersion::V4 => match kind {
            ChangeKind::StatusChanged | ChangeKind::AttributesChanged => {
                "provider side, no AWS call seen".to_owned()
            }
            ChangeKind::FirstSeen | ChangeKind::Deleted | ChangeKind::Reappeared => {
                "no AWS call seen".to_owned()
            }
        },
        (cause, _) => cause.in_words(),
    }
}
