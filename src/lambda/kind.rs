//! What the handler has to know about a kind of recorded resource.

use std::collections::BTreeMap;

use crate::aws::endpoints::{self, ServiceEndpoint};
#[cfg(feature = "compliance")]
use crate::domain::Finding;
use crate::domain::{Connection, ConnectionStatus, Dependency, Region};
use crate::listing::dependencies;
use crate::table::StoredKind;

/// A kind that a function inventories.
pub trait HandledKind: StoredKind {
    /// Whether an event can filter its listings.
    const IS_FILTERED: bool;

    /// Whether a run after calls lists their regions besides the configured ones.
    const LISTS_REGIONS_OF_CALLS: bool;

    /// The services that are called, whose endpoints are checked at the start.
    const ENDPOINTS: &'static [ServiceEndpoint];

    /// Returns the scopes that a run of these regions lists.
    fn scopes(regions: &[Region]) -> Vec<Self::Scope>;

    /// Returns name and value of the metrics of what is present, which a run
    /// counts by status word.
    fn present_metrics(by_status: &BTreeMap<String, u64>) -> Vec<(&'static str, u64)>;

    /// Returns the number of present resources as a field of the log.
    fn resources(total: u64) -> Resources;
}

/// The number of present resources after a run, by kind: a field of the log
/// each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resources {
    /// Connections.
    pub connections: Option<u64>,
    /// Dependencies.
    pub dependencies: Option<u64>,
}

impl HandledKind for Connection {
    const IS_FILTERED: bool = true;
    /// The connections of a default region are confirmed by every other one.
    const LISTS_REGIONS_OF_CALLS: bool = true;
    const ENDPOINTS: &'static [ServiceEndpoint] = &endpoints::OF_CONNECTIONS;

    fn scopes(regions: &[Region]) -> Vec<Region> {
        regions.to_vec()
    }

    fn present_metrics(by_status: &BTreeMap<String, u64>) -> Vec<(&'static str, u64)> {
        let of = |status: ConnectionStatus| by_status.get(status.as_str()).copied().unwrap_or(0);
        let available = of(ConnectionStatus::Available);
        let pending = of(ConnectionStatus::Pending);
        let error = of(ConnectionStatus::Error);
        let all: u64 = by_status.values().sum();
        let others = all.saturating_sub(available + pending + error);
        vec![
            ("ConnectionsAvailable", available),
            ("ConnectionsPending", pending),
            ("ConnectionsError", error),
            ("ConnectionsOther", others),
        ]
    }

    fn resources(total: u64) -> Resources {
        Resources {
            connections: Some(total),
            ..Resources::default()
        }
    }
}

impl HandledKind for Dependency {
    const IS_FILTERED: bool = false;
    /// No other region lists what is found there: later runs could not confirm it.
    const LISTS_REGIONS_OF_CALLS: bool = false;
    const ENDPOINTS: &'static [ServiceEndpoint] = &endpoints::OF_DEPENDENCIES;

    fn scopes(regions: &[Region]) -> Vec<Self::Scope> {
        dependencies::scopes(regions)
    }

    fn present_metrics(by_status: &BTreeMap<String, u64>) -> Vec<(&'static str, u64)> {
        vec![("Dependencies", by_status.values().sum())]
    }

    fn resources(total: u64) -> Resources {
        Resources {
            dependencies: Some(total),
            ..Resources::default()
        }
    }
}

#[cfg(feature = "compliance")]
impl HandledKind for Finding {
    const IS_FILTERED: bool = false;
    const LISTS_REGIONS_OF_CALLS: bool = false;
    const ENDPOINTS: &'static [ServiceEndpoint] = &endpoints::OF_FINDINGS;

    /// Which rules there are is in the rule file.
    fn scopes(_: &[Region]) -> Vec<Self::Scope> {
        Vec::new()
    }

    fn present_metrics(by_severity: &BTreeMap<String, u64>) -> Vec<(&'static str, u64)> {
        vec![("OpenFindings", by_severity.values().sum())]
    }

    /// The metric has their number.
    fn resources(_: u64) -> Resources {
        Resources::default()
    }
}
