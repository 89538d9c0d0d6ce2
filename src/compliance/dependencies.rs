//! What the kinds about dependencies share.

use super::evidence::{AccountDependencies, DependencyEvidence, EvidenceGap, GapKind};
use crate::audit::dependencies::DependencyRow;
use crate::domain::dependency_type::lists_properties;
use crate::domain::{AccountId, DependencyType, Timestamp};

/// The source that lists hosts.
const HOSTS: &str = "hosts";

/// Returns true if a source can list consumers.
pub(crate) fn lists_consumers(source: &str) -> bool {
    source != HOSTS && !lists_properties(source)
}

/// Returns true if this is a host.
pub(crate) fn is_host(row: &DependencyRow) -> bool {
    row.dependency_type == DependencyType::Host
}

/// Returns true if dependencies as a whole have this gap, whatever their type.
fn blocks_dependencies(gap: &GapKind) -> bool {
    matches!(
        gap,
        GapKind::Record | GapKind::Basis | GapKind::Dependencies
    )
}

/// Returns true if hosts may be missing because of this gap.
pub(crate) fn blocks_hosts(gap: &GapKind) -> bool {
    match gap {
        GapKind::Source(scope) => scope.source() == HOSTS,
        gap => blocks_dependencies(gap),
    }
}

/// Returns true if consumers may be missing because of this gap.
pub(crate) fn blocks_consumers(gap: &GapKind) -> bool {
    match gap {
        GapKind::Source(scope) => lists_consumers(scope.source()),
        gap => blocks_dependencies(gap),
    }
}

/// Returns true if properties that this source lists may be missing because of this
/// gap.
pub(crate) fn blocks_properties(property_source: &str, gap: &GapKind) -> bool {
    match gap {
        GapKind::Source(scope) => scope.source() == property_source,
        gap => blocks_dependencies(gap),
    }
}

impl DependencyEvidence {
    /// Returns the gaps because of which consumers of any account may be missing.
    pub(crate) fn consumer_gaps(&self) -> impl Iterator<Item = (&AccountId, &EvidenceGap)> {
        let accounts = self.accounts.iter();
        let all = accounts.flat_map(|(account, of)| of.gaps.iter().map(move |gap| (account, gap)));
        all.filter(|(_, gap)| blocks_consumers(&gap.kind))
    }
}

impl AccountDependencies {
    /// Returns the oldest of the last complete listings of consumers.
    pub(crate) fn oldest_listing(&self) -> Option<Timestamp> {
        let sources = self.basis.iter().flat_map(|basis| &basis.sources);
        let consumers = sources.filter(|source| lists_consumers(&source.source));
        consumers.filter_map(|source| source.complete_at).min()
    }
}
