//! What uses each connection, and its tags, as the page shows them.

use std::collections::HashMap;

use crate::audit::ConnectionRow;
use crate::audit::dependencies::DependencyAnswer;
use crate::audit::properties::{Owner, Properties, tags_in_words};
use crate::domain::arn::normalized;
use crate::domain::dependency::NOT_ASKED;
use crate::domain::{AccountId, ConsumerCounts};
use crate::output::text::count;

use super::format::{Moment, seen};

/// The text for what no run of dependencies has observed.
const NOT_OBSERVED: &str = "not observed";

/// The dependencies at the end of the period.
pub(super) struct Dependencies {
    /// The consumers of each connection.
    users: HashMap<String, ConsumerCounts>,
    properties: Properties,
    /// True if every source of every account was listed completely once.
    is_complete: bool,
    /// True if a run of dependencies is on record.
    pub(super) is_recorded: bool,
    /// What it is based on: a line for each account.
    pub(super) basis: Vec<String>,
    /// What no source asks.
    pub(super) not_asked: String,
}

impl Dependencies {
    pub(super) fn new(answer: &DependencyAnswer) -> Self {
        let mut users: HashMap<String, ConsumerCounts> = HashMap::new();
        for row in &answer.dependencies {
            if let Some(used) = row.consumed() {
                users.entry(used).or_default().add(row.dependency_type);
            }
        }
        let bases = &answer.rests_on;
        let line = |account: &AccountId, text: &str| format!("Account {account}: {}", seen(text));
        let lines = bases.iter().map(|basis| {
            let Some(run) = &basis.last_run else {
                return line(&basis.account, NOT_OBSERVED);
            };
            let missing = basis.sources.iter().filter(|s| s.problem.is_some());
            let missing: Vec<String> = missing
                .map(|source| format!("{} in {}", source.source, source.region))
                .collect();
            let missing = match missing.as_slice() {
                [] => String::new(),
                missing => format!("; {NOT_OBSERVED}: {}", missing.join(", ")),
            };
            let text = format!(
                "dependency run {} ({}, {}) of {}{missing}",
                run.sequence,
                run.outcome,
                count(basis.regions().len(), "region"),
                Moment(run.started_at).text()
            );
            line(&basis.account, &text)
        });
        Self {
            users,
            properties: Properties::new(answer.dependencies.iter().cloned(), bases),
            is_complete: bases.iter().all(|basis| basis.is_evidence()),
            is_recorded: bases.iter().any(|basis| basis.last_run.is_some()),
            basis: lines.collect(),
            not_asked: NOT_ASKED.join(", "),
        }
    }

    /// Returns a connection's tags as text.
    pub(super) fn tags(&self, row: &ConnectionRow) -> String {
        seen(&tags_in_words(
            self.properties.tags(Owner::from(row)).as_ref(),
        ))
    }

    /// Describes what uses a connection.
    pub(super) fn users(&self, row: &ConnectionRow) -> String {
        let users = self.users.get(&normalized(row.connection_arn.as_str()));
        let consumers = users.and_then(ConsumerCounts::in_words);
        consumers.unwrap_or_else(|| match self.is_complete {
            true => "nothing that was listed".to_owned(),
            false => NOT_OBSERVED.to_owned(),
        })
    }
}
