//! How many consumers use a connection, by type.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DependencyType;

/// The number of consumers of each type, without types of which there is none.
///
/// An empty value does not say that nothing uses the connection: consumers may not
/// have been listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsumerCounts(BTreeMap<DependencyType, u64>);

impl ConsumerCounts {
    /// Counts a dependency; one that is no consumer does not count.
    pub fn add(&mut self, dependency_type: DependencyType) {
        if dependency_type.is_consumer() {
            *self.0.entry(dependency_type).or_default() += 1;
        }
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the counts for people: "1 build project, 2 pipeline sources".
    /// `None` without any.
    pub fn in_words(&self) -> Option<String> {
        let counts = self.0.iter().map(|(kind, number)| match number {
            1 => format!("1 {}", kind.label()),
            many => format!("{many} {}", kind.labels()),
        });
        let counts: Vec<String> = counts.collect();
        (!counts.is_empty()).then(|| counts.join(", "))
    }
}

impl FromIterator<DependencyType> for ConsumerCounts {
    fn from_iter<I: IntoIterator<Item = DependencyType>>(types: I) -> Self {
        let mut counts = Self::default();
        types.into_iter().for_each(|kind| counts.add(kind));
        counts
    }
}
