//! A notice: a change in the words in which it is passed on.
//!
//! It says nothing that the change does not say. It is stored with the change
//! because what passes changes on (a pipe from the table's stream) can only
//! copy attributes, and what it makes of one that is not there is not
//! documented: so all texts of a notice are always there, empty where there
//! is nothing to say.

use serde::Serialize;

use super::text::json_safe;
use super::{Attributes, Cause, Change, ChangeKind, SchemaVersion};

/// What is passed on of a change, besides its own attributes.
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
    /// Why it came about, as far as is known: who called what.
    pub cause: String,
    /// All of it in a sentence.
    pub summary: String,
}

impl EventSummary {
    /// The notice of a change.
    pub fn of(change: &Change) -> Self {
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let told = after.or(before);
        let status = |told: Option<&Attributes>| match told {
            Some(told) => told.status_word().to_owned(),
            None => String::new(),
        };
        let name = told.and_then(|a| a.connection_name.as_deref());
        let provider = told.and_then(|a| a.provider_type.as_ref());
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
        format!("{what} {when}{why}, in account {}", change.account)
    }
}

/// The cause in words, as the change's format has them: the notice is stored,
/// so that of an earlier one keeps its own.
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
